"""Windows on time grids: how long they are, where in a piece they begin, and whole pieces as one."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from partimento.errors import UserError
from partimento.music import Piece, lay_bars
from partimento.representations.grid import full_bars, grid_steps, plain_frame

ANY_METRE = "any"


def check_stride(stride: int) -> None:
    """Refuse a stride that goes nowhere.

    Raises:
        UserError: When it is less than a bar.
    """
    if stride < 1:
        raise UserError(f"The stride of windows must be 1 bar or more, not {stride}.")


class Windows:
    """How a time grid is cut into training windows.

    A window is `bars` full bars of the metre, from bar line to bar line. With metre "any" it begins
    at a bar line of whatever metre and has the length of `bars` bars of 4/4. Without `bars` the
    only window is the whole piece, whatever its length.

    Args:
        bars: Length of a window in bars; None: whole pieces.
        steps_per_bar: Grid steps in a bar of 4/4; 16 are sixteenth notes.
        metre: Metre of the windows, such as "4/4" or "6/8", or "any".

    Attributes:
        steps: Steps of a window; None for whole pieces.
        steps_per_quarter: Steps to the quarter note.

    Raises:
        UserError: When a bar, or a quarter note, has no whole number of steps.
    """

    def __init__(self, bars: int | None, steps_per_bar: int, metre: str) -> None:
        if bars is not None and bars < 1:
            raise UserError(f"representation.bars must be 1 or more, not {bars}.")
        if steps_per_bar < 4 or steps_per_bar % 4:
            raise UserError(
                "representation.steps_per_bar must be a multiple of 4 (16 for sixteenth notes), "
                f"not {steps_per_bar}."
            )
        self.bars = bars
        self.steps_per_bar = steps_per_bar
        self.metre = metre
        self.steps_per_quarter = steps_per_bar // 4
        self._metre = None if metre == ANY_METRE else parse_metre(metre)
        beats, beat_type = self._metre or (4, 4)
        length, odd = divmod(steps_per_bar * beats, beat_type)
        if odd:
            raise UserError(
                f"A bar of {metre} has no whole number of steps where a bar of 4/4 has "
                f"{steps_per_bar}; representation.steps_per_bar={4 * beat_type} would do."
            )
        self.steps = None if bars is None else bars * length

    def frame(self, steps: int, parts: Sequence[str]) -> Piece:
        """Return an empty piece of `steps` steps in bars of the metre (4/4 for "any")."""
        return plain_frame(steps, self.steps_per_quarter, parts, self._metre or (4, 4))

    def starts(self, piece: Piece, stride: int) -> np.ndarray:
        """Return the first steps of the windows of a piece, one every `stride` bars, `(windows,)`.

        In a fixed metre they begin at the first full bar, and anew after a bar that is none (see
        `full_bars`), which is in no window. Bar lines between the steps begin none.

        Raises:
            UserError: When the stride is less than a bar.
        """
        check_stride(stride)
        if self.bars is None:
            return np.zeros(1 if grid_steps(piece, self.steps_per_quarter) else 0, dtype=np.int64)
        if self._metre is None:
            onsets = bar_onsets(piece)[::stride]
        else:
            onsets = [
                run[first]
                for run in full_bars(piece, *self._metre)
                for first in range(0, len(run) - self.bars + 1, stride)
            ]
        starts = np.array(onsets, dtype=np.int64) * self.steps_per_quarter
        starts = starts[starts % piece.resolution == 0] // piece.resolution
        return starts[starts + self.steps <= grid_steps(piece, self.steps_per_quarter)]

    def cut(self, x: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Return copies of the windows of a grid `(steps, ...)`, `(windows, window steps, ...)`."""
        steps = len(x) if self.steps is None else self.steps
        return x[starts[:, None] + np.arange(steps)]

    def lengths(self, windows: np.ndarray) -> np.ndarray | None:
        """Return the lengths of whole pieces as examples, `(examples,)`; None for windows."""
        return None if self.steps is not None else np.full(len(windows), windows.shape[1])


def parse_metre(metre: str) -> tuple[int, int]:
    """Return beats and beat type of a metre such as "6/8".

    Raises:
        UserError: When it is none.
    """
    match = re.fullmatch(r"([1-9]\d?)/(1|2|4|8|16|32)", metre)
    if match is None:
        raise UserError(f"'{metre}' is no metre; write one such as 4/4 or 6/8, or {ANY_METRE}.")
    return int(match[1]), int(match[2])


def bar_onsets(piece: Piece) -> list[int]:
    """Return the onsets of all bars but a pick-up, of whatever metre, in ticks.

    A piece without bar lines has bars of 4/4 from its beginning.
    """
    bars = piece.bars or lay_bars([(0, 4, 4)], piece.end, piece.resolution)
    return [bar.onset for bar in bars[1 if piece.pickup else 0 :]]
