"""What is counted from an oracle's labels: published values, small cases summed out, and no samples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from partimento.metrics.oracles import (
    Labels,
    high_quality_share,
    judge,
    mode_counts,
    modes_covered,
    reverse_kl,
    reverse_kl_floor,
)


@pytest.mark.parametrize(
    ("used", "nats"),
    [(1, 6.908), (16, 4.135), (99, 2.313), (150, 1.897), (500, 0.693), (900, 0.105), (1000, 0)],
)
def test_evenly_used_modes_of_a_thousand(used, nats):
    counts = np.where(np.arange(1000) < used, 26, 0)
    assert reverse_kl(counts) == pytest.approx(math.log(1000 / used), abs=1e-12)
    assert reverse_kl(counts) == pytest.approx(nats, abs=5e-4)


def test_reverse_kl_is_the_entropy_that_is_missing():
    from scipy.stats import entropy

    counts = np.array([5, 0, 3, 12, 1])
    assert reverse_kl(counts) == pytest.approx(math.log(5) - entropy(counts / counts.sum()))
    assert reverse_kl(counts) == pytest.approx(entropy(counts / counts.sum(), np.full(5, 0.2)))


@pytest.mark.parametrize(("modes", "samples"), [(1, 3), (2, 1), (2, 5), (3, 4), (4, 6)])
def test_the_floor_is_the_mean_over_all_sequences_of_labels(modes, samples):
    values = [
        reverse_kl(np.bincount(labels, minlength=modes))
        for labels in itertools.product(range(modes), repeat=samples)
    ]
    assert reverse_kl_floor(modes, samples) == pytest.approx(np.mean(values), abs=1e-12)


def test_the_floor_of_the_stacked_benchmark():
    assert reverse_kl_floor(1000, 26_000) == pytest.approx(0.01934, abs=1e-5)
    assert reverse_kl_floor(1000, 26_000) == pytest.approx(999 / 52_000, rel=0.01)
    rng = np.random.default_rng(0)
    drawn = [reverse_kl(np.bincount(rng.integers(1000, size=26_000))) for _ in range(40)]
    assert np.mean(drawn) == pytest.approx(
        reverse_kl_floor(1000, 26_000), abs=4 * 0.00086 / 40**0.5
    )


def test_what_is_counted():
    labels = Labels(np.array([0, 0, 0, 2, 2, 3]), np.array([1, 1, 0, 1, 1, 0], dtype=bool))
    assert mode_counts(labels, 5).tolist() == [2, 0, 2, 0, 0]
    assert mode_counts(labels, 5, good_only=False).tolist() == [3, 0, 2, 1, 0]
    assert modes_covered(mode_counts(labels, 5)) == 2
    assert modes_covered(np.array([3, 0, 2, 1, 0]), at_least=2) == 2
    assert high_quality_share(labels) == pytest.approx(4 / 6)


class Nothing:
    """An oracle to whom no sample is good."""

    modes, ceiling, entropy = 4, 1.0, 0.0

    def assign(self, samples):
        return Labels(np.zeros(len(samples), dtype=int), np.zeros(len(samples), dtype=bool))

    def log_prob(self, samples):
        return np.full(len(samples), -math.inf)


def test_no_good_sample_has_no_divergence():
    said = judge(Nothing(), [1, 2, 3])
    assert said["modes"] == said["high_quality"] == 0
    assert math.isnan(said["reverse_kl"])
    assert math.isnan(reverse_kl_floor(8, 0))
