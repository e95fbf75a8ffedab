"""What W&B's offline files of a run folder hold, read back and united after a resume."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partimento.errors import UserError


@dataclass(frozen=True)
class OfflineRun:
    """The union of a run's offline files.

    Attributes:
        run: W&B's record of the run: id, display name, group, config.
        history: Logged rows in order of `updates`; where a resumed run logged again what a killed
            one had logged, the later rows count.
        files: Media and saved files, as absolute paths.
        unreadable: Offline files that hold nothing whole (W&B was killed before its first flush).
        alerts: Alerts in order, with title, text and level.
        axes: Name → the counter that is its x-axis; "*" stands for all names that are not there.
        summary: The last of each logged value, and what was written into the summary itself.
    """

    run: dict[str, Any]
    history: list[dict[str, Any]]
    files: list[Path]
    unreadable: list[Path]
    alerts: list[dict[str, Any]]
    axes: dict[str, str]
    summary: dict[str, Any]

    def values(self, name: str) -> dict[int, float]:
        """Return updates → value of one logged name."""
        return {row["updates"]: row[name] for row in self.history if name in row}


def read_offline(folder: str | Path) -> OfflineRun:
    """Read all offline W&B files of a run folder.

    Raises:
        UserError: When the folder holds none.
    """
    paths = sorted(Path(folder).glob("wandb/offline-run-*/run-*.wandb"))
    if not paths:
        raise UserError(f"{folder} holds no offline W&B files (wandb/offline-run-*).")
    run: dict[str, Any] = {}
    history: list[dict[str, Any]] = []
    files: list[Path] = []
    unreadable: list[Path] = []
    alerts: list[dict[str, Any]] = []
    axes: dict[str, str] = {}
    summary: dict[str, Any] = {}
    for path in paths:
        records = list(_records(path))
        if not any(record["type"] == "run" for record in records):
            unreadable.append(path)
        for record in records:
            if record["type"] == "run":
                run = record["run"]
            elif record["type"] == "metric" and "step_metric" in record["metric"]:
                metric = record["metric"]
                axes[metric.get("name") or metric["glob_name"]] = metric["step_metric"]
            elif record["type"] == "alert":
                alerts.append(record["alert"])
            elif record["type"] == "summary":
                summary |= record["summary"]["update"]
            elif record["type"] == "files":
                files += _existing(path.parent / "files", record["files"]["files"])
        history = _united(history, list(_history(records)))
    return OfflineRun(run, sorted(history, key=_updates), files, unreadable, alerts, axes, summary)


def _united(earlier: list[dict[str, Any]], later: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of two processes without what the second one logged anew.

    What the first one logged beyond the point from which the second goes on is void. At that very
    point both may hold rows that count: the last validation of the first, the test of the second.
    """
    places = [_updates(row) for row in later if "updates" in row]
    if not places:
        return earlier + later
    again = {_content(row) for row in later}
    first = min(places)
    kept = [row for row in earlier if _updates(row) <= first and _content(row) not in again]
    return kept + later


def _updates(row: dict[str, Any]) -> int:
    return row.get("updates", -1)


def _content(row: dict[str, Any]) -> tuple[Any, ...]:
    """What a row tells, whatever its values."""
    return _updates(row), row.get("epoch"), frozenset(row)


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of one file through W&B's own command, a line of JSON each."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def _history(records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for record in records:
        if record["type"] == "history":
            yield record["history"]["item"]


def _existing(folder: Path, entries: list[dict[str, Any]]) -> list[Path]:
    paths = [folder / entry["path"] for entry in entries]
    return [path for path in paths if path.exists()]
