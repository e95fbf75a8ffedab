"""The contract of an objective: what a paradigm minimises, given a distribution."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from partimento.component import Component
from partimento.distributions import Distribution
from partimento.errors import Mismatch


class Objective(Component, ABC):
    """A loss over the cells of `x` that a model has to predict."""

    @abstractmethod
    def __call__(
        self, distribution: Distribution, parameters: Tensor, x: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Return the mean loss over the cells under the mask, a scalar in nats."""

    def check(self, distribution: Distribution) -> None:
        """Refuse a distribution for which the objective makes no sense.

        Raises:
            Mismatch: With the sentence that says why.
        """
        if not isinstance(distribution, Distribution):
            raise Mismatch(f"{type(self).__name__} needs a distribution, not {distribution!r}.")
