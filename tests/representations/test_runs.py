"""Runs of a plane: equal to looking at every cell."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partimento.representations.runs import runs_of

PLANES = hnp.arrays(
    np.uint8, st.tuples(st.integers(0, 12), st.integers(1, 4)), elements=st.integers(0, 1)
)


@given(PLANES)
def test_runs_are_what_a_walk_down_each_column_finds(plane):
    found = []
    for column in range(plane.shape[1]):
        began = None
        for step, cell in enumerate([*plane[:, column], 0]):
            if cell and began is None:
                began = step
            if not cell and began is not None:
                found.append((began, step, column))
                began = None
    assert list(zip(*(part.tolist() for part in runs_of(plane)), strict=True)) == found
