"""Unrolled adversarial training: the generator's gradient goes through steps the other would make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, cast

import torch
from annotated_types import Ge
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.func import functional_call

from partimento.models.differentiable import DifferentiableSteps, check_differentiable
from partimento.models.techniques import Game, Judge, Scored, Technique


def look_ahead(
    loss: Callable[[dict[str, Tensor], int], Tensor],
    parameters: Mapping[str, Tensor],
    steps: int,
    rule: DifferentiableSteps,
    bounded: Callable[[Tensor], Tensor] = lambda weight: weight,
) -> dict[str, Tensor]:
    """Return a player's weights after steps down its loss, as functions of what the loss is made of.

    Args:
        loss: The player's loss `(weights, index of the step) -> scalar`.
        parameters: Its present weights, which stay as they are.
        steps: Number of steps, K.
        rule: How a step is made.
        bounded: What is done to each weight after a step, such as weight clipping.
    """
    places = rule.places(parameters)
    weights = {name: p.detach().requires_grad_() for name, p in parameters.items()}
    for index in range(steps):
        moved = rule(weights, loss(weights, index), places)
        weights = {name: bounded(weight) for name, weight in moved.items()}
    return weights


def judge_with(
    discriminator: nn.Module, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor]
) -> Judge:
    """Return the judgement of a discriminator with other weights and buffers than its own."""

    def judge(features: Tensor, condition: Mapping[str, Tensor]) -> Scored:
        values = {**weights, **buffers}
        return Scored(*functional_call(discriminator, values, (features, condition)))

    return judge


class Unrolled(Technique):
    """The generator answers the discriminator that K more steps would give (Metz et al. 2017).

    The steps are those that the discriminator's own optimizer would make, from its present state,
    with its rate, down its whole loss (penalties that are due included), and the generator's
    gradient goes through them (section 2.2 of the paper). All K see the real examples and the fakes
    of this update, as in the authors' code; in several processes each looks ahead on its own. The
    discriminator, its buffers and its optimizer stay as they were.

    Args:
        steps: Steps to look ahead, K (5 and 10 in the paper); 0 is no unrolling.
    """

    pathwise = True

    def __init__(self, steps: Annotated[int, Ge(0)] = 5) -> None:
        self.steps = steps

    def check_optimizers(
        self, generator: torch.optim.Optimizer, discriminator: torch.optim.Optimizer
    ) -> None:
        check_differentiable("Unrolled in model.techniques", discriminator)

    def foreseen(self, game: Game) -> Game:
        if not self.steps:
            return game
        model = game.model
        discriminator = model.discriminator
        # Copies, since batch normalisation and spectral normalisation write to them.
        buffers = {name: buffer.clone() for name, buffer in discriminator.named_buffers()}

        def seen_with(weights: Mapping[str, Tensor]) -> Game:
            return game.judged_by(judge_with(discriminator, weights, buffers))

        optimizer = cast("list[LightningOptimizer]", model.optimizers())[1].optimizer
        weights = look_ahead(
            lambda weights, index: model.discriminator_loss(seen_with(weights), ahead=index),
            dict(discriminator.named_parameters()),
            self.steps,
            DifferentiableSteps(optimizer, model.gradient_clip),
            model.objective.bounded,
        )
        return seen_with(weights)
