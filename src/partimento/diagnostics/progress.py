"""The progress bar: batches of the whole run, the latest values, and when it will be done."""

from __future__ import annotations

import time
from typing import Any

from pytorch_lightning import Callback
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class ProgressBar(Callback):
    """Shows the progress of the run on a terminal; elsewhere prints a line now and then.

    Args:
        total: What the counter will be at the end of the run.
        monitor: The value shown beside the epoch, if any.
        interval: Seconds between lines where there is no terminal.
        counter: The counter that is shown: "batches_seen", or "updates" where these are limited.
    """

    def __init__(
        self, total: int, monitor: str | None, interval: float = 20.0, counter: str = "batches_seen"
    ) -> None:
        self.total = total
        self.monitor = monitor
        self.interval = interval
        self.counter = counter
        self.console = Console(stderr=True)
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._shown = 0.0
        self._started = (0.0, 0)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        done = pl_module.counters[self.counter]
        self._started = (time.monotonic(), done)
        self._shown = time.monotonic()
        if not self.console.is_terminal or not trainer.is_global_zero:
            return
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(self.counter.replace("_", " ")),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self._task = self._progress.add_task("epoch 1", total=self.total, completed=done)
        self._progress.start()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.monotonic()
        if now - self._shown < (0.2 if self._progress else self.interval):
            return
        self._shown = now
        done = pl_module.counters[self.counter]
        text = self._description(trainer)
        if self._progress is not None:
            self._progress.update(self._task, completed=done, description=text)
        elif trainer.is_global_zero:
            since, before = self._started
            left = (self.total - done) * (now - since) / max(1, done - before)
            what = self.counter.replace("_", " ")
            self.console.print(f"{text}: {done}/{self.total} {what}, about {left:.0f} s left")

    def _description(self, trainer: Any) -> str:
        value = trainer.callback_metrics.get(self.monitor) if self.monitor else None
        shown = "" if value is None else f" {self.monitor} {float(value):.4f}"
        return f"epoch {trainer.current_epoch + 1}{shown}"

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._close()
