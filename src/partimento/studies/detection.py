"""How well something tells collapse from health: ranks, delays with censoring, names of failures."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from partimento.metrics.oracles import reverse_kl, reverse_kl_floor


class Rates(NamedTuple):
    """A value with the interval of runs drawn again with replacement."""

    value: float
    low: float
    high: float

    def rounded(self, digits: int = 4) -> list[float | None]:
        """Return the three numbers for a file, None where there is none."""
        return [None if math.isnan(x) else round(float(x), digits) for x in self]


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the probability that a positive has a higher score than a negative, ties counted half.

    The statistic of Mann and Whitney (1947) over the number of pairs; NaN without pairs.

    Args:
        scores: Larger where a positive is more likely, `(n,)`; infinite ones are allowed.
        positive: Which are positives, `(n,)`.
    """
    count = int(positive.sum())
    pairs = count * (len(scores) - count)
    if not pairs:
        return math.nan
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / pairs)


def clustered(
    statistic: Callable[[np.ndarray], float],
    cluster: np.ndarray,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Rates:
    """Return a statistic of rows and its bootstrap interval, whole clusters drawn with replacement.

    Evaluations of one run are alike, so that runs are drawn, not evaluations (Field & Welsh 2007).
    A draw on which the statistic is NaN is left out.

    Args:
        statistic: Of the indices of rows, with repetitions.
        cluster: Cluster of each row, `(rows,)`.
        resamples: Number of draws.
        level: Share of the draws inside the interval.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    names, index = np.unique(cluster, return_inverse=True)
    members = [np.flatnonzero(index == number) for number in range(len(names))]
    found = []
    for _ in range(resamples if len(names) else 0):
        drawn = rng.integers(len(names), size=len(names))
        found.append(statistic(np.concatenate([members[number] for number in drawn])))
    kept = np.array([value for value in found if not math.isnan(value)])
    ends = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2]) if len(kept) else (math.nan,) * 2
    return Rates(statistic(np.arange(len(cluster))), float(ends[0]), float(ends[1]))


# -- labels -------------------------------------------------------------------------------------


class Labels(NamedTuple):
    """What is true of the evaluations of a run, `(evaluations,)` each.

    Attributes:
        visited: Modes with a share of the samples that is no less than a part of its due.
        uneven: Reverse divergence from even modes, less that of even draws, in nats.
        spread: Variety within modes over the law's.
        quality: Share of samples of high quality.
        modes: Number of modes.
        drift: Mean Jensen-Shannon divergence of the mode histogram from the ten before, in nats.
    """

    visited: np.ndarray
    uneven: np.ndarray
    spread: np.ndarray
    quality: np.ndarray
    modes: int
    drift: np.ndarray


def labels_of(
    counts: np.ndarray, spread: np.ndarray, quality: np.ndarray, due: float, history: int = 10
) -> Labels:
    """Return what an oracle's counts say.

    Args:
        counts: Samples of which each mode is the nearest, `(evaluations, modes)`.
        spread: Variety within modes over the law's, `(evaluations,)`.
        quality: Share of samples of high quality, `(evaluations,)`.
        due: Part of its due that a visited mode has.
        history: Earlier evaluations with which one is compared, at most.
    """
    samples, modes = int(counts[0].sum()), counts.shape[1]
    floor = reverse_kl_floor(modes, samples)
    share = counts / samples
    drift = np.zeros(len(counts))
    for place in range(1, len(counts)):
        before = share[max(0, place - history) : place]
        drift[place] = np.mean([_jensen_shannon(share[place], row) for row in before])
    return Labels(
        (counts >= due * samples / modes).sum(axis=1),
        np.array([reverse_kl(row) for row in counts]) - floor,
        np.asarray(spread, dtype=float),
        np.asarray(quality, dtype=float),
        modes,
        drift,
    )


def _jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(x > 0, x * np.log(x / middle), 0.0).sum() for x in (p, q)]
    return float(sum(parts)) / 2


# -- alarms -------------------------------------------------------------------------------------


class Delay(NamedTuple):
    """How long an alarm took.

    Attributes:
        evaluations: Until the alarm, or until it was too late to come.
        told: Whether it came.
    """

    evaluations: int
    told: bool


def delays(
    collapsed: np.ndarray, healthy: np.ndarray, alarm: np.ndarray, onset: int
) -> list[Delay]:
    """Return the delay of the alarm after each collapse of a run.

    A collapse begins with the first of `onset` evaluations in a row that are collapsed, at the
    beginning or after a healthy one, and is over at the next healthy evaluation: an alarm that had
    not come by then, or by the end of the run, is censored. One that stood already when the
    collapse began has no delay.

    Args:
        collapsed: Which evaluations are collapsed, `(evaluations,)`.
        healthy: Which are healthy; some may be neither.
        alarm: At which the alarm stood.
        onset: Evaluations in a row that make a collapse.
    """
    found: list[Delay] = []
    place, ready = 0, True
    while place < len(collapsed):
        ready = ready or bool(healthy[place])
        run = collapsed[place : place + onset]
        if not (ready and len(run) == onset and run.all()):
            place += 1
            continue
        later = np.flatnonzero(healthy[place:])
        end = place + int(later[0]) if len(later) else len(collapsed)
        told = np.flatnonzero(alarm[place:end])
        found.append(Delay(int(told[0]), True) if len(told) else Delay(end - place, False))
        place, ready = end, False
    return found


def median_delay(found: Sequence[Delay]) -> float:
    """Return the median of delays, some of them censored (Kaplan & Meier 1958); NaN: not reached.

    The first time at which the estimated share of collapses without an alarm is a half or less.
    """
    left = 1.0
    for time in sorted({delay.evaluations for delay in found if delay.told}):
        at_risk = sum(delay.evaluations >= time for delay in found)
        events = sum(delay.told and delay.evaluations == time for delay in found)
        left *= 1 - events / at_risk
        if left <= 0.5 + 1e-12:
            return float(time)
    return math.nan


def false_alarms(healthy: np.ndarray, alarm: np.ndarray) -> int:
    """Return how often the alarm began at a healthy evaluation that follows a healthy one."""
    begins = alarm[1:] & ~alarm[:-1]
    return int((begins & healthy[1:] & healthy[:-1]).sum())


# -- names of failures --------------------------------------------------------------------------


class Named(NamedTuple):
    """What is true of one failure at each evaluation, `(evaluations,)` each.

    Attributes:
        present: Where it is there.
        absent: Where it is not; at others it is too slight to say.
    """

    present: np.ndarray
    absent: np.ndarray


def f1(present: np.ndarray, absent: np.ndarray, said: np.ndarray) -> float:
    """Return the harmonic mean of precision and recall; NaN where the failure never is there."""
    if not present.any():
        return math.nan
    hits = float((said & present).sum())
    return 2 * hits / (2 * hits + float((said & absent).sum()) + float((~said & present).sum()))


def f1_by_name(truth: Mapping[str, Named], said: Sequence[Collection[str]]) -> dict[str, float]:
    """Return the F1 of each failure that is there at some evaluation.

    Args:
        truth: What is true, by failure.
        said: What was said at each evaluation, `(evaluations,)`.
    """
    found = {}
    for name, (present, absent) in truth.items():
        value = f1(present, absent, np.array([name in names for names in said], dtype=bool))
        if not math.isnan(value):
            found[name] = value
    return found
