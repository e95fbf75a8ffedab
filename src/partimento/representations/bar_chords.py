"""Pure functions from chord symbols to the one triad of a bar."""

from __future__ import annotations

from collections.abc import Mapping

from partimento.chords import Triad, triad_of
from partimento.music import Piece


def triads_between(piece: Piece, start: int, stop: int) -> dict[Triad | None, int]:
    """Return for how many of the ticks from `start` to `stop` each triad is written.

    The triads are in order of their first appearance. None stands for a chord symbol that names no
    triad: "N.C.", one without a third, one that cannot be read.
    """
    ticks: dict[Triad | None, int] = {}
    for chord in piece.chords:
        length = min(stop, chord.onset + chord.duration) - max(start, chord.onset)
        if length > 0:
            triad = triad_of(chord.symbol)
            ticks[triad] = ticks.get(triad, 0) + length
    return ticks


def longest_triad(ticks: Mapping[Triad | None, int]) -> Triad | None:
    """Return the triad that lasts longest, of equal ones the first; None when there is none."""
    triads = {triad: length for triad, length in ticks.items() if triad is not None}
    return max(triads, key=lambda triad: triads[triad]) if triads else None


def single_triad(ticks: Mapping[Triad | None, int]) -> Triad | None:
    """Return the triad that is the only chord; None when there is none or something besides."""
    return next(iter(ticks)) if len(ticks) == 1 else None
