"""Samples against a law that is known: which modes they reach, how evenly, and how cleanly."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import numpy as np


class Labels(NamedTuple):
    """What an oracle says of each sample.

    Attributes:
        mode: Index of the nearest mode, `(samples,)`.
        good: Whether the sample is of high quality: no further from its mode than nearly all of
            the law's own draws, `(samples,)`.
    """

    mode: np.ndarray
    good: np.ndarray


class Oracle(Protocol):
    """Knows the law that a benchmark is drawn from.

    Samples are what the dataset gives: an array of points, or a sequence of pieces.

    Attributes:
        modes: Number of modes, all of the same probability.
        ceiling: Share of the law's own draws that are of high quality.
        entropy: Entropy of the law in nats per sample, a lower bound of every model's mean
            negative log-likelihood (differential for points).
    """

    @property
    def modes(self) -> int: ...

    @property
    def ceiling(self) -> float: ...

    @property
    def entropy(self) -> float: ...

    def assign(self, samples: Any) -> Labels:
        """Return mode and quality of each sample."""
        ...

    def log_prob(self, samples: Any) -> np.ndarray:
        """Return the log-density of each sample in nats, `(samples,)`; -inf where it cannot be."""
        ...


def mode_counts(labels: Labels, modes: int, *, good_only: bool = True) -> np.ndarray:
    """Return how many samples each mode has, `(modes,)`; of those of high quality alone by default.

    On rings and grids the literature counts samples of high quality (Lin et al., "PacGAN", 2018,
    section 4.1), on stacked digits all of them, by a classifier's word (section 4.2).
    """
    chosen = labels.mode[labels.good] if good_only else labels.mode
    return np.bincount(chosen, minlength=modes)


def modes_covered(counts: np.ndarray, at_least: float = 1) -> int:
    """Return how many modes have `at_least` samples.

    One lucky sample covers a mode; `counts.sum() / (5 * len(counts))` asks for a fifth of its share.
    """
    return int((counts >= at_least).sum())


def high_quality_share(labels: Labels) -> float:
    """Return the share of samples of high quality; a perfect model's is `Oracle.ceiling`."""
    return float(labels.good.mean())


def reverse_kl(counts: np.ndarray) -> float:
    """Return the divergence of the used modes from uniform ones in nats: sum of p ln(p K).

    It is ln(K / m) for m equally used of K modes (Lin et al., "PacGAN", 2018, section 4.1), and
    NaN where nothing was counted. Even a perfect model's is above 0: see `reverse_kl_floor`.
    """
    total = counts.sum()
    if not total:
        return math.nan
    share = counts[counts > 0] / total
    return float((share * np.log(share * len(counts))).sum())


def reverse_kl_floor(modes: int, samples: int) -> float:
    """Return the mean of `reverse_kl` over sets of samples that are drawn evenly.

    The expectation over the binomial count of a mode, exactly; about (K - 1) / (2 N) for many
    samples N. For 1,000 modes and 26,000 samples it is 0.0193.
    """
    if modes == 1 or not samples:
        return 0.0 if samples else math.nan
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, samples + 1)))])
    count = np.arange(1, samples + 1)
    log_binomial = (
        log_factorial[samples]
        - log_factorial[count]
        - log_factorial[samples - count]
        - count * math.log(modes)
        + (samples - count) * math.log1p(-1 / modes)
    )
    share = count / samples
    return float(modes * (np.exp(log_binomial) * share * np.log(share * modes)).sum())


def judge(oracle: Oracle, samples: Any) -> dict[str, float]:
    """Return what an oracle says of samples: `modes`, `high_quality`, `reverse_kl`.

    Modes and divergence are over samples of high quality.
    """
    labels = oracle.assign(samples)
    counts = mode_counts(labels, oracle.modes)
    return {
        "modes": float(modes_covered(counts)),
        "high_quality": high_quality_share(labels),
        "reverse_kl": reverse_kl(counts),
    }
