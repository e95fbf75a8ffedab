"""Statistics of the study of calibration: rates with intervals, ranks, thresholds, confusion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import beta, rankdata


def clopper_pearson(hits: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a binomial share (Clopper & Pearson, Biometrika 1934)."""
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, hits, total - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, total - hits)) if hits < total else 1.0
    return low, high


def auroc(healthy: Sequence[float], failing: Sequence[float]) -> float:
    """Return the probability that a failing one scores higher than a healthy one, ties halved."""
    ranks = rankdata(np.concatenate([healthy, failing]))
    above = ranks[len(healthy) :].sum() - len(failing) * (len(failing) + 1) / 2
    return float(above / (len(healthy) * len(failing)))


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the correlation of ranks; 0 where one of them never changes. Infinities have ranks."""
    a, b = (rankdata(x) - (len(x) + 1) / 2 for x in (first, second))
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size else 0.0


def smallest_detected(rates: Mapping[float, float], wanted: float) -> float | None:
    """Return the smallest severity from which on all rates are as high as wanted; None: none is."""
    found = None
    for severity in sorted(rates, reverse=True):
        if rates[severity] < wanted:
            break
        found = severity
    return found


def macro_f1(confusion: Mapping[str, Mapping[str, float]]) -> float:
    """Return the mean F1 over truths, each of the same weight.

    Args:
        confusion: For each truth the shares of what was said of it, which add up to 1.
    """
    scores = []
    for truth, said in confusion.items():
        right = said.get(truth, 0.0)
        named = sum(row.get(truth, 0.0) for row in confusion.values())
        scores.append(2 * right / (1 + named))
    return sum(scores) / len(scores)
