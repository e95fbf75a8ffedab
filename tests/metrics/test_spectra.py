"""Singular values: matrices whose ranks are known, convolutions, and layers by name."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from partimento.metrics.spectra import (
    effective_rank,
    layer_ranks,
    participation_ratio,
    singular_profile,
    stable_rank,
)


def test_ranks_that_are_known():
    assert effective_rank(torch.eye(5)) == pytest.approx(5)
    assert stable_rank(3 * torch.eye(5)) == pytest.approx(5)
    one = torch.outer(torch.arange(1.0, 4), torch.arange(1.0, 6))
    assert effective_rank(one) == pytest.approx(1, abs=1e-6)
    assert stable_rank(one) == pytest.approx(1, abs=1e-6)
    share = (0.8, 0.2)
    weight = torch.diag(torch.tensor([2.0, 1.0]))
    entropy = -sum(p * math.log(p) for p in share)
    assert effective_rank(weight) == pytest.approx(math.exp(entropy))
    assert singular_profile(weight).tolist() == [1.0, 0.5]
    assert singular_profile(torch.zeros(2, 2)).tolist() == [0.0, 0.0]


def test_participation_counts_directions():
    draw = torch.Generator().manual_seed(0)
    line = torch.randn(500, 1, generator=draw) * torch.tensor([[1.0, 2.0, 3.0]])
    assert participation_ratio(line + 7) == pytest.approx(1, abs=1e-5)
    assert participation_ratio(torch.randn(20_000, 4, generator=draw)) == pytest.approx(4, rel=0.01)
    assert participation_ratio(torch.ones(5, 3)) == 0.0


def test_layers_by_name():
    network = nn.Sequential(nn.Conv1d(3, 4, 2), nn.BatchNorm1d(4), nn.Linear(6, 5))
    ranks = layer_ranks(network)
    assert set(ranks) == {"0", "2"}
    assert ranks["0"] == effective_rank(network[0].weight.flatten(1))
