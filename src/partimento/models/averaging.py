"""Exponential moving averages of a network's weights, which sample better than the latest ones."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from partimento.errors import UserError


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


def chosen(weights: str | None, network: nn.Module, average: nn.Module | None) -> nn.Module:
    """Return the network with the weights asked for, by default the averaged ones if there are any.

    Raises:
        UserError: When there are no such weights.
    """
    if weights not in (None, "ema", "raw"):
        raise UserError(f"weights must be 'ema' or 'raw', not {weights!r}.")
    if weights == "ema" and average is None:
        raise UserError(
            "This model keeps no averaged weights: use weights='raw', or train with model.ema=0.999."
        )
    return network if weights == "raw" or average is None else average
