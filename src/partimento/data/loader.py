"""Loaders whose batches are index selections from tensors that stay on the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch

from partimento.data.batch import Batch
from partimento.errors import UserError
from partimento.seeds import generator

POOL = 32
"""Batches that are sorted by length together: few enough that epochs differ, enough to be alike."""


def epoch_order(count: int, seed: int, epoch: int) -> torch.Tensor:
    """Return the order in which one epoch visits `count` examples."""
    return torch.randperm(count, generator=generator(seed, "order", epoch))


def bucketed_order(lengths: torch.Tensor, batch_size: int, seed: int, epoch: int) -> torch.Tensor:
    """Return an order in which the examples of one batch are of similar length.

    The epoch's order is cut into pools of `POOL` batches, each pool is sorted by length, and its
    batches are put in a random order. What fills no batch comes last, drawn before the sorting, so
    that where it is left out no length is left out for good.

    Args:
        lengths: Steps of each example, `(examples,)`, on the CPU.
        batch_size: Examples of one batch.
        seed: Seed of the run.
        epoch: Index of the epoch.
    """
    stream = generator(seed, "order", epoch)
    order = torch.randperm(len(lengths), generator=stream)
    whole = len(order) - len(order) % batch_size
    pools = [
        pool[lengths[pool].argsort(stable=True)] for pool in order[:whole].split(batch_size * POOL)
    ]
    if not pools or not whole:
        return order
    batches = torch.cat(pools).view(-1, batch_size)
    shuffled = batches[torch.randperm(len(batches), generator=stream)]
    return torch.cat([shuffled.flatten(), order[whole:]])


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
        bucketing: Put examples of similar length into a batch (where they have lengths).
        trim: Leave out the padding that is longer than the longest example of a batch.
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
        bucketing: bool = False,
        trim: bool = False,
    ) -> None:
        self.examples = examples
        # On the CPU, since asking a GPU for the longest would make it wait at every batch.
        self.lengths = None if examples.lengths is None else examples.lengths.cpu()
        self.bucketing = bucketing
        self.trim = trim
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        if batch_size < world_size:
            raise UserError(
                f"trainer.batch_size={batch_size} is less than one example for each of the "
                f"{world_size} processes."
            )
        self.per_epoch = self._batches(limit)
        self.epoch, self.start = divmod(position, self.per_epoch)
        self._order: tuple[int, torch.Tensor, torch.Tensor] | None = None

    def _batches(self, limit: int | None) -> int:
        """Return how many batches make an epoch."""
        return batches_per_epoch(len(self.examples), self.batch_size, limit, self.world_size)

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
            order = self._epoch_order(epoch)
            self._order = epoch, order, order.to(self.examples.x.device)
        start = index * self.batch_size
        own = slice(start + self.rank, start + self.batch_size, self.world_size)
        batch = self.examples[self._order[2][own]]
        if self.lengths is None or not self.trim:
            return batch
        return trimmed(batch, self.lengths[self._order[1][own]])

    def _epoch_order(self, epoch: int) -> torch.Tensor:
        if self.bucketing and self.lengths is not None:
            return bucketed_order(self.lengths, self.batch_size, self.seed, epoch)
        return epoch_order(len(self.examples), self.seed, epoch)


def trimmed(batch: Batch, lengths: torch.Tensor) -> Batch:
    """Return a batch without the steps beyond its longest example; `lengths` are on the CPU."""
    return batch.steps(0, max(int(lengths.max()), 1)) if len(lengths) else batch


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
    """Batches in order, for validation and test; under DDP every rank takes its own share.

    With `trim` the padding beyond the longest example of a batch is left out.
    """

    def __init__(
        self,
        examples: Batch,
        *,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        trim: bool = False,
    ) -> None:
        self.examples = examples[slice(rank, None, world_size)]
        self.batch_size = batch_size
        lengths = self.examples.lengths
        self.lengths = lengths.cpu() if trim and lengths is not None else None

    def __len__(self) -> int:
        return math.ceil(len(self.examples) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.examples), self.batch_size):
            chunk = slice(start, start + self.batch_size)
            batch = self.examples[chunk]
            yield batch if self.lengths is None else trimmed(batch, self.lengths[chunk])


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
