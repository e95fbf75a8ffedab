"""Histograms over bins of the real data: which of them the fakes fill too much or too little.

Richardson & Weiss, "On GANs and GMMs", NeurIPS 2018, section 3 (NDB), with the bins of k-means.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from scipy.stats import norm
from torch import Tensor

from partimento.metrics.comparison import Comparison
from partimento.metrics.neighbours import nearest

SIGNIFICANCE = 0.05
"""Level of the test in each bin (Richardson & Weiss 2018); a perfect model fails in as many."""
ITERATIONS = 50


def fit_bins(real: Tensor, bins: int, seed: int = 0) -> Tensor:
    """Return the centres of k-means on real examples `(bins or fewer, features)`.

    Fewer where fewer examples differ; a centre that no real example is nearest to is no bin.

    Args:
        real: Features `(n, features)`.
        bins: Number of bins.
        seed: Of the choice of first centres.

    Raises:
        ValueError: When there are fewer examples than bins.
    """
    if not 0 < bins <= len(real):
        raise ValueError(f"{len(real)} examples make no {bins} bins")
    points = real.double().cpu().numpy()
    bins = min(bins, len(np.unique(points, axis=0)))
    with warnings.catch_warnings():
        # Centres may coincide in discrete music; empty bins are left out below.
        warnings.filterwarnings("ignore", message="One of the clusters is empty")
        centres, _ = kmeans2(
            points, bins, iter=ITERATIONS, minit="++", rng=np.random.default_rng(seed)
        )
    found = torch.as_tensor(centres, dtype=real.dtype, device=real.device)
    return found[bin_counts(real, found) > 0]


def bin_counts(x: Tensor, centres: Tensor) -> Tensor:
    """Return how many examples `(n, features)` are nearest to each centre, `(bins,)`."""
    return torch.bincount(nearest(x, centres)[1], minlength=len(centres))


def differing_bins(real: Tensor, fake: Tensor, level: float = SIGNIFICANCE) -> float:
    """Return NDB/K: the share of bins whose proportions differ between reals and fakes.

    A two-proportion z-test in each bin: z = (p1 - p2) / sqrt(p (1 - p) (1 / n1 + 1 / n2)) with the
    pooled share p; a bin that is empty (or everything) in both does not differ.

    Args:
        real: Counts of reals in each bin, `(bins,)`.
        fake: Counts of fakes.
        level: Two-sided significance level.
    """
    first, second = real.double(), fake.double()
    total = first.sum(), second.sum()
    pooled = (first + second) / (total[0] + total[1])
    error = (pooled * (1 - pooled) * (1 / total[0] + 1 / total[1])).sqrt()
    gap = (first / total[0] - second / total[1]).abs()
    critical = float(norm.isf(level / 2))
    return float(((gap > critical * error) & (error > 0)).double().mean())


def jensen_shannon(first: Tensor, second: Tensor) -> float:
    """Return the Jensen-Shannon divergence of two histograms in nats, from 0 to ln 2.

    Args:
        first: Counts or shares of each bin, `(bins,)`, not all 0.
        second: The other's.
    """
    p, q = first.double() / first.sum(), second.double() / second.sum()
    middle = (p + q) / 2
    total = torch.special.xlogy(p, p / middle).nansum()
    total += torch.special.xlogy(q, q / middle).nansum()
    return min(max(float(total) / 2, 0.0), math.log(2))


def spread_in_bins(x: Tensor, centres: Tensor) -> Tensor:
    """Return the root mean squared distance of each bin's examples from their mean, `(bins,)`.

    NaN for a bin with fewer than two examples.
    """
    index = nearest(x, centres)[1]
    count = torch.bincount(index, minlength=len(centres)).to(x.dtype)
    mean = torch.zeros_like(centres).index_add_(0, index, x) / count[:, None]
    squared = (x - mean[index]).square().sum(dim=1)
    total = torch.zeros_like(count).index_add_(0, index, squared)
    return torch.where(count > 1, total / (count - 1), torch.nan).sqrt()


def spread_ratio(real: Tensor, fake: Tensor, centres: Tensor) -> float:
    """Return the median over bins of the fakes' spread over the reals'; NaN where none has both.

    Below 1 within-mode variety has shrunk (intra-mode collapse), though every mode may be there.
    """
    ours, theirs = spread_in_bins(real, centres), spread_in_bins(fake, centres)
    ratio = (theirs / ours)[torch.isfinite(theirs) & (ours > 0)]
    return float(ratio.median()) if len(ratio) else math.nan


class BinComparison(Comparison):
    """Bins of the reals: `ndb` (share of differing bins), `bin_jsd` and `spread_ratio`.

    Args:
        bins: Number of bins, at most; no more than a tenth of the reals.
        seed: Of k-means.
    """

    def __init__(self, bins: int = 100, seed: int = 0) -> None:
        super().__init__()
        self.bins = bins
        self.seed = seed

    def value(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        centres = fit_bins(real, min(self.bins, max(1, len(real) // 10)), self.seed)
        counts = bin_counts(real, centres), bin_counts(fake, centres)
        return {
            "ndb": differing_bins(*counts),
            "bin_jsd": jensen_shannon(*counts),
            "spread_ratio": spread_ratio(real, fake, centres),
        }
