"""Checkpoints: written atomically, at places from which a run goes on exactly, best and last."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.plugins.io import TorchCheckpointIO

from partimento.atomic import write_atomically
from partimento.errors import Interrupted, UserError, did_you_mean
from partimento.runs.folder import RunFolder
from partimento.runs.interruption import StopRequest


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it, so that a kill leaves the old one whole.

    Lightning's own writer goes through a file in the system's temporary folder, which may be
    another file system, where a rename is a copy.
    """

    def __init__(self) -> None:
        super().__init__()
        self.holding = False
        self._held: dict[Path, Any] = {}

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        if self.holding:
            self._held[Path(path)] = _copied(checkpoint)
        else:
            self._held.pop(Path(path), None)
            buffer = io.BytesIO()
            torch.save(checkpoint, buffer)
            write_atomically(Path(path), buffer.getvalue())

    def write_held(self) -> None:
        """Write what was given while holding."""
        self.holding = False
        for path, checkpoint in list(self._held.items()):
            self.save_checkpoint(checkpoint, path)


def _copied(value: Any) -> Any:
    """Return plain containers with the tensors in them copied."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item) for item in value)
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


class Checkpointing(Callback):
    """Saves `last.ckpt` and `best.ckpt`, stops early, and honours a request to stop.

    A checkpoint is saved only between batches of an epoch or after the epoch's validation: at the
    last batch of an epoch it would lose that validation.

    Args:
        folder: The run folder.
        per_epoch: Batches of an epoch.
        monitor: Validation value of which the lowest is best; None: the latest epoch is best.
        patience: Validations without improvement before training stops; None: never.
        every: Batches between checkpoints inside an epoch; None: only after validation.
        seconds: Shortest time between checkpoints after validation; where epochs are short, writing
            would take a good part of the time. What it leaves out is trained again on resume.
        max_updates: Updates after which training stops.
        keep: Epochs whose weights stay, beside the best and the last.
        stop_requested: Says whether the person or the cluster has asked to stop.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        per_epoch: int,
        monitor: str | None = "valid/nll",
        patience: int | None = None,
        every: int | None = None,
        seconds: float = 0.0,
        max_updates: int | None = None,
        keep: Collection[int] = (),
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.folder = folder
        self.per_epoch = per_epoch
        self.monitor = monitor
        self.patience = patience
        self.every = every
        self.seconds = seconds
        self.max_updates = max_updates
        self.keep = frozenset(keep)
        self.stop_requested = stop_requested
        self.best = math.inf
        self.best_counters: dict[str, int] = {}
        self.waited = 0
        self._saved_at = 0
        self._saved_when = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_counters": self.best_counters, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self.best_counters = state_dict["best_counters"]
        self.waited = state_dict["waited"]

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        epoch = checkpoint["partimento"]["counters"]["epochs"]
        progress = trainer.fit_loop.epoch_progress
        for place in (progress.total, progress.current):
            for name in ("ready", "started", "processed", "completed"):
                setattr(place, name, epoch)

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        if isinstance(self.stop_requested, StopRequest):
            self.stop_requested.install()
        self._saved_at = pl_module.counters["batches_seen"]
        self._saved_when = time.monotonic()
        self._stop_where_due(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        counters = pl_module.counters
        if self.max_updates is not None and counters["updates"] >= self.max_updates:
            trainer.should_stop = True
            return
        over = counters["batches_seen"] - (trainer.current_epoch + 1) * self.per_epoch
        if over >= 0:
            # The loader's length says so too, but beats have none.
            trainer.fit_loop.epoch_loop.batch_progress.is_last_batch = True
            return
        asked = self._asked(trainer)
        if asked or (self.every and counters["batches_seen"] >= self._saved_at + self.every):
            self._save(trainer, self.folder.last)
            self._saved_at = counters["batches_seen"]
        if asked:
            raise Interrupted

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        pl_module.count(epochs=1)
        self._keep_best(trainer, pl_module)
        epoch = pl_module.counters["epochs"]
        kept = epoch in self.keep
        if kept:
            self._save(trainer, self.folder.epoch(epoch), weights_only=True)
        self._stop_where_due(trainer, pl_module)
        asked = self._asked(trainer)
        over = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        if asked or over or kept or self._due(trainer):
            self._save(trainer, self.folder.last)
            self._saved_at = pl_module.counters["batches_seen"]
            self._saved_when = time.monotonic()
        if asked:
            raise Interrupted

    def _due(self, trainer: Trainer) -> bool:
        """Whether the last checkpoint is old enough for another; all processes must agree."""
        due = time.monotonic() - self._saved_when >= self.seconds
        if trainer.world_size == 1:
            return due
        return trainer.strategy.reduce_boolean_decision(due, all=False)

    def _asked(self, trainer: Trainer) -> bool:
        """Whether any process was asked to stop; all must come to the same answer."""
        asked = self.stop_requested()
        if trainer.world_size == 1:
            return asked
        return trainer.strategy.reduce_boolean_decision(asked, all=False)

    def _keep_best(self, trainer: Trainer, pl_module: Any) -> None:
        score = self._score(trainer)
        if score is None or score < self.best:
            self.best = self.best if score is None else score
            self.best_counters, self.waited = pl_module.counters, 0
            # For loading, not for going on: the optimizer's state is two thirds of a checkpoint.
            checkpoint_io = trainer.strategy.checkpoint_io
            if isinstance(checkpoint_io, AtomicCheckpointIO):
                # It goes to disk with the next last.ckpt, which is what knows of it.
                checkpoint_io.holding = True
            self._save(trainer, self.folder.best, weights_only=True)
        else:
            self.waited += 1

    def _score(self, trainer: Trainer) -> float | None:
        """Return the monitored value of this validation; None when nothing is monitored."""
        if self.monitor is None:
            return None
        values = trainer.callback_metrics
        if self.monitor not in values:
            raise UserError(
                f"trainer.monitor={self.monitor} names no value of the validation."
                f"{did_you_mean(self.monitor, [str(name) for name in values])}"
            )
        score = float(values[self.monitor])
        return score if math.isfinite(score) else math.inf

    def _stop_where_due(self, trainer: Trainer, pl_module: Any) -> None:
        out_of_patience = self.patience is not None and self.waited >= self.patience
        out_of_updates = (
            self.max_updates is not None and pl_module.counters["updates"] >= self.max_updates
        )
        if out_of_patience or out_of_updates:
            trainer.should_stop = True

    def _save(self, trainer: Trainer, path: Path, *, weights_only: bool = False) -> None:
        if path == self.folder.last:
            checkpoint_io = trainer.strategy.checkpoint_io
            if isinstance(checkpoint_io, AtomicCheckpointIO):
                checkpoint_io.write_held()
        trainer.save_checkpoint(path, weights_only=weights_only)
