"""Statistics of generated music beside those of held-out and of training music, on one grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from partimento.metrics.music.distances import MOST, FeatureDistances
from partimento.metrics.music.mgeval import mgeval_vectors
from partimento.metrics.music.notes import bar_edges
from partimento.metrics.music.statistics import estimates, shares_of
from partimento.music import Piece

MOST_BARS = 8
"""Bars of a piece of which MGEval's bar-wise features are taken, at most."""

Section = dict[str, dict[str, float]]
"""Rows of a table by name, each with numbers by column; what is undefined is left out."""


def statistics_section(
    sides: Mapping[str, tuple[Sequence[Piece], np.ndarray]], seed: int = 0
) -> Section:
    """Return each statistic of several sets of pieces, `SIDE`, `SIDE_low` and `SIDE_high`.

    Args:
        sides: Pieces by name, with the group of tunes that each is from, `(pieces,)`.
        seed: Of the bootstrap.
    """
    found: Section = {}
    for side, (pieces, group) in sides.items():
        for name, estimate in estimates(shares_of(pieces), group, seed=seed).items():
            row = found.setdefault(name, {})
            row[side] = estimate.value
            if not math.isnan(estimate.low):
                row |= {f"{side}_low": estimate.low, f"{side}_high": estimate.high}
    return found


def distances_section(
    samples: Sequence[Piece], held_out: Sequence[Piece], train: Sequence[Piece]
) -> Section:
    """Return MGEval's comparison of samples with held-out pieces, and of training pieces with them.

    The columns are `overlap`, `divergence` and `spread`, and `train_overlap` and so on, which say
    what real music of other tunes scores. Pieces should stand in random order: the first ones are
    taken, as many of each.
    """
    most = min(MOST, len(samples), len(held_out), len(train))
    bars = min(MOST_BARS, max(len(bar_edges(piece)) - 1 for piece in held_out[:most]))
    real = torch.from_numpy(mgeval_vectors(held_out[:most], max(1, bars)))
    found: Section = {}
    for prefix, pieces in (("", samples), ("train_", train)):
        metric = FeatureDistances(max(1, bars))
        metric.update(real, real=True)
        metric.update(torch.from_numpy(mgeval_vectors(pieces[:most], max(1, bars))), real=False)
        for name, value in metric.compute().items():
            kind, feature = name.split("/")
            found.setdefault(feature, {})[prefix + kind] = value
    return found
