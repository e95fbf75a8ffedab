"""Layers of equalized learning rate: what they give at the beginning, and how fast they learn."""

from __future__ import annotations

import pytest
import torch

from partimento.networks.equalized import EqualizedConv, EqualizedLinear


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_equalized_layers_begin_alike_and_learn_at_their_rate(rate: float) -> None:
    """Unit outputs at any width and rate; a step of Adam moves what a layer gives by rate * lr."""
    torch.manual_seed(0)
    x = torch.randn(500, 200)
    layer = EqualizedLinear(200, 300, gain=1.0, rate=rate)
    assert float(layer(x).detach().std()) == pytest.approx(1, abs=0.03)
    adam = torch.optim.Adam(layer.parameters(), lr=0.1)
    before = layer.bias.detach() * layer.rate
    layer(x).sum(1).mean().backward()
    adam.step()
    moved = before - layer.bias.detach() * layer.rate
    torch.testing.assert_close(moved, torch.full((300,), 0.1 * rate))
    convolution = EqualizedConv(200, 300, 3, gain=1.0)
    made = convolution(torch.randn(4, 200, 50)).detach()
    assert float(made[..., 1:-1].std()) == pytest.approx(1, abs=0.03)
