"""Precision, recall, density, coverage: closed forms, plain references, ties, and blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from partimento.metrics import neighbours
from partimento.metrics.manifold import ManifoldScores, coverage, expected_coverage, manifold
from partimento.metrics.neighbours import nearest_others

LINE = torch.arange(10.0).unsqueeze(1)


def plain(real: Tensor, fake: Tensor, k: int) -> tuple[float, float, float, float]:
    """All pairs at once, with open balls, as the usual code has them."""

    def radius(x: Tensor) -> Tensor:
        return torch.cdist(x, x).sort(dim=1).values[:, k]

    pairs = torch.cdist(real, fake)
    inside = pairs < radius(real)[:, None]
    return (
        float(inside.any(0).double().mean()),
        float((pairs < radius(fake)).any(1).double().mean()),
        float(inside.double().sum() / (k * len(fake))),
        float((pairs.min(1).values < radius(real)).double().mean()),
    )


@pytest.mark.parametrize("k", [1, 5])
def test_on_continuous_data_closed_balls_are_open_ones(k):
    draw = torch.Generator().manual_seed(k)
    real = torch.randn(200, 6, generator=draw)
    fake = 1.3 * torch.randn(150, 6, generator=draw) + 0.4
    assert manifold(real, fake, k) == pytest.approx(plain(real, fake, k), abs=1e-6)


def test_two_reals_and_their_fakes_by_hand():
    """On a line with k=1: balls of radius 1 around 0, 1 and of 2 around 3; fakes at 1.5 and 9."""
    real = torch.tensor([[0.0], [1.0], [3.0]])
    fake = torch.tensor([[1.5], [9.0]])
    found = manifold(real, fake, 1)
    assert found.precision == 1 / 2
    assert found.density == (2 + 0) / 2  # 1.5 is in the balls of 1 and of 3
    assert found.coverage == 2 / 3
    assert found.recall == 1.0  # both fakes' balls have radius 7.5


def test_equal_examples_cover_one_another():
    """Open balls of radius 0 would hold nothing, and reals would not cover themselves."""
    rolls = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(20, 1)
    assert manifold(rolls, rolls.clone(), 5)[:2] == (1.0, 1.0)
    assert manifold(rolls, rolls.clone(), 5).coverage == 1.0
    assert plain(rolls, rolls.clone(), 5)[3] == 0.0


@pytest.mark.parametrize("k", [3, 5])
def test_a_perfect_model_covers_as_much_as_the_formula_says(k):
    draws = [torch.randn(2, 300, 2, generator=torch.Generator().manual_seed(s)) for s in range(20)]
    found = torch.tensor([manifold(real, fake, k) for real, fake in draws])
    assert float(found[:, 3].mean()) == pytest.approx(expected_coverage(300, 300, k), abs=0.01)
    assert float(found[:, 2].mean()) == pytest.approx(1.0, abs=0.05)
    assert expected_coverage(10**6, 10**6, k) == pytest.approx(1 - 2**-k, abs=1e-4)


def test_any_block_gives_the_same(monkeypatch):
    draw = torch.Generator().manual_seed(3)
    real, fake = torch.randn(60, 3, generator=draw), torch.randn(70, 3, generator=draw)
    whole = manifold(real, fake)
    first = nearest_others(real, 5)
    monkeypatch.setattr(neighbours, "BLOCK", 150)
    for function in (neighbours.nearest_others, neighbours.distance_blocks):
        *others, _ = function.__defaults__
        monkeypatch.setattr(function, "__defaults__", (*others, 150))
    assert manifold(real, fake) == whole
    assert torch.equal(nearest_others(real, 5), first)


def test_too_few_examples_are_refused():
    with pytest.raises(ValueError, match="5 points have no 5 neighbours each"):
        manifold(torch.zeros(5, 2), torch.zeros(9, 2))
    with pytest.raises(ValueError, match="5 points have no 5 neighbours each"):
        coverage(torch.zeros(5, 2), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="no examples were generated"):
        coverage(LINE, LINE[:0])


def by_hand(real: np.ndarray, fake: np.ndarray, k: int) -> float:
    """Coverage by plain loops."""
    covered = 0
    for place, point in enumerate(real):
        others = np.delete(real, place, axis=0)
        radius = sorted(math.dist(point, other) for other in others)[k - 1]
        covered += any(math.dist(point, made) <= radius for made in fake)
    return covered / len(real)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_coverage_with_ties_is_what_plain_loops_give(k):
    draw = np.random.default_rng(k)
    real, fake = draw.integers(0, 4, (40, 3)), draw.integers(0, 5, (15, 3))
    points = torch.as_tensor(real).float(), torch.as_tensor(fake).float()
    assert coverage(*points, k) == pytest.approx(by_hand(real, fake, k))
    assert coverage(*points, k) == manifold(*points, k).coverage


def test_points_on_a_line_are_covered_by_one():
    assert nearest_others(LINE, 2)[:, -1].tolist() == [2.0] + [1.0] * 8 + [2.0]
    assert coverage(LINE, torch.tensor([[0.5]]), 1) == pytest.approx(0.2)
    assert coverage(LINE, torch.tensor([[5.0]]), 1) == pytest.approx(0.3)  # borders included
    assert coverage(LINE, torch.tensor([[20.0]]), 1) == 0.0
    assert coverage(LINE, LINE) == 1.0
    assert coverage(torch.zeros(8, 3), torch.zeros(1, 3)) == 1.0
    assert coverage(torch.zeros(8, 3), torch.ones(1, 3)) == 0.0


@pytest.mark.parametrize("k", [1, 3])
def test_a_border_in_many_dimensions_is_a_border(k):
    """The k-th neighbours themselves as samples cover every real: nothing is lost to rounding."""
    real = torch.randn(300, 96, generator=torch.Generator().manual_seed(5)) / 7
    kth = torch.cdist(real, real).argsort(dim=1)[:, k]
    for part in (kth, kth.unique()):
        assert coverage(real, real[part], k) == 1.0
        assert manifold(real, real[part], k).coverage == 1.0


def test_the_expectation_of_coverage_for_uneven_sets():
    draw = torch.Generator().manual_seed(1)
    found = [
        coverage(torch.randn(30, 2, generator=draw), torch.randn(20, 2, generator=draw), 3)
        for _ in range(400)
    ]
    error = np.std(found) / math.sqrt(len(found))
    assert np.mean(found) == pytest.approx(expected_coverage(30, 20, 3), abs=4 * error)
    assert error < 0.01


def test_as_a_metric():
    draw = torch.Generator().manual_seed(4)
    real, fake = torch.randn(40, 3, generator=draw), torch.randn(30, 3, generator=draw)
    metric = ManifoldScores(k=3)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    assert metric.compute() == manifold(real, fake, 3)._asdict()
