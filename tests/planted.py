"""Sets of points of the ring with failures of known kind, for tests of what notices them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from partimento.datasets.mixtures import GaussianMixture, ring_centres

SIGMA = 0.01
RING = GaussianMixture(ring_centres(8, 1.0), SIGMA)


def tensor(points: np.ndarray) -> Tensor:
    """Return points as features `(n, 2)`."""
    return torch.as_tensor(points, dtype=torch.float32).reshape(-1, 2)


def ring(n: int, seed: int) -> Tensor:
    """Return draws from the ring, `(n, 2)`."""
    return tensor(RING.draw(n, np.random.default_rng(seed)))


def modes_only(n: int, seed: int, weights: np.ndarray, sigma: float = SIGMA) -> Tensor:
    """Return draws from a ring whose modes have these weights."""
    rng = np.random.default_rng(seed)
    mode = rng.choice(8, size=n, p=weights / weights.sum())
    return tensor(RING.centres[mode] + sigma * rng.standard_normal((n, 2)))


def planted(kind: str, n: int, seed: int, train: Tensor) -> Tensor:
    """Return `n` points with a failure, named as in the table of expected values."""
    even = np.ones(8)
    rng = np.random.default_rng(seed + 1000)
    if kind == "perfect":
        return modes_only(n, seed, even)
    if kind == "point":
        return tensor(np.tile(RING.centres[0], (n, 1)))
    if kind in ("one mode", "half", "one missing"):
        kept = {"one mode": 1, "half": 4, "one missing": 7}[kind]
        return modes_only(n, seed, (np.arange(8) < kept).astype(float))
    if kind == "shrunk":
        return modes_only(n, seed, even, SIGMA / 10)
    if kind == "imbalance":
        return modes_only(n, seed, 0.7 ** np.arange(8))
    if kind == "copy":
        return train[torch.as_tensor(rng.integers(len(train), size=n))]
    assert kind == "noise", kind
    points = modes_only(n, seed, even)
    noisy = torch.as_tensor(rng.random(n) < 0.3)
    points[noisy] = tensor(rng.uniform(-1.5, 1.5, (int(noisy.sum()), 2)))
    return points
