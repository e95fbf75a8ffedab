"""Pure functions between pieces and time grids: notes to steps and back, full bars, what sounds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from partimento.errors import UserError
from partimento.music import DEFAULT_VELOCITY, Piece, lay_bars
from partimento.representations.table import GridNotes, note_table, place


def grid_steps(piece: Piece, steps_per_quarter: int) -> int:
    """Return the number of grid steps that hold the whole piece; the last may be incomplete.

    A piece with notes has a step, even where these have no length.
    """
    last = max(1, int((piece.onset + piece.duration).max())) if len(piece) else 0
    return -(-max(piece.end, last) * steps_per_quarter // piece.resolution)


def grid_notes(piece: Piece, steps_per_quarter: int) -> GridNotes:
    """Place the notes of a piece on a grid of `steps_per_quarter` steps to the quarter note.

    Onsets and ends go to the nearest step (halves go up), the end of the piece to that of the grid,
    and a note lasts at least one step. Of several notes of one part that fall on one step, the one
    nearest to it is kept; of equally near ones the first.
    """
    table = note_table([piece], steps_per_quarter)
    return place(table, table.part, steps_per_quarter)


def full_bars(piece: Piece, beats: int = 4, beat_type: int = 4) -> list[list[int]]:
    """Return the onsets (ticks) of the full bars in a metre, one list per unbroken run of them.

    A full bar goes from one bar line to another at the distance that the metre says. Bar lines
    inside it do no harm: in most chorales repeat signs divide a bar into three beats and an upbeat.
    A pick-up, a bar of another metre or of another length ends a run. A piece without bar lines
    counts as full bars from its beginning.
    """
    bars = piece.bars or lay_bars([(0, beats, beat_type)], piece.end, piece.resolution)
    index_of = {bar.onset: index for index, bar in enumerate(bars)} | {piece.end: len(bars)}
    in_metre = [(bar.beats, bar.beat_type) == (beats, beat_type) for bar in bars]
    length, odd = divmod(4 * piece.resolution * beats, beat_type)
    runs: list[list[int]] = [[]]
    index = 1 if piece.pickup else 0
    while index < len(bars) and not odd:
        following = index_of.get(bars[index].onset + length)
        if following is not None and all(in_metre[index:following]):
            runs[-1].append(bars[index].onset)
            index = following
        else:
            runs.append([])
            index += 1
    return [run for run in runs if run]


def rescaled(piece: Piece, factor: int) -> Piece:
    """Return the same music with `factor` times as many ticks to the quarter note."""

    def scaled(marks: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(mark._replace(onset=mark.onset * factor) for mark in marks)

    return dataclasses.replace(
        piece,
        resolution=piece.resolution * factor,
        onset=piece.onset * factor,
        duration=piece.duration * factor,
        end=piece.end * factor,
        bars=scaled(piece.bars),
        keys=scaled(piece.keys),
        tempos=scaled(piece.tempos),
        chords=tuple(c._replace(duration=c.duration * factor) for c in scaled(piece.chords)),
    )


def refined(piece: Piece, steps: np.ndarray, steps_per_quarter: int) -> Piece:
    """Return the piece in ticks that are fine enough for all of these grid steps."""
    if not (steps * piece.resolution % steps_per_quarter).any():
        return piece
    return rescaled(piece, steps_per_quarter // math.gcd(steps_per_quarter, piece.resolution))


def reaching(frame: Piece, steps: int, steps_per_quarter: int) -> Piece:
    """Return the frame, made longer where it ends before `steps` grid steps."""
    if grid_steps(frame, steps_per_quarter) >= steps:
        return frame
    frame = refined(frame, np.array([steps]), steps_per_quarter)
    return dataclasses.replace(frame, end=steps * frame.resolution // steps_per_quarter)


def filled(
    frame: Piece | None,
    steps: int,
    steps_per_quarter: int,
    notes: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    parts: Sequence[str],
) -> Piece:
    """Return the piece that has these notes on a grid of `steps` steps.

    The ticks are those of the frame, or a multiple where they are too coarse for the grid. Without
    a frame there are bars of 4/4 and `steps_per_quarter` ticks to the quarter note. Velocities are
    64. The piece ends where the frame does, or with the grid where that is longer.

    Args:
        frame: What the grid does not hold: bar lines, key, tempo, id.
        steps: Length of the grid.
        steps_per_quarter: Steps to the quarter note.
        notes: Part, start, stop (steps) and MIDI number of each note, `(notes,)` each.
        parts: Names of the parts, for a frame that has another number of them.
    """
    part, start, stop, pitch = notes
    frame = plain_frame(steps, steps_per_quarter, parts) if frame is None else frame
    frame = reaching(frame, steps, steps_per_quarter)
    # The frame may end within the last step: a note that reaches it ends there.
    last = grid_steps(frame, steps_per_quarter)
    frame = refined(frame, np.concatenate([start, stop[stop < last]]), steps_per_quarter)
    onset = start * frame.resolution // steps_per_quarter
    end = np.where(stop < last, stop * frame.resolution // steps_per_quarter, frame.end)
    return dataclasses.replace(
        frame,
        onset=onset,
        duration=end - onset,
        pitch=pitch,
        part=part,
        velocity=np.full(len(onset), DEFAULT_VELOCITY),
        parts=frame.parts if len(frame.parts) == len(parts) else tuple(parts),
    )


def plain_frame(
    steps: int,
    steps_per_quarter: int,
    parts: Sequence[str],
    metre: tuple[int, int] = (4, 4),
) -> Piece:
    """Return an empty piece of `steps` grid steps, in bars of a metre, with one tick to the step."""
    bars = lay_bars([(0, *metre)], steps, steps_per_quarter) if steps else ()
    none = np.zeros(0, dtype=np.int32)
    return Piece(
        "untitled",
        steps_per_quarter,
        none,
        none,
        none,
        none,
        parts=tuple(parts),
        end=steps,
        bars=bars,
    )


def sounding(x: np.ndarray, hold: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Return the symbol that sounds at each step of grids `(..., steps, voices)`, holds filled in.

    `hold` and `rest` are the symbols of each voice, `(voices,)`; where nothing is held, `rest`.
    """
    steps = np.arange(x.shape[-2])[:, None]
    last = np.maximum.accumulate(np.where(x == hold, -1, steps), axis=-2)
    filled = np.take_along_axis(x, np.maximum(last, 0), axis=-2)
    return np.where(last < 0, rest, filled).astype(x.dtype)


def note_events(
    x: np.ndarray, hold: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return part, start, stop (steps) and symbol of the notes of a grid, `(notes,)` each.

    Symbols below `hold` of their voice are pitches; a hold with no note before it is silence.
    """
    steps, voices = x.shape
    begins = x != hold
    begins[:1] = True
    cell = np.flatnonzero(begins.T)
    length = np.diff(cell, append=voices * steps)
    symbol = x.T.reshape(-1)[cell]
    part, start = np.divmod(cell, max(steps, 1))
    note = symbol < hold[part]
    return part[note], start[note], (start + length)[note], symbol[note]


def silent_steps(piece: Piece, notes: GridNotes, steps: int) -> int:
    """Count the silent steps after the first note of each part, in a grid of `steps` steps."""
    part = piece.part[notes.order][notes.kept]
    start, stop = notes.start[notes.kept], notes.stop[notes.kept]
    first = np.diff(part, prepend=-1) != 0
    return int((steps - start[first]).sum() - (stop - start).sum())


def all_keys(piece: Piece, low: int, high: int) -> tuple[int, ...]:
    """Return shifts that bring a piece into every key once: -5 to +6 semitones, where they fit.

    Args:
        piece: The piece; its own key, 0, is always among the shifts.
        low: Lowest MIDI number that a note may have.
        high: Highest MIDI number that a note may have.
    """
    if not len(piece):
        return (0,)
    down, up = low - int(piece.pitch.min()), high - int(piece.pitch.max())
    return tuple(shift for shift in range(-5, 7) if shift == 0 or down <= shift <= up)


def out_of_range(piece: Piece, ranges: np.ndarray) -> np.ndarray:
    """True for notes outside `ranges` (parts, 2), lowest and highest MIDI number of each part."""
    low, high = ranges.T
    return (piece.pitch < low[piece.part]) | (piece.pitch > high[piece.part])


def refuse_outside(piece: Piece, low: int, high: int) -> None:
    """Refuse a piece with a note below `low` or above `high` (MIDI numbers).

    Raises:
        UserError: Naming the first such note.
    """
    outside = (piece.pitch < low) | (piece.pitch > high)
    if outside.any():
        raise UserError(
            f"'{piece.id}' has {int(outside.sum())} note(s) out of range, the first of them MIDI "
            f"number {piece.pitch[np.argmax(outside)]}, where {low} to {high} is allowed; "
            "representation.outside=drop would leave them out."
        )


def refuse_unfit(
    piece: Piece, notes: GridNotes, steps_per_quarter: int, ranges: np.ndarray
) -> None:
    """Refuse a piece with a note out of its part's range, or two notes of one part at once.

    Raises:
        UserError: Naming the part and the first such note.
    """
    outside = out_of_range(piece, ranges)
    if outside.any():
        index = int(np.argmax(outside))
        part = int(piece.part[index])
        raise UserError(
            f"'{piece.id}' has {int(outside.sum())} note(s) out of range, the first of them MIDI "
            f"number {piece.pitch[index]} in {piece.parts[part] or part}, where {ranges[part, 0]} "
            f"to {ranges[part, 1]} is allowed."
        )
    together = notes.simultaneous(piece, steps_per_quarter)
    if together.any():
        index = int(notes.order[int(np.argmax(together))])
        part = int(piece.part[index])
        raise UserError(
            f"'{piece.id}' has more than one note at once in {piece.parts[part] or part}, at "
            f"quarter note {piece.onset[index] / piece.resolution:g}, where a voice holds one."
        )


def count_losses(
    piece: Piece, notes: GridNotes, steps_per_quarter: int, ranges: np.ndarray
) -> dict[str, int]:
    """Count, by reason, what the grid refuses or does not give back as it was."""
    spq, resolution = steps_per_quarter, piece.resolution
    end = piece.onset + piece.duration
    reasons = {
        "notes out of range": out_of_range(piece, ranges),
        "simultaneous notes": notes.overlap > 0,
        "off-grid onsets": piece.onset * spq % resolution != 0,
        "off-grid ends": ((end * spq % resolution != 0) & (end != piece.end))
        | (piece.duration < 1),
        "notes after the end": end > piece.end,
        "vanished notes": ~notes.kept,
        "shortened notes": notes.trimmed & (notes.overlap == 0),
        "velocities": piece.velocity != DEFAULT_VELOCITY,
    }
    return {reason: int(which.sum()) for reason, which in reasons.items() if which.any()}
