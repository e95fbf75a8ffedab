"""How far a long preparation is: a bar on a terminal, a line in the log now and then elsewhere."""

from __future__ import annotations

import logging
import time
from types import TracebackType
from typing import Any

log = logging.getLogger(__name__)


class Progress:
    """Shows how many of a known number of things are done, and about when all will be.

    Args:
        what: What is being done, such as "Reading".
        unit: What is counted, such as "files".
        total: How many there are.
        interval: Seconds between two lines of the log; nothing is told before the first of them.
    """

    def __init__(self, what: str, unit: str, total: int, interval: float = 20.0) -> None:
        self.what = what
        self.unit = unit
        self.total = total
        self.interval = interval
        self._started = self._told = time.monotonic()
        self._first: int | None = None
        self._bar: Any = None

    def __enter__(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(f"{self.unit}, left"),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, console=console, transient=True)
            self._task = self._bar.add_task(self.what, total=self.total)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int) -> None:
        """Tell how many are done; those before the first call were done in an earlier run."""
        if self._first is None:
            self._first = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
            return
        now = time.monotonic()
        if now - self._told >= self.interval:
            self._told = now
            log.info("%s", self.line(done, now - self._started))

    def line(self, done: int, seconds: float) -> str:
        """Return the line for `done` things after so many seconds."""
        new = done - (self._first or 0)
        left = f"{(self.total - done) * seconds / new:,.0f} s" if new > 0 else "unknown"
        return f"{self.what}: {done:,} of {self.total:,} {self.unit}, time left {left}"
