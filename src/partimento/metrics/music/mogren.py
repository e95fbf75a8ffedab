"""C-RNN-GAN's statistics of a piece: joint onsets, scales, repetitions, spans; its code's faults mended."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from partimento.metrics.music.notes import PITCH_CLASSES
from partimento.music import Piece

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "natural minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
}
"""Pitch classes above the tonic of the scales that the released code of C-RNN-GAN has."""

LENGTHS = range(2, 10)
"""Lengths of runs of pitches that the released code counts; the paper shows 3."""


class Scale(NamedTuple):
    """A scale and how it fits.

    Attributes:
        tonic: Pitch class of its first tone.
        kind: One of `SCALES`.
        share: Share of notes whose pitch class is in it; NaN: there is no note.
    """

    tonic: int
    kind: str
    share: float


def mogren_statistics(piece: Piece) -> dict[str, float]:
    """Return the statistics of Mogren, "C-RNN-GAN", 2016, section 3.1, of a piece.

    `joint_onsets` (there: polyphony), `mode_consistency` (scale consistency), `repetitions` (of
    three pitches), `intensity_span`; NaN where one is not defined. Tone span and unique tones are
    `pitch_range` and `pitches_used` of `muspy_metrics`.
    """
    return {
        "joint_onsets": joint_onsets(piece),
        "mode_consistency": best_scale(piece).share,
        "repetitions": float(repetitions(piece, 3)) if len(piece) else math.nan,
        "intensity_span": intensity_span(piece),
    }


def joint_onsets(piece: Piece) -> float:
    """Return the share of onsets at which two or more notes begin; NaN: there is no note.

    The released code counts an onset once for every note that begins there, so that chords weigh
    as much as they have notes.
    """
    _, count = np.unique(piece.onset, return_counts=True)
    return float((count > 1).mean()) if len(count) else math.nan


def best_scale(piece: Piece) -> Scale:
    """Return the scale that holds most notes; of several that of the lowest tonic.

    The released code takes the difference of pitch class and tonic without its remainder by 12, so
    that no pitch class below the tonic's ever matches: music in C, E flat or E comes out right, and
    in A major with a lower share than it has.
    """
    count = np.bincount(piece.pitch % PITCH_CLASSES, minlength=PITCH_CLASSES)
    if not len(piece):
        return Scale(0, "major", math.nan)
    found = [
        Scale(tonic, kind, float(count[[(tonic + tone) % PITCH_CLASSES for tone in tones]].sum()))
        for tonic in range(PITCH_CLASSES)
        for kind, tones in SCALES.items()
    ]
    best = max(found, key=lambda scale: scale.share)
    return best._replace(share=best.share / len(piece))


def repetitions(piece: Piece, length: int) -> int:
    """Return how many pairs of equal runs of so many pitches there are, that share no note.

    Notes stand in the order of their onsets, from the highest down within one; their timing is left
    aside. A run that comes k times counts k (k - 1) / 2 times, but for overlaps. The released code
    leaves out what the last note takes part in.

    Args:
        piece: The music.
        length: Notes of a run.
    """
    pitch = piece.pitch[np.lexsort((-piece.pitch, piece.onset))]
    if len(pitch) < 2 * length:
        return 0
    runs = np.lib.stride_tricks.sliding_window_view(pitch, length)
    kind = np.unique(runs, axis=0, return_inverse=True)[1].reshape(-1)
    # Runs of one kind stand together, in the order of their places; kinds are far apart.
    apart = len(runs) + length
    key = np.sort(kind * apart + np.arange(len(runs)))
    same = np.searchsorted(key, (key // apart + 1) * apart)
    return int((same - np.searchsorted(key, key + length)).sum())


def intensity_span(piece: Piece) -> float:
    """Return the velocities from the softest to the loudest note; NaN: there is no note."""
    return float(np.ptp(np.asarray(piece.velocity))) if len(piece) else math.nan
