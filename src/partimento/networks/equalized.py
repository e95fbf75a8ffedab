"""Layers whose learning rate is the same whatever their size (equalized learning rate)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class EqualizedLinear(nn.Module):
    """A fully connected layer with weights of unit size, scaled when it is used.

    He's constant, gain / sqrt(inputs), stands outside of the weights, so that Adam, whose steps do
    not depend on the size of a gradient, moves all layers alike (Karras et al. 2018, section 4.1).

    Args:
        inputs: Number of inputs.
        outputs: Number of outputs.
        gain: sqrt(2) before a rectifier, 1 elsewhere.
        rate: Factor of the learning rate, that of the layer's weights and biases (0.01 for the
            mapping network of Karras et al. 2019, appendix C); what the layer gives at the beginning
            does not depend on it.
    """

    def __init__(
        self, inputs: int, outputs: int, gain: float = math.sqrt(2), rate: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs) * rate
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return `(batch, outputs)` for `(batch, inputs)`."""
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class EqualizedConv(nn.Module):
    """A convolution along time in the same way, without a bias.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel: Steps that it sees, an odd number.
        gain: sqrt(2) before a rectifier, 1 elsewhere.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, gain: float = math.sqrt(2)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel))
        self.scale = gain / math.sqrt(inputs * kernel)
        self.padding = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """Return `(batch, outputs, steps)` for `(batch, inputs, steps)`."""
        return F.conv1d(x, self.weight * self.scale, padding=self.padding)
