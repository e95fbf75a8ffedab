"""MuseGAN's statistics of a piece: empty bars, pitch classes of a bar, qualified notes, tonal distance."""

from __future__ import annotations

import itertools
import math

import numpy as np

from partimento.metrics.music.notes import PITCH_CLASSES, bar_edges, beat_edges, chroma, occupied
from partimento.music import Piece

SHORTEST = 1 / 8
"""Quarter notes that a qualified note lasts at least: a 32nd, three of MuseGAN's steps."""


def musegan_statistics(piece: Piece) -> dict[str, float]:
    """Return the statistics of Dong et al., "MuseGAN", AAAI 2018, section "Metrics for evaluation".

    `empty_part_bar_rate` (EB), `bar_pitch_classes` (UPC), `qualified_notes` (QN) and
    `tonal_distance` (TD); NaN where one is not defined. Their polyphony is `polyphony_rate` of
    `muspy_metrics`, and drum patterns are left out, since pieces have no drums.
    """
    return {
        "empty_part_bar_rate": empty_part_bar_rate(piece),
        "bar_pitch_classes": bar_pitch_classes(piece),
        "qualified_notes": qualified_notes(piece),
        "tonal_distance": tonal_distance(piece),
    }


def empty_part_bar_rate(piece: Piece) -> float:
    """Return the share of bars in which a part is silent, mean over parts; NaN: there is no bar.

    The code that MuseGAN's authors published last returns the share of bars that are *not* empty.
    """
    edges = bar_edges(piece)
    if len(edges) < 2 or not piece.parts:
        return math.nan
    full = [occupied(piece, edges, part).mean() for part in range(len(piece.parts))]
    return float(1 - np.mean(full))


def bar_pitch_classes(piece: Piece) -> float:
    """Return how many pitch classes sound in a bar of a part, mean over bars and parts.

    Bars in which a part is silent count as 0. Octaves are folded; the published code folds rows of
    another order, and takes three octaves of C for three classes. NaN: there is no bar.
    """
    edges = bar_edges(piece)
    if len(edges) < 2 or not piece.parts:
        return math.nan
    used = [(chroma(piece, edges, part) > 0).sum(axis=1) for part in range(len(piece.parts))]
    return float(np.mean(used))


def qualified_notes(piece: Piece, shortest: float = SHORTEST) -> float:
    """Return the share of notes that last `shortest` quarter notes or longer; NaN: no notes."""
    if not len(piece):
        return math.nan
    return float((piece.duration >= shortest * piece.resolution).mean())


def tonal_centroids(chroma: np.ndarray) -> np.ndarray:
    """Return the tonal centroids of chroma vectors `(n, 12)`: `(n, 6)`, NaN of silence.

    Harte, Sandler & Gasser, "Detecting Harmonic Change in Musical Audio", 2006, equations 1 and 2:
    places on the circles of fifths, minor thirds and major thirds, of radii 1, 1 and 1/2.
    """
    place = np.arange(PITCH_CLASSES)
    rows = []
    for radius, angle in ((1.0, 7 / 6), (1.0, 3 / 2), (0.5, 2 / 3)):
        rows += [radius * f(place * angle * math.pi) for f in (np.sin, np.cos)]
    total = chroma.sum(axis=1, keepdims=True).astype(float)
    shares = np.divide(chroma, total, out=np.full(chroma.shape, math.nan), where=total > 0)
    return np.asarray(shares @ np.array(rows).T)


def tonal_distance(piece: Piece) -> float:
    """Return the distance of the tonal centroids of two parts in a beat, mean over beats and pairs.

    Beats in which both sound count alone. NaN where no two parts sound in one beat.
    """
    edges = beat_edges(piece)
    if len(edges) < 2:
        return math.nan
    centroids = [tonal_centroids(chroma(piece, edges, part)) for part in range(len(piece.parts))]
    apart = [
        np.linalg.norm(first - second, axis=1)
        for first, second in itertools.combinations(centroids, 2)
    ]
    known = np.concatenate([np.zeros(0), *apart])
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else math.nan
