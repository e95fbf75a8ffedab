"""Pure functions between notes and binary planes `(steps, columns)`: what sounds at which step."""

from __future__ import annotations

import numpy as np

from partimento.music import Piece
from partimento.representations.grid import grid_steps


def runs_of(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return start, stop and column of each unbroken run of ones in a column, `(runs,)` each.

    Runs are ordered by column and start; `stop` is the step after the last one.

    Args:
        plane: Zeros and ones, `(steps, columns)`.
    """
    edges = np.diff((plane != 0).T.astype(np.int8), axis=1, prepend=0, append=0)
    column, start = np.nonzero(edges == 1)
    stop = np.nonzero(edges == -1)[1]
    return start, stop, column


def plane_of(
    start: np.ndarray, stop: np.ndarray, column: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Return a plane, uint8 `(steps, columns)`, that is one where any note sounds.

    Args:
        start: First step of each note, `(notes,)`.
        stop: Step after its last one, at most the number of steps.
        column: Column of each note.
        shape: Steps and columns.
    """
    steps, columns = shape
    change = np.zeros((steps + 1) * columns, dtype=np.int32)
    np.add.at(change, start * columns + column, 1)
    np.add.at(change, stop * columns + column, -1)
    sounding = np.cumsum(change.reshape(steps + 1, columns), axis=0)[:steps]
    return (sounding > 0).astype(np.uint8)


def note_steps(piece: Piece, steps_per_quarter: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first step of each note and the step after its last one, `(notes,)` each.

    Onsets and ends go to the nearest step (halves go up), the end of the piece to that of the
    grid, and a note lasts at least one step.
    """
    spq, resolution = steps_per_quarter, piece.resolution
    steps = grid_steps(piece, spq)
    onset = piece.onset.astype(np.int64)
    end = onset + piece.duration
    start = np.minimum((2 * onset * spq + resolution) // (2 * resolution), max(steps - 1, 0))
    nearest = np.where(end >= piece.end, steps, (2 * end * spq + resolution) // (2 * resolution))
    return start, np.minimum(np.maximum(nearest, start + 1), steps)
