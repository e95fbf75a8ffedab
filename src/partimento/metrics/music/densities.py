"""Kernel densities of two sets of numbers: how far they overlap, and how far one diverges."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

REACH = 37
"""Widths of a kernel after which it is below any double's least logarithm."""
STEPS = 10
"""Grid points in the width of a kernel."""
LEAST = math.log(1e-300)
"""Logarithm of a density that is taken for none."""


class Agreement(NamedTuple):
    """How two densities agree.

    Attributes:
        overlap: Area under both, 0 to 1.
        divergence: Kullback-Leibler divergence of the second from the first in nats; infinite when
            one of them is a single point.
    """

    overlap: float
    divergence: float


class Density(NamedTuple):
    """A density on a grid of its own: places, and its logarithm there."""

    place: np.ndarray
    log: np.ndarray

    def at(self, place: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density at other places."""
        return np.interp(place, self.place, self.log, left=LEAST, right=LEAST)


def is_point(values: np.ndarray) -> bool:
    """Return whether all values are one, up to rounding."""
    return bool(np.ptp(values) <= 1e-6 * max(1.0, float(np.abs(values).max())))


def density(values: np.ndarray) -> Density:
    """Return the Gaussian kernel density of values `(n,)` that are not all one.

    The width is Scott's, the standard deviation times n^(-1/5), as Yang & Lerch use it. Values are
    divided among the two nearest points of a grid of `STEPS` points to a width.
    """
    width = float(values.std(ddof=1)) * len(values) ** -0.2
    step = width / STEPS
    low = float(values.min()) - REACH * width
    places = (values - low) / step
    left = np.floor(places).astype(np.int64)
    count = int(left.max()) + REACH * STEPS + 2
    rest = places - left
    mass = np.bincount(left, 1 - rest, count) + np.bincount(left + 1, rest, count)
    offset = np.arange(-REACH * STEPS, REACH * STEPS + 1) / STEPS
    kernel = np.exp(-np.square(offset) / 2) / (math.sqrt(2 * math.pi) * width)
    height = np.convolve(mass / len(values), kernel, "same" if count > len(kernel) else "full")
    if count <= len(kernel):
        height = height[REACH * STEPS : REACH * STEPS + count]
    return Density(low + step * np.arange(count), np.log(np.maximum(height, math.exp(LEAST))))


def agreement(first: np.ndarray, second: np.ndarray) -> Agreement:
    """Return how the densities of two sets of values agree, on one grid for both.

    A grid of each set's own, as in MGEval's published code, would make the divergence blind to
    where the sets lie. A set of one value only has no density: it overlaps with nothing but
    itself, which is what a collapsed model looks like.

    Args:
        first: Values `(n,)`.
        second: Values `(m,)`.

    Raises:
        ValueError: When a set is empty.
    """
    if not len(first) or not len(second):
        raise ValueError(f"no densities of {len(first)} and {len(second)} values")
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    points = is_point(first), is_point(second)
    if all(points) and is_point(np.concatenate([first[:1], second[:1]])):
        return Agreement(1.0, 0.0)
    if any(points):
        return Agreement(0.0, math.inf)
    ours, theirs = density(first), density(second)
    place = np.union1d(ours.place, theirs.place)
    p, q = ours.at(place), theirs.at(place)
    overlap = np.trapezoid(np.exp(np.minimum(p, q)), place)
    divergence = np.trapezoid(np.exp(p) * (p - q), place)
    return Agreement(float(overlap), max(0.0, float(divergence)))
