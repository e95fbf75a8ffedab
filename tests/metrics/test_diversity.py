"""Diversity: block kernels count their blocks, orders agree, and against plain formulas."""

from __future__ import annotations

import math

import pytest
import torch

from partimento.metrics.diversity import (
    diversity_ratios,
    mean_distance,
    renyi_kernel_entropy,
    vendi,
)

DRAW = torch.Generator().manual_seed(0)


def blocks(sizes: list[int]) -> torch.Tensor:
    """Points that are equal within a block and far from all others."""
    return torch.repeat_interleave(1e3 * torch.eye(len(sizes)), torch.tensor(sizes), dim=0)


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0, 3.0])
def test_equal_blocks_are_counted(order):
    assert vendi(blocks([5, 5, 5, 5]), 1.0, order) == pytest.approx(4.0)
    assert vendi(blocks([7]), 1.0, order) == pytest.approx(1.0)


def test_uneven_blocks_by_hand():
    share = [0.5, 0.3, 0.2]
    x = blocks([5, 3, 2])
    entropy = -sum(p * math.log(p) for p in share)
    assert vendi(x, 1.0) == pytest.approx(math.exp(entropy))
    assert vendi(x, 1.0, 2.0) == pytest.approx(1 / sum(p * p for p in share))
    assert renyi_kernel_entropy(x, 1.0) == pytest.approx(1 / sum(p * p for p in share))


def test_order_two_needs_no_eigenvalues():
    x = torch.randn(60, 4, generator=DRAW)
    assert renyi_kernel_entropy(x, 1.3) == pytest.approx(vendi(x, 1.3, 2.0), rel=1e-6)


def test_the_order_is_not_ignored():
    """A popular implementation computes order 1 whatever is asked for."""
    x = torch.randn(60, 4, generator=DRAW)
    assert vendi(x, 1.0, 0.5) > vendi(x, 1.0, 1.0) > vendi(x, 1.0, 2.0)


def test_mean_distance_is_over_pairs_of_different_examples():
    assert mean_distance(torch.tensor([[0.0], [1.0], [4.0]])) == pytest.approx((1 + 4 + 3) / 3)
    with pytest.raises(ValueError, match="one example"):
        mean_distance(torch.zeros(1, 2))


def test_ratios_compare_as_many_of_each():
    real, fake = torch.randn(50, 3, generator=DRAW), torch.randn(80, 3, generator=DRAW)
    assert diversity_ratios(real, fake) == diversity_ratios(real, fake[:50])
    assert diversity_ratios(real, real) == pytest.approx(
        {"distance_ratio": 1.0, "rke_ratio": 1.0, "vendi_ratio": 1.0}
    )
    assert set(diversity_ratios(real, fake, with_vendi=False)) == {"distance_ratio", "rke_ratio"}
