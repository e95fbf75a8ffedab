"""Implicit maximum likelihood: every real example draws the nearest generated one toward it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torchmetrics import Metric

from partimento.data.batch import Batch, Given
from partimento.data.loader import TrainLoader
from partimento.distributions import Distribution
from partimento.errors import UserError
from partimento.metrics.neighbours import nearest
from partimento.models.base import Evaluation, Model, OptimizerFactory
from partimento.models.latent import Kind, check_fixed_length, draw_latent, sample_generator
from partimento.models.relaxation import Relaxation
from partimento.networks import MLP
from partimento.seeds import stream_seed


class ImplicitMaximumLikelihood(Model):
    """IMLE(generator): Li & Malik 2018, "Implicit Maximum Likelihood Estimation", algorithm 1.

    A round draws `batches` minibatches of real examples and a pool of `pool` times as many codes,
    finds for each real example the code whose sample is nearest to it, and then makes `updates`
    updates that move the samples of the chosen codes, with a little noise on them, toward their
    examples. No mode of the data can be dropped, since every example has a sample of its own to
    draw. With conditions each example has a pool of its own, under its own conditions (conditional
    IMLE, Li, Zhang & Malik 2020).

    Args:
        distribution: Meaning of `x`.
        conditions: Meanings of the conditions, which the generator is given.
        metrics: Unused: no given example is predicted.
        generator: Makes the network from `((latent,), parameter_shape, condition_shapes)`.
        optimizer: Makes the optimizer.
        relaxation: How discrete music gets gradients; the default is the plain mean, since Gumbel
            noise would blur which code is the nearest.
        latent: Size of a code.
        latent_kind: Distribution of codes.
        pool: Codes drawn per real example, m of the paper (10 in the authors' code).
        batches: Minibatches that are matched at once.
        rematch: Updates made with one matching, L of the paper.
        noise: Standard deviation of the noise on chosen codes (0.01 in the authors' code).
    """

    MONITOR: ClassVar[str | None] = None
    draws = True

    def __init__(
        self,
        distribution: Distribution,
        conditions: Mapping[str, Distribution] | None = None,
        metrics: Mapping[str, Metric] | None = None,
        *,
        generator: Callable[..., nn.Module] = MLP,
        optimizer: OptimizerFactory = torch.optim.Adam,
        relaxation: Relaxation | None = None,
        latent: Annotated[int, Gt(0)] = 64,
        latent_kind: Kind = "normal",
        pool: Annotated[int, Gt(0)] = 10,
        batches: Annotated[int, Gt(0)] = 4,
        rematch: Annotated[int, Gt(0)] = 8,
        noise: Annotated[float, Ge(0)] = 0.01,
    ) -> None:
        check_fixed_length(distribution)
        super().__init__(distribution, conditions, None)
        self.automatic_optimization = False
        self.relaxation = relaxation or Relaxation(hard=False, noise=False)
        self.relaxation.check_pathwise("IMLE")
        self.latent, self.latent_kind = latent, latent_kind
        self.pool, self.batches, self.rematch, self.code_noise = pool, batches, rematch, noise
        self._optimizer = optimizer
        shapes = {name: d.feature_shape for name, d in self.conditions.items()}
        self.generator = generator((latent,), distribution.parameter_shape, shapes)
        mixing = getattr(self.generator, "mixing", 0)
        if mixing:
            raise UserError(
                f"model.generator.mixing={mixing} makes examples of two codes, and IMLE must know "
                "the one code of each: set model.generator.mixing=0."
            )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self._optimizer(self.generator.parameters())

    def training_step(self, source: TrainLoader, batch_idx: int) -> None:
        """Make one round: match, then update with what was matched."""
        self.seed_noise()
        latents = torch.Generator(self.device)
        place = self._position["updates"], self.global_rank
        latents.manual_seed(stream_seed(self.seed, "latent", *place))
        left = (self.current_epoch + 1) * source.per_epoch - self._position["batches_seen"]
        drawn = [self.draw(source) for _ in range(max(1, min(self.batches, left)))]
        matched = self.match(drawn, latents)
        for index in range(self.rematch):
            self.seed_noise()
            batch, codes = drawn[index % len(drawn)], matched[index % len(drawn)]
            noise = torch.randn(codes.shape, generator=latents, device=self.device)
            loss = self.loss(batch, codes + self.code_noise * noise)
            self.descend(loss)
            self.counted_loss(loss)
            if self._position["updates"] == self.max_updates:
                break

    def loss(self, batch: Batch, codes: Tensor) -> Tensor:
        """Return the mean squared distance of the codes' samples to the examples."""
        made = self.made(codes, self._features(batch.condition))
        return (made - self.distribution.features(batch.x)).square().flatten(1).sum(1).mean()

    @torch.no_grad()
    def match(self, batches: list[Batch], latents: torch.Generator) -> list[Tensor]:
        """Return for each minibatch the codes `(batch, latent)` whose samples are nearest."""
        if self.conditions:
            return [self._match_conditional(batch, latents) for batch in batches]
        real = torch.cat([self.distribution.features(batch.x).flatten(1) for batch in batches])
        codes = self.codes(self.pool * len(real), latents)
        made = torch.cat([self.made(part, {}).flatten(1) for part in codes.split(1024)])
        _, index = nearest(real, made)
        return list(codes[index].split([len(batch) for batch in batches]))

    def _match_conditional(self, batch: Batch, latents: torch.Generator) -> Tensor:
        """Return the nearest of `pool` samples that each example has under its own conditions."""
        real, condition = self.distribution.features(batch.x), self._features(batch.condition)
        best = self.codes(len(batch), latents)
        distance = self.distribution.distance(self.made(best, condition), real)
        for _ in range(self.pool - 1):
            codes = self.codes(len(batch), latents)
            found = self.distribution.distance(self.made(codes, condition), real)
            closer = found < distance
            best = torch.where(closer.unsqueeze(1), codes, best)
            distance = torch.where(closer, found, distance)
        return best

    def codes(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Draw codes `(count, latent)`."""
        return draw_latent(count, self.latent, self.latent_kind, generator, self.device)

    def made(self, codes: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
        """Return the generator's examples as differentiable features."""
        parameters = self.generator(codes, condition)
        return self.relaxation(self.distribution, parameters, self._position["updates"])

    def _features(self, condition: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: d.features(condition[name]) for name, d in self.conditions.items()}

    def evaluate(self, batch: Batch) -> Evaluation:
        return Evaluation(None, None, torch.ones_like(batch.x, dtype=torch.bool))

    @torch.no_grad()
    def sample(
        self,
        n: int | None = None,
        *,
        condition: Mapping[str, Tensor] | None = None,
        given: Given | None = None,
        z: Tensor | None = None,
        lengths: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        weights: str | None = None,
    ) -> Tensor:
        self.refuse(given=given, lengths=lengths)
        self.refuse_ema(weights)
        return sample_generator(
            self, self.generator, n, condition=condition, z=z, temperature=temperature,
            generator=generator,
        )  # fmt: skip
