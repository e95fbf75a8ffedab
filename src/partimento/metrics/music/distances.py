"""MGEval's comparison of two sets of pieces: distances within each and between them."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

from partimento.metrics.comparison import Comparison
from partimento.metrics.music.densities import agreement
from partimento.metrics.music.mgeval import feature_sizes

MOST = 500
"""Pieces of a set between which distances are taken: 124,750 distances of each feature."""


def within(x: Tensor) -> np.ndarray:
    """Return the Euclidean distances between all pairs of rows of `(n, features)`."""
    return np.asarray(torch.pdist(x.double()))


def between(x: Tensor, y: Tensor) -> np.ndarray:
    """Return the Euclidean distances from each row of one set to each of the other."""
    exact = "donot_use_mm_for_euclid_dist"  # else equal rows would be slightly apart
    return np.asarray(torch.cdist(x.double(), y.double(), compute_mode=exact).flatten())


def compared(real: Tensor, fake: Tensor) -> dict[str, float]:
    """Return how distances among fakes `(n, features)` compare with those to reals `(m, features)`.

    Yang & Lerch 2020, section 4: `overlap` (OA) and `divergence` (KLD) of the distances among fakes
    and the distances between fakes and reals. `spread` is the mean distance among fakes over that
    among reals, far below 1 of a collapsed model.

    Raises:
        ValueError: When a set has fewer than two rows.
    """
    if min(len(real), len(fake)) < 2:
        raise ValueError(f"no distances among {len(real)} real and {len(fake)} generated pieces")
    ours, theirs = within(fake), within(real)
    found = agreement(ours, between(fake, real))
    mean = float(theirs.mean())
    spread = float(ours.mean()) / mean if mean > 0 else (1.0 if ours.max() == 0 else float("inf"))
    return {"overlap": found.overlap, "divergence": found.divergence, "spread": spread}


class FeatureDistances(Comparison):
    """`compared` for each feature of `mgeval_vectors`, as `overlap/NAME` and so on.

    The first `most` of each set are compared, so they should stand in random order.

    Args:
        bars: Bars of the vectors.
        most: Pieces of a set, at most.
    """

    def __init__(self, bars: int, most: int = MOST) -> None:
        super().__init__()
        self.sizes = feature_sizes(bars)
        self.most = most

    def value(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        real, fake = real[: self.most].cpu(), fake[: self.most].cpu()
        ends = list(itertools.accumulate(self.sizes.values()))
        found: dict[str, float] = {}
        for name, begin, end in zip(self.sizes, [0, *ends], ends, strict=False):
            values = compared(real[:, begin:end], fake[:, begin:end])
            found |= {f"{kind}/{name}": value for kind, value in values.items()}
        return found
