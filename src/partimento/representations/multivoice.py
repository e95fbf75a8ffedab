"""The multi-voice grid: one symbol (a pitch, hold or rest) per voice and time step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Gt

from partimento.distributions import Categorical
from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.base import Examples, Representation
from partimento.representations.chroma import chroma_of_voices
from partimento.representations.grid import (
    count_losses,
    filled,
    grid_notes,
    grid_steps,
    note_events,
    refuse_unfit,
    silent_steps,
    sounding,
)
from partimento.representations.table import (
    GridNotes,
    NoteTable,
    note_table,
    place,
    silences,
    spread,
)
from partimento.representations.windows import Windows

if TYPE_CHECKING:
    from torchmetrics import Metric


class MultiVoice(Representation):
    """A grid `(steps, voices)` of symbols: each voice has a pitch, "hold" or "rest" at each step.

    The alphabet of a voice is the pitches of its range from the lowest up, then "hold" (the note
    before goes on), then "rest" (at each silent step). The grid of a whole piece begins with the
    piece, pick-up included, in whatever metre; training windows are full bars of 4/4. One alphabet
    per voice, the hold symbol and sixteenth notes are MiniBach's (Briot, Hadjeres & Pachet, Deep
    Learning Techniques for Music Generation, 2019), which has no rest.

    Args:
        parts: Name of each voice; a dataset declares them.
        ranges: Lowest and highest MIDI number of each voice; a dataset declares them.
        bars: Length of a training window in bars of 4/4.
        steps_per_bar: Grid steps in a bar of 4/4; 16 are sixteenth notes.
        rest: Whether the alphabet has a rest. Without it a silence prolongs the note before it.

    Attributes:
        steps: Steps of a training window.
        voices: Number of voices.
        steps_per_quarter: Steps to the quarter note.
        hold: Index of "hold" in the alphabet of each voice; lower indices are pitches.
        rest: Index of the symbol for silence in the alphabet of each voice: "rest", or "hold"
            where the alphabet has no rest.

    Raises:
        UserError: When parts or ranges are missing or senseless, or the bar has no whole number
            of steps to the quarter note.
    """

    def __init__(
        self,
        parts: Sequence[str],
        ranges: Sequence[tuple[int, int]],
        bars: Annotated[int, Gt(0)] = 4,
        steps_per_bar: Annotated[int, Gt(0)] = 16,
        rest: bool = True,
    ) -> None:
        self.check(parts, ranges)
        self._windows = Windows(bars, steps_per_bar, "4/4")
        self.parts = tuple(parts)
        self.ranges = tuple((int(low), int(high)) for low, high in ranges)
        self.bars = bars
        self.steps_per_bar = steps_per_bar
        self.has_rest = rest
        self.steps = bars * steps_per_bar
        self.voices = len(self.parts)
        self.steps_per_quarter = self._windows.steps_per_quarter
        self.hold = tuple(high - low + 1 for low, high in self.ranges)
        self.rest = tuple(hold + 1 if rest else hold for hold in self.hold)
        self._low = np.array([low for low, _ in self.ranges])
        self._hold = np.array(self.hold, dtype=np.uint8)
        self._rest = np.array(self.rest, dtype=np.uint8)
        words = ("hold", "rest") if rest else ("hold",)
        self.distribution = Categorical(
            shape=(self.steps, self.voices),
            sizes=[hold + len(words) for hold in self.hold],
            names=self.parts,
            symbols=[(*range(low, high + 1), *words) for low, high in self.ranges],
        )
        self.conditions = {}

    @classmethod
    def check(cls, parts: Sequence[str], ranges: Sequence[tuple[int, int]]) -> None:
        """Refuse parts and ranges, as a dataset declares them, that make no grid.

        Raises:
            UserError: When there are none, their numbers differ, or a range is no range.
        """
        if not parts or not ranges:
            raise UserError(
                "representation=multivoice needs a dataset with fixed parts and ranges, such as "
                "dataset=chorales, or dataset=folder with dataset.parts and dataset.ranges."
            )
        if len(parts) != len(ranges):
            raise UserError(
                f"representation=multivoice needs one range per part, not {len(ranges)} ranges "
                f"for {len(parts)} parts."
            )
        if len(set(parts)) != len(parts):
            raise UserError(
                f"representation=multivoice needs parts of different names, not {', '.join(parts)}."
            )
        for part, (low, high) in zip(parts, ranges, strict=True):
            if not 0 <= low <= high <= 127:
                raise UserError(
                    f"The range of {part}, {low} to {high}, must go from a lower to a higher MIDI "
                    "number between 0 and 127."
                )

    def arguments(self) -> dict[str, Any]:
        return {
            "parts": list(self.parts),
            "ranges": [list(pair) for pair in self.ranges],
            "bars": self.bars,
            "steps_per_bar": self.steps_per_bar,
            "rest": self.has_rest,
        }

    def metrics(self) -> dict[str, Metric]:
        from partimento.metrics.grid import GridAccuracy

        return {"grid": GridAccuracy(self.parts, self.hold, self.rest)}

    def encode(self, piece: Piece) -> np.ndarray:
        """Return the whole piece, pick-up included, as symbols `(steps, voices)`, uint8.

        Notes between the steps go to the nearest one (see `grid_notes`, and `loss_of` for a count).

        Raises:
            UserError: When the piece has another number of parts, a note outside its part's range,
                or two notes of one part at once (for a step or longer).
        """
        return self.encode_all([piece])[0]

    def encode_all(self, pieces: Sequence[Piece]) -> list[np.ndarray]:
        for piece in pieces:
            self._check_piece(piece)
        table = note_table(pieces, self.steps_per_quarter)
        notes = place(table, table.piece * self.voices + table.part, self.steps_per_quarter)
        table = table.only(notes.order)
        for index in self._unfit(table, notes).tolist():
            alone = grid_notes(pieces[index], self.steps_per_quarter)
            refuse_unfit(pieces[index], alone, self.steps_per_quarter, np.array(self.ranges))
        kept = np.flatnonzero(notes.kept)
        home, part, start = table.piece[kept], table.part[kept], notes.start[kept]
        grids = np.tile(self._hold, (int(table.steps.sum()), 1))
        cells = grids.reshape(-1)
        # Few cells of most music are silent, so rests are written between holds, not holds
        # between rests.
        lane = home * self.voices + part
        steps = np.repeat(table.steps, self.voices)
        silent, begin, length = silences(lane, start, notes.stop[kept], steps)
        in_piece, voice = np.divmod(silent, self.voices)
        first = (table.first[in_piece] + begin) * self.voices + voice
        cells[spread(first, length, self.voices)] = np.repeat(self._rest[voice], length)
        struck = (table.first[home] + start) * self.voices + part
        cells[struck] = table.pitch[kept] - self._low[part]
        return table.split(grids)

    def _unfit(self, table: NoteTable, notes: GridNotes) -> np.ndarray:
        """Return the pieces that have notes out of range or together, in order of their index."""
        low, high = np.array(self.ranges).T
        unfit = (table.pitch < low[table.part]) | (table.pitch > high[table.part])
        unfit |= notes.overlap * self.steps_per_quarter >= table.resolution
        lane = table.piece * self.voices + table.part
        unfit[:-1] |= (lane[1:] == lane[:-1]) & (table.onset[1:] == table.onset[:-1])
        return np.unique(table.piece[unfit])

    def decode(self, x: np.ndarray, frame: Piece | None = None) -> Piece:
        """Return the music of a grid `(steps, voices)`; every array of symbols has one.

        A hold with no note before it is silence. The ticks are those of the frame, or a multiple
        where they are too coarse for the grid. Without a frame there are bars of 4/4 and
        `steps_per_quarter` ticks to the quarter note. Velocities are 64. The piece ends where the
        frame does, or with the grid where that is longer.

        Raises:
            ValueError: When x is no grid of these voices.
        """
        x = self._grid(x)
        part, start, stop, symbol = note_events(x, self._hold)
        notes = (part, start, stop, symbol + self._low[part])
        return filled(frame, len(x), self.steps_per_quarter, notes, self.parts)

    def loss_of(self, piece: Piece) -> Mapping[str, int]:
        """Count what the grid loses or refuses, by reason; empty: `decode` gives the piece back."""
        self._check_piece(piece)
        notes = grid_notes(piece, self.steps_per_quarter)
        losses = count_losses(piece, notes, self.steps_per_quarter, np.array(self.ranges))
        silent = silent_steps(piece, notes, grid_steps(piece, self.steps_per_quarter))
        if silent and not self.has_rest:
            losses["silent steps"] = silent
        return losses

    def windows(self, piece: Piece, *, stride: int) -> Examples:
        """Return `grids` as examples; a grid has no conditions beside its own voices."""
        return Examples(self.grids(piece, stride=stride))

    def grids(self, piece: Piece, *, stride: int) -> np.ndarray:
        """Return windows of full 4/4 bars, `(windows, steps, voices)`, one every `stride` bars.

        They begin at the first full bar, and anew after a bar that is none (see `full_bars`), which
        is in no window. A window that opens inside a note restates its pitch.

        Raises:
            UserError: When the piece cannot be encoded or the stride is less than a bar.
        """
        starts = self._windows.starts(piece, stride)
        x = self.encode(piece)
        grids = self._windows.cut(x, starts)
        first = grids[:, 0]
        grids[:, 0] = np.where(first == self._hold, self.sounding(x)[starts], first)
        return grids

    def transpositions(self, piece: Piece) -> Sequence[int]:
        """Return the semitones, 0 included, by which every part stays in its range.

        Raises:
            UserError: When the piece has another number of parts.
        """
        self._check_piece(piece)
        down, up = -127, 127
        for part, (low, high) in enumerate(self.ranges):
            pitch = piece.pitch[piece.part == part]
            if len(pitch):
                down, up = max(down, low - int(pitch.min())), min(up, high - int(pitch.max()))
        if not len(piece) or down > 0 or up < 0:
            return (0,)
        return tuple(range(down, up + 1))

    def transpose_grid(self, x: np.ndarray, semitones: int) -> np.ndarray:
        """Return grids `(..., steps, voices)` moved by semitones; holds and rests stay.

        Raises:
            ValueError: When a pitch leaves its voice's range (see `transpositions`).
        """
        is_pitch = x < self._hold
        moved = x.astype(np.int64) + semitones
        if (is_pitch & ((moved < 0) | (moved >= self._hold))).any():
            raise ValueError(f"{semitones} semitones take a pitch out of its voice's range")
        return np.where(is_pitch, moved, x).astype(x.dtype)

    def sounding(self, x: np.ndarray) -> np.ndarray:
        """Return the pitch symbol that sounds at each step of grids `(..., steps, voices)`.

        A held pitch is written out at every step; silence is the rest symbol (`self.rest`).
        """
        return sounding(x, self._hold, self._rest)

    def chroma(self, x: np.ndarray) -> np.ndarray:
        return chroma_of_voices(self.sounding(x), self._hold, self._low)

    def cut(self, x: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Return steps `start` to `stop` of a grid; a note that began before is restated.

        Raises:
            ValueError: When the steps are not in the grid.
        """
        if not 0 <= start <= stop <= len(x):
            raise ValueError(f"steps {start} to {stop} are not in a grid of {len(x)} steps")
        part = x[start:stop].copy()
        if len(part):
            before = self.sounding(x[: start + 1])[-1]
            part[0] = np.where(part[0] == self._hold, before, part[0])
        return part

    def _check_piece(self, piece: Piece) -> None:
        if len(piece.parts) != self.voices:
            raise UserError(
                f"'{piece.id}' has {len(piece.parts)} part(s), but this representation needs "
                f"{self.voices}: {', '.join(self.parts)}."
            )

    def _grid(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.voices:
            raise ValueError(f"a grid has the shape (steps, {self.voices}), not {x.shape}")
        if x.size and (x.min() < 0 or (x.max(axis=0) > np.maximum(self._hold, self._rest)).any()):
            raise ValueError("a grid holds a symbol that is not in its voice's alphabet")
        return x.astype(np.int64)
