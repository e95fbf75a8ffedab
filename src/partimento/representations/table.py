"""The notes of many pieces as one table, so that NumPy is called once for all of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from partimento.music import Piece

# NumPy sorts integers of two bytes by radix, in a tenth of the time that longer ones take.
_RADIX = np.iinfo(np.uint16).max


class NoteTable(NamedTuple):
    """The notes of several pieces, one after the other, on one grid below which they all stand.

    Attributes:
        piece: Index of each note's piece, `(notes,)`, ascending.
        onset: Onsets in ticks, `(notes,)`.
        end: Ends in ticks, `(notes,)`.
        pitch: MIDI numbers, `(notes,)`.
        part: Index into the parts of its piece, `(notes,)`.
        resolution: Ticks per quarter note of each note's piece, `(notes,)` or, where all pieces
            have the same, `()`: dividing by one number is much faster than by an array.
        steps: Grid steps of each piece, `(pieces,)`; the last may be incomplete.
        first: First step of each piece on the joint grid, `(pieces,)`.
        final: End of each note's piece in ticks, `(notes,)`.
    """

    piece: np.ndarray
    onset: np.ndarray
    end: np.ndarray
    pitch: np.ndarray
    part: np.ndarray
    resolution: np.ndarray
    steps: np.ndarray
    first: np.ndarray
    final: np.ndarray

    def only(self, chosen: np.ndarray) -> NoteTable:
        """Return the table of some of the notes, by their indices or a mask."""
        # Indices are taken faster than a mask, which would be counted anew for every column.
        chosen = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return self._replace(
            piece=self.piece[chosen],
            onset=self.onset[chosen],
            end=self.end[chosen],
            pitch=self.pitch[chosen],
            part=self.part[chosen],
            final=self.final[chosen],
            resolution=self.resolution[chosen] if self.resolution.ndim else self.resolution,
        )

    def spans(self, steps_per_quarter: int) -> tuple[np.ndarray, np.ndarray]:
        """Return first step and step after the last of each note within its piece, `(notes,)` each.

        Onsets and ends go to the nearest step (halves go up), the end of the piece to that of its
        grid, and a note lasts at least one step.
        """
        steps = self.steps[self.piece]
        start = np.minimum(nearest_step(self.onset, self.resolution, steps_per_quarter), steps - 1)
        nearest = nearest_step(self.end, self.resolution, steps_per_quarter)
        stop = np.maximum(np.where(self.end >= self.final, steps, nearest), start + 1)
        return start, stop

    def split(self, x: np.ndarray) -> list[np.ndarray]:
        """Return the part of each piece of a joint grid `(all steps, ...)`, as views of it."""
        bounds = [*self.first.tolist(), len(x)]
        return [x[low:high] for low, high in itertools.pairwise(bounds)]


class GridNotes(NamedTuple):
    """The notes of a piece on a grid, ordered by part and onset; every field has shape `(notes,)`.

    Attributes:
        order: Index of each note in the piece.
        start: First step of the note.
        stop: Step after its last one.
        kept: False where a nearer note takes the same step of the same part.
        trimmed: True where the note is cut short by the next of its part.
        overlap: Ticks for which the note sounds on under the next of its part.
    """

    order: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    kept: np.ndarray
    trimmed: np.ndarray
    overlap: np.ndarray

    def simultaneous(self, piece: Piece, steps_per_quarter: int) -> np.ndarray:
        """True for a note that sounds together with the next of its part for a step or longer."""
        part, onset = piece.part[self.order], piece.onset[self.order]
        chord = (np.diff(part, append=-1) == 0) & (np.diff(onset, append=-1) == 0)
        return chord | (self.overlap * steps_per_quarter >= piece.resolution)


def note_table(pieces: Sequence[Piece], steps_per_quarter: int = 1) -> NoteTable:
    """Return the notes of pieces as one table, with a grid of `steps_per_quarter` steps."""
    counts = np.array([len(piece) for piece in pieces], dtype=np.int64)
    index = np.repeat(np.arange(len(pieces)), counts)
    onset = _joined([piece.onset for piece in pieces])
    end = onset + _joined([piece.duration for piece in pieces])
    resolutions = np.array([piece.resolution for piece in pieces], dtype=np.int64)
    ends = np.array([piece.end for piece in pieces], dtype=np.int64)
    last = ends.copy()
    filled = counts > 0
    if len(end):
        starts = (np.cumsum(counts) - counts)[filled]
        reached = np.maximum(np.maximum.reduceat(end, starts), 1)
        last[filled] = np.maximum(ends[filled], reached)
    steps = -(-last * steps_per_quarter // resolutions)
    same = len(resolutions) > 0 and bool((resolutions == resolutions[0]).all())
    return NoteTable(
        piece=index,
        onset=onset,
        end=end,
        pitch=_joined([piece.pitch for piece in pieces]),
        part=_joined([piece.part for piece in pieces]),
        resolution=resolutions[0] if same else resolutions[index],
        steps=steps,
        first=np.cumsum(steps) - steps,
        final=ends[index],
    )


def _joined(columns: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.int32), *columns]).astype(np.int64)


def nearest_step(
    ticks: np.ndarray, resolution: np.ndarray | int, steps_per_quarter: int
) -> np.ndarray:
    """Return the grid step nearest to each time; halves go up."""
    return (2 * ticks * steps_per_quarter + resolution) // (2 * resolution)


def spread(first: np.ndarray, length: np.ndarray, stride: int) -> np.ndarray:
    """Return `first`, `first + stride`, ..., `length` numbers for each note, one after the other.

    Args:
        first: Cell in memory of the first step of each note, `(notes,)`.
        length: Steps of each note, `(notes,)`.
        stride: Distance of successive steps in memory.
    """
    ends = np.cumsum(length)
    total = int(ends[-1]) if len(ends) else 0
    shift = first - (ends - length) * stride
    return np.repeat(shift, length) + np.arange(0, total * stride, stride)


def silences(
    lane: np.ndarray, start: np.ndarray, stop: np.ndarray, steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return lane, first step and length of every silence, `(silences,)` each.

    Args:
        lane: Lane of each note, ascending, `(notes,)`.
        start: First step of each note, ascending within a lane.
        stop: Step after its last one, at most the next note's first.
        steps: Steps of each lane, `(lanes,)`.
    """
    following = steps[lane]
    same = lane[1:] == lane[:-1]
    following[:-1] = np.where(same, start[1:], following[:-1])
    lead = steps.copy()
    lead[lane[::-1]] = start[::-1]  # of the notes of a lane its first one is written last
    length = np.concatenate([lead, following - stop])
    some = np.flatnonzero(length)
    lanes = np.concatenate([np.arange(len(steps)), lane])[some]
    begin = np.concatenate([np.zeros_like(steps), stop])[some]
    return lanes, begin, length[some]


def place(table: NoteTable, lane: np.ndarray, steps_per_quarter: int) -> GridNotes:
    """Place notes on the grid in lanes that hold one note at a time.

    Of several notes of one lane that fall on one step, the one nearest to it is kept; of equally
    near ones the first. A note ends where the next of its lane begins.

    Args:
        table: Notes, in order of onset within each piece.
        lane: Lane of each note, `(notes,)`, at or above 0; no lane holds notes of two pieces.
        steps_per_quarter: Grid steps to the quarter note.
    """
    if (lane[1:] >= lane[:-1]).all():
        order = np.arange(len(lane))
    else:
        order = _stable_order(lane)
        table, lane = table.only(order), lane[order]
    start, stop = table.spans(steps_per_quarter)
    same_lane = lane[1:] == lane[:-1]
    overlap = np.zeros_like(start)
    overlap[:-1] = np.where(same_lane, np.maximum(table.end[:-1] - table.onset[1:], 0), 0)

    kept = np.ones(len(order), dtype=bool)
    collides = same_lane & (start[1:] == start[:-1])
    if collides.any():
        ticks = np.abs(table.onset * steps_per_quarter - start * table.resolution)
        _keep_nearest(kept, collides, ticks)

    following = table.steps[table.piece]
    if kept.all():
        following[:-1] = np.where(same_lane, start[1:], following[:-1])
    else:
        index = np.flatnonzero(kept)
        neighbours = lane[index[1:]] == lane[index[:-1]]
        following[index[:-1]] = np.where(neighbours, start[index[1:]], following[index[:-1]])
    trimmed = kept & (stop > following)
    return GridNotes(order, start, np.minimum(stop, following), kept, trimmed, overlap)


def _keep_nearest(kept: np.ndarray, collides: np.ndarray, error: np.ndarray) -> None:
    """Mark all notes that share a step but the one with the least error, the first of equal ones.

    `collides` is True where a note shares the step of the next, `(notes - 1,)`.
    """
    shared = np.zeros_like(kept)
    shared[:-1] = collides
    shared[1:] |= collides
    index = np.flatnonzero(shared)
    group = np.cumsum(~np.concatenate([[False], collides]))[index]
    ranked = np.lexsort((error[index], group))
    kept[index] = False
    kept[index[ranked[np.unique(group[ranked], return_index=True)[1]]]] = True


def _stable_order(lane: np.ndarray) -> np.ndarray:
    if lane.max() <= _RADIX:
        lane = lane.astype(np.uint16)
    return np.argsort(lane, kind="stable")
