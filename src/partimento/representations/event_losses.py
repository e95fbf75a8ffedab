"""Pure functions that count what event tokens do not give back as it was."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from partimento.music import DEFAULT_VELOCITY, Piece
from partimento.representations.event_score import Notes, bars_of, lead_in, notes_of
from partimento.representations.event_vocabulary import EventOptions


def quantisation_losses(piece: Piece, raw: Any, grid: Any, options: EventOptions) -> dict[str, int]:
    """Count, by reason, what is lost on the way to the grid of the tokens.

    Args:
        piece: The piece.
        raw: Its score.
        grid: The same score after MidiTok's preprocessing, its notes in the same order.
        options: What the tokens can tell.
    """
    before, after = notes_of(raw), notes_of(grid)
    ticks, resolution = grid.ticks_per_quarter, raw.ticks_per_quarter
    told = after.velocity if options.num_velocities else DEFAULT_VELOCITY
    reasons = {
        "off-grid onsets": after.time * resolution != before.time * ticks,
        "changed durations": after.duration * resolution != before.duration * ticks,
        "velocities": before.velocity != told,
    }
    losses = {reason: int(which.sum()) for reason, which in reasons.items() if which.any()}
    if not options.programs and len(piece.parts) > 1:
        losses["merged parts"] = len(piece.parts) - 1
    if options.has_bars or options.metres:
        untold = untold_bars(piece, grid)
        if untold:
            losses["bar lines not told"] = untold
    return losses


def untold_bars(piece: Piece, grid: Any) -> int:
    """Count the bar lines of a piece that are not where the metres of its tokens lay them."""
    ticks, shift = grid.ticks_per_quarter, lead_in(piece)
    end = -(-(piece.end + shift) * ticks // piece.resolution)
    laid = {(bar.onset * piece.resolution, *bar[1:]) for bar in bars_of(grid, end)}
    onsets = [bar.onset + shift if index else 0 for index, bar in enumerate(piece.bars)]
    return sum(
        (onset * ticks, bar.beats, bar.beat_type) not in laid
        for onset, bar in zip(onsets, piece.bars, strict=True)
    )


def retold_notes(grid: Any, decoded: Any) -> int:
    """Count the notes of a score on the grid that its tokens tell otherwise, or not at all."""
    missing = _rows(grid, decoded.ticks_per_quarter) - _rows(decoded, grid.ticks_per_quarter)
    return missing.total()


def _rows(score: Any, factor: int) -> Counter[tuple[int, ...]]:
    notes: Notes = notes_of(score)
    programs = np.array([track.program for track in score.tracks] or [0])
    columns = (notes.time * factor, notes.duration * factor, notes.pitch, programs[notes.track])
    return Counter(zip(*(column.tolist() for column in columns), strict=True))
