"""Equal samples: how many are unique, and how large a support that many collisions point to."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from scipy.stats import chi2
from torch import Tensor

from partimento.metrics.comparison import Comparison


class Support(NamedTuple):
    """An estimate of the effective support, 1 / sum of p^2, with its interval; inf: no collision."""

    size: float
    low: float
    high: float


def unique_share(x: Tensor) -> float:
    """Return the share of different rows of `(n, ...)`; n draws from n examples leave 1 - 1/e."""
    return len(torch.unique(x.flatten(1), dim=0)) / len(x)


def collisions(x: Tensor) -> int:
    """Return the number of pairs of equal rows of `(n, ...)`."""
    counts = torch.unique(x.flatten(1), dim=0, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def effective_support(x: Tensor, confidence: float = 0.95) -> Support:
    """Estimate the effective support of a discrete law by the birthday problem, from equal samples.

    n (n - 1) / 2 over the number of equal pairs, which is unbiased in its inverse, sum of p^2; the
    idea is Arora & Zhang's ("Do GANs Learn the Distribution?", ICLR 2018), whose test needs a
    person to find near duplicates of pictures. In music equality is exact. The interval takes the
    number of pairs for a Poisson number, which holds while few samples collide twice.

    Args:
        x: Hard samples `(n, ...)`.
        confidence: Of the two-sided interval.
    """
    pairs, found = len(x) * (len(x) - 1) / 2, collisions(x)
    tail = (1 - confidence) / 2
    most = float(chi2.isf(tail, 2 * found + 2)) / 2
    least = float(chi2.ppf(tail, 2 * found)) / 2 if found else 0.0
    return Support(
        size=pairs / found if found else math.inf,
        low=pairs / most,
        high=pairs / least if least else math.inf,
    )


class Duplicates(Comparison):
    """`unique_share` of fakes over that of as many reals, and the fakes' `effective_support`.

    It takes hard samples, flattened, instead of features.
    """

    def value(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        size = min(len(real), len(fake))
        support = effective_support(fake)
        return {
            "unique_share": unique_share(fake),
            "unique_ratio": unique_share(fake[:size]) / unique_share(real[:size]),
            "effective_support": support.size,
            "effective_support_low": support.low,
            "effective_support_high": support.high,
        }
