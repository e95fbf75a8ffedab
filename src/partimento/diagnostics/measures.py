"""What is measured of generated examples, by name, and which failure each value speaks of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

from partimento.metrics.bins import (
    bin_counts,
    differing_bins,
    fit_bins,
    jensen_shannon,
    spread_ratio,
)
from partimento.metrics.diversity import diversity_ratios
from partimento.metrics.manifold import manifold
from partimento.metrics.memorisation import authenticity_gap, data_copying, nearest_ratio
from partimento.metrics.two_sample import neighbour_accuracies

MOST_BINS = 50
PER_BIN = 10
"""Real examples of a bin, on average, at least."""


class Sides(NamedTuple):
    """Features of as many examples of three kinds, `(n, features)` each.

    Attributes:
        train: Examples that the model was trained on.
        held_out: Real examples of other tunes.
        fake: Generated examples.
    """

    train: Tensor
    held_out: Tensor
    fake: Tensor


Measures = Callable[[Sides], Mapping[str, float]]


def minimal(sides: Sides) -> dict[str, float]:
    """Return the smallest set of values that tells the kinds of failure apart.

    `nearest_ratio`, `coverage` and `bin_jsd` for modes left out or uneven; `spread_ratio` for
    variety lost within modes; `precision` for what is off the data; `authenticity_gap` and `ndb`
    (far below its level) for copies.
    """
    train, held_out, fake = sides
    scores = manifold(held_out, fake, k=min(5, len(fake) - 1))
    centres = fit_bins(train, max(1, min(MOST_BINS, len(train) // PER_BIN)))
    counts = bin_counts(train, centres), bin_counts(fake, centres)
    return {
        "nearest_ratio": nearest_ratio(held_out, train, fake),
        "coverage": scores.coverage,
        "precision": scores.precision,
        "ndb": differing_bins(*counts),
        "bin_jsd": jensen_shannon(*counts),
        "spread_ratio": spread_ratio(train, fake, centres),
        "authenticity_gap": authenticity_gap(train, held_out, fake),
    }


def thorough(sides: Sides) -> dict[str, float]:
    """Return the values of `minimal` and the slower ones."""
    train, held_out, fake = sides
    scores = manifold(held_out, fake, k=min(5, len(fake) - 1))
    near = neighbour_accuracies(held_out, fake)
    return {
        **minimal(sides),
        "recall": scores.recall,
        "density": scores.density,
        **diversity_ratios(held_out, fake),
        "neighbour_accuracy_real": near.real,
        "neighbour_accuracy_fake": near.fake,
        "data_copying": data_copying(train, held_out, fake),
    }
