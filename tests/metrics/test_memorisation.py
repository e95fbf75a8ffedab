"""Memorisation: copies, unseen music, noise; ties; and the ratio that IMLE makes small."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from partimento.metrics.memorisation import (
    authenticity,
    authenticity_gap,
    data_copying,
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
