"""Unbroken runs of ones in binary planes `(steps, columns)`, which are the notes of a plain roll."""

from __future__ import annotations

import numpy as np


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
