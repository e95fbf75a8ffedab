"""Frames: which of the piano's 88 keys are down at each time step, as in the canonical sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Gt

from partimento.distributions import Bernoulli
from partimento.errors import UserError
from partimento.music import DEFAULT_VELOCITY, Piece
from partimento.representations.base import Examples, Representation
from partimento.representations.chroma import chroma_of_keys
from partimento.representations.grid import grid_steps, plain_frame, reaching, refined
from partimento.representations.runs import runs_of
from partimento.representations.table import note_table, spread

if TYPE_CHECKING:
    from torchmetrics import Metric

LOWEST, HIGHEST = 21, 108
"""The keys of a piano as MIDI numbers."""
KEYS = HIGHEST - LOWEST + 1
SIXTEENTHS = 4
"""Steps to the quarter note where neither the config nor the dataset says otherwise."""
KEY_SHIFTS = range(-5, 7)
"""Transpositions that reach each of the twelve keys once."""


class Frames(Representation):
    """Whole pieces as binary frames `(steps, 88)`: column j is one while MIDI note 21 + j sounds.

    It is how Boulanger-Lewandowski, Bengio & Vincent ("Modeling Temporal Dependencies in
    High-Dimensional Sequences", ICML 2012) published their four sets, and its likelihood is theirs:
    nats per frame, the mean over all frames. Pieces differ in length; a batch has `lengths`.

    What it loses: where a note that is repeated at once begins anew (both become one long note),
    notes that double each other, which part plays a note, velocities, notes outside the 88 keys
    (left out), and what lies between the steps (moved to the nearest one). `loss_of` counts each.

    Args:
        steps_per_quarter: Frames to the quarter note; None: as many as the dataset was published
            with, or 4 (sixteenth notes) where it was not published as frames.

    Raises:
        UserError: When there is less than one step to the quarter note.
    """

    def __init__(self, steps_per_quarter: Annotated[int, Gt(0)] | None = None) -> None:
        if steps_per_quarter is not None and steps_per_quarter < 1:
            raise UserError(
                f"representation.steps_per_quarter must be 1 or more, not {steps_per_quarter}."
            )
        self.steps_per_quarter = steps_per_quarter or SIXTEENTHS
        self.distribution = Bernoulli((None, KEYS))
        self.conditions = {}

    def arguments(self) -> dict[str, Any]:
        return {"steps_per_quarter": self.steps_per_quarter}

    def metrics(self) -> dict[str, Metric]:
        from partimento.metrics.frames import FrameAccuracy

        return {"frames": FrameAccuracy()}

    def encode(self, piece: Piece) -> np.ndarray:
        """Return the whole piece, trailing rests included, as frames `(steps, 88)`, uint8."""
        return self.encode_all([piece])[0]

    def encode_all(self, pieces: Sequence[Piece]) -> list[np.ndarray]:
        table = note_table(pieces, self.steps_per_quarter)
        frames = np.zeros((int(table.steps.sum()), KEYS), dtype=np.uint8)
        table = table.only((table.pitch >= LOWEST) & (table.pitch <= HIGHEST))
        start, stop = table.spans(self.steps_per_quarter)
        struck = (table.first[table.piece] + start) * KEYS + (table.pitch - LOWEST)
        frames.reshape(-1)[spread(struck, stop - start, KEYS)] = 1
        return table.split(frames)

    def decode(self, x: np.ndarray, frame: Piece | None = None) -> Piece:
        """Return the music of frames `(steps, 88)`: one note for each unbroken run of a key.

        All notes are in one part. The ticks are those of the frame, or a multiple where they are
        too coarse. Without a frame there are bars of 4/4. Velocities are 64. The piece ends where
        the frame does, or with the last step where that is later.

        Raises:
            ValueError: When x holds no frames.
        """
        x, spq = np.asarray(x), self.steps_per_quarter
        if x.ndim != 2 or x.shape[1] != KEYS:
            raise ValueError(f"frames have the shape (steps, {KEYS}), not {x.shape}")
        frame = plain_frame(len(x), spq, ("piano",)) if frame is None else frame
        frame = reaching(frame, len(x), spq)
        start, stop, key = runs_of(x)
        last = grid_steps(frame, spq)
        frame = refined(frame, np.concatenate([start, stop[stop < last]]), spq)
        onset = start * frame.resolution // spq
        # The frame may end within the last step: a note that reaches it ends there.
        end = np.where(stop < last, stop * frame.resolution // spq, frame.end)
        return dataclasses.replace(
            frame,
            onset=onset,
            duration=end - onset,
            pitch=key + LOWEST,
            part=np.zeros(len(onset), dtype=np.int64),
            velocity=np.full(len(onset), DEFAULT_VELOCITY),
            parts=frame.parts if len(frame.parts) == 1 else ("piano",),
        )

    def chroma(self, x: np.ndarray) -> np.ndarray:
        return chroma_of_keys(x != 0, LOWEST)

    def loss_of(self, piece: Piece) -> Mapping[str, int]:
        """Count what frames lose, by reason; empty: `decode` gives the piece back."""
        spq, resolution = self.steps_per_quarter, piece.resolution
        onset = piece.onset.astype(np.int64)
        end = onset + piece.duration
        outside = np.asarray((piece.pitch < LOWEST) | (piece.pitch > HIGHEST))
        between = (end * spq % resolution != 0) & (end != piece.end)
        reasons: dict[str, np.ndarray] = {
            "notes outside the 88 keys": outside,
            "off-grid onsets": onset * spq % resolution != 0,
            "off-grid ends": between | (piece.duration < 1),
            "notes whose part is forgotten": np.full(len(piece), len(piece.parts) > 1),
            "velocities": np.asarray(piece.velocity != DEFAULT_VELOCITY),
        }
        losses = {reason: int(which.sum()) for reason, which in reasons.items() if which.any()}
        notes = len(piece) - int(outside.sum())
        if merged := notes - len(runs_of(self.encode(piece))[0]):
            losses["repeated or doubled notes"] = merged
        return losses

    def windows(self, piece: Piece, *, stride: int) -> Examples:
        """Return the whole piece as one example, whatever the stride; none when it has no steps."""
        x = self.encode(piece)
        examples = 1 if len(x) else 0
        return Examples(x[None][:examples], lengths=np.full(examples, len(x), dtype=np.int64))

    def transpositions(self, piece: Piece) -> Sequence[int]:
        """Return the semitones, -5 to 6, that keep every note that the piano has on the piano."""
        pitch = piece.pitch[(piece.pitch >= LOWEST) & (piece.pitch <= HIGHEST)]
        if not len(pitch):
            return (0,)
        down, up = LOWEST - int(pitch.min()), HIGHEST - int(pitch.max())
        return tuple(shift for shift in KEY_SHIFTS if down <= shift <= up)
