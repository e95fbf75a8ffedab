"""Nearest neighbours: against all pairs at once, for any block, and exact on equal points."""

from __future__ import annotations

import pytest
import torch

from partimento.metrics.neighbours import nearest

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


def test_the_first_of_equals() -> None:
    pool = torch.zeros(3, 2)
    assert nearest(torch.ones(1, 2), pool)[1].tolist() == [0]


def test_nothing_to_choose_from() -> None:
    with pytest.raises(ValueError, match="no neighbours"):
        nearest(X, POOL[:0])
