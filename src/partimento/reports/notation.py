"""How a piece is laid out in notation: spelling, voices, bars, and the signs tied across them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from partimento.music import Bar, Piece
from partimento.reports.pianoroll import bars_of

# Note ends that are not multiples of 1/48 quarter note (64ths and their triplets) are rounded in
# notation: a played-in MIDI file would otherwise become unreadable tuplets.
NOTATION_GRID = 48
# Note values that one sign can say: 64th to whole, the same dotted, and the triplets down to 1.
VALUES = {3 * 2**k for k in range(7)} | {9 * 2**k for k in range(5)} | {2**k for k in range(7)}


class Spelling(NamedTuple):
    """How a MIDI number is written: a letter, an alteration in semitones, an octave (C4 = 60)."""

    step: str
    alter: int
    octave: int


class Segment(NamedTuple):
    """One sign of a voice: pitches (none: a rest) from `start` to `stop`, in ticks of its bar."""

    start: int
    stop: int
    pitches: tuple[int, ...]
    tied_before: bool = False
    tied_after: bool = False


# A voice: chords or single notes that do not overlap, as `(start, stop, pitches)`.
Voice = list[tuple[int, int, tuple[int, ...]]]


def spell(pitch: int, fifths: int) -> Spelling:
    """Return the spelling of a MIDI number in a key signature.

    Of the names on the line of fifths, the one between three fifths below and eight above the
    major tonic is taken: the diatonic notes, and the raised and lowered degrees usual in major and
    in minor (in C: C♯ F♯ G♯, B♭ E♭).
    """
    line = (7 * pitch - fifths + 3) % 12 + fifths - 3
    step = "FCGDAEB"[(line + 1) % 7]
    alter = (line + 1) // 7
    return Spelling(step, alter, (pitch - alter) // 12 - 1)


def on_notation_grid(piece: Piece) -> Piece:
    """Return the piece with `NOTATION_GRID` ticks per quarter note, every time rounded to it."""

    def scaled(ticks: Any) -> Any:
        # Halves go up, where numpy's rounding would send them to the even neighbour.
        return (2 * NOTATION_GRID * ticks + piece.resolution) // (2 * piece.resolution)

    onset = scaled(piece.onset.astype(np.int64))
    stop = scaled(piece.onset.astype(np.int64) + piece.duration)
    duration = np.maximum(stop - onset, 1)
    end = max(scaled(piece.end), int((onset + duration).max(initial=1)))
    bars = [bar._replace(onset=scaled(bar.onset)) for bar in bars_of(piece)]
    edges = [bar.onset for bar in bars[1:]] + [end]
    return dataclasses.replace(
        piece,
        resolution=NOTATION_GRID,
        onset=onset,
        duration=duration,
        end=end,
        bars=tuple(bar for bar, stop in zip(bars, edges, strict=True) if stop > bar.onset),
        keys=tuple(key._replace(onset=scaled(key.onset)) for key in piece.keys),
        chords=tuple(chord._replace(onset=scaled(chord.onset)) for chord in piece.chords),
        tempos=tuple(tempo._replace(onset=scaled(tempo.onset)) for tempo in piece.tempos),
    )


def voices_of(piece: Piece, part: int) -> list[Voice]:
    """Divide the notes of a part into voices: notes that begin and end together are one chord."""
    notes = piece.notes(part)
    chords: dict[tuple[int, int], list[int]] = {}
    columns = (notes[name].tolist() for name in ("onset", "duration", "pitch"))
    for onset, duration, pitch in zip(*columns, strict=True):
        chords.setdefault((onset, onset + duration), []).append(pitch)
    voices: list[Voice] = [[]]
    for (start, stop), pitches in sorted(chords.items(), key=lambda item: item[0]):
        free = next((v for v in voices if not v or v[-1][1] <= start), None)
        if free is None:
            free = []
            voices.append(free)
        free.append((start, stop, tuple(sorted(set(pitches)))))
    return voices


def note_values(start: int, stop: int) -> list[tuple[int, int]]:
    """Divide a time within a bar, counted from its beginning, into spans of one sign each.

    Off the beat it is divided at the next beat, on the beat the longest value comes first:
    music21's own choice are tuplets such as six in the time of five.
    """
    found = []
    while start < stop:
        length = stop - start
        if length not in VALUES:
            until_beat = NOTATION_GRID - start % NOTATION_GRID
            room = until_beat if start % NOTATION_GRID and until_beat < length else length
            length = max(value for value in VALUES if value <= room)
        found.append((start, start + length))
        start += length
    return found


def segments(voice: Voice, start: int, stop: int) -> list[Segment]:
    """Return what a voice does from `start` to `stop`: notes divided and tied, gaps as rests."""
    found: list[Segment] = []
    now = start
    for begin, end, pitches in voice:
        if end <= start or begin >= stop:
            continue
        found.extend(Segment(*span, ()) for span in note_values(now - start, begin - start))
        now = min(end, stop)
        for first, last in note_values(max(begin, start) - start, now - start):
            tied = (first + start > begin, last + start < end)
            found.append(Segment(first, last, pitches, *tied))
    found.extend(Segment(*span, ()) for span in note_values(now - start, stop - start))
    return found


def spans(piece: Piece) -> Iterator[tuple[int, Bar, int]]:
    """Yield `(number, bar, end of the bar)`; a pick-up has the number 0, as in print."""
    first = 0 if piece.pickup else 1
    edges = [bar.onset for bar in piece.bars[1:]] + [piece.end]
    for index, (bar, stop) in enumerate(zip(piece.bars, edges, strict=True)):
        yield first + index, bar, stop
