"""Latent codes: where a generator's randomness comes from, and ways between two codes."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Gt
from torch import Tensor

Kind = Literal["normal", "uniform"]


def draw_latent(
    count: int,
    size: Annotated[int, Gt(0)],
    kind: Kind,
    generator: torch.Generator | None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return codes `(count, size)`, standard normal or uniform in [-1, 1)."""
    if kind == "uniform":
        return torch.rand(count, size, generator=generator, device=device) * 2 - 1
    return torch.randn(count, size, generator=generator, device=device)


def interpolate(
    first: Tensor, second: Tensor, steps: int, kind: Literal["linear", "spherical"] = "spherical"
) -> Tensor:
    """Return codes `(steps, size)` on the way from one code to another, both ends included.

    Spherical interpolation (White 2016, section 2.1) keeps the norm that a normal code of many
    dimensions nearly always has; codes in one direction fall back to the straight line.
    """
    share = torch.linspace(0, 1, steps, device=first.device, dtype=first.dtype).unsqueeze(1)
    if kind == "spherical":
        cosine = torch.nn.functional.cosine_similarity(first, second, dim=0).clamp(-1, 1)
        angle = torch.arccos(cosine)
        if float(torch.sin(angle)) > 1e-6:
            weights = torch.sin((1 - share) * angle), torch.sin(share * angle)
            return (weights[0] * first + weights[1] * second) / torch.sin(angle)
    return (1 - share) * first + share * second
