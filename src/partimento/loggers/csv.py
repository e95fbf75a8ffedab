"""metrics.csv: one value per row, appended as it is measured, cut back when a run resumes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from partimento.atomic import write_atomically

AXES = ("updates", "batches_seen", "examples_seen", "epoch")
COLUMNS = (*AXES, "name", "value")


class CsvLogger(Logger):
    """Appends every value to `metrics.csv` of the run folder.

    Lightning's CSV logger keeps rows in memory and deletes the file when a run resumes.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.path = Path(folder) / "metrics.csv"

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml of the run folder holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append one row per value; the counters among the metrics are the axes."""
        axes = [metrics.get(name, "") for name in AXES]
        rows = [[*axes, name, value] for name, value in metrics.items() if name not in AXES]
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if new:
                writer.writerow(COLUMNS)
            writer.writerows(rows)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the rows of metrics.csv with numbers as numbers; a torn last row is left out."""
    if not path.exists():
        return []
    rows = []
    # Without the line's end "0.75" may have been cut to "0.7".
    whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    for row in csv.DictReader(whole):
        numbers = {name: int(row[name]) for name in AXES if row[name]}
        rows.append({**numbers, "name": row["name"], "value": float(row["value"])})
    return rows


def cut_back(path: Path, updates: int) -> None:
    """Drop what was measured after a number of updates, and all test values.

    A run that goes on from a checkpoint measures these again.
    """
    if not path.exists():
        return
    lines = path.read_text().splitlines(keepends=True)
    kept = lines[:1]
    for line in lines[1:]:
        row = dict(zip(COLUMNS, next(csv.reader([line])), strict=False))
        whole = line.endswith("\n") and len(row) == len(COLUMNS) and row["updates"].isdigit()
        if whole and int(row["updates"]) <= updates and not row["name"].startswith("test/"):
            kept.append(line)
    write_atomically(path, "".join(kept))
