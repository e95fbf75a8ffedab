"""The base of metrics that compare sets of examples: generated, real, and those trained on."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class Gathered(Metric):
    """Gathers features of several sides, over batches and processes, and compares them once.

    The features of all processes are gathered before anything is computed: neighbours, bins and
    kernels of a part of the samples are not a part of those of all. Every process must have examples
    of every side.

    Attributes:
        SIDES: Names of the sides; each is a state, a list of `(examples, features)`.

    Raises:
        ValueError: When features are no matrix `(examples, features)`, or `compute` has no examples
            of a side.
    """

    SIDES: ClassVar[tuple[str, ...]]
    is_differentiable = False
    full_state_update = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for side in self.SIDES:
            self.add_state(side, [], dist_reduce_fx="cat")

    def gather(self, features: Tensor, side: str) -> None:
        """Add features `(examples, features)` of one side."""
        if features.dim() != 2:
            raise ValueError(
                f"features have the shape (examples, features), not {tuple(features.shape)}"
            )
        cast("list[Tensor]", getattr(self, side)).append(features.detach().to(torch.float32))

    def compute(self) -> dict[str, float]:
        """Return the values by name."""
        for side in self.SIDES:
            if not len(getattr(self, side)):
                raise ValueError(f"there are no {side} examples to compare")
        return self.values_of(*(dim_zero_cat(getattr(self, side)) for side in self.SIDES))

    @abstractmethod
    def values_of(self, *sides: Tensor) -> dict[str, float]:
        """Return what is measured of the features of each side, `(n, features)`."""


class Comparison(Gathered):
    """Compares generated examples with real ones."""

    SIDES = ("real", "fake")

    real: list[Tensor]
    fake: list[Tensor]

    def update(self, features: Tensor, real: bool) -> None:
        """Add features `(examples, features)` of real or of generated examples."""
        self.gather(features, "real" if real else "fake")

    def values_of(self, *sides: Tensor) -> dict[str, float]:
        return self.value(*sides)

    @abstractmethod
    def value(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        """Return what is measured of features `(n, features)` and `(m, features)`."""


class TrainComparison(Gathered):
    """Compares generated examples with those trained on, as real ones of other tunes compare."""

    SIDES = ("trained", "held_out", "fake")

    trained: list[Tensor]
    held_out: list[Tensor]
    fake: list[Tensor]

    def update(self, features: Tensor, side: Literal["trained", "held_out", "fake"]) -> None:
        """Add features `(examples, features)` of one side.

        Raises:
            ValueError: When there is no such side.
        """
        if side not in self.SIDES:
            raise ValueError(f"sides are {', '.join(self.SIDES)}, not {side!r}")
        self.gather(features, side)

    def values_of(self, *sides: Tensor) -> dict[str, float]:
        return self.value(*sides)

    @abstractmethod
    def value(self, train: Tensor, held_out: Tensor, fake: Tensor) -> dict[str, float]:
        """Return what is measured of features `(n, features)` of each side."""
