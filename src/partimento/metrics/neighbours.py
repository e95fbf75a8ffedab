"""Exact nearest neighbours by blocks, so that no matrix of all pairs is ever in memory."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 2**24
"""Distances in memory at once: 64 MiB of float32."""


def nearest(x: Tensor, pool: Tensor, block: int = BLOCK) -> tuple[Tensor, Tensor]:
    """Return for each row of `x` the least Euclidean distance to a row of `pool`, and which it is.

    Args:
        x: Points `(n, features)`.
        pool: Candidates `(m, features)`.
        block: Number of distances in memory at once, at most (one row of `x` at least).

    Returns:
        Distances `(n,)` and indices `(n,)`; of equal distances the first in the pool.

    Raises:
        ValueError: When the pool is empty or the numbers of features differ.
    """
    if not len(pool) or x.shape[1] != pool.shape[1]:
        raise ValueError(f"no neighbours of {tuple(x.shape)} in {tuple(pool.shape)}")
    rows = max(1, block // len(pool))
    found = [_distances(part, pool).min(dim=1) for part in x.split(rows)]
    return torch.cat([pair.values for pair in found]), torch.cat([pair.indices for pair in found])


def _distances(x: Tensor, pool: Tensor) -> Tensor:
    # The quick way by inner products cancels digits, and equal points get distances above 0.
    return torch.cdist(x, pool, compute_mode="donot_use_mm_for_euclid_dist")
