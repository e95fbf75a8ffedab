"""The contract of a representation: music to tensors and back, and what the tensors mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from partimento.distributions import Distribution
from partimento.music import Piece

if TYPE_CHECKING:
    from torchmetrics import Metric


class Representation(ABC):
    """Turns pieces into arrays of one example each, and arrays back into pieces.

    Attributes:
        distribution: What a tensor `x` of examples means.
        conditions: What each condition tensor means, by name.
    """

    distribution: Distribution
    conditions: dict[str, Distribution]

    @abstractmethod
    def encode(self, piece: Piece) -> np.ndarray:
        """Return the whole piece as one array `(steps, ...)` of small integers or floats.

        Raises:
            UserError: When the piece cannot be represented (the sentence says why).
        """

    @abstractmethod
    def decode(self, x: np.ndarray, frame: Piece | None = None) -> Piece:
        """Return the music of one array `(steps, ...)`.

        `frame` (see `Piece.frame`) supplies what `x` does not hold: bar lines, key, tempo, id.
        """

    @abstractmethod
    def loss_of(self, piece: Piece) -> Mapping[str, int]:
        """Count what encoding would lose, by reason, such as {"off-grid onsets": 3}; empty: nothing."""

    @abstractmethod
    def windows(self, piece: Piece, *, stride: int) -> np.ndarray:
        """Return the training examples of a piece, `(windows, steps, ...)`, `stride` in bars."""

    @abstractmethod
    def transpositions(self, piece: Piece) -> Sequence[int]:
        """Return the semitones (0 included) by which the piece can move inside the alphabet."""

    @abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """Return fresh metrics by name, each with `update(prediction, target, mask)`."""

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain containers, to rebuild it from a checkpoint."""
