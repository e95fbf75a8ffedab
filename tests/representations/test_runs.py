"""Runs and planes: inverse to each other, and equal to looking at every cell."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from partimento.music import Piece
from partimento.representations.runs import note_steps, plane_of, runs_of

PLANES = hnp.arrays(
    np.uint8, st.tuples(st.integers(0, 12), st.integers(1, 4)), elements=st.integers(0, 1)
)


@given(PLANES)
def test_runs_and_plane_are_inverse(plane):
    start, stop, column = runs_of(plane)
    np.testing.assert_array_equal(plane_of(start, stop, column, plane.shape), plane)


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


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), st.integers(0, 2)), max_size=8))
def test_overlapping_notes_make_one_plane(notes):
    rows = [(start, min(start + length, 10), column) for start, length, column in notes]
    expected = np.zeros((10, 3), np.uint8)
    for start, stop, column in rows:
        expected[start:stop, column] = 1
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    np.testing.assert_array_equal(plane_of(*table.T, (10, 3)), expected)


def test_notes_go_to_the_nearest_step_and_last_one_at_least():
    """In sixteenths of 3 ticks: onsets 1 and 2 ticks off, a note of no length, one to the end."""
    piece = Piece("x", 12, [0, 4, 8, 9], [3, 4, 0, 7], [60, 61, 62, 63], [0] * 4, end=16)
    start, stop = note_steps(piece, 4)
    assert start.tolist() == [0, 1, 3, 3]
    assert stop.tolist() == [1, 3, 4, 6]  # 16 ticks reach into the sixth step
