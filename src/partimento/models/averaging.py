"""Exponential moving averages of a network's weights, which sample better than the latest ones."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def averaged_copy(network: nn.Module) -> nn.Module:
    """Return a copy of a network that no optimizer moves, to hold its average."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Make the average `decay * average + (1 - decay) * network`; buffers are copied."""
    averaged: list[Tensor] = list(average.parameters())
    latest: list[Tensor] = list(network.parameters())
    torch._foreach_lerp_(averaged, latest, 1 - decay)
    for mine, theirs in zip(average.buffers(), network.buffers(), strict=True):
        mine.copy_(theirs)
