"""Singular values: matrices whose ranks are known, convolutions, and layers by name."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from partimento.metrics.spectra import (
    LayerSpectra,
    Participation,
    effective_rank,
    layer_spectra,
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
    found = layer_spectra(network)
    assert set(found) == {"0", "2"}
    weight = network[0].weight.detach().flatten(1)
    assert found["0"].effective_rank == effective_rank(weight)
    assert found["0"].stable_rank == stable_rank(weight)
    assert found["0"].largest == pytest.approx(float(torch.linalg.matrix_norm(weight, 2)), rel=1e-5)


def test_a_weight_of_zeros_has_no_rank():
    layer = nn.Linear(3, 2)
    nn.init.zeros_(layer.weight)
    assert layer_spectra(nn.Sequential(layer)) == {"0": (0.0, 0.0, 0.0)}


def test_looking_at_a_normalised_layer_does_not_move_it():
    """In training mode, reading its weight makes a power iteration."""
    network = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(6, 5)), nn.ReLU())
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = layer_spectra(network)["0"]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network] == [True, False]
    _ = network[0].weight
    assert not all(torch.equal(v, before[name]) for name, v in network.state_dict().items())
    assert found.largest == pytest.approx(1, abs=0.3)  # the layer's own weight, divided by its norm


def test_spectra_as_a_metric_are_means():
    first, second = nn.Sequential(nn.Linear(4, 3)), nn.Sequential(nn.Linear(4, 3))
    metric = LayerSpectra(first)
    metric.update(first)
    metric.update(second)
    both = [layer_spectra(network)["0"] for network in (first, second)]
    found = metric.compute()
    assert set(found) == {"effective_rank/0", "stable_rank/0", "largest/0"}
    assert found["stable_rank/0"] == pytest.approx(sum(s.stable_rank for s in both) / 2)


def test_participation_over_batches():
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(90, 4, generator=draw) * torch.tensor([1.0, 2.0, 3.0, 0.1]) + 5
    metric = Participation(4)
    for part in x.split(40):
        metric.update(part)
    assert metric.compute()["participation_ratio"] == pytest.approx(
        participation_ratio(x), rel=1e-5
    )
