"""What a person reads when a run is over: where it lies and its main numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def print_summary(folder: Path, record: dict[str, Any]) -> None:
    """Print the run folder and its metrics."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    metrics = record.get("metrics", {})
    shown = [name for name in metrics if name.count("/") == 1]
    for name in sorted(shown):
        console.print(f"  {name:32} {metrics[name]:8.4f}")
    console.print(f"Run folder: {os.path.relpath(folder)}", soft_wrap=True)
