"""Exact nearest neighbours by blocks, so that no matrix of all pairs is ever in memory."""

from __future__ import annotations

from collections.abc import Iterator

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


def nearest_others(x: Tensor, k: int = 1, block: int = BLOCK) -> Tensor:
    """Return for each row the distances to its k nearest other rows, ascending `(n, k)`.

    A row is left out of its own neighbours; another row that equals it is not, and has distance 0.

    Args:
        x: Points `(n, features)`.
        k: Number of neighbours, below n.
        block: Number of distances in memory at once, at most (one row of `x` at least).

    Raises:
        ValueError: When there are not k other rows.
    """
    if not 0 < k < len(x):
        raise ValueError(f"{len(x)} points have no {k} neighbours each")
    rows = max(1, block // len(x))
    found = []
    for start in range(0, len(x), rows):
        part = _distances(x[start : start + rows], x)
        own = torch.arange(len(part))
        part[own, start + own] = torch.inf
        found.append(part.topk(k, largest=False, sorted=True).values)
    return torch.cat(found)


def distance_blocks(x: Tensor, y: Tensor, block: int = BLOCK) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows of `x` and their Euclidean distances to all rows of `y`, block by block."""
    rows = max(1, block // max(1, len(y)))
    for start in range(0, len(x), rows):
        yield slice(start, start + rows), _distances(x[start : start + rows], y)


def _distances(x: Tensor, pool: Tensor) -> Tensor:
    # The quick way by inner products cancels digits, and equal points get distances above 0.
    return torch.cdist(x, pool, compute_mode="donot_use_mm_for_euclid_dist")
