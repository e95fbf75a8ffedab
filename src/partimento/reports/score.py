"""Files for other programs: MusicXML through music21, and all files of a piece at once."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from partimento.music import Bar, Piece
from partimento.reports.audio import write_wav
from partimento.reports.midi import write_midi
from partimento.reports.notation import (
    NOTATION_GRID,
    Segment,
    Voice,
    on_notation_grid,
    segments,
    spans,
    spell,
    voices_of,
)
from partimento.reports.pianoroll import draw_pianoroll

if TYPE_CHECKING:
    from music21.stream import Measure, Part, Score

__all__ = ["write_all", "write_midi", "write_musicxml"]

CLEFS = {"soprano": "TrebleClef", "alto": "TrebleClef", "tenor": "Treble8vbClef"}
CLEFS |= {"bass": "BassClef"}
MIDDLE_C = 60
CHOIR_AAHS = 53  # General MIDI program, counted from 1 as MusicXML does


def write_musicxml(piece: Piece, path: str | Path) -> Path:
    """Write MusicXML with named parts, clefs, key, metre, pick-up bar, ties and title.

    Note ends that fit no 64th and no triplet are rounded (`NOTATION_GRID`), and a key signature
    inside a bar moves to its beginning; everything else reads back as it was. Notes of one part
    that overlap are written as several voices.
    """
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # music21 warns of its own deprecations
        exporter = GeneralObjectExporter(_score(on_notation_grid(piece)))
        # Its own notation step would fill short bars with rests and divide long ones.
        exporter.makeNotation = False
        text = exporter.parse()
    # The encoding date would make two writings of one piece differ.
    path.write_bytes(re.sub(rb"\s*<encoding-date>.*?</encoding-date>", b"", text))
    return path


def write_all(piece: Piece, stem_path: str | Path) -> dict[str, Path]:
    """Write MIDI, MusicXML, a piano roll and audio beside each other.

    Args:
        piece: What to write.
        stem_path: Path without suffix; ".mid", ".musicxml", ".png" and ".wav" are appended to it.

    Returns:
        The files by kind: "midi", "musicxml", "png", "wav".
    """
    suffixes = {"midi": ".mid", "musicxml": ".musicxml", "png": ".png", "wav": ".wav"}
    # Appended, not `with_suffix`: a stem such as "bwv4.8" has a dot of its own.
    paths = {kind: Path(f"{stem_path}{suffix}") for kind, suffix in suffixes.items()}
    write_midi(piece, paths["midi"])
    write_musicxml(piece, paths["musicxml"])
    draw_pianoroll(piece, paths["png"])
    write_wav(piece, paths["wav"])
    return paths


def _score(piece: Piece) -> Score:
    from music21 import metadata, stream

    score = stream.Score()
    score.insert(0, metadata.Metadata())
    score.metadata.title = piece.metadata.get("title", "") or piece.id
    score.metadata.composer = piece.metadata.get("composer", "")
    for index in range(len(piece.parts)):
        score.insert(0, _part(piece, index))
    return score


def _part(piece: Piece, index: int) -> Part:
    from music21 import bar as bar_
    from music21 import instrument, stream

    name = piece.parts[index] or f"Part {index + 1}"
    part = stream.Part(id=f"P{index + 1}", partName=name)
    player = instrument.Instrument(name)
    player.partId, player.instrumentId = f"P{index + 1}", f"I{index + 1}"
    player.midiChannel = [channel for channel in range(16) if channel != 9][index % 15]
    player.midiProgram = CHOIR_AAHS - 1 if name.lower() in CLEFS else 0
    part.insert(0, player)
    voices = voices_of(piece, index)
    metre: tuple[int, int] | None = None
    for number, bar, stop in spans(piece):
        measure = _measure(piece, voices, number, bar, stop)
        if metre != (bar.beats, bar.beat_type):
            metre = (bar.beats, bar.beat_type)
            measure.timeSignature = _metre(*metre)
        if bar.onset == piece.bars[0].onset:
            measure.clef = _clef(name, piece.notes(index)["pitch"])
        _insert_marks(measure, piece, bar.onset, stop, top=index == 0)
        part.insert(Fraction(bar.onset, NOTATION_GRID), measure)
    for last in list(part.getElementsByClass(stream.Measure))[-1:]:
        last.rightBarline = bar_.Barline("final")
    part.makeAccidentals(inPlace=True)
    part.makeBeams(inPlace=True)
    for measure in part.getElementsByClass(stream.Measure):
        for voice in (measure, *measure.voices):
            stream.makeNotation.makeTupletBrackets(voice, inPlace=True)
    return part


def _metre(beats: int, beat_type: int) -> Any:
    from music21 import meter

    return meter.TimeSignature(f"{beats}/{beat_type}")


def _clef(name: str, pitches: np.ndarray) -> Any:
    from music21 import clef

    middle = float(np.median(pitches)) if len(pitches) else MIDDLE_C
    usual = "TrebleClef" if middle >= MIDDLE_C else "BassClef"
    return getattr(clef, CLEFS.get(name.lower(), usual))()


def _measure(piece: Piece, voices: Sequence[Voice], number: int, bar: Bar, stop: int) -> Measure:
    from music21 import stream
    from music21.stream.enums import ShowNumber

    measure = stream.Measure(number=number)
    # Beams are laid by the place in the full bar.
    nominal = Fraction(4 * bar.beats, bar.beat_type)
    missing = nominal - Fraction(stop - bar.onset, NOTATION_GRID)
    if number == 0:
        measure.showNumber = ShowNumber.NEVER
        measure.paddingLeft = missing
    else:
        measure.paddingRight = missing
    found = [segments(voice, bar.onset, stop) for voice in voices]
    sounding = [voice for voice in found if any(segment.pitches for segment in voice)]
    chosen = sounding or found[:1]
    fifths = next((key.fifths for key in reversed(piece.keys) if key.onset < stop), 0)
    for index, voice in enumerate(chosen):
        target = measure if len(chosen) == 1 else stream.Voice(id=str(index + 1))
        for segment in voice:
            target.insert(Fraction(segment.start, NOTATION_GRID), _element(segment, fifths))
        if target is not measure:
            measure.insert(0, target)
    return measure


def _element(segment: Segment, fifths: int) -> Any:
    from music21 import chord, note, pitch, tie

    length = Fraction(segment.stop - segment.start, NOTATION_GRID)
    if not segment.pitches:
        return note.Rest(quarterLength=length)
    pitches = []
    for number in segment.pitches:
        step, alter, octave = spell(number, fifths)
        pitches.append(pitch.Pitch(step=step, octave=octave, accidental=alter or None))
    if len(pitches) == 1:
        element: Any = note.Note(pitches[0], quarterLength=length)
    else:
        element = chord.Chord(pitches, quarterLength=length)
    if segment.tied_before or segment.tied_after:
        kinds = {(False, True): "start", (True, True): "continue", (True, False): "stop"}
        element.tie = tie.Tie(kinds[segment.tied_before, segment.tied_after])
    return element


def _insert_marks(measure: Measure, piece: Piece, start: int, stop: int, *, top: bool) -> None:
    """Insert key signatures, and in the top part tempos and chord symbols, of one bar."""
    from music21 import key, tempo

    def offset(mark: Any) -> Fraction:
        return Fraction(mark.onset - start, NOTATION_GRID)

    # A key inside a bar moves to its beginning: music21 loses it where a bar has two voices.
    for mark in [mark for mark in piece.keys if start <= mark.onset < stop][-1:]:
        signature = key.KeySignature(max(-7, min(7, mark.fifths)))
        known = mark.mode in ("major", "minor")
        measure.keySignature = signature.asKey(mark.mode) if known else signature
    if not top:
        return
    for pace in piece.tempos:
        if start <= pace.onset < stop:
            measure.insert(offset(pace), tempo.MetronomeMark(number=pace.qpm, referent=1.0))
    for chord in piece.chords:
        if start <= chord.onset < stop:
            measure.insert(offset(chord), _chord_symbol(chord.symbol))


def _chord_symbol(symbol: str) -> Any:
    """Return a harmony element, or plain text over the staff where music21 cannot parse it."""
    from music21 import exceptions21, expressions, harmony

    # music21 writes flats as "-", chord symbols as "b".
    figure = re.sub(r"(^|/)([A-G])b", r"\1\2-", symbol)
    try:
        return harmony.ChordSymbol(figure)
    except (exceptions21.Music21Exception, ValueError):
        return expressions.TextExpression(symbol)
