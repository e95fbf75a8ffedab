"""Note tuples: a sequence of notes as real numbers, one or several tones at a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Gt

from partimento.distributions import Normal
from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.base import Examples, Representation
from partimento.representations.grid import plain_frame
from partimento.representations.quadruplets import (
    CHANNELS,
    columns,
    notes_in_order,
    quadruplets,
)
from partimento.representations.windows import bar_onsets, check_stride

if TYPE_CHECKING:
    pass

PARTS = ("piano",)

# Mean and standard deviation of duration, pitch, intensity and time over the notes of the 365
# chorales in music21, by `moments` (compared in the tests).
LOC = {"midi": (0.927, 60.96, 64.0, 0.225), "hertz": (0.927, 306.8, 64.0, 0.225)}
SCALE = {"midi": (0.521, 8.10, 32.0, 0.391), "hertz": (0.521, 136.6, 32.0, 0.391)}


class Steps(NamedTuple):
    """The steps of pieces, one after the other.

    Attributes:
        x: Numbers, float32 `(steps, 4 * tones)`.
        onset: Time at which each step begins in ticks, `(steps,)`.
        piece: Piece of each step, `(steps,)`.
    """

    x: np.ndarray
    onset: np.ndarray
    piece: np.ndarray


class NoteTuples(Representation):
    """A sequence of notes as real numbers `(steps, 4 * tones)`.

    Each tone is a quadruplet: duration (quarter notes), pitch (MIDI number or hertz), intensity
    (MIDI velocity), and time since the onset of the tone before (quarter notes; for the first,
    since the beginning). This is the signal of C-RNN-GAN (Mogren, C-RNN-GAN: Continuous recurrent
    neural networks with adversarial training, 2016, section 2.1), which has hertz, and times in
    ticks of 1/384 quarter note.

    With several tones per step (three in C-RNN-GAN-3), notes that begin together share a step, from
    the highest down; those that find no place go on in the next step. An absent tone has intensity
    0, no duration, no time, and the pitch of the step's first tone. With one tone every note is a
    step of its own.

    Lost are parts (all are merged), notes of velocity 0, notes shorter than a tick, and times that
    a float of 24 bits cannot tell apart; `loss_of` counts these. What a `frame` holds is not in the
    numbers, the silence after the last note included.

    Args:
        steps: Length of a training window in steps; None: whole pieces, of whatever length.
        tones: Tones per step.
        pitch: "midi": semitones, even distances for even intervals; "hertz": as the paper has it.
        loc: Mean of the four channels, which standardising subtracts; None: that of the chorales
            (`moments` in `quadruplets` computes it for other music).
        scale: Their standard deviations, by which standardising divides; None: as for `loc`.
        resolution: Ticks to the quarter note of a piece that is decoded without a frame.
        longest: Longest duration and time, in quarter notes, in a piece that is decoded without a
            frame; longer ones, as a network that diverges says them, are cut to it.

    Attributes:
        width: Numbers of a step, `4 * tones`.

    Raises:
        UserError: When loc or scale are not four numbers, or a scale is not positive.
    """

    def __init__(
        self,
        steps: Annotated[int, Gt(0)] | None = 100,
        tones: Annotated[int, Gt(0)] = 1,
        pitch: Literal["midi", "hertz"] = "midi",
        loc: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        resolution: Annotated[int, Gt(0)] = 384,
        longest: Annotated[float, Gt(0)] = 32.0,
    ) -> None:
        for name, value in (("steps", steps), ("tones", tones), ("resolution", resolution)):
            if value is not None and value < 1:
                raise UserError(f"representation.{name} must be 1 or more, not {value}.")
        if not 0 < longest < np.inf:
            raise UserError(f"representation.longest must be above 0, not {longest}.")
        self.steps = steps
        self.tones = tones
        self.pitch = pitch
        self.loc = _four("loc", LOC[pitch] if loc is None else loc)
        self.scale = _four("scale", SCALE[pitch] if scale is None else scale)
        if min(self.scale) <= 0:
            raise UserError(f"representation.scale must be above 0, not {list(self.scale)}.")
        self.resolution = resolution
        self.longest = float(longest)
        self.width = len(CHANNELS) * tones
        self._hertz = pitch == "hertz"
        self.distribution = Normal((steps, self.width), self.scale * tones, self.loc * tones)
        self.conditions = {}

    def arguments(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "tones": self.tones,
            "pitch": self.pitch,
            "loc": list(self.loc),
            "scale": list(self.scale),
            "resolution": self.resolution,
            "longest": self.longest,
        }

    def encode(self, piece: Piece) -> np.ndarray:
        """Return the whole piece as numbers `(steps, 4 * tones)`, float32, not yet standardised."""
        return self._steps([piece]).x

    def encode_all(self, pieces: Sequence[Piece]) -> list[np.ndarray]:
        steps = self._steps(pieces)
        bounds = np.searchsorted(steps.piece, np.arange(len(pieces) + 1)).tolist()
        return [steps.x[bounds[i] : bounds[i + 1]] for i in range(len(pieces))]

    def _steps(self, pieces: Sequence[Piece]) -> Steps:
        notes = notes_in_order(pieces)
        onset, piece = notes.table.onset, notes.table.piece
        values = quadruplets(notes, self._hertz)
        if self.tones == 1:
            return Steps(values, onset, piece)
        begins = np.ones(len(onset), dtype=bool)
        begins[1:] = (onset[1:] != onset[:-1]) | (piece[1:] != piece[:-1])
        index = np.arange(len(onset))
        slot = (index - np.maximum.accumulate(np.where(begins, index, 0))) % self.tones
        first = slot == 0
        x = np.zeros((int(first.sum()), self.tones, len(CHANNELS)), dtype=np.float32)
        x[:, :, 1] = values[first, 1][:, None]
        x[np.cumsum(first) - 1, slot] = values
        return Steps(x.reshape(-1, self.width), onset[first], piece[first])

    def decode(self, x: np.ndarray, frame: Piece | None = None) -> Piece:
        """Return the music of numbers `(steps, 4 * tones)`, as one part; any numbers have some.

        Times go to the nearest tick, and other numbers to the nearest that MIDI has; see `columns`
        in `quadruplets`. The piece ends where the frame does, or with its last note where that is
        later; without a frame it has bars of 4/4.

        Raises:
            ValueError: When x has another shape.
        """
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.width:
            raise ValueError(f"note tuples have the shape (steps, {self.width}), not {x.shape}")
        values = x.reshape(-1, len(CHANNELS))
        if frame is None:
            values = np.minimum(values, [self.longest, np.inf, np.inf, self.longest])
        resolution = self.resolution if frame is None else frame.resolution
        notes = columns(values, resolution, self._hertz)
        end = int((notes["onset"] + notes["duration"]).max(initial=0))
        frame = plain_frame(end, resolution, PARTS) if frame is None else frame
        return frame.with_notes(
            **notes,
            part=np.zeros(len(notes["onset"]), dtype=np.int32),
            parts=frame.parts if len(frame.parts) == 1 else PARTS,
            end=max(end, frame.end),
        )

    def loss_of(self, piece: Piece) -> Mapping[str, int]:
        """Count what the numbers lose, by reason; empty: `decode` gives the piece back."""
        notes = notes_in_order([piece])
        values = quadruplets(notes, self._hertz).astype(np.float64)
        duration = notes.table.end - notes.table.onset
        inexact = np.rint(values[:, 0] * piece.resolution) != duration
        inexact |= np.rint(values[:, 3] * piece.resolution) != notes.since
        losses = {
            "parts merged into one": len(piece.parts) if len(piece.parts) > 1 else 0,
            "notes of velocity 0": int((notes.velocity < 1).sum()),
            "notes shorter than a tick": int((duration < 1).sum()),
            "inexact times": int(inexact.sum()),
            "notes after the end": int((notes.table.end > piece.end).sum()),
        }
        return {reason: count for reason, count in losses.items() if count}

    def windows(self, piece: Piece, *, stride: int) -> Examples:
        """Return windows of notes, one from every `stride`-th bar line on that a note follows.

        The time of the first note is what has passed since the bar line, as the time of a piece's
        first note is what has passed since its beginning.

        Raises:
            UserError: When the stride is less than a bar.
        """
        check_stride(stride)
        x, onset, _ = self._steps([piece])
        if self.steps is None:
            whole = x[None] if len(x) else x.reshape(0, 0, self.width)
            return Examples(whole, lengths=np.full(len(whole), len(x)))
        lines = np.array(bar_onsets(piece)[::stride], dtype=np.int64)
        first = np.searchsorted(onset, lines)
        # Of bar lines that the same note follows the last counts; windows end with the piece.
        chosen = first + self.steps <= len(x)
        chosen[:-1] &= first[1:] != first[:-1]
        first, lines = first[chosen], lines[chosen]
        windows = x[first[:, None] + np.arange(self.steps)]
        windows[:, 0, 3] = (onset[first] - lines) / piece.resolution
        return Examples(windows)


def _four(name: str, values: Sequence[float]) -> tuple[float, ...]:
    if len(values) != len(CHANNELS) or not np.isfinite(values).all():
        raise UserError(
            f"representation.{name} must be four numbers, one each for {', '.join(CHANNELS)}, "
            f"not {list(values)}."
        )
    return tuple(float(value) for value in values)
