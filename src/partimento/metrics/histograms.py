"""Histograms of what music is made of: pitch classes, melodic intervals, durations; their distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from partimento.music import Piece

LARGEST_INTERVAL = 12
"""Semitones; larger intervals share a bin at each end."""


def pitch_classes(pieces: Sequence[Piece]) -> np.ndarray:
    """Return how many notes each pitch class has, from C up, `(12,)`; each note counts once."""
    pitches = np.concatenate([np.zeros(0, np.int64), *(piece.pitch for piece in pieces)])
    return np.bincount(pitches.astype(np.int64) % 12, minlength=12)


class Line(NamedTuple):
    """The notes of a melody in order: onset and duration in ticks, pitch, `(notes,)` each."""

    onset: np.ndarray
    duration: np.ndarray
    pitch: np.ndarray


def top_line(piece: Piece, part: int) -> Line:
    """Return the notes of one part in order of onset; of notes struck together, the highest."""
    notes = piece.notes(part)
    order = np.lexsort((notes["pitch"], notes["onset"]))
    onset, duration, pitch = (notes[name][order] for name in ("onset", "duration", "pitch"))
    last = np.append(np.diff(onset) > 0, True)[: len(onset)]
    return Line(onset[last], duration[last], pitch[last])


def intervals(pieces: Sequence[Piece], largest: int = LARGEST_INTERVAL) -> np.ndarray:
    """Return how often each melodic interval occurs, `(2 * largest + 3,)`.

    An interval goes from a note to the next one of the same part, over rests too; of notes struck
    together the highest counts. The bins are semitones from `-largest` to `largest`, with one more
    at each end for larger ones.
    """
    steps = [np.zeros(0, np.int64)]
    for piece in pieces:
        for part in range(len(piece.parts)):
            steps.append(np.diff(top_line(piece, part).pitch.astype(np.int64)))
    bound = largest + 1
    clipped = np.clip(np.concatenate(steps), -bound, bound)
    return np.bincount(clipped + bound, minlength=2 * bound + 1)


def durations(pieces: Sequence[Piece], per_quarter: int = 4, longest: int = 16) -> np.ndarray:
    """Return how many notes have each duration, `(longest,)`.

    Bin i holds notes of i + 1 units, `per_quarter` of them to the quarter note, to the nearest one;
    the last bin holds longer notes too, the first one shorter.
    """
    units = [np.zeros(0)]
    units += [piece.duration * per_quarter / piece.resolution for piece in pieces]
    nearest = np.floor(np.concatenate(units) + 0.5).astype(np.int64)
    return np.bincount(np.clip(nearest, 1, longest) - 1, minlength=longest)


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence of two histograms in nats, from 0 to ln 2.

    Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on Information Theory
    37 (1991), equation 4.1 with equal weights. Even histograms of one law are above 0, the more so
    the fewer notes they count.

    Args:
        first: Counts `(bins,)`, not all 0.
        second: Counts `(bins,)`, not all 0.

    Raises:
        ValueError: When a histogram is empty, or they differ in their bins.
    """
    if first.shape != second.shape or not first.sum() or not second.sum():
        raise ValueError(
            f"no distance between histograms {first.shape} and {second.shape} of {first.sum()} and "
            f"{second.sum()} counts"
        )
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2
    return float(_divergence(p, middle) + _divergence(q, middle)) / 2


def _divergence(p: np.ndarray, q: np.ndarray) -> float:
    there = p > 0
    return float((p[there] * np.log(p[there] / q[there])).sum())
