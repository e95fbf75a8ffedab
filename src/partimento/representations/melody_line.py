"""Pure functions that make one melody of a piece: its top line, its key, its register."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from partimento.errors import UserError
from partimento.music import Piece

OCTAVES = (60, 83)
"""C4 to B5: the range that get_data.py of annahung31/MidiNet-by-pytorch admits."""


class Line(NamedTuple):
    """A melody with what was left out to make one.

    Attributes:
        piece: The melody, a piece of one part.
        other_parts: Notes of other parts, left out.
        under: Notes left out since a higher one began with them or sounded on.
        cut: Notes cut short by a higher one.
    """

    piece: Piece
    other_parts: int
    under: int
    cut: int


def top_line(piece: Piece, part: int = 0) -> Line:
    """Return the highest notes of one part, one at a time.

    Of notes struck together the highest stays. A note that begins while another sounds cuts it
    short when it is as high or higher, and is left out when it is lower.

    Raises:
        UserError: When the piece has no such part.
    """
    if part >= len(piece.parts):
        raise UserError(
            f"'{piece.id}' has {len(piece.parts)} part(s), so none at index {part}, which "
            "representation.part asks for."
        )
    index = np.flatnonzero(piece.part == part)
    others = len(piece) - len(index)
    end = (piece.onset + piece.duration)[index]
    cut = 0
    if (piece.onset[index][1:] < end[:-1]).any():
        index, end, cut = _highest(piece, index)
    melody = dataclasses.replace(
        piece,
        onset=piece.onset[index],
        duration=end - piece.onset[index],
        pitch=piece.pitch[index],
        part=np.zeros(len(index), np.int32),
        velocity=np.asarray(piece.velocity)[index],
        parts=(piece.parts[part],),
    )
    return Line(melody, others, len(piece) - others - len(index), cut)


def _highest(piece: Piece, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return index and end of the notes that stay, and how many of them were cut short."""
    onset, pitch, duration = (getattr(piece, n)[index] for n in ("onset", "pitch", "duration"))
    kept: list[int] = []
    ends: list[int] = []
    cut = 0
    for note in np.lexsort((-duration, -pitch, onset)).tolist():
        if kept and onset[note] < ends[-1]:
            last = kept[-1]
            if onset[note] == onset[last] or pitch[note] < pitch[last]:
                continue
            ends[-1] = int(onset[note])
            cut += 1
        kept.append(note)
        ends.append(int(onset[note] + duration[note]))
    return index[kept], np.array(ends, dtype=np.int32), cut


def shift_to_c(piece: Piece) -> int:
    """Return the semitones, -5 to 6, from a piece's first key signature to that of C.

    So pieces in major go to C and pieces in minor to A minor.

    Raises:
        UserError: When the piece has no key signature.
    """
    if not piece.keys:
        raise UserError(
            f"'{piece.id}' has no key signature, which representation.in_c needs to move it to C."
        )
    return (-7 * piece.keys[0].fifths + 5) % 12 - 5


def into_octaves(pitch: np.ndarray, low: int = OCTAVES[0], high: int = OCTAVES[1]) -> np.ndarray:
    """Return pitches within a range of an octave or more: the melody as a whole, then single notes.

    The melody moves by the octaves that bring most of its notes into the range (of equal ones the
    fewest); the notes that are still outside go to the nearest octave inside.
    """
    shifts = sorted(range(-10, 11), key=abs)
    inside = [int(((pitch + 12 * k >= low) & (pitch + 12 * k <= high)).sum()) for k in shifts]
    moved = pitch + 12 * shifts[int(np.argmax(inside))]
    moved = np.where(moved < low, low + (moved - low) % 12, moved)
    return np.where(moved > high, high - (high - moved) % 12, moved)
