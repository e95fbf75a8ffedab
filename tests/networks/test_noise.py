"""Noise in layers: its law, its strength, and from which stream it comes when."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from partimento.networks import StyleGenerator
from partimento.networks.noise import Noise, noise_from


def network_of(strength: float = 0.0, **options) -> StyleGenerator:
    torch.manual_seed(0)
    network = StyleGenerator((4,), (13, 5), hidden=(8, 6), mapping_layers=2, style=10, **options)
    for module in network.modules():
        if isinstance(module, Noise):
            torch.nn.init.constant_(module.strength, strength)
    return network


def test_noise_is_one_normal_number_per_step_times_the_channels_strength() -> None:
    layer = Noise(3)
    layer.strength.data = torch.tensor([[0.0], [1.0], [-2.0]])
    torch.manual_seed(0)
    found = layer(torch.zeros(500, 3, 20)).detach()
    assert torch.equal(found[:, 0], torch.zeros(500, 20))
    assert torch.equal(found[:, 2], -2 * found[:, 1])
    assert float(found[:, 1].mean()) == pytest.approx(0, abs=0.04)
    assert float(found[:, 1].std()) == pytest.approx(1, abs=0.03)


def test_at_the_beginning_there_is_no_noise_and_its_strength_learns() -> None:
    network = network_of()
    codes = torch.randn(3, 4)
    assert torch.equal(network(codes), network(codes))
    network(codes).square().sum().backward()
    strengths = [m.strength for m in network.modules() if isinstance(m, Noise)]
    assert len(strengths) == network.layers == 4
    assert all((s.grad != 0).any() for s in strengths[1:])


def test_noise_follows_the_stream_in_evaluation_and_is_off_without_one() -> None:
    network = network_of(0.5).eval()
    codes = torch.randn(3, 4)

    def under(seed: int) -> Tensor:
        with noise_from(network, torch.Generator().manual_seed(seed)):
            return network(codes)

    before = torch.get_rng_state()
    assert torch.equal(under(1), under(1))
    assert not torch.equal(under(1), under(2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(network(codes), network(codes))
    with noise_from(network, None), noise_from(network, None, drawn=False):
        assert torch.equal(network(codes), network(codes))
    assert not any(m.drawn for m in network.modules() if isinstance(m, Noise))


def test_noise_in_training_comes_from_the_global_stream() -> None:
    network = network_of(0.5)
    codes = torch.randn(3, 4)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(network(codes))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    silent = network_of(noise=False)
    assert not any(isinstance(m, Noise) for m in silent.modules())
