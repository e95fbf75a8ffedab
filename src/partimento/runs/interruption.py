"""Ctrl-C and SIGTERM: the first asks training to stop after saving, the second stops it at once."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType

from partimento.errors import Interrupted

log = logging.getLogger(__name__)


class StopRequest:
    """A context in which SIGINT and SIGTERM ask for a stop, which training honours after a batch."""

    def __init__(self) -> None:
        self.asked: int | None = None
        self._previous: dict[int, object] = {}

    def __call__(self) -> bool:
        return self.asked is not None

    def __enter__(self) -> StopRequest:
        # Python allows handlers in the main thread only; elsewhere (a notebook's worker) signals
        # keep the meaning they have.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.getsignal(number)
            self.install()
        return self

    def install(self) -> None:
        """Take the signals again, once Lightning has put itself before this handler.

        Lightning answers SIGTERM with an exception at the next batch, before anything is saved.
        """
        for number in self._previous:
            signal.signal(number, self._handle)

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None:
            # Not KeyboardInterrupt: Lightning answers that with an exit of its own.
            raise Interrupted
        self.asked = number
        log.warning("Stopping after this batch, state will be saved; once more to stop at once.")
