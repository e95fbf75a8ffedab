"""The base of metrics that compare a set of generated examples with a set of real ones."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class Comparison(Metric):
    """Gathers features of reals and fakes, over batches and processes, and compares them once.

    The features of all processes are gathered before anything is computed: neighbours, bins and
    kernels of a part of the samples are not a part of those of all.

    Raises:
        ValueError: When features are no matrix `(examples, features)`, or `compute` has no reals or
            no fakes.
    """

    is_differentiable = False
    full_state_update = False

    real: list[Tensor]
    fake: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("real", [], dist_reduce_fx="cat")
        self.add_state("fake", [], dist_reduce_fx="cat")

    def update(self, features: Tensor, real: bool) -> None:
        """Add features `(examples, features)` of real or of generated examples."""
        if features.dim() != 2:
            raise ValueError(
                f"features have the shape (examples, features), not {tuple(features.shape)}"
            )
        (self.real if real else self.fake).append(features.detach().to(torch.float32))

    def compute(self) -> dict[str, float]:
        """Return the values by name."""
        missing = [name for name in ("real", "fake") if not len(getattr(self, name))]
        if missing:
            raise ValueError(f"there are no {missing[0]} examples to compare")
        return self.value(dim_zero_cat(self.real), dim_zero_cat(self.fake))

    @abstractmethod
    def value(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        """Return what is measured of features `(n, features)` and `(m, features)`."""
