"""Exact reader of part-wise MusicXML scores, without music21 (which takes some 20 times as long).

Elements and their meaning follow MusicXML 4.0 (W3C Music Notation Community Group, 2021).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from partimento.errors import UserError
from partimento.formats.limits import MAX_TICK, check_count, check_length, shortened
from partimento.formats.musicxml_file import load_score, part_names
from partimento.formats.musicxml_part import PartReader, number
from partimento.music import Bar, Chord, Piece

READER_VERSION = 3
"""Raised whenever a file would be read as different music than before; part of every cache key."""

_MAX_RESOLUTION = 2**100  # while reading; a piece counts in the coarsest ticks that suffice


def read_musicxml(path: str | Path, *, id: str | None = None, source: str = "") -> Piece:
    """Return the music of a MusicXML file; see `piece_of_score` for what is read.

    Args:
        path: File to read, compressed (.mxl) or plain.
        id: Id of the piece; the file's name without suffix when not given.
        source: Where the piece comes from; the file's name when not given.

    Raises:
        UserError: When the file is missing, too large, or not a part-wise MusicXML score.
    """
    path = Path(path)
    root = load_score(path)
    return piece_of_score(root, id=id or path.stem, source=source or path.name, name=path.name)


def piece_of_score(root: Element, *, id: str, source: str, name: str) -> Piece:
    """Return the music of a `score-partwise` element.

    Ties are merged, transposing instruments sound, repeats are not expanded. Grace, cue and
    unpitched notes are left out and counted in the metadata. Bars start where the notes say (so
    pick-up and divided bars keep their true length; an empty bar gets the length its metre gives
    it), under the metre of the first part, 4/4 until it names one. The resolution is the
    smallest number of ticks per quarter note in which every time is a whole number.

    Args:
        root: Element to read.
        id: Id of the piece.
        source: Where the piece comes from.
        name: What to call the score in an error.

    Raises:
        UserError: When the score contradicts itself or MusicXML.
    """
    names = part_names(root)
    measures = [part.findall("measure") for part in root.iterfind("part")]
    _check_parts(names, measures, name)
    resolution = _resolution(root, name)
    parts = [PartReader(resolution) for _ in names]
    bars, end = _read_bars(parts, measures, names, name)
    piece = _assemble(parts, bars, end, name)
    metadata = _metadata(root, parts)
    return piece.with_notes(id=id, parts=names, source=source, metadata=metadata)


def _check_parts(names: Sequence[str], measures: Sequence[Sequence[Element]], name: str) -> None:
    if not names or not measures[0]:
        raise UserError(f"'{name}' is a MusicXML score without music in it.")
    for part, own in zip(names, measures, strict=True):
        if len(own) != len(measures[0]):
            raise UserError(
                f"'{name}' has {len(own)} bars in the part '{shortened(part)}' and "
                f"{len(measures[0])} in '{shortened(names[0])}', where all parts should have the same number."
            )


def _resolution(root: Element, name: str) -> int:
    """Return ticks per quarter note in which every division and every beat is a whole number."""
    try:
        found = [number(e.text) for tag in ("divisions", "beat-type") for e in root.iter(tag)]
    except ValueError as error:
        raise UserError(f"'{name}' has a wrong <divisions> or <beat-type>: {error}.") from error
    if any(value <= 0 for value in found):
        raise UserError(f"'{name}' has a <divisions> or <beat-type> that is not above zero.")
    resolution = 1
    for numerator in {value.numerator for value in found}:
        resolution = math.lcm(resolution, numerator)
        # At once: the multiple of thousands of numbers would take for ever to count up.
        if resolution > _MAX_RESOLUTION:
            raise UserError(f"'{name}' divides the quarter note in too many different ways.")
    return resolution


def _read_bars(
    parts: Sequence[PartReader],
    measures: Sequence[Sequence[Element]],
    names: Sequence[str],
    name: str,
) -> tuple[list[Bar], int]:
    """Read all parts bar by bar, so that a bar left short in one part moves no later note."""
    bars: list[Bar] = []
    start = 0
    for column in zip(*measures, strict=True):
        length = 0
        for part, measure, part_name in zip(parts, column, names, strict=True):
            try:
                length = max(length, part.read(measure, start))
            except (ValueError, OverflowError) as error:
                raise UserError(
                    f"'{name}' has a mistake in bar {shortened(measure.get('number'))} of the "
                    f"part '{shortened(part_name)}': {shortened(error, 200)}."
                ) from error
        bar = Bar(start, *parts[0].metre)
        bars.append(bar)
        start += length or 4 * parts[0].resolution * bar.beats // bar.beat_type
    return bars, start


def _assemble(parts: Sequence[PartReader], bars: Sequence[Bar], end: int, name: str) -> Piece:
    """Return the music of all parts in the coarsest ticks that hold it exactly."""
    resolution = parts[0].resolution
    chords = _chords(parts, end)
    tempos = sorted({tempo for part in parts for tempo in part.tempos})
    notes = [(*note, index) for index, part in enumerate(parts) for note in part.notes]
    unit = math.gcd(
        resolution,
        end,
        *(4 * resolution // bar.beat_type for bar in bars),
        *(bar.onset for bar in bars),
        *(key.onset for key in parts[0].keys),
        *(tempo.onset for tempo in tempos),
        *(time for chord in chords for time in (chord.onset, chord.duration)),
        *(time for note in notes for time in note[:2]),
    )
    if resolution // unit > MAX_TICK:
        raise UserError(f"'{name}' has note values too fine to be counted in {MAX_TICK} ticks.")
    check_count(len(notes), len(bars), name)
    check_length(end // unit, resolution // unit, name)
    table = np.array(
        [(onset // unit, duration // unit, *rest) for onset, duration, *rest in notes], np.int32
    ).reshape(-1, 4)
    return Piece(
        id=name,
        resolution=resolution // unit,
        onset=table[:, 0],
        duration=table[:, 1],
        pitch=table[:, 2],
        part=table[:, 3],
        parts=tuple("" for _ in parts),
        end=end // unit,
        bars=tuple(bar._replace(onset=bar.onset // unit) for bar in bars),
        keys=tuple(key._replace(onset=key.onset // unit) for key in parts[0].keys),
        chords=tuple(Chord(c.onset // unit, c.duration // unit, c.symbol) for c in chords),
        tempos=tuple(tempo._replace(onset=tempo.onset // unit) for tempo in tempos),
    )


def _chords(parts: Sequence[PartReader], end: int) -> list[Chord]:
    """Return the chord symbols of all parts, each lasting until the next."""
    symbols = sorted({symbol for part in parts for symbol in part.symbols})
    return [
        Chord(onset, stop - onset, text)
        for (onset, text), (stop, _) in pairwise([*symbols, (end, "")])
        if stop > onset
    ]


def _metadata(root: Element, parts: Sequence[PartReader]) -> dict[str, str]:
    """Return title and composer where the score has them, and what was left out, counted."""
    title = root.findtext("movement-title") or root.findtext("work/work-title") or ""
    composer = root.findtext("identification/creator[@type='composer']") or ""
    # Some encoders left the name of their file as the title.
    title = re.sub(r"\.(mxl|musicxml|xml)$", "", title.strip())
    found = {"title": title, "composer": composer.strip()}
    dropped = sum((part.dropped for part in parts), Counter[str]())
    return {name: text for name, text in found.items() if text} | {
        name: str(count) for name, count in sorted(dropped.items())
    }
