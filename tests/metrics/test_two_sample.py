"""The two-sample test: by hand, ties in expectation, and why the two kinds are kept apart."""

from __future__ import annotations

import pytest
import torch
from scipy.spatial import KDTree

from partimento.metrics.two_sample import neighbour_accuracies


def test_by_hand():
    """Reals at 0 and 1, fakes at 1.4 and 9: real 0's neighbour is 1, that one's is a fake."""
    found = neighbour_accuracies(torch.tensor([[0.0], [1.0]]), torch.tensor([[1.4], [9.0]]))
    assert found == (0.5, 0.5)


def test_against_a_tree():
    draw = torch.Generator().manual_seed(0)
    real, fake = torch.randn(90, 3, generator=draw), 1.5 * torch.randn(90, 3, generator=draw)
    both = torch.cat([real, fake]).numpy()
    second = KDTree(both).query(both, k=2)[1][:, 1] >= 90
    found = neighbour_accuracies(real, fake)
    assert found == pytest.approx((1 - second[:90].mean(), second[90:].mean()))


def test_ties_are_broken_by_chance_not_by_order():
    """All equal: of the other 2n - 1 examples n - 1 are of one's own kind."""
    same = torch.zeros(10, 2)
    assert neighbour_accuracies(same, same) == pytest.approx((9 / 19, 9 / 19))


def test_one_kind_may_hide_the_other():
    """Fakes far apart around a cluster of reals: the mean of the two accuracies says nothing."""
    draw = torch.Generator().manual_seed(1)
    real = 0.01 * torch.randn(100, 50, generator=draw)
    fake = torch.randn(100, 50, generator=draw)
    found = neighbour_accuracies(real, fake)
    assert found.real == 1.0
    assert found.fake < 0.1


def test_sizes_are_made_equal():
    x = torch.randn(30, 2, generator=torch.Generator().manual_seed(2))
    assert neighbour_accuracies(x, x[:10] + 5) == neighbour_accuracies(x[:10], x[:10] + 5)
