"""How discrete music gets gradients in adversarial training, and how samples are made hard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from partimento.component import Component
from partimento.distributions import Distribution, Normal
from partimento.errors import UserError

if TYPE_CHECKING:
    from partimento.models.adversarial import Adversarial
    from partimento.models.techniques import Game


def full(values: Tensor) -> Tensor:
    """Return values of half precision in float32: noise and losses need its digits."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


class Relaxation(Component):
    """Differentiable examples from a generator's parameters, by the means of the distribution.

    | hard | noise | grids and tokens                 | piano rolls                  |
    |------|-------|----------------------------------|------------------------------|
    | yes  | yes   | straight-through Gumbel-softmax  | stochastic binary neurons    |
    | yes  | no    | straight-through argmax          | deterministic binary neurons |
    | no   | yes   | Gumbel-softmax                   | binary concrete              |
    | no   | no    | softmax                          | sigmoid                      |

    Real values (`Normal`) are what the generator gives, without noise.

    Args:
        hard: Whether the discriminator sees hard values.
        noise: Whether examples are drawn, or the code alone decides on them.
        temperature: Spread at the beginning.
        final_temperature: Spread at the end of annealing; None: it stays.
        anneal: Generator updates over which the temperature falls, by a constant factor each.

    Attributes:
        pathwise: Whether gradients go through the examples.
    """

    pathwise: ClassVar[bool] = True

    def __init__(
        self,
        hard: bool = True,
        noise: bool = True,
        temperature: Annotated[float, Gt(0)] = 1.0,
        final_temperature: Annotated[float, Gt(0)] | None = None,
        anneal: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.hard = hard
        self.noise = noise
        self.temperature = temperature
        self.final_temperature = final_temperature
        self.anneal = anneal

    def check(self, model: Adversarial) -> None:
        """Refuse an adversarial model that examples made in this way cannot train.

        Raises:
            UserError: With the sentence that says why.
        """

    def check_pathwise(self, model: str) -> None:
        """Refuse to serve a model that moves examples themselves.

        Raises:
            UserError: When no gradients go through the examples.
        """
        if not self.pathwise:
            raise UserError(
                f"model.relaxation={type(self).__name__} gives no gradients through examples, "
                f"which {model} needs: use model/relaxation=softmax."
            )

    def descended(self, loss: Tensor, game: Game, parameters: Tensor) -> Tensor:
        """Return the scalar down whose gradient the generator goes: here the loss itself.

        Args:
            loss: The generator's loss.
            game: The generator's update.
            parameters: What the generator gave, `(batch, *parameter_shape)`.
        """
        return loss

    def temperature_at(self, update: int) -> float:
        """Return the temperature at a generator update."""
        if self.final_temperature is None:
            return self.temperature
        share = min(1.0, update / self.anneal) if self.anneal else 1.0
        return self.temperature * (self.final_temperature / self.temperature) ** share

    @torch.no_grad()
    def logged(
        self, distribution: Distribution, parameters: Tensor, update: int
    ) -> dict[str, float]:
        """Return what is logged of an update: the temperature, and the soft-hard gap.

        The gap is the mean entropy of a cell in nats: 0 where the softened values that gradients
        take are the hard ones that are judged. Real values have none.
        """
        values = {"train/temperature": self.temperature_at(update)}
        entropy = distribution.entropy(parameters)
        if entropy is not None:
            values["train/generator_entropy"] = float(entropy.mean())
        return values

    def __call__(self, distribution: Distribution, parameters: Tensor, update: int) -> Tensor:
        """Return features `(batch, *feature_shape)` with gradients, at a generator update."""
        parameters = full(parameters)
        if isinstance(distribution, Normal):
            return parameters
        temperature = self.temperature_at(update)
        return distribution.relax(parameters, temperature, hard=self.hard, noise=self.noise)

    def hard_sample(
        self,
        distribution: Distribution,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return hard samples of `x`; the code alone decides where training has no noise."""
        drawn = self.noise and not isinstance(distribution, Normal)
        return distribution.sample(parameters, temperature if drawn else 0.0, generator)
