"""Reference intervals: what each measure says of a perfect model, which is music of unseen tunes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from partimento.diagnostics.measures import COUNTED, Measures, Sides
from partimento.errors import UserError

RESAMPLES = 200
LEVEL = 0.99
"""Share of a perfect model's values inside the interval; `RESAMPLES` can support it."""


@dataclass(frozen=True)
class Interval:
    """Where a measure's value lies for a perfect model.

    Attributes:
        low: Lower end.
        middle: Median.
        high: Upper end.
        level: Share of the values between the ends.
    """

    low: float
    middle: float
    high: float
    level: float

    def excess(self, value: float) -> float:
        """Return how far a value lies from the median, in half-widths of its own side.

        Between -1 and 1 it is inside; the sign says on which side. A side without width makes any
        step beyond it infinite. NaN stays NaN.
        """
        if math.isnan(value):
            return math.nan
        width = self.high - self.middle if value > self.middle else self.middle - self.low
        away = value - self.middle
        if width > 0:
            return away / width
        return 0.0 if away == 0 else math.copysign(math.inf, away)

    def at_least(self, width: float) -> Interval:
        """Return the interval with ends that lie at least this far from the median."""
        low, high = min(self.low, self.middle - width), max(self.high, self.middle + width)
        return Interval(low, self.middle, high, self.level)

    def as_dict(self) -> dict[str, float]:
        """Return the interval as plain numbers."""
        return {"low": self.low, "middle": self.middle, "high": self.high, "level": self.level}


def interval_of(values: np.ndarray, level: float = LEVEL) -> Interval:
    """Return the interval between two order statistics of a perfect model's values.

    Of R values the k-th from below and from above leave out 2 k / (R + 1) of further ones, in
    expectation and whatever the law. k is the largest number that keeps `level`; the level that it
    reaches is stated.

    Args:
        values: One value of each resample, `(resamples,)`; NaN where there was none.
        level: Share to be kept inside.

    Raises:
        ValueError: When there are too few values for that level.
    """
    values = np.sort(values[~np.isnan(values)])
    place = math.floor((1 - level) / 2 * (len(values) + 1) + 1e-9)
    if place < 1:
        raise ValueError(f"{len(values)} resamples cannot support an interval of {level:.2%}")
    return Interval(
        low=float(values[place - 1]),
        middle=float(np.median(values)),
        high=float(values[-place]),
        level=1 - 2 * place / (len(values) + 1),
    )


def draw_sides(
    group: np.ndarray, count: int, rng: np.random.Generator, tunes: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return indices of three sides of `count` examples; no group is on two sides.

    Examples of one tune are alike: with one tune on both sides a perfect model, whose tunes are
    new, would look bad beside the reference.

    Args:
        group: Group of each example, `(examples,)`.
        count: Examples of each side.
        rng: Source of randomness.
        tunes: Groups of the second side, at most, unless it then had too few examples: as many
            examples of fewer tunes say less of what music is like. None: all of its groups.

    Raises:
        ValueError: When there are not enough examples.
    """
    names, index, sizes = np.unique(group, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    # Groups go to the side that has the fewest examples yet, in random order.
    side = np.empty(len(names), dtype=np.int64)
    filled = np.zeros(3, dtype=np.int64)
    for name in order:
        side[name] = filled.argmin()
        filled[side[name]] += sizes[name]
    if filled.min() < count:
        raise ValueError(f"{len(group)} examples in {len(names)} groups give no 3 x {count}")
    if tunes is not None:
        own = order[side[order] == 1]
        enough = int(np.searchsorted(np.cumsum(sizes[own]), count)) + 1
        side[own[max(tunes, enough) :]] = -1
    sides = [np.flatnonzero(side[index] == number) for number in range(3)]
    first, second, third = (rng.choice(members, count, replace=False) for members in sides)
    return first, second, third


def supported_count(group: np.ndarray, distinct: int, most: int) -> int:
    """Return how many examples a side can have: a third, less room for groups of uneven size.

    Args:
        group: Group of each example, `(examples,)`.
        distinct: Number of examples that differ.
        most: Wanted number.

    Raises:
        UserError: When there are too few groups or examples for any reference.
    """
    sizes = np.unique(group, return_counts=True)[1]
    # Filling the emptiest side next leaves no side more than the largest group behind another.
    count = min(most, distinct // 3, int((len(group) - 2 * sizes.max()) // 3))
    if len(sizes) < 6 or count < 10:
        raise UserError(
            f"The training and validation splits have {len(group)} windows of {len(sizes)} groups "
            "of tunes, too few to say how a perfect model would score: take a larger dataset, or "
            "diagnostics=none."
        )
    return count


def calibrate(
    features: Tensor,
    group: np.ndarray,
    measures: Measures,
    count: int,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
    tunes: int | None = None,
) -> dict[str, Interval]:
    """Return the reference interval of each measure at `count` examples a side.

    Each resample divides the groups of tunes anew into what a model was trained on, what was held
    out, and what a perfect model gives: tunes of the same kind that nobody has seen.

    Args:
        features: Features of real examples `(examples, features)`.
        group: Group of tunes of each, `(examples,)`.
        measures: What to measure.
        count: Examples of each side, as many as there will be generated ones.
        resamples: Number of divisions.
        level: Share of a perfect model's values to be inside.
        seed: Of the divisions.
        tunes: Groups of the held-out side, at most: as many as there are in the real one.
    """
    rng = np.random.default_rng(seed)
    found: list[Mapping[str, float]] = []
    for _ in range(resamples):
        indices = [torch.as_tensor(i) for i in draw_sides(group, count, rng, tunes)]
        found.append(measures(Sides(*(features[i] for i in indices))))
    intervals = {
        name: interval_of(np.array([values[name] for values in found]), level) for name in found[0]
    }
    return {
        name: interval.at_least(1 / count) if name in COUNTED else interval
        for name, interval in intervals.items()
    }
