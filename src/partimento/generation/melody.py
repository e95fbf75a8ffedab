"""A melody as a model needs it: one part of a piece, one note at a time, on the grid, in range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.grid import full_bars


class Line(NamedTuple):
    """One voice on a grid: notes from `start` to `stop` (steps), one at a time, `(notes,)` each.

    Attributes:
        start: First step of each note.
        stop: Step after its last one.
        pitch: MIDI numbers.
        off_grid: Number of notes that began or ended between the steps.
        dropped: Number of notes left out because another of the part sounded.
        shortened: Number of notes cut where the next one began.
    """

    start: np.ndarray
    stop: np.ndarray
    pitch: np.ndarray
    off_grid: int = 0
    dropped: int = 0
    shortened: int = 0


def choose_part(piece: Piece, voice: str, voices: Sequence[str]) -> int:
    """Return the part of a piece that is to be a given voice.

    That is the part of the voice's name (in any case of letters); else the only part with notes;
    else for the first voice the part that is highest on average, for the last voice the lowest;
    else, where the piece has as many parts as there are voices, the one in the voice's place.

    Raises:
        UserError: When none of this finds a part with notes.
    """
    filled = np.unique(piece.part).tolist()
    named = [i for i in filled if piece.parts[i].strip().lower() == voice.lower()]
    if named:
        return named[0]
    if not filled:
        raise UserError(f"'{piece.id}' has no notes to harmonise; give a melody with some.")
    if len(filled) == 1:
        return filled[0]
    height = {i: float(piece.pitch[piece.part == i].mean()) for i in filled}
    if voice == voices[0]:
        return max(filled, key=lambda i: height[i])
    if voice == voices[-1]:
        return min(filled, key=lambda i: height[i])
    if len(piece.parts) == len(voices) and voices.index(voice) in filled:
        return voices.index(voice)
    raise UserError(
        f"'{piece.id}' has no part named '{voice}' with notes, only "
        f"{', '.join(repr(piece.parts[i]) for i in filled)}; rename the part that is to be it."
    )


def single_line(
    start: np.ndarray, stop: np.ndarray, pitch: np.ndarray, *, highest: bool = True
) -> Line:
    """Reduce notes that sound together to one at a time.

    Of notes that begin together the highest stays (the lowest, for a bass); a note that begins
    while a higher one sounds is left out, and a higher one cuts off what sounds. Where two notes
    overlap by less than half of each, the player was slurring, and the first one is cut short.

    Args:
        start: First step of each note, `(notes,)`.
        stop: Step after its last one.
        pitch: MIDI numbers.
        highest: Keep the highest rather than the lowest.
    """
    sign = 1 if highest else -1
    order = np.lexsort((stop, -sign * pitch, start))
    kept: list[list[int]] = []
    dropped = shortened = 0
    rows = zip(start[order].tolist(), stop[order].tolist(), pitch[order].tolist(), strict=True)
    for begin, end, number in rows:
        overlap = kept[-1][1] - begin if kept else 0
        if overlap <= 0:
            kept.append([begin, end, number])
            continue
        last_begin, last_end, last_number = kept[-1]
        slurred = 2 * overlap < min(end - begin, last_end - last_begin)
        if begin > last_begin and (slurred or sign * (number - last_number) > 0):
            kept[-1][1] = begin
            shortened += 1
            kept.append([begin, end, number])
        else:
            dropped += 1
    table = np.array(kept, dtype=np.int64).reshape(-1, 3)
    return Line(table[:, 0], table[:, 1], table[:, 2], 0, dropped, shortened)


def line_of(piece: Piece, part: int, steps_per_quarter: int, *, highest: bool = True) -> Line:
    """Return a part as a line on a grid; times between the steps go to the nearest (halves up)."""
    notes = piece.notes(part)
    onset = notes["onset"].astype(np.int64) * steps_per_quarter
    end = onset + notes["duration"].astype(np.int64) * steps_per_quarter
    off_grid = (onset % piece.resolution != 0) | (end % piece.resolution != 0)
    start = (2 * onset + piece.resolution) // (2 * piece.resolution)
    stop = np.maximum((2 * end + piece.resolution) // (2 * piece.resolution), start + 1)
    line = single_line(start, stop, notes["pitch"], highest=highest)
    return line._replace(off_grid=int(off_grid.sum()))


def fitting_shift(
    lines: Sequence[Line], voices: Sequence[str], ranges: Sequence[tuple[int, int]]
) -> int:
    """Return the transposition, smallest in semitones, that takes each line into its range.

    Raises:
        UserError: When there is none: a line is wider than its range, or two lines are too far
            apart.
    """
    least, most = -127, 127
    for line, voice, (low, high) in zip(lines, voices, ranges, strict=True):
        bottom, top = int(line.pitch.min()), int(line.pitch.max())
        if top - bottom > high - low:
            raise UserError(
                f"The melody goes from MIDI number {bottom} to {top}, {top - bottom} semitones, "
                f"wider than the {high - low} semitones of the {voice}'s range, {low} to {high}; "
                "give a narrower melody."
            )
        least, most = max(least, low - bottom), min(most, high - top)
    if least > most:
        raise UserError(
            f"No transposition takes {' and '.join(voices)} into their ranges at the same time; "
            "bring the given parts closer to where those voices sing."
        )
    return min(max(0, least), most)


def lead_in(piece: Piece, steps_per_quarter: int) -> int:
    """Return the steps before the first full bar: a pick-up, or what else is short of a bar.

    A file that counts its pick-up as a bar of another metre, as MIDI files do, has one as well.
    """
    bars = piece.bars
    if len(bars) < 2:
        return 0
    runs = full_bars(piece)
    lengths = piece.bar_lengths()
    short = lengths[0] if piece.pickup or lengths[0] < lengths[1] else 0
    ticks = runs[0][0] if runs else int(short)
    return ticks * steps_per_quarter // piece.resolution
