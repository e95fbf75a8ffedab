"""Exact nearest neighbours by blocks, so that no matrix of all pairs is ever in memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 2**22
"""Distances in memory at once: 16 MiB of float32, and what is computed of them a few times as much."""

WIDE = 32
"""Features from which on inner products are quicker than differences."""
FEW = 8
"""Candidates of a row, on average, beyond which comparing all is quicker."""


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
    wide = x.shape[1] >= WIDE
    if wide:
        rows = max(1, rows // 4)  # numbers of twice the size, and several of each
        middle = pool.double().mean(dim=0)
        shifted = pool.double() - middle
    # Kept results between the blocks would split the memory that the next block could have again.
    distance, index = x.new_empty(len(x)), x.new_empty(len(x), dtype=torch.int64)
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        distance[part], index[part] = (
            _by_products(x[part], pool, shifted, middle, block)
            if wide
            else _by_differences(x[part], pool)
        )
    return distance, index


def _by_differences(x: Tensor, pool: Tensor) -> tuple[Tensor, Tensor]:
    least = _distances(x, pool).min(dim=1)
    return least.values, least.indices


def _by_products(
    x: Tensor, pool: Tensor, shifted: Tensor, middle: Tensor, block: int
) -> tuple[Tensor, Tensor]:
    """Return the least distance of each row, and the first place in the pool that has it.

    Inner products are many times as fast as differences, but cancel digits. So they only say, by a
    bound on their error, which candidates may be the nearest: mostly one or a few, which are
    compared exactly.
    """
    points = x.double() - middle
    squares = points.square().sum(1, keepdim=True) + shifted.square().sum(1)
    # The error of a sum of d products is at most d units of rounding of the products' sizes.
    error = squares * (4 * x.shape[1] * torch.finfo(torch.float64).eps)
    squares.addmm_(points, shifted.T, alpha=-2)
    most = (squares + error).min(dim=1, keepdim=True).values
    row, candidate = torch.nonzero(squares.sub_(error) <= most, as_tuple=True)
    if len(row) > FEW * len(x):  # as of a generator that makes the same of all codes
        return _by_differences(x, pool)
    size = max(1, block // max(1, x.shape[1]))
    pairs = zip(row.split(size), candidate.split(size), strict=True)
    distance = torch.cat([(x[i] - pool[j]).square().sum(1).sqrt() for i, j in pairs])
    least = distance.new_full((len(x),), torch.inf).scatter_reduce(0, row, distance, "amin")
    # Of equal ones the first: candidates stand in the order of the pool.
    place = torch.where(distance == least[row], candidate, len(pool))
    first = candidate.new_full((len(x),), len(pool)).scatter_reduce(0, row, place, "amin")
    return least, first


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
    found = x.new_empty(len(x), k)
    for start in range(0, len(x), rows):
        part = _distances(x[start : start + rows], x)
        own = torch.arange(len(part))
        part[own, start + own] = torch.inf
        found[start : start + rows] = part.topk(k, largest=False, sorted=True).values
    return found


def distance_blocks(x: Tensor, y: Tensor, block: int = BLOCK) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows of `x` and their Euclidean distances to all rows of `y`, block by block."""
    rows = max(1, block // max(1, len(y)))
    for start in range(0, len(x), rows):
        yield slice(start, start + rows), _distances(x[start : start + rows], y)


def _distances(x: Tensor, pool: Tensor) -> Tensor:
    # The quick way by inner products cancels digits, and equal points get distances above 0.
    return torch.cdist(x, pool, compute_mode="donot_use_mm_for_euclid_dist")
