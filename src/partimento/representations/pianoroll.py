"""The binary piano roll: which keys sound at each step, and by option which are struck."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from partimento.distributions import Bernoulli
from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.base import Examples, Representation
from partimento.representations.chroma import chroma_of_keys
from partimento.representations.grid import (
    all_keys,
    count_losses,
    filled,
    grid_notes,
    note_events,
    refuse_outside,
)
from partimento.representations.table import note_table, spread
from partimento.representations.windows import Windows

if TYPE_CHECKING:
    pass

PARTS = ("piano",)


class PianoRoll(Representation):
    """A binary roll `(steps, pitches)`: 1 where a key sounds, from the lowest key up.

    With `onsets` a second plane follows, `(steps, 2 * pitches)`, with 1 where a key is struck, so
    that repeated notes stay apart. The planes lie side by side in one step, what sounds before what
    is struck: a step is then one frame for whatever reads music step by step, and the first
    `pitches` columns are the roll without onsets, which other rolls can be compared with.

    Lost are velocities, parts (all are merged), unisons (a key that sounds in two parts is one key)
    and times between the steps; without the onset plane also the border of two notes of one pitch
    that follow each other. `loss_of` counts all of these. What a `frame` holds is not in the roll.

    Args:
        low: Lowest MIDI number; 21 is the lowest key of a piano.
        high: Highest MIDI number; 108 is the highest of 88 keys.
        onsets: Whether the roll has an onset plane.
        bars: Length of a training window in bars; None: whole pieces, of whatever length.
        steps_per_bar: Grid steps in a bar of 4/4; 16 are sixteenth notes.
        metre: Metre of the windows, such as "4/4" or "6/8"; "any": windows as long as `bars` bars
            of 4/4 begin at bar lines of whatever metre.
        outside: What becomes of a piece with notes outside `low` to `high`: "refuse" it, or "drop"
            these notes, and count them.

    Attributes:
        steps: Steps of a training window; None for whole pieces.
        steps_per_quarter: Steps to the quarter note.
        pitches: Number of keys.

    Raises:
        UserError: When the range is none, or bars and steps do not fit.
    """

    def __init__(
        self,
        low: Annotated[int, Ge(0), Le(127)] = 21,
        high: Annotated[int, Ge(0), Le(127)] = 108,
        onsets: bool = True,
        bars: Annotated[int, Gt(0)] | None = 4,
        steps_per_bar: Annotated[int, Gt(0)] = 16,
        metre: str = "4/4",
        outside: Literal["refuse", "drop"] = "refuse",
    ) -> None:
        if not 0 <= low <= high <= 127:
            raise UserError(
                f"The range of a piano roll, {low} to {high}, must go from a lower to a higher MIDI "
                "number between 0 and 127."
            )
        self._windows = Windows(bars, steps_per_bar, metre)
        self.low = low
        self.high = high
        self.onsets = onsets
        self.outside = outside
        self.steps = self._windows.steps
        self.steps_per_quarter = self._windows.steps_per_quarter
        self.pitches = high - low + 1
        self._width = self.pitches * (2 if onsets else 1)
        self.distribution = Bernoulli((self.steps, self._width))
        self.conditions = {}

    def arguments(self) -> dict[str, Any]:
        return {
            "low": self.low,
            "high": self.high,
            "onsets": self.onsets,
            "bars": self._windows.bars,
            "steps_per_bar": self._windows.steps_per_bar,
            "metre": self._windows.metre,
            "outside": self.outside,
        }

    def encode(self, piece: Piece) -> np.ndarray:
        """Return the whole piece, pick-up included, as zeros and ones `(steps, columns)`, uint8.

        Times between the steps go to the nearest one, halves up; every note lasts a step or more.

        Raises:
            UserError: When a note is out of range and such pieces are refused.
        """
        return self.encode_all([piece])[0]

    def encode_all(self, pieces: Sequence[Piece]) -> list[np.ndarray]:
        table = note_table(pieces, self.steps_per_quarter)
        inside = (table.pitch >= self.low) & (table.pitch <= self.high)
        if not inside.all():
            if self.outside == "refuse":
                piece = pieces[int(table.piece[np.argmin(inside)])]
                refuse_outside(piece, self.low, self.high)
            table = table.only(inside)
        start, stop = table.spans(self.steps_per_quarter)
        roll = np.zeros((int(table.steps.sum()), self._width), dtype=np.uint8)
        cells = roll.reshape(-1)
        struck = (table.first[table.piece] + start) * self._width + (table.pitch - self.low)
        cells[spread(struck, stop - start, self._width)] = 1
        if self.onsets:
            cells[struck + self.pitches] = 1
        return table.split(roll)

    def decode(self, x: np.ndarray, frame: Piece | None = None) -> Piece:
        """Return the music of a roll `(steps, columns)`, as one part; every roll has one.

        A key that is struck sounds, whether the roll says so or not, and a key that sounds without
        having been struck was struck when it began. Ticks, end, bar lines and velocities are as
        `filled` in `grid` says.

        Raises:
            ValueError: When x is no roll of these keys.
        """
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self._width:
            raise ValueError(f"a roll has the shape (steps, {self._width}), not {x.shape}")
        sounds, struck = self.planes(x)
        symbols = np.where(struck, 0, np.where(sounds, 1, 2))  # onset, hold, rest of every key
        key, start, stop, _ = note_events(symbols, np.ones(self.pitches, dtype=np.int64))
        notes = (np.zeros_like(key), start, stop, key + self.low)
        frame = self._windows.frame(len(x), PARTS) if frame is None else frame
        return filled(frame, len(x), self.steps_per_quarter, notes, PARTS)

    def planes(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what sounds and what is struck in rolls, booleans `(..., steps, pitches)` each."""
        on = np.asarray(x) > 0
        sounds, struck = on[..., : self.pitches], on[..., self.pitches :]
        if self.onsets:
            sounds = sounds | struck
        before = np.zeros_like(sounds)
        before[..., 1:, :] = sounds[..., :-1, :]
        begins = sounds & ~before
        return sounds, begins | struck if self.onsets else begins

    def chroma(self, x: np.ndarray) -> np.ndarray:
        return chroma_of_keys(self.planes(x)[0], self.low)

    def loss_of(self, piece: Piece) -> Mapping[str, int]:
        """Count what the roll loses or refuses, by reason; empty: `decode` gives the piece back."""
        # The keys are lanes that hold one note at a time, as the parts of a multi-voice grid are.
        keys = dataclasses.replace(piece, part=piece.pitch, parts=("",) * 128)
        ranges = np.tile((self.low, self.high), (128, 1))
        notes = grid_notes(keys, self.steps_per_quarter)
        losses = count_losses(keys, notes, self.steps_per_quarter, ranges)
        if unisons := losses.pop("simultaneous notes", 0):
            losses["unisons"] = unisons
        if len(piece.parts) > 1:
            losses["parts merged into one"] = len(piece.parts)
        if not self.onsets:
            pitch = keys.pitch[notes.order]
            touching = (pitch[1:] == pitch[:-1]) & (notes.stop[:-1] >= notes.start[1:])
            if touching.any():
                losses["repeated notes"] = int(touching.sum())
        return losses

    def windows(self, piece: Piece, *, stride: int) -> Examples:
        """Return windows of the roll; one that opens inside a note strikes it anew.

        Raises:
            UserError: When the piece cannot be encoded or the stride is less than a bar.
        """
        starts = self._windows.starts(piece, stride)
        windows = self._windows.cut(self.encode(piece), starts)
        if self.onsets and windows.shape[1]:
            windows[:, 0, self.pitches :] |= windows[:, 0, : self.pitches]
        return Examples(windows, lengths=self._windows.lengths(windows))

    def transpositions(self, piece: Piece) -> Sequence[int]:
        """Return shifts into every key once, -5 to +6 semitones, that stay on the keys."""
        return all_keys(piece, self.low, self.high)
