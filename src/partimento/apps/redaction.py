"""Log lines without secrets of the environment, tracebacks included."""

from __future__ import annotations

import logging

from partimento.config import redacted


class RedactingFormatter(logging.Formatter):
    """Formats like its base class; conf/*.yaml puts it into all of Hydra's log handlers."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))
