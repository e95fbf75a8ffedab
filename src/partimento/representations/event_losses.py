"""Pure functions that refuse what has no event tokens, and count what these give back otherwise."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from partimento.errors import UserError
from partimento.music import DEFAULT_VELOCITY, Piece
from partimento.representations.event_score import (
    Notes,
    bars_of,
    lead_in,
    metre_changes,
    notes_of,
)
from partimento.representations.event_vocabulary import OCTUPLE_BARS, EventOptions


def refuse_unfit(piece: Piece, options: EventOptions) -> None:
    """Refuse a piece with a note, a part or a metre that has no token.

    Raises:
        UserError: Naming the first of them.
    """
    low, high = options.pitch_range
    outside = (piece.pitch < low) | (piece.pitch > high)
    if outside.any():
        raise UserError(
            f"'{piece.id}' has {int(outside.sum())} note(s) out of range, the first of them MIDI "
            f"number {piece.pitch[np.argmax(outside)]}, where {low} to {high} is allowed."
        )
    if options.programs and len(piece.parts) > options.programs:
        raise UserError(
            f"'{piece.id}' has {len(piece.parts)} parts, but this representation tells "
            f"{options.programs} apart; set representation.use_programs=false to merge them."
        )
    for _, beats, value in metre_changes(piece) if options.metres else ():
        if (beats, value) not in options.metres:
            raise UserError(
                f"'{piece.id}' has the metre {beats}/{value}, which is not among "
                "representation.time_signatures."
            )


def refuse_long(grid: Any) -> None:
    """Refuse a score with more bars than Octuple can count.

    Raises:
        UserError: Saying how many that are.
    """
    time = notes_of(grid).time
    if len(bars_of(grid, int(time.max(initial=0)) + 1)) > OCTUPLE_BARS:
        raise UserError(
            f"A piece has more than the {OCTUPLE_BARS} bars that Octuple can count; take another "
            "representation.vocabulary."
        )


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
