"""Many seeds of one adversarial model trained as one stacked model, each as in a run of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from partimento.distributions import Normal
from partimento.errors import UserError
from partimento.losses import adversarial as losses
from partimento.losses.objectives import Began, Wasserstein
from partimento.losses.penalties import R1, R2, GradientPenalty, input_gradient, one_centred
from partimento.models.adversarial import Adversarial
from partimento.models.base import Model
from partimento.models.differentiable import DifferentiableSteps
from partimento.models.schedules import in_force
from partimento.models.unrolling import Unrolled, look_ahead
from partimento.studies.stacked_networks import StackedNetwork
from partimento.studies.stacked_streams import Batches, Streams


def optimizer_like(one: torch.optim.Optimizer, parameters: Sequence[Tensor]) -> torch.optim.Adam:
    """Return an Adam with another's settings over stacked parameters.

    Adam treats every number by itself, so that one over a stack is one over each of its slices.

    Raises:
        UserError: When the optimizer is no Adam.
    """
    if type(one) is not torch.optim.Adam:
        raise UserError(
            f"{type(one).__name__} cannot be stacked: let the models' optimizers be torch.optim.Adam."
        )
    return torch.optim.Adam(parameters, **one.defaults)


def check_stackable(models: Sequence[Model]) -> None:
    """Refuse models that cannot be trained as one stack of points.

    Raises:
        UserError: With the sentence that says why.
    """
    for model in models:
        if not isinstance(model.distribution, Normal) or model.conditions:
            raise UserError(
                "Only models of real values without conditions can be stacked: take "
                "representation=points with dataset=ring or grid."
            )
        if model.gradient_clip is not None:
            raise UserError("A clipped gradient's norm is over one run: stack models without it.")


def scale_rates(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    """Set the learning rates to a share of those that the optimizers began with."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = factor * group.setdefault("initial_lr", group["lr"])


class StackedAdversarial:
    """Several `Adversarial` models that differ only in their seeds, trained together.

    The numbers are those of each model's own run with its seed: initial weights, minibatches, codes
    and noise are drawn from the same streams, and the losses are the sums over the stack of each
    run's own, whose gradients are each run's own. Results differ in rounding alone.

    Args:
        models: The models, with their seeds and initial weights; `write` gives them what was
            trained.
        examples: Training examples, `(examples, 1, features)`.
        batch_size: Examples of one minibatch.

    Raises:
        UserError: When the models have parts that cannot be stacked.
    """

    def __init__(self, models: Sequence[Adversarial], examples: Tensor, batch_size: int) -> None:
        check_stackable(models)
        self.models, self.model = tuple(models), models[0]
        _check_parts(self.model)
        seeds = [model.seed for model in models]
        self.streams = Streams(seeds, self.model.latent, self.model.latent_kind)
        self.batches = Batches(
            self.model.distribution.features(examples).flatten(1), batch_size, seeds
        )
        self.generator = StackedNetwork([model.generator for model in models])
        self.discriminator = StackedNetwork([model.discriminator for model in models])
        optimizers = list(self.model.configure_optimizers())
        self.generator_optimizer = optimizer_like(optimizers[0], self.generator.parameters)
        self.discriminator_optimizer = optimizer_like(optimizers[1], self.discriminator.parameters)
        self.optimizers = self.generator_optimizer, self.discriminator_optimizer
        self.average = [parameter.clone() for parameter in self.generator.detached()]
        self.balance = torch.zeros(len(models))
        self.unrolled = _steps_ahead(self.model)
        self.batches_seen = self.attempts = self.iterations = 0
        self.updates = self.discriminator_updates = 0

    def iterate(self) -> None:
        """Make one iteration of the algorithm (Goodfellow et al. 2014, algorithm 1)."""
        real: Tensor | None = None
        for _ in range(in_force(self.model.discriminator_steps, self.iterations)):
            real = self._draw()
            self.update_discriminator(real)
        for _ in range(in_force(self.model.generator_steps, self.iterations)):
            real = self._draw() if real is None else real
            self.update_generator(real)
        self.iterations += 1

    def _draw(self) -> Tensor:
        self.batches_seen += 1
        return self.batches.at(self.batches_seen - 1)

    def _codes(self, count: int) -> Tensor:
        self.attempts += 1
        return self.streams.codes(count, self.streams.latents(self.attempts))

    def update_discriminator(self, real: Tensor) -> None:
        """Make one update of the discriminators on minibatches `(stack, batch, features)`."""
        codes = self._codes(real.shape[1])
        with torch.no_grad():
            fake = self._packed(self.generator(codes))
        real = self._packed(real)
        loss = self._discriminator_loss(*self._judge_both(real, fake))
        loss = loss + self._penalty(real, fake)
        _descend(self.discriminator_optimizer, loss)
        self.discriminator_updates += 1

    def update_generator(self, real: Tensor) -> None:
        """Make one update of the generators; `real` are the minibatches seen last."""
        fake = self._packed(self.generator(self._codes(real.shape[1])))
        real = self._packed(real)
        parameters = self._parameters_ahead(real, fake)
        paired = self.model.objective.paired
        scores = self._judge(real, parameters) if paired else None
        made = self._judge(fake, parameters)
        _descend(self.generator_optimizer, self._generator_loss(made, scores))
        if isinstance(self.model.objective, Began) and scores is not None:
            self._move_balance(scores.detach(), made.detach())
        if self.model.ema_decay is not None:
            latest = self.generator.detached()
            torch._foreach_lerp_(self.average, latest, 1 - self.model.ema_decay)
        self.updates += 1

    def _parameters_ahead(self, real: Tensor, fake: Tensor) -> list[Tensor]:
        """Return the discriminators that the generators look at: today's, or those to come."""
        if not self.unrolled:
            return self.discriminator.detached()

        def loss(parameters: Mapping[str, Tensor], index: int) -> Tensor:
            return self._discriminator_loss(*self._judge_both(real, fake, [*parameters.values()]))

        weights = {str(i): weight for i, weight in enumerate(self.discriminator.parameters)}
        rule = DifferentiableSteps(self.discriminator_optimizer)
        return [*look_ahead(loss, weights, self.unrolled, rule).values()]

    # -- losses: sums over the stack of each run's own --------------------------------------------

    def _discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        if isinstance(self.model.objective, Began):
            return torch.vmap(losses.began_discriminator)(real, fake, self.balance).sum()
        return _each(self.model.objective.discriminator_loss, real, fake).sum()

    def _generator_loss(self, fake: Tensor, real: Tensor | None) -> Tensor:
        loss = self.model.objective.generator_loss
        return (_each(loss, fake) if real is None else _each(loss, fake, real)).sum()

    def _move_balance(self, real: Tensor, fake: Tensor) -> None:
        objective = self.model.objective
        assert isinstance(objective, Began)

        def moved(balance: Tensor, real: Tensor, fake: Tensor) -> Tensor:
            return losses.began_balance(balance, real, fake, objective.gamma, objective.rate)

        self.balance = torch.vmap(moved)(self.balance, real, fake)

    def _penalty(self, real: Tensor, fake: Tensor) -> Tensor | float:
        """Return the weighted penalties that are due."""
        stack, total = len(real), torch.zeros(())

        def scores(flat: Tensor) -> Tensor:
            return self._judge(flat.unflatten(0, (stack, -1))).flatten()

        for penalty in self.model.penalties.values():
            if self.discriminator_updates % penalty.every:
                continue
            if isinstance(penalty, GradientPenalty):
                share = self.streams.shares(real.shape[1], self.attempts)
                mixed = share * real + (1 - share) * fake
                value = one_centred(input_gradient(scores, mixed.flatten(0, 1)))
            else:
                value = penalty.value(scores, real.flatten(0, 1), fake.flatten(0, 1))
            # A mean over the whole stack, since every run has as many examples.
            total = total + stack * penalty.weight * penalty.every * value
        return total

    # -- networks ---------------------------------------------------------------------------------

    def _packed(self, points: Tensor) -> Tensor:
        """Join examples side by side, as `techniques.packed` does; what is left over is left out."""
        pack = self.model.pack
        whole = points.shape[1] // pack * pack
        return points[:, :whole].unflatten(1, (-1, pack)).flatten(2)

    def _judge(self, x: Tensor, parameters: Sequence[Tensor] | None = None) -> Tensor:
        """Return scores, or errors of reconstruction, `(stack, batch)`."""
        out = self.discriminator(x, parameters)
        if self.model.objective.output == "reconstruction":
            return (x - out).abs().mean(2)
        return out.squeeze(2)

    def _judge_both(
        self, real: Tensor, fake: Tensor, parameters: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        if self.discriminator.stateful:  # each use moves it on, as in a run of its own
            return self._judge(real, parameters), self._judge(fake, parameters)
        count = real.shape[1]
        scores = self._judge(torch.cat([real, fake], 1), parameters)
        return scores[:, :count], scores[:, count:]

    @torch.no_grad()
    def points(self, codes: Tensor, *, averaged: bool = False) -> Tensor:
        """Return the generators' examples `(stack, codes, features)`."""
        return self.generator(codes, self.average if averaged else None)

    def write(self) -> None:
        """Give the models the weights that were trained."""
        self.generator.write()
        self.discriminator.write()


def _steps_ahead(model: Adversarial) -> int:
    """Return how many updates of the discriminators the generators' gradient looks ahead."""
    return sum(t.steps for t in model.techniques.values() if isinstance(t, Unrolled))


def _check_parts(model: Adversarial) -> None:
    clipped = isinstance(model.objective, Wasserstein) and model.objective.clip is not None
    others = [n for n, t in model.techniques.items() if not isinstance(t, Unrolled)]
    others += [] if model.pretraining is None else ["pretraining"]
    if others or len(model.techniques) > 1 or clipped:
        name = next(iter([*others, *model.techniques]), "clip")
        raise UserError(f"Models with the part '{name}' cannot be stacked: train them one by one.")
    for name, penalty in model.penalties.items():
        if not isinstance(penalty, (GradientPenalty, R1, R2)):
            raise UserError(f"model.penalties.{name} cannot be stacked: take gradient, r1 or r2.")
    if _steps_ahead(model) and model.penalties:
        raise UserError("Unrolling is stacked without penalties only: train these one by one.")


def _each(loss: Callable[..., Tensor], *scores: Tensor) -> Tensor:
    """Return each run's own loss, `(stack,)`, of scores `(stack, batch)`."""
    return torch.vmap(loss)(*scores)


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
