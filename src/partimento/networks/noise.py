"""Noise inside a network, and from which stream of random numbers it comes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Noise(nn.Module):
    """One normal number per step, added to each channel with a strength that is learned.

    In training it comes from torch's global stream, which models put at a place that follows from
    the seed and the update. In evaluation mode there is none, so that the code alone decides,
    except under `noise_from`. All strengths are 0 at the beginning (Karras et al. 2019, section
    2, and the authors' code).

    Args:
        channels: Number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels, 1))
        self.drawn = False
        self.source: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return `(batch, channels, steps)` with the noise of each example and step."""
        if not (self.training or self.drawn):
            return x
        place = x.device if self.source is None else self.source.device
        noise = torch.randn(
            len(x), 1, x.shape[2], generator=self.source, device=place, dtype=x.dtype
        )
        return x + self.strength * noise.to(x.device)


@contextlib.contextmanager
def noise_from(
    network: nn.Module, generator: torch.Generator | None, drawn: bool = True
) -> Iterator[None]:
    """Say where a network in evaluation mode gets its noise from meanwhile.

    Args:
        network: A network, whether it has noise or not.
        generator: Source of the noise; None: torch's global stream.
        drawn: Whether there is noise.
    """
    layers = [module for module in network.modules() if isinstance(module, Noise)]
    before = [(layer.drawn, layer.source) for layer in layers]
    for layer in layers:
        layer.drawn, layer.source = drawn, generator
    try:
        yield
    finally:
        for layer, (drawn, source) in zip(layers, before, strict=True):
            layer.drawn, layer.source = drawn, source
