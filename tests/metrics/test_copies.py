"""Copies: shares counted by hand, and near ones too."""

from __future__ import annotations

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from partimento.metrics.copies import CopyRate, copy_rate, near_copy_rate

CORPUS = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4]])
SAMPLES = np.array([[1, 2, 3, 4], [1, 2, 3, 5], [8, 7, 6, 5], [1, 2, 3, 4]])
FEW = st.integers(1, 6).flatmap(
    lambda n: arrays.arrays(np.int64, (n, 3), elements=st.integers(0, 2))
)


def test_shares_counted_by_hand() -> None:
    assert copy_rate(SAMPLES, CORPUS) == 0.5
    assert [near_copy_rate(SAMPLES, CORPUS, most) for most in (0, 1, 3, 4)] == [0.5, 0.75, 0.75, 1]


def test_kinds_of_integers_and_strides_do_not_matter() -> None:
    wide = np.repeat(CORPUS, 2, axis=1)[:, ::2].astype(np.uint8)
    assert copy_rate(SAMPLES, wide) == 0.5
    grids = SAMPLES.reshape(4, 2, 2)
    assert copy_rate(grids, CORPUS.reshape(3, 2, 2)) == 0.5


@given(FEW, FEW)
def test_near_copies_that_differ_nowhere_are_copies(
    samples: np.ndarray, corpus: np.ndarray
) -> None:
    assert near_copy_rate(samples, corpus, 0) == copy_rate(samples, corpus)
    assert copy_rate(samples, samples) == 1.0
    assert near_copy_rate(samples, corpus, 3) == 1.0


def test_nothing_to_compare() -> None:
    for rate in (copy_rate, lambda x, y: near_copy_rate(x, y, 1)):
        with pytest.raises(ValueError, match="no copies of"):
            rate(SAMPLES, CORPUS[:, :2])
        with pytest.raises(ValueError, match="no copies of"):
            rate(SAMPLES[:0], CORPUS)


def test_batches_are_what_all_samples_at_once_are() -> None:
    metric = CopyRate(CORPUS, most=1)
    for part in (SAMPLES[:3], SAMPLES[3:]):
        metric.update(part)
    assert metric.compute() == {"copy_rate": 0.5, "near_copy_rate": 0.75}
