"""A melody as a sequence of tokens: a pitch, hold or rest for each step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from partimento.distributions import Categorical
from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.base import Examples, Representation
from partimento.representations.chroma import chroma_of_voices
from partimento.representations.grid import (
    all_keys,
    count_losses,
    filled,
    grid_notes,
    note_events,
    refuse_outside,
    sounding,
)
from partimento.representations.skyline import (
    HIGHEST,
    SKYLINE,
    highest_parts,
    part_named,
    skyline,
)
from partimento.representations.table import NoteTable, note_table, place, spread
from partimento.representations.windows import Windows

if TYPE_CHECKING:
    from torchmetrics import Metric

PARTS = ("melody",)


class Melody(Representation):
    """Tokens `(steps,)` of one melody: at each step a pitch, "hold" or "rest".

    The alphabet is the pitches from `low` up, then "hold" (the note before goes on), then "rest".
    Where notes sound together the highest makes the melody (see `skyline`).

    Lost are all other parts and the notes under the melody, how long a note sounds on under the
    next one, velocities, and times between the steps; `loss_of` counts all of these. What a `frame`
    holds (bar lines, key, tempo) is not in the tokens.

    Args:
        voice: "highest": the part that is highest on average; "skyline": the highest note of all
            parts; else a part's name, or its number from 0.
        low: Lowest MIDI number of the alphabet.
        high: Highest MIDI number of the alphabet.
        bars: Length of a training window in bars; None: whole tunes, of whatever length.
        steps_per_bar: Grid steps in a bar of 4/4; 16 are sixteenth notes, 48 hold triplets as well.
        metre: Metre of the windows, such as "4/4" or "6/8"; "any": windows as long as `bars` bars
            of 4/4 begin at bar lines of whatever metre.
        outside: What becomes of a melody with notes outside `low` to `high`: "refuse" it, or "drop"
            these notes, and count them.

    Attributes:
        steps: Steps of a training window; None for whole tunes.
        steps_per_quarter: Steps to the quarter note.
        hold: Token of "hold"; lower ones are pitches.
        rest: Token of "rest".

    Raises:
        UserError: When the range is none, or bars and steps do not fit.
    """

    def __init__(
        self,
        voice: str | int = HIGHEST,
        low: Annotated[int, Ge(0), Le(127)] = 48,
        high: Annotated[int, Ge(0), Le(127)] = 99,
        bars: Annotated[int, Gt(0)] | None = 4,
        steps_per_bar: Annotated[int, Gt(0)] = 16,
        metre: str = "4/4",
        outside: Literal["refuse", "drop"] = "refuse",
    ) -> None:
        if not 0 <= low <= high <= 127:
            raise UserError(
                f"The range of a melody, {low} to {high}, must go from a lower to a higher MIDI "
                "number between 0 and 127."
            )
        self._windows = Windows(bars, steps_per_bar, metre)
        self.voice = voice
        self.low = low
        self.high = high
        self.outside = outside
        self.steps = self._windows.steps
        self.steps_per_quarter = self._windows.steps_per_quarter
        self.hold = high - low + 1
        self.rest = self.hold + 1
        self.distribution = Categorical(
            shape=(self.steps,),
            sizes=(self.rest + 1,),
            names=PARTS,
            symbols=[(*range(low, high + 1), "hold", "rest")],
        )
        self.conditions = {}

    def arguments(self) -> dict[str, Any]:
        return {
            "voice": self.voice,
            "low": self.low,
            "high": self.high,
            "bars": self._windows.bars,
            "steps_per_bar": self._windows.steps_per_bar,
            "metre": self._windows.metre,
            "outside": self.outside,
        }

    def metrics(self) -> dict[str, Metric]:
        from partimento.metrics.line import LineAccuracy

        return {"melody": LineAccuracy(self.hold, self.rest)}

    def encode(self, piece: Piece) -> np.ndarray:
        """Return the melody of the whole piece, pick-up included, as tokens `(steps,)`, uint8.

        Times between the steps go to the nearest one (see `place` in `table`).

        Raises:
            UserError: When the piece has no such part, or the melody has notes out of range and
                such pieces are refused.
        """
        return self.encode_all([piece])[0]

    def encode_all(self, pieces: Sequence[Piece]) -> list[np.ndarray]:
        table = note_table(pieces, self.steps_per_quarter)
        table = table.only(self._of_voice(table, pieces))
        inside = (table.pitch >= self.low) & (table.pitch <= self.high)
        if not inside.all():
            if self.outside == "refuse":
                index = int(table.piece[np.argmin(inside)])
                refuse_outside(self.line(pieces[index]), self.low, self.high)
            table = table.only(inside)
        on_top = skyline(table, self.steps_per_quarter)
        table = table if on_top.all() else table.only(on_top)
        notes = place(table, table.piece, self.steps_per_quarter)
        if not notes.kept.all():
            table = table.only(notes.kept)
        start = table.first[table.piece] + notes.start[notes.kept]
        length = (notes.stop - notes.start)[notes.kept]
        tokens = np.full(int(table.steps.sum()), self.rest, dtype=np.uint8)
        tokens[spread(start, length, 1)] = self.hold
        tokens[start] = table.pitch - self.low
        return table.split(tokens)

    def _of_voice(self, table: NoteTable, pieces: Sequence[Piece]) -> np.ndarray:
        """True for the notes of the part that has the melody, `(notes,)`."""
        if self.voice == SKYLINE:
            return np.ones(len(table.part), dtype=bool)
        if self.voice == HIGHEST:
            chosen = highest_parts(table, [len(piece.parts) for piece in pieces])
        else:
            chosen = np.array([part_named(piece, self.voice) for piece in pieces])
        return table.part == chosen[table.piece]

    def line(self, piece: Piece) -> Piece:
        """Return the piece with nothing but the notes of the melody's part, in range or not.

        Raises:
            UserError: When the piece has no such part.
        """
        chosen = self._of_voice(note_table([piece]), [piece])
        columns = {
            name: getattr(piece, name)[chosen]
            for name in ("onset", "duration", "pitch", "velocity")
        }
        part = np.zeros(int(chosen.sum()), dtype=np.int32)
        parts = piece.parts if len(piece.parts) == 1 else PARTS
        return dataclasses.replace(piece, **columns, part=part, parts=parts)

    def decode(self, x: np.ndarray, frame: Piece | None = None) -> Piece:
        """Return the music of tokens `(steps,)`, as one part; every sequence of tokens has one.

        A hold with no note before it is silence. Ticks, end, bar lines and velocities are as
        `filled` in `grid` says.

        Raises:
            ValueError: When x is no sequence of these tokens.
        """
        x = np.asarray(x)
        if x.ndim != 1:
            raise ValueError(f"a melody has the shape (steps,), not {x.shape}")
        if x.size and (x.min() < 0 or x.max() > self.rest):
            raise ValueError("a melody holds a token that is not in its alphabet")
        grid = x.astype(np.int64)[:, None]
        part, start, stop, symbol = note_events(grid, np.array([self.hold]))
        notes = (part, start, stop, symbol + self.low)
        frame = self._windows.frame(len(x), PARTS) if frame is None else frame
        return filled(frame, len(x), self.steps_per_quarter, notes, PARTS)

    def loss_of(self, piece: Piece) -> Mapping[str, int]:
        """Count what the tokens lose or refuse, by reason; empty: `decode` gives the piece back.

        Raises:
            UserError: When the piece has no such part.
        """
        line = self.line(piece)
        low, high = (line.pitch >= self.low), (line.pitch <= self.high)
        outside = int((~(low & high)).sum())
        line = _only(line, low & high)
        table = note_table([line], self.steps_per_quarter)
        on_top = skyline(table, self.steps_per_quarter)
        top = _only(line, on_top)
        notes = grid_notes(top, self.steps_per_quarter)
        ranges = np.array([[self.low, self.high]])
        losses = count_losses(top, notes, self.steps_per_quarter, ranges)
        if cut := losses.pop("simultaneous notes", 0):
            losses["notes cut by the next"] = cut
        others = {
            "parts left out": len(piece.parts) - 1,
            "notes out of range": outside,
            "notes under the melody": int((~on_top).sum()),
        }
        return losses | {reason: count for reason, count in others.items() if count}

    def windows(self, piece: Piece, *, stride: int) -> Examples:
        """Return windows of the melody; one that opens inside a note restates its pitch.

        Raises:
            UserError: When the piece cannot be encoded or the stride is less than a bar.
        """
        x = self.encode(piece)
        starts = self._windows.starts(piece, stride)
        windows = self._windows.cut(x, starts)
        if windows.size:
            first = windows[:, 0]
            windows[:, 0] = np.where(first == self.hold, self.sounding(x)[starts], first)
        return Examples(windows, lengths=self._windows.lengths(windows))

    def sounding(self, x: np.ndarray) -> np.ndarray:
        """Return the token of the pitch that sounds at each step of tokens `(..., steps)`, or rest."""
        hold, rest = np.array([self.hold]), np.array([self.rest])
        return sounding(x[..., None], hold, rest)[..., 0]

    def chroma(self, x: np.ndarray) -> np.ndarray:
        tokens = self.sounding(x)[..., None]
        return chroma_of_voices(tokens, np.array([self.hold]), np.array([self.low]))

    def transpositions(self, piece: Piece) -> Sequence[int]:
        """Return shifts into every key once, -5 to +6 semitones, that stay in the alphabet.

        Raises:
            UserError: When the piece has no such part.
        """
        return all_keys(self.line(piece), self.low, self.high)


def _only(piece: Piece, chosen: np.ndarray) -> Piece:
    names = ("onset", "duration", "pitch", "part", "velocity")
    return dataclasses.replace(piece, **{name: getattr(piece, name)[chosen] for name in names})
