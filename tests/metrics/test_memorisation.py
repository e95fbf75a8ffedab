"""Memorisation: copies, unseen music, noise; ties; and the ratio that IMLE makes small."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from partimento.metrics.bins import fit_bins
from partimento.metrics.memorisation import (
    Memorisation,
    NearestRatio,
    authenticity,
    authenticity_gap,
    data_copying,
    data_copying_by_cell,
    nearest_ratio,
)


def sets(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(3, 300, 2, generator=draw))


def test_copies_are_not_authentic():
    train, held_out, fake = sets(0)
    assert authenticity(train, train) == 0.0
    assert authenticity_gap(train, held_out, train) == -authenticity(train, held_out)
    assert abs(authenticity_gap(train, held_out, fake)) < 0.12
    assert authenticity(train, 50 + fake) == 1.0


def test_a_perfect_model_has_a_standard_normal_statistic():
    found = np.array([data_copying(*sets(seed)) for seed in range(60)])
    # Distances to one training set make fakes and held-out examples depend on one another a little.
    assert abs(found.mean()) < 0.5
    assert 0.7 < found.std() < 1.4


def test_copies_are_far_below_and_noise_far_above():
    train, held_out, fake = sets(1)
    assert data_copying(train, held_out, train[:200]) < -15
    assert data_copying(train, held_out, 4 * fake) > 8


def test_against_scipy_where_there_are_ties():
    draw = torch.Generator().manual_seed(2)
    train, held_out, fake = (
        torch.randint(high, (n, 6), generator=draw).float()
        for high, n in ((3, 100), (3, 80), (4, 70))
    )
    distances = [torch.cdist(x, train).min(1).values.double().numpy() for x in (fake, held_out)]
    assert len(np.unique(np.concatenate(distances))) < 12
    for expected in [mannwhitneyu(*distances, use_continuity=False, method="asymptotic")]:
        z = data_copying(train, held_out, fake)
        assert 2 * 0.5 * math.erfc(abs(z) / math.sqrt(2)) == pytest.approx(expected.pvalue)


def test_one_distance_for_all_says_nothing():
    same = torch.zeros(5, 2)
    assert data_copying(same, same, same) == 0.0


def test_nearest_ratio_by_hand():
    real = torch.tensor([[0.0], [10.0]])
    others = torch.tensor([[1.0], [10.5]])
    assert nearest_ratio(real, others, torch.tensor([[2.0], [10.0]])) == pytest.approx(2 / 1.5)
    assert nearest_ratio(real, others, torch.tensor([[2.0], [10.0]]), 1.0) == pytest.approx(2.0)
    assert nearest_ratio(real, real, real) == 1.0
    assert nearest_ratio(real, real, others) == math.inf
    with pytest.raises(ValueError, match="2 fakes need as many"):
        nearest_ratio(real, others[:1], others)


def test_nearest_ratio_is_one_for_a_perfect_model():
    found = [nearest_ratio(*sets(seed)) for seed in range(20)]
    assert sum(found) / 20 == pytest.approx(1.0, abs=0.03)


CORNERS = torch.tensor([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0], [30.0, 30.0]])


def in_corners(seed: int, weights: list[int]) -> torch.Tensor:
    """Points around each corner, so many."""
    draw = torch.Generator().manual_seed(seed)
    return torch.cat(
        [c + torch.randn(n, 2, generator=draw) for c, n in zip(CORNERS, weights, strict=True)]
    )


def test_copying_in_one_part_of_the_space_is_seen_beside_noise_in_another():
    train, held_out = in_corners(0, [100] * 4), in_corners(1, [100] * 4)
    perfect = in_corners(2, [100] * 4)
    around = CORNERS.repeat_interleave(100, 0)
    noise = around + 4 * (perfect - around)
    fake = torch.cat([train[:200], noise[200:]])
    assert -4 < data_copying(train, held_out, fake) < 3
    assert data_copying_by_cell(train, held_out, fake[:200], CORNERS) < -8
    assert abs(data_copying_by_cell(train, held_out, perfect, CORNERS)) < 1.5
    one = torch.zeros(1, 2)  # one cell is no division
    found = data_copying_by_cell(train, held_out, fake, one)
    assert found == pytest.approx(data_copying(train, held_out, fake))


def test_a_cell_without_fakes_or_held_out_examples_is_left_out():
    """The usual code takes the n-th label for the n-th cell, and fails when a cell has no fakes."""
    train, held_out = in_corners(0, [100] * 4), in_corners(1, [100, 100, 100, 0])
    fake = in_corners(2, [100, 0, 100, 100])
    found = data_copying_by_cell(train, held_out, fake, CORNERS)
    first, third = (
        data_copying(train, held_out[place : place + 100], fake[made : made + 100])
        for place, made in ((0, 0), (200, 100))
    )
    assert found == pytest.approx((first + third) / 2)
    few = in_corners(3, [19, 0, 0, 0])
    assert math.isnan(data_copying_by_cell(train, held_out, few, CORNERS))
    assert math.isfinite(data_copying_by_cell(train, held_out, few, CORNERS, least=19))


def test_the_weights_of_cells_are_those_of_held_out_examples():
    train, held_out = in_corners(0, [60, 60, 0, 0]), in_corners(1, [90, 30, 0, 0])
    fake = torch.cat([train[:60], in_corners(2, [0, 60, 0, 0])])
    first = data_copying(train, held_out[:90], fake[:60])
    second = data_copying(train, held_out[90:], fake[60:])
    found = data_copying_by_cell(train, held_out, fake, CORNERS[:2])
    assert found == pytest.approx((90 * first + 30 * second) / 120)


def test_as_metrics():
    train, held_out, fake = sets(3)
    for kind in (Memorisation, NearestRatio):
        metric = kind()
        for part in (slice(0, 100), slice(100, None)):
            metric.update(train[part], "trained")
            metric.update(held_out[part], "held_out")
            metric.update(fake[part], "fake")
        found = metric.compute()
        if kind is Memorisation:
            centres = fit_bins(train, 6)
            assert found == {
                "authenticity_gap": authenticity_gap(train, held_out, fake),
                "data_copying": data_copying(train, held_out, fake),
                "data_copying_by_cell": data_copying_by_cell(train, held_out, fake, centres),
            }
        else:
            assert found["nearest_ratio"] == nearest_ratio(held_out, train, fake)
            assert found["nearest_ratio_95"] == nearest_ratio(held_out, train, fake, 0.95)
    with pytest.raises(ValueError, match="sides are trained, held_out, fake, not 'real'"):
        Memorisation().update(train, "real")
