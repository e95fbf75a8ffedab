"""Precision, recall, density, coverage: closed forms, a plain reference, ties, and blocks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from partimento.metrics import neighbours
from partimento.metrics.manifold import ManifoldScores, expected_coverage, manifold
from partimento.metrics.neighbours import nearest_others


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


def test_as_a_metric():
    draw = torch.Generator().manual_seed(4)
    real, fake = torch.randn(40, 3, generator=draw), torch.randn(30, 3, generator=draw)
    metric = ManifoldScores(k=3)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    assert metric.compute() == manifold(real, fake, 3)._asdict()
