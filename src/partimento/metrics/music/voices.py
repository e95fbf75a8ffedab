"""What voices do to one another: parallel fifths and octaves, crossings, wide gaps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partimento.metrics.music.notes import SILENT, frames
from partimento.music import Piece

PER_QUARTER = 4
WIDEST = 12
"""Semitones between neighbouring upper voices that textbooks of harmony allow."""


class Share(NamedTuple):
    """A count and what it is counted among; shares of many pieces are added up before division."""

    counted: float
    among: float


def voice_statistics(piece: Piece, per_quarter: int = PER_QUARTER) -> dict[str, Share]:
    """Return how often voices break rules of part-writing, on a grid; nothing of a single part.

    `parallel_fifths` and `parallel_octaves` among pairs of voices that both move, in thousands of
    them; `voice_crossings` among neighbours that sound together; `wide_spacings` among such
    neighbours of all voices but the lowest. Parts stand from the highest to the lowest.

    Parallels depend on the grid: on quarter notes passing notes are hidden, and Bach himself seems
    to write several times as many. Only rates on one grid are to be compared.

    Args:
        piece: The music.
        per_quarter: Steps of the grid to the quarter note.
    """
    if len(piece.parts) < 2:
        return {}
    sounding = frames(piece, per_quarter)
    fifths, octaves, pairs = parallels(sounding)
    crossed, wide = crossings(sounding), spacings(sounding)
    return {
        "parallel_fifths": Share(1000 * fifths, pairs),
        "parallel_octaves": Share(1000 * octaves, pairs),
        "voice_crossings": crossed,
        "wide_spacings": wide,
    }


def parallels(sounding: np.ndarray) -> tuple[int, int, int]:
    """Count parallel fifths, parallel octaves and unisons, and pairs of voices that both move.

    Two voices are parallel when both move in one direction from a fifth (or octave, unison, or one
    with octaves between) to another of the same kind.

    Args:
        sounding: Pitches `(steps, parts)`, as `frames` gives them.
    """
    before, after = sounding[:-1], sounding[1:]
    moved = (before != SILENT) & (after != SILENT) & (before != after)
    first, second = np.triu_indices(sounding.shape[1], 1)
    both = moved[:, first] & moved[:, second]
    step = np.sign(after - before)
    together = both & (step[:, first] == step[:, second])
    old = np.abs(before[:, first] - before[:, second]) % 12
    new = np.abs(after[:, first] - after[:, second]) % 12
    same = together & (old == new)
    return int((same & (old == 7)).sum()), int((same & (old == 0)).sum()), int(both.sum())


def crossings(sounding: np.ndarray) -> Share:
    """Count neighbouring voices of which the lower one sounds above the upper one."""
    upper, lower = sounding[:, :-1], sounding[:, 1:]
    both = (upper != SILENT) & (lower != SILENT)
    return Share(float((both & (lower > upper)).sum()), float(both.sum()))


def spacings(sounding: np.ndarray, widest: int = WIDEST) -> Share:
    """Count neighbours that are more than `widest` semitones apart, the lowest voice left out."""
    upper, lower = sounding[:, :-2], sounding[:, 1:-1]
    both = (upper != SILENT) & (lower != SILENT)
    return Share(float((both & (upper - lower > widest)).sum()), float(both.sum()))
