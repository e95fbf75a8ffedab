"""REINFORCE: discrete music gets gradients from the scores of hard samples, not through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from partimento.distributions import Distribution, Normal
from partimento.errors import UserError
from partimento.losses.objectives import AdversarialObjective
from partimento.models.relaxation import Relaxation
from partimento.models.rules import BATCH_NORMS

if TYPE_CHECKING:
    from partimento.models.adversarial import Adversarial
    from partimento.models.techniques import Game

Baseline = Literal["leave_one_out", "none"]


def example_losses(
    objective: AdversarialObjective, fake: Tensor, real: Tensor | None = None
) -> Tensor:
    """Return the generator's loss of each score by itself, `(batch,)`; its mean is the whole loss."""
    if real is None:
        return torch.vmap(lambda one: objective.generator_loss(one.unsqueeze(0)))(fake)
    return torch.vmap(lambda f, r: objective.generator_loss(f.unsqueeze(0), r.unsqueeze(0)))(
        fake, real
    )


def advantage(losses: Tensor, baseline: Baseline) -> Tensor:
    """Return losses `(batch,)` less a baseline that does not depend on the example itself.

    Leave-one-out: the mean loss of the others (Kool, van Hoof & Welling 2019).
    """
    count = len(losses)
    if baseline == "none" or count < 2:
        return losses
    return losses - (losses.sum() - losses) / (count - 1)


def score_function(log_prob: Tensor, losses: Tensor, baseline: Baseline) -> Tensor:
    """Return a scalar whose gradient is that of the expected loss (Williams 1992, theorem 1).

    Args:
        log_prob: Log-probability of each example, `(batch,)`, in nats.
        losses: Loss of each example, `(batch,)`.
        baseline: What is subtracted from the losses.
    """
    return (advantage(losses.detach(), baseline) * log_prob).mean()


class Reinforce(Relaxation):
    """Hard samples, and the generator's gradient by the score function (Williams 1992).

    In place of a relaxation. The reward of an example is minus the objective's generator loss of
    its score, not the score itself, so that the gradient is, on average, exactly that of the loss
    which the objective states: for WGAN and hinge the two are the same. Packed examples (PacGAN)
    share the reward of their pack.

    Args:
        baseline: What is subtracted from rewards to make the gradient vary less: their mean over
            the other examples of the batch, or nothing.
    """

    pathwise: ClassVar[bool] = False

    def __init__(self, baseline: Baseline = "leave_one_out") -> None:
        super().__init__(hard=True, noise=True)
        self.baseline: Baseline = baseline

    def __call__(self, distribution: Distribution, parameters: Tensor, update: int) -> Tensor:
        """Return features `(batch, *feature_shape)` of hard samples, without gradients."""
        return distribution.features(distribution.sample(parameters.detach()))

    def check(self, model: Adversarial) -> None:
        """Refuse what needs gradients through examples, or scores that mix them.

        Raises:
            UserError: With the sentence that says why.
        """
        if isinstance(model.distribution, Normal):
            raise UserError(
                "model.relaxation=Reinforce is for discrete music; real values, as this "
                "representation has, let gradients through: use model/relaxation=straight_through."
            )
        for name, technique in model.techniques.items():
            if technique.pathwise:
                raise UserError(
                    f"model.techniques.{name} ({type(technique).__name__}) needs gradients through "
                    "examples, which model.relaxation=Reinforce does without: leave one of them out."
                )
        mixed = getattr(model.discriminator, "minibatch", None)
        mixes = mixed is not None and not isinstance(mixed, nn.Identity)
        if mixes or any(
            isinstance(module, BATCH_NORMS) for module in model.discriminator.modules()
        ):
            raise UserError(
                "model.relaxation=Reinforce rewards each example for its own score, which this "
                "discriminator makes of the whole batch: leave minibatch layers and batch "
                "normalisation out of it."
            )

    def descended(self, loss: Tensor, game: Game, parameters: Tensor) -> Tensor:
        distribution, objective = game.model.distribution, game.model.objective
        assert game.made is not None  # a generator's update has them
        x = distribution.from_features(game.made)
        log_prob = distribution.log_prob(parameters, x).flatten(1).sum(1)
        scores = game.scored_fake.scores
        # Examples that are judged together are rewarded together; what fills no pack is left out.
        log_prob = log_prob[: len(scores) * game.model.pack].unflatten(0, (len(scores), -1)).sum(1)
        real = game.scored_real.scores if objective.paired else None
        losses = example_losses(objective, scores.detach(), real)
        return score_function(log_prob, losses, self.baseline)
