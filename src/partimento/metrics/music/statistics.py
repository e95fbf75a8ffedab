"""All statistics of pieces in one table, their means over a set, and intervals by group of tunes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from partimento.metrics.music.mogren import mogren_statistics
from partimento.metrics.music.musegan import musegan_statistics
from partimento.metrics.music.muspy_metrics import muspy_statistics
from partimento.metrics.music.voices import Share, voice_statistics
from partimento.music import Piece

STATISTICS = {
    "pitches_used": "different pitches",
    "pitch_classes_used": "different pitch classes",
    "pitch_range": "semitones from lowest to highest note",
    "pitch_entropy": "bits",
    "pitch_class_entropy": "bits, 3.58 at most",
    "scale_consistency": "share of notes in the best major or minor scale",
    "mode_consistency": "the same with harmonic minor among the scales (C-RNN-GAN)",
    "polyphony": "pitches at once, where any sounds",
    "polyphony_rate": "share of time with two pitches or more",
    "joint_onsets": "share of onsets at which several notes begin (C-RNN-GAN's polyphony)",
    "repetitions": "pairs of equal runs of three pitches (C-RNN-GAN)",
    "intensity_span": "from the softest to the loudest velocity (C-RNN-GAN)",
    "groove_consistency": "likeness of neighbouring bars' rhythms",
    "empty_beat_rate": "share of silent beats",
    "empty_bar_rate": "share of silent bars",
    "empty_part_bar_rate": "share of bars in which a part is silent",
    "bar_pitch_classes": "pitch classes of a part in a bar",
    "qualified_notes": "share of notes of a 32nd or longer",
    "tonal_distance": "between parts in a beat",
    "parallel_fifths": "per 1,000 pairs of voices that both move",
    "parallel_octaves": "per 1,000 pairs of voices that both move",
    "voice_crossings": "share of neighbouring voices",
    "wide_spacings": "share of neighbouring upper voices over an octave apart",
}
"""The statistics, in order, and what each counts."""

RESAMPLES = 999


class Shares(NamedTuple):
    """What was counted of each piece, and among how much, `(pieces, statistics)` each.

    The value of a set of pieces is the one sum over the other. Where a statistic is a mean over
    pieces, each counts once; where it is not defined for a piece, both are 0.
    """

    counted: np.ndarray
    among: np.ndarray

    def value(self) -> np.ndarray:
        """Return the value of each statistic over all pieces, `(statistics,)`; NaN: undefined."""
        return divided(self.counted.sum(axis=0), self.among.sum(axis=0))


class Estimate(NamedTuple):
    """A value of a set of pieces and its interval, NaN where there is none."""

    value: float
    low: float
    high: float


def shares_of(pieces: Sequence[Piece]) -> Shares:
    """Return what was counted of each piece for each of `STATISTICS`."""
    rows = np.zeros((2, len(pieces), len(STATISTICS)))
    for number, piece in enumerate(pieces):
        values = {
            **muspy_statistics(piece), **musegan_statistics(piece), **mogren_statistics(piece)
        }  # fmt: skip
        found = {name: Share(value, 1) for name, value in values.items() if not math.isnan(value)}
        found |= voice_statistics(piece)
        for column, name in enumerate(STATISTICS):
            rows[:, number, column] = np.array(found.get(name, Share(0, 0)))
    return Shares(rows[0], rows[1])


def divided(count: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return one array over the other, NaN where nothing was counted among."""
    return np.divide(count, among, out=np.full(np.shape(among), math.nan), where=among > 0)


def estimates(
    shares: Shares,
    group: np.ndarray,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Return the value of each statistic and its bootstrap interval, by name; undefined: left out.

    Groups of tunes are drawn with replacement, not windows: those of one tune are alike, and would
    make the interval too narrow. The ends are percentiles (Efron 1979).

    Args:
        shares: Of the pieces.
        group: Group of each piece, `(pieces,)`; of generated ones, each its own.
        resamples: Number of draws.
        confidence: Share of the draws inside the interval.
        seed: Of the draws.
    """
    index = np.unique(group, return_inverse=True)[1]
    groups = int(index.max()) + 1
    sums = np.zeros((2, groups, len(STATISTICS)))
    np.add.at(sums[0], index, shares.counted)
    np.add.at(sums[1], index, shares.among)
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [
            divided(*(times @ side for side in sums))
            for times in (
                rng.multinomial(groups, np.full(groups, 1 / groups)) for _ in range(resamples)
            )
        ]
    )
    tail = (1 - confidence) / 2
    found = {}
    for name, value, values in zip(STATISTICS, shares.value(), drawn.T, strict=True):
        known = values[~np.isnan(values)]
        ends = np.quantile(known, [tail, 1 - tail]) if groups > 1 and len(known) else [math.nan] * 2
        if not math.isnan(value):
            found[name] = Estimate(float(value), float(ends[0]), float(ends[1]))
    return found


class MusicStatistics(Metric):
    """The `STATISTICS` of pieces, by name; one that no piece has a value of is absent."""

    is_differentiable = False
    full_state_update = False

    count: Tensor
    among: Tensor

    def __init__(self) -> None:
        super().__init__()
        zeros = torch.zeros(len(STATISTICS), dtype=torch.float64)
        self.add_state("count", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("among", zeros.clone(), dist_reduce_fx="sum")

    def update(self, pieces: Sequence[Piece]) -> None:
        """Count some pieces."""
        shares = shares_of(pieces)
        self.count += torch.as_tensor(shares.counted.sum(axis=0), device=self.count.device)
        self.among += torch.as_tensor(shares.among.sum(axis=0), device=self.among.device)

    def compute(self) -> dict[str, Tensor]:
        """Return the values by name, scalars."""
        values = zip(STATISTICS, self.count, self.among, strict=True)
        return {name: count / among for name, count, among in values if among > 0}
