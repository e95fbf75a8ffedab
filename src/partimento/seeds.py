"""Random streams keyed by (seed, purpose, counter, rank), so that a resumed run draws what it would have."""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

Purpose = Literal["init", "order", "latent", "noise", "sampling", "diagnostics"]


def stream_seed(seed: int, purpose: Purpose, counter: int = 0, rank: int = 0) -> int:
    """Return the 63-bit seed of one stream."""
    text = f"{seed}/{purpose}/{counter}/{rank}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(
    seed: int,
    purpose: Purpose,
    counter: int = 0,
    rank: int = 0,
    device: torch.device | str = "cpu",
) -> torch.Generator:
    """Return a generator at the start of one stream."""
    return torch.Generator(device).manual_seed(stream_seed(seed, purpose, counter, rank))


def seed_global(seed: int, purpose: Purpose, counter: int = 0, rank: int = 0) -> None:
    """Put torch's global stream, which dropout and initialisers draw from, at a known place."""
    torch.manual_seed(stream_seed(seed, purpose, counter, rank))
