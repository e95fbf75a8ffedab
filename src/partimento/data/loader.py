"""Loaders whose batches are index selections from tensors that stay on the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch

from partimento.data.batch import Batch
from partimento.errors import UserError
from partimento.seeds import generator


def epoch_order(count: int, seed: int, epoch: int) -> torch.Tensor:
    """Return the order in which one epoch visits `count` examples."""
    return torch.randperm(count, generator=generator(seed, "order", epoch))


class TrainLoader:
    """Shuffled training batches, beginning where `position` says.

    The order is keyed by (seed, epoch) and the place by the number of batches already consumed, so
    that a resumed run sees exactly the batches that it would have seen. Under DDP each rank takes
    its own share of every global batch. An incomplete last batch is kept (on one process).

    Args:
        examples: All training examples.
        batch_size: Examples of one batch, all ranks together.
        seed: Seed of the run.
        position: Number of batches consumed since the run began.
        limit: Number of batches that make an epoch, at most.
        rank: Index of this process.
        world_size: Number of processes.
    """

    def __init__(
        self,
        examples: Batch,
        *,
        batch_size: int,
        seed: int,
        position: int = 0,
        limit: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.examples = examples
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        if batch_size < world_size:
            raise UserError(
                f"trainer.batch_size={batch_size} is less than one example for each of the "
                f"{world_size} processes."
            )
        self.per_epoch = batches_per_epoch(len(examples), batch_size, limit, world_size)
        self.epoch, self.start = divmod(position, self.per_epoch)
        self._order: tuple[int, torch.Tensor] | None = None

    def __len__(self) -> int:
        return self.per_epoch - self.start

    def __iter__(self) -> Iterator[Batch]:
        begin = self.epoch * self.per_epoch
        for position in range(begin + self.start, begin + self.per_epoch):
            yield self.batch(position)

    def batch(self, position: int) -> Batch:
        """Return the batch at a place counted from the beginning of the run."""
        epoch, index = divmod(position, self.per_epoch)
        if self._order is None or self._order[0] != epoch:
            order = epoch_order(len(self.examples), self.seed, epoch)
            self._order = epoch, order.to(self.examples.x.device)
        chunk = self._order[1][index * self.batch_size : (index + 1) * self.batch_size]
        return self.examples[chunk[self.rank :: self.world_size]]


class Beats:
    """One beat per training step, without end, for a model that draws its real batches itself.

    An adversarial model takes k fresh batches per step, and k may change at any step, so the number
    of steps of an epoch is not known beforehand. Each beat hands over the loader, from which
    `Model.draw` takes the batch at the place that the counters say; `Checkpointing` ends the epoch
    when the counters have passed over the data.
    """

    def __init__(self, loader: TrainLoader) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[TrainLoader]:
        while True:
            yield self.loader


class EvalLoader:
    """Batches in order, for validation and test; under DDP every rank takes its own share."""

    def __init__(
        self, examples: Batch, *, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.examples = examples[slice(rank, None, world_size)]
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.examples) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.examples), self.batch_size):
            yield self.examples[slice(start, start + self.batch_size)]


def batches_per_epoch(
    examples: int, batch_size: int, limit: int | None = None, world_size: int = 1
) -> int:
    """Return how many batches make an epoch.

    With several processes an incomplete last batch is left out, since it could leave a rank
    without examples while the others wait for it.
    """
    rounding: Callable[[float], int] = math.ceil if world_size == 1 else math.floor
    count = max(1, rounding(examples / batch_size))
    return min(count, limit) if limit else count
