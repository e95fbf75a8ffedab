"""Generation strategies: how a trained model is made to produce music."""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from partimento.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from partimento.data.batch import Given
    from partimento.models.base import Model


class Strategy(ABC):
    """A way of drawing examples from a trained model.

    The strategies of Briot, Hadjeres & Pachet, "Deep Learning Techniques for Music Generation"
    (2020), differ in how often, and with what in between, the network is asked:

    - single-step feedforward: one pass from an input gives the whole example (MiniBach);
    - decoder feedforward: one pass of a decoder from a latent code (DeepHear, variational
      autoencoders, generators of adversarial models);
    - iterative feedforward: the output is fed back as the next input (recurrent melodies);
    - ancestral sampling: iterative, each step drawn from its distribution given the ones before;
    - Gibbs sampling: cells are redrawn in turn given all others (DeepBach, RBMs);
    - input manipulation: the input is moved along a gradient until the output has a wanted
      property (DeepHear's counterpoint, C-RBM's constraints);
    - truncation: latent codes far from the mean are drawn anew, for fidelity at the cost of
      diversity.

    One contract serves them all: cells under `given.mask` come back as they were, or the model
    refuses in one sentence.
    """

    @abstractmethod
    def generate(
        self,
        model: Model,
        *,
        given: Given | None = None,
        condition: Mapping[str, Tensor] | None = None,
        n: int | None = None,
        lengths: Tensor | None = None,
        z: Tensor | None = None,
        weights: str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return hard samples of the model's `x`, `(n, *shape)`.

        Args:
            model: A trained model; it is in evaluation mode meanwhile.
            given: Cells to keep.
            condition: Conditions by name, `(n or 1, ...)`.
            n: Number of samples; by default as many as `given` or `condition` hold.
            lengths: Number of steps of each sample, `(n,)`, where it varies.
            z: Latent codes, `(n, latent)`, for models that have them.
            weights: "ema" or "raw"; None takes the averaged weights where the model keeps them.
            generator: Source of randomness.

        Raises:
            UserError: When the model cannot honour an argument.
        """


def checked_temperature(temperature: float) -> float:
    """Return a temperature that samples can have.

    Raises:
        UserError: When it is negative or no number.
    """
    if not (temperature >= 0 and math.isfinite(temperature)):
        raise UserError(
            f"strategy.temperature must be 0 (most probable) or a positive number, "
            f"not {temperature}."
        )
    return float(temperature)


class SingleStep(Strategy):
    """Single-step feedforward: one pass of the network gives the whole example.

    Args:
        temperature: 0 takes the most probable symbol of each cell; 1 draws with the model's own
            probabilities.

    Raises:
        UserError: When the temperature is negative or no number.
    """

    def __init__(self, temperature: Annotated[float, Ge(0)] = 0.0) -> None:
        self.temperature = checked_temperature(temperature)

    def generate(
        self,
        model: Model,
        *,
        given: Given | None = None,
        condition: Mapping[str, Tensor] | None = None,
        n: int | None = None,
        lengths: Tensor | None = None,
        z: Tensor | None = None,
        weights: str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        with evaluating(model):
            return model.sample(
                n,
                given=given,
                condition=condition,
                lengths=lengths,
                z=z,
                weights=weights,
                temperature=self.temperature,
                generator=generator,
            )


@contextlib.contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """Put a model in evaluation mode for a while: dropout would otherwise disturb what it plays."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)
