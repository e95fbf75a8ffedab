"""Nearest neighbours: against all pairs at once, for any block, and exact on equal points."""

from __future__ import annotations

import pytest
import torch

from partimento.metrics.neighbours import distance_blocks, nearest, nearest_others

DRAW = torch.Generator().manual_seed(0)
X = torch.randn(37, 5, generator=DRAW)
POOL = torch.randn(101, 5, generator=DRAW)


@pytest.mark.parametrize("block", [1, 101, 1000, 10**9])
def test_any_block_gives_the_same(block: int) -> None:
    distance, index = nearest(X, POOL, block)
    pairs = (X.unsqueeze(1) - POOL).square().sum(-1).sqrt()
    torch.testing.assert_close(distance, pairs.min(1).values)
    assert torch.equal(index, pairs.argmin(1))


def test_equal_points_are_at_distance_zero_however_far_out() -> None:
    far = POOL + 1e4
    distance, index = nearest(far[:20], far)
    assert torch.equal(distance, torch.zeros(20))
    assert torch.equal(index, torch.arange(20))


@pytest.mark.parametrize("kind", ["real", "binary", "far", "equal", "nearly equal"])
def test_many_features_give_what_differences_give(kind: str) -> None:
    """Inner products cancel digits; the answer must not, nor its choice among equals."""
    draw = torch.Generator().manual_seed(1)
    x, pool = torch.randn(30, 200, generator=draw), torch.randn(90, 200, generator=draw)
    if kind == "binary":
        x, pool = (x[:, :40] > 1).float(), (pool[:, :40] > 1).float()
    if kind == "far":
        x, pool = x + 1e4, pool + 1e4
    if kind == "equal":
        x, pool = x[:1].repeat(30, 1), x[:1].repeat(90, 1)
    if kind == "nearly equal":
        pool = pool[:1] + 1e-6 * pool
        x = pool[:30].clone()
    pairs = torch.cdist(x, pool, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    for block in (90, 10**9):
        distance, index = nearest(x, pool, block)
        torch.testing.assert_close(distance, pairs.values, rtol=1e-6, atol=0)
        exact = (x[:, None].double() - pool[None].double()).square().sum(-1)
        chosen = exact.gather(1, index[:, None])[:, 0].sqrt()
        torch.testing.assert_close(chosen, exact.min(1).values.sqrt(), rtol=1e-5, atol=1e-9)
        if kind in ("binary", "equal"):  # whole numbers: equals are exactly equal
            assert torch.equal(index, pairs.indices)


def test_the_first_of_equals() -> None:
    pool = torch.zeros(3, 2)
    assert nearest(torch.ones(1, 2), pool)[1].tolist() == [0]


def test_nothing_to_choose_from() -> None:
    with pytest.raises(ValueError, match="no neighbours"):
        nearest(X, POOL[:0])


@pytest.mark.parametrize("block", [1, 101, 1000, 10**9])
def test_other_rows_are_neighbours_the_row_itself_is_not(block: int) -> None:
    twice = torch.cat([POOL, POOL[:1]])
    pairs = torch.cdist(twice.double(), twice.double()).float()
    pairs.fill_diagonal_(torch.inf)
    expected = pairs.sort(dim=1).values[:, :3]
    found = nearest_others(twice, 3, block)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert found[0, 0] == 0
    for rows, distances in distance_blocks(X, POOL, block):
        torch.testing.assert_close(distances, torch.cdist(X[rows], POOL), atol=1e-5, rtol=1e-5)


def test_too_few_others() -> None:
    with pytest.raises(ValueError, match="3 points have no 3 neighbours"):
        nearest_others(POOL[:3], 3)
