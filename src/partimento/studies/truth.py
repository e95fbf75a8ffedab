"""What is true of samples where the law is known: modes visited, imbalance, variety within modes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from partimento.datasets.chorale_law import BARS, BEATS, GOOD, ChoraleLaw
from partimento.datasets.mixtures import GaussianMixture
from partimento.metrics.oracles import Labels
from partimento.representations.multivoice import MultiVoice

ENOUGH = 10
"""Samples that a mode must have for its variety to be judged."""
COMPARED = 100
"""Samples of a mode, at most, that are compared with one another."""


class Truth(NamedTuple):
    """What an oracle says of one set of samples.

    Attributes:
        counts: Samples of which each mode is the nearest, `(modes,)`.
        spread: Variety within modes over that of the law, the median of modes with enough samples;
            NaN where none has.
        quality: Share of samples of high quality.
    """

    counts: np.ndarray
    spread: float
    quality: float


def truth_of_points(law: GaussianMixture, points: np.ndarray) -> Truth:
    """Return what is true of points `(samples, [1,] 2)`.

    Variety within a mode is the median distance from the middle, which a few points between modes
    do not change; the law's own is sigma sqrt(2 ln 2), the median of Rayleigh's distribution.
    """
    points = np.asarray(points, dtype=float).reshape(-1, 2)
    labels = law.assign(points)
    counts = np.bincount(labels.mode, minlength=law.modes)
    found = []
    for mode in np.flatnonzero(counts >= ENOUGH):
        own = points[labels.mode == mode]
        found.append(np.median(np.linalg.norm(own - np.median(own, axis=0), axis=1)))
    own_law = law.sigma * math.sqrt(2 * math.log(2))
    spread = float(np.median(found)) / own_law if found else math.nan
    return Truth(counts, spread, float(labels.good.mean()))


def truth_of_grids(
    law: ChoraleLaw, representation: MultiVoice, x: np.ndarray, variety: float
) -> Truth:
    """Return what is true of grids of quarter notes `(samples, 16, 4)`.

    Variety within a mode is the share of cells in which two of its samples sound different.

    Args:
        law: Of 24 modes.
        representation: What the grids mean.
        x: The grids.
        variety: The same of the law's own samples, see `variety_of_grids`.
    """
    labels, sounding = label_grids(law, representation, x)
    counts = np.bincount(labels.mode, minlength=law.modes)
    spread = variety_of_grids(sounding, labels.mode) / variety
    return Truth(counts, spread, float(labels.good.mean()))


def label_grids(
    law: ChoraleLaw, representation: MultiVoice, x: np.ndarray
) -> tuple[Labels, np.ndarray]:
    """Return what `law.assign` says of the music of grids, without decoding it, and what sounds.

    Args:
        law: Of 24 modes.
        representation: Four voices in quarter notes.
        x: Grids `(samples, 16, 4)`.

    Returns:
        The labels, and the MIDI number that sounds in each cell, -1 for silence.
    """
    low = np.array([pair[0] for pair in representation.ranges])
    symbol = representation.sounding(x).astype(np.int64)
    pitch = np.where(symbol < np.array(representation.hold), symbol + low, -1)
    bars = pitch.reshape(len(x), BARS, -1)
    # The last class is that of silence.
    classes = np.where(bars < 0, 12, bars % 12)
    chroma = (classes[..., None] == np.arange(12)).sum(axis=2)
    templates = np.zeros((law.modes, BARS, 12))
    for mode, chords in enumerate(law.chords):
        for bar, chord in enumerate(chords):
            templates[mode, bar, list(chord)] = 1
    fitting = np.einsum("nbp,hbp->nh", chroma, templates)
    share = fitting.max(axis=1) / (BARS * BEATS * representation.voices)
    return Labels(fitting.argmax(axis=1), share >= GOOD - 1e-9), pitch


def variety_of_grids(pitch: np.ndarray, mode: np.ndarray) -> float:
    """Return the share of cells in which two samples of a mode differ, the median over modes.

    Args:
        pitch: What sounds, `(samples, steps, voices)`.
        mode: Mode of each, `(samples,)`.
    """
    found = []
    for number in np.flatnonzero(np.bincount(mode) >= ENOUGH):
        own = pitch[mode == number][:COMPARED].reshape(-1, pitch[0].size)
        differing = (own[:, None] != own[None]).mean()
        found.append(differing * len(own) / (len(own) - 1))
    return float(np.median(found)) if found else math.nan
