"""What runs of several seeds draw, side by side: each seed's numbers are those of its own run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from partimento.data.loader import batches_per_epoch, epoch_order
from partimento.models.latent import Kind, draw_latent
from partimento.seeds import generator


class Streams:
    """Codes and noise of several seeds, from the streams that an adversarial run of each has.

    Args:
        seeds: The seeds.
        latent: Size of a code.
        kind: Distribution of codes.
    """

    def __init__(self, seeds: Sequence[int], latent: int, kind: Kind) -> None:
        self.seeds = tuple(seeds)
        self.latent, self.kind = latent, kind

    def latents(self, place: int) -> list[torch.Generator]:
        """Return each seed's stream of codes at a place."""
        return [generator(seed, "latent", place) for seed in self.seeds]

    def codes(self, count: int, streams: Sequence[torch.Generator]) -> Tensor:
        """Draw codes `(seeds, count, latent)`, each seed's from its own stream."""
        drawn = [draw_latent(count, self.latent, self.kind, stream) for stream in streams]
        return torch.stack(drawn)

    def shares(self, count: int, place: int) -> Tensor:
        """Draw numbers in [0, 1), `(seeds, count, 1)`, as a gradient penalty's update does first."""
        streams = [generator(seed, "noise", place) for seed in self.seeds]
        return torch.stack([torch.rand(count, 1, generator=stream) for stream in streams])


class Batches:
    """Fresh minibatches of the same examples, in the order that each seed's run has.

    Args:
        examples: Training examples as features, `(examples, features)`.
        batch_size: Examples of one minibatch; an incomplete last one is kept, as in a run.
        seeds: The seeds.
    """

    def __init__(self, examples: Tensor, batch_size: int, seeds: Sequence[int]) -> None:
        self.examples = examples
        self.batch_size = batch_size
        self.seeds = tuple(seeds)
        self.per_epoch = batches_per_epoch(len(examples), batch_size, None)
        self._epoch = -1
        self._orders = torch.empty(0)

    def at(self, position: int) -> Tensor:
        """Return the minibatches at a place from the run's beginning, `(seeds, batch, features)`."""
        epoch, index = divmod(position, self.per_epoch)
        if epoch != self._epoch:
            count = len(self.examples)
            self._orders = torch.stack([epoch_order(count, seed, epoch) for seed in self.seeds])
            self._epoch = epoch
        start = index * self.batch_size
        return self.examples[self._orders[:, start : start + self.batch_size]]
