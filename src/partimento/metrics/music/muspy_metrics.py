"""muspy's statistics of a piece: from muspy itself where it is right, made anew where it is not."""

from __future__ import annotations

import math

import numpy as np

from partimento.metrics.music.notes import bar_edges, beat_edges, occupied
from partimento.music import Piece, to_muspy

PER_QUARTER = 4
"""Steps to the quarter note on which onsets and what sounds are compared."""

FROM_MUSPY = {
    "pitches_used": "n_pitches_used",
    "pitch_classes_used": "n_pitch_classes_used",
    "polyphony": "polyphony",
    "scale_consistency": "scale_consistency",
    "pitch_entropy": "pitch_entropy",
    "pitch_class_entropy": "pitch_class_entropy",
}
"""Our names of what muspy (Dong et al., "MusPy", ISMIR 2020) measures as it says it does."""


def muspy_statistics(piece: Piece) -> dict[str, float]:
    """Return muspy's statistics of a piece that has no drums, NaN where one is not defined.

    Those of `FROM_MUSPY`, in muspy's units (entropies in bits), and the corrected ones below.
    """
    import muspy.metrics

    music = to_muspy(piece)
    found = {name: float(getattr(muspy.metrics, theirs)(music)) for name, theirs in _theirs(piece)}
    return {
        **found,
        "pitch_range": pitch_range(piece),
        "polyphony_rate": polyphony_rate(piece),
        "empty_beat_rate": empty_rate(piece, beat_edges(piece)),
        "empty_bar_rate": empty_rate(piece, bar_edges(piece)),
        "groove_consistency": groove_consistency(piece),
    }


def _theirs(piece: Piece) -> list[tuple[str, str]]:
    """Return what to ask of muspy, which has no answer for a piece whose notes have no length."""
    sounds = bool(len(piece)) and bool((piece.duration > 0).any())
    return [(ours, theirs) for ours, theirs in FROM_MUSPY.items() if sounds or ours != "polyphony"]


def pitch_range(piece: Piece) -> float:
    """Return the semitones from the lowest to the highest note; NaN: there is none.

    muspy 0.5.0 says -127 of a piece without pitched notes.
    """
    return float(piece.pitch.max() - piece.pitch.min()) if len(piece) else math.nan


def polyphony_rate(piece: Piece, at_least: int = 2) -> float:
    """Return the share of ticks at which at least so many different pitches sound.

    muspy 0.5.0 counts *more than* its threshold of 2, so that two voices throughout have rate 0.
    Silence at the end counts as time. NaN where there is no time.
    """
    edges = np.unique(np.concatenate([[0, piece.end], piece.onset, piece.onset + piece.duration]))
    if not edges[-1]:
        return math.nan
    begin, end = piece.onset[:, None], (piece.onset + piece.duration)[:, None]
    sounds = (begin <= edges[:-1]) & (end > edges[:-1])
    pitches, index = np.unique(piece.pitch, return_inverse=True)
    down = np.zeros((len(pitches), len(edges) - 1), dtype=bool)
    np.logical_or.at(down, index, sounds)
    many = down.sum(axis=0) >= at_least
    return float(np.diff(edges)[many].sum() / edges[-1])


def empty_rate(piece: Piece, edges: np.ndarray) -> float:
    """Return the share of spans (beats or bars) in which nothing sounds; NaN: there are none.

    muspy 0.5.0 counts one span too many, at the end, and takes a span for occupied when a note ends
    where it begins. It has no value for silence, which is empty throughout.
    """
    return float(1 - occupied(piece, edges).mean()) if len(edges) > 1 else math.nan


def groove_consistency(piece: Piece, per_quarter: int = PER_QUARTER) -> float:
    """Return how alike the rhythms of neighbouring bars are: 1 less the share of steps that differ.

    Wu & Yang, "The Jazz Transformer on the Front Line", ISMIR 2020, section 4.2, over bars of equal
    length next to each other. muspy 0.5.0 adds an empty bar at the end, and divides by the
    ticks of a bar, so that its value rises with the resolution; here a bar has `per_quarter` steps
    to the quarter note. A bar that the piece ends inside has another length. NaN where no two
    neighbours are equally long.
    """
    edges = bar_edges(piece)
    lengths = np.diff(edges)
    pairs = np.flatnonzero(lengths[1:] == lengths[:-1])
    if not len(pairs):
        return math.nan
    shares = []
    for first in pairs:
        steps = max(1, round(int(lengths[first]) * per_quarter / piece.resolution))
        rhythms = np.zeros((2, steps), dtype=bool)
        for row, begin in enumerate(edges[first : first + 2]):
            inside = (piece.onset >= begin) & (piece.onset < begin + lengths[first])
            place = (piece.onset[inside] - begin) * per_quarter // piece.resolution
            rhythms[row, np.minimum(place, steps - 1)] = True
        shares.append(float((rhythms[0] != rhythms[1]).mean()))
    return 1 - float(np.mean(shares))
