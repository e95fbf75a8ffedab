"""The modes of real examples: bins that lie together, and what fakes do with them, blurred or not."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.cluster.hierarchy import cut_tree, linkage
from torch import Tensor

from partimento.metrics.bins import bin_counts, fit_bins, jensen_shannon
from partimento.metrics.neighbours import nearest

MOST_BINS = 50
PER_BIN = 5
"""Samples of an evaluation in a bin, on average, at least."""
FEWEST = 4
"""Modes, at least: with fewer nothing can be left out that other values do not see."""
ENOUGH = 3
"""Samples that a mode must have for its variety to be judged."""
DUE = 0.15
"""Share of what a mode should have below which it is left out."""


class Modes(NamedTuple):
    """A partition of the space into modes, each of them the places nearest to some of the centres.

    Attributes:
        centres: Centres of bins, `(bins, features)`.
        mode: Number of the mode that each bin is of, from 0, `(bins,)`.
    """

    centres: Tensor
    mode: Tensor

    @property
    def number(self) -> int:
        """Number of modes."""
        return int(self.mode.max()) + 1

    def of(self, x: Tensor) -> Tensor:
        """Return the mode of each example `(n, features)`, `(n,)`."""
        return self.mode[nearest(x, self.centres)[1]]


def find_modes(real: Tensor, count: int, seed: int = 0) -> Modes:
    """Return the modes of real examples: how many there are is found out too.

    Bins of k-means are joined step by step, the nearest ones first (average linkage), and the
    number of modes is the one at which examples lie best within their own beside the next: the
    largest mean of 1 - a / b, a and b the distances to the own and to the next mode's mean (the
    simplified silhouette, Hruschka et al. 2004; Rousseeuw 1987). What is blurred stays in its mode,
    as long as it is nearer to it than to any other.

    Args:
        real: Features `(n, features)`.
        count: Samples that an evaluation has, for which there must not be too many modes.
        seed: Of k-means.
    """
    most = min(MOST_BINS, count // PER_BIN, len(real))
    centres = fit_bins(real, max(1, most), seed)
    if len(centres) <= FEWEST:
        return Modes(centres, torch.arange(len(centres)))
    tree = cut_tree(linkage(centres.double().cpu().numpy(), "average"))
    weights = bin_counts(real, centres).to(real.dtype)
    best, chosen = -math.inf, np.zeros(0)
    for count in range(FEWEST, len(centres) + 1):
        mode = torch.from_numpy(tree[:, len(centres) - count])
        total = torch.zeros(count, dtype=real.dtype).index_add_(0, mode, weights)
        sums = torch.zeros(count, real.shape[1], dtype=real.dtype)
        means = sums.index_add_(0, mode, weights[:, None] * centres) / total[:, None]
        near = torch.cdist(real, means).topk(2, largest=False).values
        fit = float((1 - near[:, 0] / near[:, 1].clamp(min=1e-12)).mean())
        if fit > best:
            best, chosen = fit, mode.numpy()
    return Modes(centres, torch.from_numpy(chosen))


def mode_counts(modes: Modes, x: Tensor) -> Tensor:
    """Return how many examples `(n, features)` each mode has, `(modes,)`."""
    return torch.bincount(modes.of(x), minlength=modes.number)


def mode_spread(modes: Modes, x: Tensor, own: Tensor | None = None) -> Tensor:
    """Return the median distance of each mode's examples from their middle, `(modes,)`.

    The middle is the median of each feature. A few examples between modes, which move a mean
    squared distance far, do not move it. NaN for a mode with fewer than `ENOUGH` examples.

    Args:
        modes: The modes.
        x: Features `(n, features)`.
        own: The mode of each, where it is known, `(n,)`.
    """
    own = modes.of(x) if own is None else own
    counts = torch.bincount(own, minlength=modes.number)
    found = torch.full((modes.number,), torch.nan, dtype=x.dtype, device=x.device)
    for mode, part in enumerate(x[own.argsort()].split(counts.tolist())):
        if len(part) >= ENOUGH:
            away = part - part.median(dim=0).values
            found[mode] = away.square().sum(dim=1).sqrt().median()
    return found


class RealModes(NamedTuple):
    """The modes of real examples, and what these do with them.

    Attributes:
        modes: The partition.
        counts: Real examples of each mode, `(modes,)`.
        spread: Median distance of each mode's real examples from their middle, `(modes,)`.
    """

    modes: Modes
    counts: Tensor
    spread: Tensor

    @classmethod
    def of(cls, modes: Modes, real: Tensor) -> RealModes:
        """Compare with real examples `(n, features)`."""
        return cls(modes, mode_counts(modes, real), mode_spread(modes, real))

    def values(self, fake: Tensor) -> dict[str, float]:
        """Return what fakes do with the modes.

        - `mode_jsd`: Jensen-Shannon divergence of the modes of reals and of fakes, in nats.
        - `mode_left`: share of the modes that have less than `DUE` of what they should.
        - `modes_used`: number of the others.
        - `mode_spread`: variety of fakes within a mode over that of reals, the median of modes.

        Args:
            fake: Features of samples `(n, features)`.
        """
        own = self.modes.of(fake)
        counts = torch.bincount(own, minlength=self.modes.number)
        due = self.counts * (len(fake) / self.counts.sum())
        ratio = mode_spread(self.modes, fake, own) / self.spread
        ratio = ratio[torch.isfinite(ratio)]
        return {
            "mode_jsd": jensen_shannon(self.counts, counts),
            "mode_left": float((counts < DUE * due).double().mean()),
            "modes_used": float((counts >= DUE * due).sum()),
            "mode_spread": float(ratio.quantile(0.5)) if len(ratio) else math.nan,
        }
