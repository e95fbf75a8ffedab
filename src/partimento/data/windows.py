"""Long sequences in consecutive windows, for truncated back-propagation, with their place kept."""

from __future__ import annotations

from typing import Any

import torch

from partimento.data.batch import Batch
from partimento.data.loader import TrainLoader
from partimento.data.packing import PackedLoader
from partimento.errors import UserError
from partimento.seeds import generator


class WindowLoader(TrainLoader):
    """Training batches of sequences that are walked through window by window.

    A batch of sequences of similar length comes as its successive windows of `window` steps, one
    after the other, each with the same sequences in the same places. `Batch.start` says where a
    window begins: at 0 a model starts from its initial state, above 0 it goes on from the state in
    which the window before left it, without passing gradients back (Williams & Peng 1990). A
    sequence that is over has length 0 in the windows that remain, hence no valid step. Since a run
    may be resumed at any window, a model keeps its state where checkpoints find it.

    Each window counts as one batch. Their number is the same in every epoch: sequences are sorted
    by their number of windows and cut into batches at the same places; an epoch shuffles sequences
    with as many windows among themselves, and the batches. Both follow from (seed, epoch), so that
    a resumed run sees the windows that it would have seen. All sequences are used, also by several
    processes: batches are of equal size, to within one.

    Args:
        examples: All training sequences.
        window: Steps of a window; the last of a batch may be shorter.
        **options: As for `TrainLoader`; `batch_size` is the most sequences of a batch.

    Raises:
        UserError: When there are fewer sequences in a batch than processes.
    """

    def __init__(self, examples: Batch, *, window: int, **options: Any) -> None:
        self.window = window
        count = len(examples)
        lengths = torch.full((count,), examples.x.shape[1])
        if examples.lengths is not None:
            lengths = examples.lengths.cpu()
        self.windows = (lengths.clamp(min=1) + window - 1) // window
        batches = max(1, -(-count // options["batch_size"]))
        self.bounds = [count * index // batches for index in range(batches + 1)]
        by_windows = self.windows.sort().values
        self.windows_of_batch = by_windows[torch.tensor(self.bounds[1:]) - 1]
        self._plan: tuple[int, torch.Tensor, torch.Tensor, torch.Tensor] | None = None
        super().__init__(examples, **options)
        if count // batches < self.world_size:
            raise UserError(
                f"{count} training sequences in {batches} batches leave one of the "
                f"{self.world_size} processes without any: use a larger trainer.batch_size."
            )

    def _batches(self, limit: int | None) -> int:
        count = int(self.windows_of_batch.sum())
        return min(count, limit) if limit else count

    def _epoch_plan(self, epoch: int) -> tuple[int, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the epoch, the order of sequences and of batches, and where each batch's windows end."""
        if self._plan is None or self._plan[0] != epoch:
            stream = generator(self.seed, "order", epoch)
            shuffled = torch.randperm(len(self.windows), generator=stream)
            order = shuffled[self.windows[shuffled].argsort(stable=True)]
            batches = torch.randperm(len(self.windows_of_batch), generator=stream)
            self._plan = epoch, order, batches, self.windows_of_batch[batches].cumsum(0)
        return self._plan

    def batch(self, position: int) -> Batch:
        """Return the window at a place counted from the beginning of the run."""
        epoch, index = divmod(position, self.per_epoch)
        _, order, batches, ends = self._epoch_plan(epoch)
        place = int(torch.searchsorted(ends, index, right=True))
        chosen = int(batches[place])
        window = index - (int(ends[place]) - int(self.windows_of_batch[chosen]))
        sequences = order[self.bounds[chosen] : self.bounds[chosen + 1]]
        own = sequences[self.rank :: self.world_size].to(self.examples.x.device)
        start = window * self.window
        return self.examples[own].steps(start, min(start + self.window, self._longest(sequences)))

    def _longest(self, sequences: torch.Tensor) -> int:
        """Return the steps of the longest of some sequences, over all processes."""
        return (
            self.examples.x.shape[1] if self.lengths is None else int(self.lengths[sequences].max())
        )


def train_loader(
    examples: Batch,
    *,
    packing: int | None = None,
    window: int | None,
    varying: bool,
    **options: Any,
) -> TrainLoader:
    """Return the loader that the config asks for.

    Args:
        examples: All training examples.
        packing: Steps of a window of a packed stream; None: the examples are not packed.
        window: Steps of a window; None: whole examples.
        varying: Whether the representation's examples differ in their number of steps.
        **options: As for `TrainLoader`.

    Raises:
        UserError: When windows are asked for where examples are windows already, or are packed.
    """
    if packing is not None:
        if window is not None or options.get("bucketing"):
            raise UserError(
                "data.packing joins all pieces to one stream, which has neither sequences to cut "
                "nor lengths to sort: leave data.window=null and data.bucketing=false."
            )
        return PackedLoader(examples, **options)
    if window is None:
        return TrainLoader(examples, trim=varying, **options)
    if not varying:
        raise UserError(
            f"data.window={window} cuts sequences of varying length, but this representation's "
            "examples all have the same number of steps: leave data.window=null."
        )
    return WindowLoader(examples, window=window, **options)
