"""The contract of a representation: music to tensors and back, and what the tensors mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from partimento.distributions import Distribution
from partimento.music import Piece

if TYPE_CHECKING:
    from torchmetrics import Metric


@dataclass(frozen=True)
class Examples:
    """Training examples of one piece, as arrays with the examples along the first axis.

    Attributes:
        x: The representation's own integers or floats, `(examples, steps, ...)`.
        condition: Conditions by name, `(examples, ...)`, as `Representation.conditions` says.
        lengths: Number of valid steps of each example, `(examples,)`; None: all of them.
        given: True for cells that are given, the shape of `x`; None: the model decides.
    """

    x: np.ndarray
    condition: Mapping[str, np.ndarray] = field(default_factory=dict)
    lengths: np.ndarray | None = None
    given: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)


class Representation(ABC):
    """Turns pieces into arrays of one example each, and arrays back into pieces.

    Attributes:
        content: What it holds, which must be what the dataset gives: "music", or something else.
        wants_chords: Whether pieces must have chord symbols.
        distribution: What a tensor `x` of examples means.
        conditions: What each condition tensor means, by name.
    """

    content: ClassVar[str] = "music"
    wants_chords: bool = False
    distribution: Distribution
    conditions: dict[str, Distribution]

    @abstractmethod
    def encode(self, piece: Piece) -> np.ndarray:
        """Return the whole piece as one array `(steps, ...)` of small integers or floats.

        Raises:
            UserError: When the piece cannot be represented (the sentence says why).
        """

    def encode_all(self, pieces: Sequence[Piece]) -> list[np.ndarray]:
        """Return `encode` of each piece.

        A representation may take all pieces at once, which is several times as fast; its arrays
        are then views of one, so copy those that outlive the others.

        Raises:
            UserError: As `encode` does, for a piece that cannot be represented.
        """
        return [self.encode(piece) for piece in pieces]

    @abstractmethod
    def decode(self, x: np.ndarray, frame: Piece | None = None) -> Piece:
        """Return the music of one array `(steps, ...)`.

        `frame` (see `Piece.frame`) supplies what `x` does not hold: bar lines, key, tempo, id.
        """

    def chroma(self, x: np.ndarray) -> np.ndarray | None:
        """Return how many notes of each pitch class sound at each step, `(examples, steps, 12)`.

        It is what the notes of `decode` say, without the notes, for many examples at once; steps
        are of one length. None, the default: only decoding tells.

        Args:
            x: Examples, `(examples, steps, ...)`.
        """
        return None

    @abstractmethod
    def loss_of(self, piece: Piece) -> Mapping[str, int]:
        """Count what encoding would lose, by reason, such as {"off-grid onsets": 3}; empty: nothing."""

    @abstractmethod
    def windows(self, piece: Piece, *, stride: int) -> Examples:
        """Return the training examples of a piece, with their conditions; `stride` in bars."""

    def transpositions(self, piece: Piece) -> Sequence[int]:
        """Return the semitones (0 included) by which the piece can move inside the alphabet.

        By default every key once, -5 to +6 semitones, within MIDI's range.
        """
        if not len(piece):
            return (0,)
        low, high = int(piece.pitch.min()), int(piece.pitch.max())
        return tuple(s for s in range(-5, 7) if not s or 0 <= low + s <= high + s <= 127)

    def metrics(self) -> dict[str, Metric]:
        """Return fresh metrics by name, each with `update(prediction, target, mask)`; default: none."""
        return {}

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain containers, to rebuild it from a checkpoint."""
