"""MGEval's features of a piece: numbers and histograms between which distances are taken."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from partimento.metrics.histograms import top_line
from partimento.metrics.music.notes import PITCH_CLASSES, bar_edges, chroma
from partimento.music import Piece

LENGTHS = (96, 48, 24, 12, 6, 72, 36, 18, 9, 32, 16, 8)
"""Note lengths in 24ths of a quarter note: whole to 16th, dotted half to dotted 16th, and half,
quarter and 8th in triplets (Yang & Lerch's order)."""


def feature_sizes(bars: int) -> dict[str, int]:
    """Return the features of Yang & Lerch 2020, tables 1 and 2, and how many numbers each has."""
    return {
        "pitch_count": 1,
        "bar_pitch_count": bars,
        "note_count": 1,
        "bar_note_count": bars,
        "pitch_class_histogram": PITCH_CLASSES,
        "bar_pitch_class_histogram": bars * PITCH_CLASSES,
        "pitch_class_transitions": PITCH_CLASSES**2,
        "pitch_range": 1,
        "mean_pitch_shift": 1,
        "mean_onset_interval": 1,
        "note_length_histogram": len(LENGTHS),
        "note_length_transitions": len(LENGTHS) ** 2,
    }


def mgeval_features(piece: Piece, bars: int) -> dict[str, np.ndarray]:
    """Return the features of one piece by name, of the sizes that `feature_sizes` gives.

    Yang & Lerch, "On the evaluation of generative models in music", Neural Computing and
    Applications 32, 2020, section 3. Melodic ones (transitions, shifts, onset intervals) are
    within parts, along the highest notes; theirs look at one track. Lengths and onset
    intervals are in quarter notes whatever the metre. Bars are the first `bars`; those that
    are not there, and all features of silence, are 0, so that a model of silence is collapsed.
    """
    edges = bar_edges(piece)[: bars + 1]
    lines = [top_line(piece, part) for part in range(len(piece.parts))]
    shifts = np.concatenate([np.zeros(0), *(np.abs(np.diff(line.pitch)) for line in lines)])
    gaps = np.concatenate([np.zeros(0), *(np.diff(line.onset) for line in lines)])
    counted = _of_bars(piece, edges, bars)
    return {
        "pitch_count": np.array([len(np.unique(piece.pitch))]),
        "note_count": np.array([len(piece)]),
        **counted,
        "pitch_class_histogram": _shares(chroma(piece, np.array([0, piece.end])).sum(axis=0)),
        "pitch_class_transitions": _transitions([line.pitch % 12 for line in lines], PITCH_CLASSES),
        "pitch_range": np.array([np.ptp(piece.pitch) if len(piece) else 0]),
        "mean_pitch_shift": np.array([shifts.mean() if len(shifts) else 0]),
        "mean_onset_interval": np.array([gaps.mean() / piece.resolution if len(gaps) else 0]),
        "note_length_histogram": _shares(
            np.bincount(length_classes(piece.duration, piece.resolution), minlength=len(LENGTHS))
        ),
        "note_length_transitions": _transitions(
            [length_classes(line.duration, piece.resolution) for line in lines], len(LENGTHS)
        ),
    }


def mgeval_vectors(pieces: Sequence[Piece], bars: int) -> np.ndarray:
    """Return the features of pieces one after another, `(pieces, sum of feature_sizes(bars))`."""
    names = feature_sizes(bars)
    rows = np.zeros((len(pieces), sum(names.values())), dtype=np.float32)
    for row, piece in zip(rows, pieces, strict=True):
        found = mgeval_features(piece, bars)
        row[:] = np.concatenate([found[name] for name in names])
    return rows


def length_classes(duration: np.ndarray, resolution: int) -> np.ndarray:
    """Return which of `LENGTHS` each duration (ticks) is nearest to."""
    units = duration[:, None] * 24 / resolution
    return np.abs(units - np.array(LENGTHS)).argmin(axis=1).astype(np.int64)


def _of_bars(piece: Piece, edges: np.ndarray, bars: int) -> dict[str, np.ndarray]:
    """Return the features of each bar: pitches and notes that begin in it, and pitch classes."""
    pitches, notes = np.zeros(bars), np.zeros(bars)
    histogram = np.zeros((bars, PITCH_CLASSES))
    for bar, (begin, end) in enumerate(itertools.pairwise(edges)):
        inside = (piece.onset >= begin) & (piece.onset < end)
        pitches[bar], notes[bar] = len(np.unique(piece.pitch[inside])), inside.sum()
    for bar, ticks in enumerate(chroma(piece, edges)):
        histogram[bar] = _shares(ticks)
    return {
        "bar_pitch_count": pitches,
        "bar_note_count": notes,
        "bar_pitch_class_histogram": histogram.ravel(),
    }


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / max(counts.sum(), 1e-12)


def _transitions(lines: Sequence[np.ndarray], classes: int) -> np.ndarray:
    """Return how often one class follows another, `(classes ** 2,)`."""
    found = np.zeros(classes * classes)
    for line in lines:
        np.add.at(found, line[:-1].astype(np.int64) * classes + line[1:], 1)
    return found
