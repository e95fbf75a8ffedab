"""Points of the plane: the representation of two-dimensional benchmarks, which are no music."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NoReturn

import numpy as np
from annotated_types import Gt

from partimento.distributions import Normal
from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.base import Examples, Representation

if TYPE_CHECKING:
    pass


class Points(Representation):
    """Points of the plane as they are: one step of two real channels, `(1, 2)`.

    A point is one frame, so that a mean likelihood is one per point. Nothing is lost, and nothing
    is music: whatever asks for a piece is refused.

    Args:
        scale: Standard deviation of the normal distribution that a model's parameters are the
            means of, in the units of the plane; features are points divided by it.

    Raises:
        UserError: When the scale is no positive number.
    """

    content: ClassVar[str] = "points"

    def __init__(self, scale: Annotated[float, Gt(0)] = 1.0) -> None:
        if not (scale > 0 and math.isfinite(scale)):
            raise UserError(f"representation.scale must be a positive number, not {scale}.")
        self.scale = float(scale)
        self.distribution = Normal((1, 2), scale=self.scale)
        self.conditions = {}

    def arguments(self) -> dict[str, Any]:
        return {"scale": self.scale}

    def encode(self, piece: Piece) -> np.ndarray:
        self._refuse()

    def decode(self, x: np.ndarray, frame: Piece | None = None) -> Piece:
        self._refuse()

    def loss_of(self, piece: Piece) -> Mapping[str, int]:
        self._refuse()

    def windows(self, piece: Piece, *, stride: int) -> Examples:
        self._refuse()

    def transpositions(self, piece: Piece) -> Sequence[int]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UserError(
            "representation=points holds points of the plane, which are no music: take a dataset "
            "and a model of music for pieces."
        )
