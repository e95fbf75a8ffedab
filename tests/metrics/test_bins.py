"""Bins: closed forms, the test's own error rate, bins that are empty, and k-means on tied data."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial.distance import jensenshannon

from partimento.metrics.bins import (
    bin_counts,
    differing_bins,
    fit_bins,
    jensen_shannon,
    spread_in_bins,
    spread_ratio,
)


def test_a_bin_that_both_leave_empty_does_not_differ():
    """The usual code divides 0 by 0 there, and the share becomes no number."""
    counts = torch.tensor([50, 50, 0])
    assert differing_bins(counts, counts.clone()) == 0.0
    assert differing_bins(torch.tensor([100]), torch.tensor([7])) == 0.0  # everything in one bin


def test_the_two_proportion_test_by_hand():
    """60 of 100 against 40 of 100: z = 0.2 / sqrt(0.5 0.5 (2 / 100)) = 2.83; 55 against 45: 1.41."""
    assert differing_bins(torch.tensor([60, 40]), torch.tensor([40, 60])) == 1.0
    assert differing_bins(torch.tensor([55, 45]), torch.tensor([45, 55])) == 0.0
    assert differing_bins(torch.tensor([55, 45]), torch.tensor([45, 55]), level=0.2) == 1.0


def test_a_perfect_model_differs_in_as_many_bins_as_the_level_says():
    draw = torch.Generator().manual_seed(0)
    shares = []
    for _ in range(40):
        real, fake = torch.randn(2, 1000, 2, generator=draw)
        held_out = torch.randn(1000, 2, generator=draw)
        centres = fit_bins(held_out, 40)
        shares.append(differing_bins(bin_counts(real, centres), bin_counts(fake, centres)))
    assert sum(shares) / len(shares) == pytest.approx(0.05, abs=0.015)


def test_divergence_against_scipy_and_its_bounds():
    p, q = torch.tensor([3.0, 0.0, 5.0, 2.0]), torch.tensor([1.0, 4.0, 0.0, 5.0])
    expected = jensenshannon(p, q) ** 2
    assert jensen_shannon(p, q) == pytest.approx(float(expected), abs=1e-9)
    assert jensen_shannon(p, 7 * p) == 0.0
    apart = jensen_shannon(torch.tensor([1, 0]), torch.tensor([0, 5]))
    assert apart == pytest.approx(math.log(2), abs=1e-12)


def test_centres_are_the_means_of_their_bins_and_none_is_empty():
    draw = torch.Generator().manual_seed(1)
    corners = torch.tensor([[0.0, 0.0], [0.0, 9.0], [9.0, 0.0]])
    real = corners.repeat(30, 1) + 0.01 * torch.randn(90, 2, generator=draw)
    centres = fit_bins(real, 3)
    order = torch.cdist(corners, centres).argmin(1)
    torch.testing.assert_close(centres[order], corners, atol=0.02, rtol=0)
    assert bin_counts(real, centres).tolist() == [30, 30, 30]
    tied = torch.tensor([[0.0], [1.0]]).repeat(20, 1)
    found = fit_bins(tied, 5)
    assert len(found) == 2
    assert torch.equal(fit_bins(real, 7, seed=3), fit_bins(real, 7, seed=3))
    with pytest.raises(ValueError, match="3 examples make no 4 bins"):
        fit_bins(torch.zeros(3, 1), 4)


def test_spread_by_hand():
    x = torch.tensor([[0.0], [2.0], [10.0], [10.0], [10.0], [50.0]])
    centres = torch.tensor([[1.0], [10.0], [50.0]])
    spread = spread_in_bins(x, centres)
    assert spread[:2].tolist() == pytest.approx([math.sqrt(2), 0.0])
    assert math.isnan(float(spread[2]))
    fake = torch.tensor([[0.5], [1.5], [10.0], [11.0]])
    # The second bin of the reals has no spread to compare with.
    assert spread_ratio(x, fake, centres) == pytest.approx(0.5)
    assert math.isnan(spread_ratio(x, fake[:1], centres))
