"""ABC, the text notation of folk tunes (standard 2.1, abcnotation.com), as pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from partimento.errors import UserError
from partimento.formats.abc_body import Body
from partimento.formats.abc_expand import Measure, play_order
from partimento.formats.abc_header import AbcError
from partimento.formats.abc_music import Sound, Voice
from partimento.formats.abc_play import MAX_TICKS, common_resolution, marks_of, play
from partimento.formats.musicxml_file import MAX_BYTES
from partimento.formats.musicxml_part import GRACE_NOTES
from partimento.music import Piece

READER_VERSION = 1
"""Raised whenever the same text would give another piece; part of every cache key."""

MAX_TUNE = 2**20
"""Longest tune that is read, in characters."""
MELODY = "melody"
"""Name of the part of a tune that names no voices."""

_SHARED_FIELD = re.compile(r"[A-Z]:")
_BLOCKS = {"%%begintext": "%%endtext", "%%beginps": "%%endps", "%%beginsvg": "%%endsvg"}
_TITLES = {
    "X": "number",
    "T": "title",
    "C": "composer",
    "R": "rhythm",
    "M": "metre",
    "B": "book",
    "O": "origin",
}


class Unreadable(NamedTuple):
    """A tune that could not be read; `reason` ends a sentence that begins with its name."""

    id: str
    source: str
    reason: str


def decode_abc(data: bytes) -> str:
    """Return the text of an ABC file: UTF-8, else Latin-1, in which it was before version 2.1."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_abc(path: str | Path) -> Piece:
    """Return the first tune of an ABC file.

    Raises:
        UserError: When there is no such file, or its first tune cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file '{path}'.")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"'{path}' is larger than {MAX_BYTES // 2**20} MiB, the most that is read.")
    return first_tune(decode_abc(path.read_bytes()), path)


def first_tune(text: str, path: Path) -> Piece:
    """Return the first tune of a file's text.

    Raises:
        UserError: When it cannot be read.
    """
    shared, tunes = split_tunes(text)
    try:
        return _piece(_parsed([*shared, *tunes[0][1]], tunes[0][0]), path.stem, path.name)
    except AbcError as error:
        raise UserError(f"'{path}' {error}.") from error


def read_tunes(
    text: str, *, id: str = "tune", source: str = "", expand: bool = True
) -> list[Piece | Unreadable]:
    """Return all tunes of a text, in order, each as a piece or as the reason why it is none.

    Repeats and variant endings are played out as written, and a P: field in the header obeyed;
    "D.C." and "D.S." are not. Grace notes are left out and counted in the metadata. Chord symbols
    go to `Piece.chords`. Notes of a chord, and of an overlay (&), belong to the part of their
    voice. Clefs do not transpose; octave= and transpose= do. Microtones are rounded down, macros
    (m:) and redefined signs (U:) ignored. Ticks are as fine as the tune's shortest note needs, and
    at least 24 to the quarter note. Bar lines are those written, double bars and repeats inside a
    bar included; in a tune without metre they count as 4/4.

    Args:
        text: Content of an ABC file.
        id: Id of a single tune; of several, that before the number of each: "id-12".
        source: Where the text comes from.
        expand: Whether repeats are played out; else each bar comes once, as it is written.
    """
    shared, tunes = split_tunes(text)
    found: list[Piece | Unreadable] = []
    taken: set[str] = set()
    for number, lines in tunes:
        name = _free(f"{id}-{number}", taken) if len(tunes) > 1 else id
        try:
            found.append(_piece(_parsed([*shared, *lines], number), name, source, expand))
        except AbcError as error:
            found.append(Unreadable(name, source, str(error)))
    return found


def _free(name: str, taken: set[str]) -> str:
    """Return a name that is not taken, and take it."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}({count})"
    taken.add(free)
    return free


def split_tunes(text: str) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the fields that stand before the first tune, and number and lines of each tune.

    A tune begins with X: and ends with the next, or with an empty line after its key. A text
    without X: is one tune.
    """
    pieces = re.split(r"^X:[ \t]*(.*)$\n?", text, flags=re.MULTILINE)
    if len(pieces) == 1:
        return [], [("", text.split("\n"))]
    shared = [line for line in pieces[0].split("\n") if _SHARED_FIELD.match(line)]
    shared = [line for line in shared if not line.startswith("K:")]
    numbers = (re.sub(r"\W.*", "", number) or "0" for number in pieces[1::2])
    return shared, [(n[:20], p.split("\n")) for n, p in zip(numbers, pieces[2::2], strict=True)]


def _parsed(lines: Sequence[str], number: str) -> Body:
    """Read the lines of a tune up to the empty line that ends it.

    Raises:
        AbcError: When it is too long or has no key.
    """
    if sum(map(len, lines)) > MAX_TUNE:
        raise AbcError(f"is longer than {MAX_TUNE:,} characters")
    body = Body()
    body.fields["X"] = number
    until = ""
    for line in lines:
        if until:
            until = "" if line.startswith(until) else until
        elif line.startswith("%"):
            until = _BLOCKS.get(line.split()[0], "")
        elif line.strip():
            body.line(line)
        elif not body.in_header:
            break
    if body.in_header:
        raise AbcError("is no ABC tune: it has no key (a line such as 'K:G')")
    return body


def _piece(body: Body, name: str, source: str, expand: bool = True) -> Piece:
    """Return the music that was read, played out or bar by bar as it is written.

    Raises:
        AbcError: When it has no notes, or no common unit of time.
    """
    voices = [voice for voice in body.voices.values() if _sounds(voice.close())]
    if not voices:
        raise AbcError("holds no notes")
    resolution = common_resolution(voices)
    order = _order(voices[0], body, expand)
    played = []
    for voice in voices:
        own = len(voice.measures) != len(voices[0].measures)
        indices = _order(voice, body, expand) if own else order
        played.append(play(voice.measures, indices, resolution))
    end = max(part.end for part in played)
    if end > MAX_TICKS:
        raise AbcError("is longer than any music")
    rows = [(*note, part) for part, voice in enumerate(played) for note in voice.notes]
    onset, duration, pitch, part = zip(*rows, strict=True)
    return Piece(
        id=name,
        resolution=resolution,
        onset=onset,  # type: ignore[arg-type]  # any column of numbers will do
        duration=duration,  # type: ignore[arg-type]
        pitch=pitch,  # type: ignore[arg-type]
        part=part,  # type: ignore[arg-type]
        parts=_names(voices),
        end=end,
        bars=tuple(played[0].bars),
        **marks_of([mark for voice in played for mark in voice.marks], end),  # type: ignore[arg-type]
        source=source,
        metadata=_metadata(body, sum(voice.graces for voice in voices)),
    )


def _order(voice: Voice, body: Body, expand: bool) -> list[int]:
    """Return the indices of a voice's measures in the order in which they count."""
    return play_order(voice.measures, body.order) if expand else list(range(len(voice.measures)))


def _sounds(measures: Iterable[Measure]) -> bool:
    return any(
        isinstance(event, Sound) and event.pitches for bar in measures for event in bar.events
    )


def _names(voices: Sequence[Voice]) -> tuple[str, ...]:
    if len(voices) == 1:
        return (voices[0].name or MELODY,)
    return tuple(voice.name or f"Part {index + 1}" for index, voice in enumerate(voices))


def _metadata(body: Body, graces: int) -> dict[str, str]:
    found = {
        name: body.fields[letter] for letter, name in _TITLES.items() if body.fields.get(letter)
    }
    if body.key.name:
        found["key"] = body.key.name
    if graces:
        found[GRACE_NOTES] = str(graces)
    return found
