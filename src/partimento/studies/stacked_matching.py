"""Many seeds of implicit maximum likelihood trained as one stacked model, as in runs of their own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from partimento.metrics.neighbours import nearest
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.studies.stacked import check_stackable, optimizer_like
from partimento.studies.stacked_networks import StackedNetwork
from partimento.studies.stacked_streams import Batches, Streams


class StackedImplicit:
    """Several `ImplicitMaximumLikelihood` models that differ only in their seeds.

    See `StackedAdversarial` for what is the same as in runs of their own.

    Args:
        models: The models, with their seeds and initial weights.
        examples: Training examples, `(examples, 1, features)`.
        batch_size: Examples of one minibatch.
        ema: Decay per update of the averaged weights, which the models themselves have none of.
    """

    def __init__(
        self,
        models: Sequence[ImplicitMaximumLikelihood],
        examples: Tensor,
        batch_size: int,
        ema: float | None = None,
    ) -> None:
        check_stackable(models)
        self.models, self.model = tuple(models), models[0]
        seeds = [model.seed for model in models]
        self.streams = Streams(seeds, self.model.latent, self.model.latent_kind)
        self.batches = Batches(
            self.model.distribution.features(examples).flatten(1), batch_size, seeds
        )
        self.generator = StackedNetwork([model.generator for model in models])
        self.optimizer = optimizer_like(
            self.model.configure_optimizers(), self.generator.parameters
        )
        self.optimizers = (self.optimizer,)
        self.ema = ema
        self.average = [parameter.clone() for parameter in self.generator.detached()]
        self.batches_seen = self.updates = 0

    def iterate(self) -> None:
        """Make one round: match, then update with what was matched."""
        latents = self.streams.latents(self.updates)
        left = self.batches.per_epoch - self.batches_seen % self.batches.per_epoch
        drawn = []
        for _ in range(min(self.model.batches, left)):
            drawn.append(self.batches.at(self.batches_seen))
            self.batches_seen += 1
        matched = self.match(drawn, latents)
        for index in range(self.model.rematch):
            real, codes = drawn[index % len(drawn)], matched[index % len(drawn)]
            noise = [torch.randn(codes.shape[1:], generator=stream) for stream in latents]
            self.update(real, codes + self.model.code_noise * torch.stack(noise))

    @torch.no_grad()
    def match(self, drawn: Sequence[Tensor], latents: Sequence[torch.Generator]) -> list[Tensor]:
        """Return for each minibatch the codes `(stack, batch, latent)` whose samples are nearest."""
        real = torch.cat(list(drawn), 1)
        codes = self.streams.codes(self.model.pool * real.shape[1], latents)
        made = self.generator(codes)
        index = [nearest(x, pool)[1] for x, pool in zip(real, made, strict=True)]
        chosen = torch.stack([own[i] for own, i in zip(codes, index, strict=True)])
        return list(chosen.split([part.shape[1] for part in drawn], 1))

    def update(self, real: Tensor, codes: Tensor) -> None:
        """Move the codes' samples toward their examples, `(stack, batch, features)`."""
        # The sum over the stack of each run's mean over its examples.
        loss = (self.generator(codes) - real).square().sum(2).mean(1).sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.ema is not None:
            torch._foreach_lerp_(self.average, self.generator.detached(), 1 - self.ema)
        self.updates += 1

    @torch.no_grad()
    def points(self, codes: Tensor, *, averaged: bool = False) -> Tensor:
        """Return the generators' examples `(stack, codes, features)`."""
        return self.generator(codes, self.average if averaged else None)

    def write(self) -> None:
        """Give the models the weights that were trained."""
        self.generator.write()
