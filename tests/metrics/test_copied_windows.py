"""Copied windows: against plain loops, under transposition, on Bach, and as a metric."""

from __future__ import annotations

import json
import os
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from partimento.metrics.copied_windows import (
    LongestCopies,
    copied_windows,
    longest_copies,
    sounding_frames,
)
from partimento.music import Piece

FRAME = st.tuples(*[st.sampled_from([-1, 60, 61, 64])] * 2)
SEQUENCES = st.lists(st.lists(FRAME, min_size=1, max_size=7), min_size=1, max_size=3)


def arrays(sequences: list[list[tuple[int, ...]]]) -> list[np.ndarray]:
    return [np.array(one) for one in sequences]


def normal(window: np.ndarray, transposed: bool) -> tuple[tuple[int, ...], ...]:
    """The window itself, or moved so that the first pitch in it is 0."""
    pitches = [int(cell) for frame in window for cell in frame if cell >= 0]
    down = pitches[0] if transposed and pitches else 0
    return tuple(tuple(int(c) - down if c >= 0 else -999 for c in frame) for frame in window)


def by_loops(sequences, corpus, longest, transposed):
    known = {
        normal(one[start : start + length], transposed)
        for one in corpus
        for length in range(1, longest + 1)
        for start in range(len(one) - length + 1)
    }
    return [
        [
            max(
                (
                    length
                    for length in range(1, min(longest, len(one) - start) + 1)
                    if normal(one[start : start + length], transposed) in known
                ),
                default=0,
            )
            for start in range(len(one))
        ]
        for one in sequences
    ]


@given(SEQUENCES, SEQUENCES, st.booleans())
def test_it_is_what_plain_loops_give(sequences, corpus, transposed):
    first, second = arrays(sequences), arrays(corpus)
    found = longest_copies(first, second, 5, transposed=transposed)
    assert [one.tolist() for one in found] == by_loops(first, second, 5, transposed)


def test_a_moved_passage_is_a_copy_up_to_transposition_alone():
    corpus = np.array([[60, -1], [-1, -1], [62, 55], [64, 55]])
    moved = np.where(corpus < 0, -1, corpus + 5)
    assert longest_copies([moved], [corpus])[0].tolist() == [0, 1, 0, 0]
    # A silence at the start of a window is moved by nothing, and what follows it is.
    assert longest_copies([moved], [corpus], transposed=True)[0].tolist() == [4, 3, 2, 1]


def test_shares_and_histogram_by_hand():
    corpus = [np.array([[1], [2], [3]])]
    found = copied_windows([np.array([[1], [2], [9]]), np.array([[3]])], corpus, 4)
    assert found.share.tolist()[:4] == [1.0, 3 / 4, 1 / 2, 0.0]
    assert np.isnan(found.share[4])  # no sequence has four frames
    assert found.histogram.tolist() == [1 / 4, 2 / 4, 1 / 4, 0, 0]
    with pytest.raises(ValueError, match="no frames"):
        copied_windows([], corpus)


def test_a_window_that_crosses_two_pieces_is_in_neither():
    corpus = [np.array([[1], [2]]), np.array([[3], [4]])]
    assert longest_copies([np.array([[1], [2], [3], [4]])], corpus)[0].tolist() == [2, 1, 2, 1]


def test_frames_of_a_piece():
    """Quarters of 4 ticks: C held for two, E from the second eighth on, a rest of a quarter."""
    piece = Piece("a", 4, [0, 2, 12], [8, 6, 4], [60, 64, 48], [0, 1, 1], parts=("a", "b"))
    assert sounding_frames(piece).tolist() == [[60, -1], [60, 64], [-1, -1], [48, -1]]
    eighths = sounding_frames(piece, per_quarter=2)
    assert eighths[:5].tolist() == [[60, -1], [60, 64], [60, 64], [60, 64], [-1, -1]]
    assert len(eighths) == 8
    thirds = sounding_frames(piece, per_quarter=3)
    assert thirds[:3].tolist() == [[60, -1], [60, -1], [60, 64]]  # at 0, 4/3 and 8/3 ticks


def test_batches_are_what_all_sequences_at_once_are():
    draw = np.random.default_rng(0)
    corpus = [draw.integers(0, 3, (30, 2)) for _ in range(3)]
    pieces = [draw.integers(0, 3, (size, 2)) for size in (5, 20, 9, 1)]
    metric = LongestCopies(corpus, 8)
    for part in (pieces[:1], pieces[1:]):
        metric.update(part)
    whole = copied_windows(pieces, corpus, 8)
    assert np.array_equal(metric.windows().share, whole.share)
    assert np.array_equal(metric.windows().histogram, whole.histogram)
    values = metric.compute()
    assert list(values) == [f"copied_windows/{length}" for length in (1, 2, 4, 8)]
    assert values["copied_windows/2"] == whole.share[2]


def test_held_out_chorales_quote_as_often_as_is_known():
    """Quarter frames of 77 chorales against 229 others, in their keys: shares counted elsewhere.

    88 %, 42 %, 5.6 %, 0.33 % and 0.03 % of windows of 1, 2, 4, 8 and 16 frames.
    """
    path = Path(os.environ.get("PARTIMENTO_TEST_DATA", "")) / "Jsb16thSeparated.json"
    if "PARTIMENTO_TEST_DATA" not in os.environ or not path.is_file():
        pytest.skip("PARTIMENTO_TEST_DATA names no folder with Jsb16thSeparated.json")
    splits = json.loads(path.read_text())
    train, test = (
        [np.nan_to_num(np.array(one, float)[::4], nan=-1).astype(int) for one in splits[split]]
        for split in ("train", "test")
    )
    share = copied_windows(test, train).share
    expected = {1: 0.88, 2: 0.42, 4: 0.056, 8: 0.0033, 16: 0.0003}
    for length, value in expected.items():
        assert share[length] == pytest.approx(value, rel=0.03, abs=5e-5), length
    moved = copied_windows(test, train, transposed=True).share
    assert (moved[1:9] > share[1:9]).all()
