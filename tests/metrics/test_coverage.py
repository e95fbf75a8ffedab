"""Coverage: closed forms, ties, blocks, and its expectation under one law."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from partimento.metrics.coverage import coverage, expected_coverage, neighbourhood_radii

LINE = torch.arange(10.0).unsqueeze(1)


def by_hand(real: np.ndarray, fake: np.ndarray, k: int) -> float:
    """Coverage by plain loops."""
    covered = 0
    for place, point in enumerate(real):
        others = np.delete(real, place, axis=0)
        radius = sorted(math.dist(point, other) for other in others)[k - 1]
        covered += any(math.dist(point, made) <= radius for made in fake)
    return covered / len(real)


def test_points_on_a_line() -> None:
    assert neighbourhood_radii(LINE, 1).tolist() == [1.0] * 10
    assert neighbourhood_radii(LINE, 2).tolist() == [2.0] + [1.0] * 8 + [2.0]
    assert coverage(LINE, torch.tensor([[0.5]]), 1) == pytest.approx(0.2)
    assert coverage(LINE, torch.tensor([[5.0]]), 1) == pytest.approx(0.3)  # borders included
    assert coverage(LINE, torch.tensor([[20.0]]), 1) == 0.0
    assert coverage(LINE, LINE) == 1.0


def test_equal_points_are_neighbours_and_covered_by_their_equals() -> None:
    """Strict borders, as the paper has them, would leave all of these uncovered."""
    real = torch.tensor([[0.0], [0.0], [5.0]])
    assert neighbourhood_radii(real, 1).tolist() == [0.0, 0.0, 5.0]
    assert coverage(torch.zeros(8, 3), torch.zeros(1, 3)) == 1.0
    assert coverage(torch.zeros(8, 3), torch.ones(1, 3)) == 0.0


@pytest.mark.parametrize("k", [1, 3, 5])
def test_it_is_what_plain_loops_give(k: int) -> None:
    draw = np.random.default_rng(k)
    real, fake = draw.integers(0, 4, (40, 3)), draw.integers(0, 5, (15, 3))
    points = torch.as_tensor(real).float(), torch.as_tensor(fake).float()
    assert coverage(*points, k) == pytest.approx(by_hand(real, fake, k))
    assert coverage(*points, k, block=7) == coverage(*points, k)


def test_it_falls_with_the_modes_that_are_left_out() -> None:
    draw = torch.Generator().manual_seed(0)
    centres = 100 * torch.arange(8.0).repeat_interleave(50)
    real, fake = (
        torch.stack([centres, centres], 1) + torch.randn(400, 2, generator=draw) for _ in range(2)
    )
    whole = coverage(real, fake)
    assert whole > 0.9
    assert coverage(real, fake[:200]) == pytest.approx(whole / 2, abs=0.03)


def test_the_expectation_under_one_law() -> None:
    draw = torch.Generator().manual_seed(1)
    found = [
        coverage(torch.randn(30, 2, generator=draw), torch.randn(20, 2, generator=draw), 3)
        for _ in range(400)
    ]
    error = np.std(found) / math.sqrt(len(found))
    assert np.mean(found) == pytest.approx(expected_coverage(30, 20, 3), abs=4 * error)
    assert error < 0.01


@pytest.mark.parametrize(("k", "limit"), [(3, 0.875), (5, 0.96875), (10, 1 - 2**-10)])
def test_the_expectation_of_many_points(k: int, limit: float) -> None:
    assert expected_coverage(10**6, 10**6, k) == pytest.approx(limit, abs=1e-4)


def test_too_few_points() -> None:
    with pytest.raises(ValueError, match="5 points have no 5 neighbours each"):
        coverage(torch.zeros(5, 2), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="no neighbours"):
        coverage(LINE, LINE[:0])
