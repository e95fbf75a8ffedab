"""Sweeps: which jobs a -m command had, how each ended, and the table of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from partimento.config import redacted

SWEEP_VARIABLE = "PARTIMENTO_SWEEP"
FILE_VARIABLE = "PARTIMENTO_SWEEP_FILE"


class SweepRecord:
    """The jobs of one -m command, in a file that jobs in other processes append to.

    Args:
        path: The file of JSON lines.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def jobs(self) -> list[dict[str, Any]]:
        """Return the jobs in the order in which they ended."""
        if self.path is None or not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines()]


def sweep_id(arguments: Sequence[str]) -> str:
    """Return the name of a sweep: the same for the same overrides in any order."""
    own = sorted(a for a in arguments if a not in ("-m", "--multirun"))
    return "sweep-" + hashlib.sha256("\n".join(own).encode()).hexdigest()[:8]


@contextmanager
def recording(arguments: Sequence[str]) -> Iterator[SweepRecord]:
    """Give the jobs of a -m command a place to note how they ended."""
    if not {"-m", "--multirun"} & set(arguments):
        yield SweepRecord(None)
        return
    import tempfile

    name = sweep_id(arguments)
    with tempfile.TemporaryDirectory(prefix="partimento-") as folder:
        path = Path(folder) / f"{name}.jsonl"
        saved = {key: os.environ.get(key) for key in (SWEEP_VARIABLE, FILE_VARIABLE)}
        os.environ.update({SWEEP_VARIABLE: name, FILE_VARIABLE: str(path)})
        try:
            yield SweepRecord(path)
        finally:
            _remove_multirun_yaml(path)
            for key, value in saved.items():
                os.environ.pop(key, None) if value is None else os.environ.update({key: value})


def _note(path: Path) -> Path:
    return path.with_name("multirun")


def _remove_multirun_yaml(path: Path) -> None:
    """Remove the file in which Hydra writes every override as the shell gave it, secrets and all."""
    if _note(path).exists():
        Path(_note(path).read_text()).unlink(missing_ok=True)


class SweepCallback(Callback):
    """Notes how each job of a sweep ended; Hydra itself shows only the first failure."""

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        """Note where Hydra is going to write its multirun.yaml."""
        if path := os.environ.get(FILE_VARIABLE):
            place = Path(config.hydra.sweep.dir).absolute() / "multirun.yaml"
            _note(Path(path)).write_text(str(place))

    def on_job_start(self, config: Any, **kwargs: Any) -> None:
        """Remove multirun.yaml; here, that a killed sweep leaves none behind either."""
        if path := os.environ.get(FILE_VARIABLE):
            _remove_multirun_yaml(Path(path))

    def on_job_end(self, config: Any, job_return: Any, **kwargs: Any) -> None:
        """Append one line about the job."""
        # Hydra prints a failed job's overrides, in which a shell may have put a secret.
        job_return.overrides = redacted(list(job_return.overrides))
        path = os.environ.get(FILE_VARIABLE)
        if path is None:
            return
        failed = job_return.status.name == "FAILED"
        error = job_return._return_value if failed else None
        job = {
            "overrides": job_return.overrides,
            # Not the job's working directory, which chdir: false leaves where the user is.
            "folder": str(Path(config.hydra.runtime.output_dir).absolute()),
            "status": "failed" if failed else "finished",
            "error": None if error is None else redacted(f"{error}"),
        }
        with open(path, "a") as file:
            file.write(json.dumps(job) + "\n")


def print_table(record: SweepRecord) -> None:
    """Print the jobs, best objective first, failed ones last."""
    from rich.console import Console
    from rich.table import Table

    jobs = record.jobs()
    common = set.intersection(*(set(job["overrides"]) for job in jobs)) if len(jobs) > 1 else set()
    rows = sorted((_row(job, common) for job in jobs), key=lambda row: row["order"])
    failed = sum(row["status"] == "failed" for row in rows)
    objective = next((row["name"] for row in rows if row["name"]), "objective")
    table = Table(title=f"{len(rows)} jobs, {failed} failed", title_justify="left")
    for column in ("overrides", objective, "test/nll", "status", "run folder or error"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row["overrides"], row["value"], row["test"], row["status"], row["where"])
    console = Console(highlight=False, markup=False)
    # A log file has no width of its own; 80 columns would fold every cell.
    console.width = console.width if console.is_terminal else 160
    console.print(table)


def _row(job: dict[str, Any], common: set[str]) -> dict[str, Any]:
    """Return what the table shows of a job; overrides that all jobs have are left out."""
    own = " ".join(text for text in job["overrides"] if text not in common)
    folder = Path(job["folder"])
    run = folder / "run.json"
    record = json.loads(run.read_text()) if run.exists() else {}
    done = job["status"] == "finished"
    objective = record.get("objective", {}) if done else {}
    value = objective.get("value")
    test = record.get("metrics", {}).get("test/nll") if done else None
    return {
        "overrides": own,
        "name": objective.get("name"),
        "value": "" if value is None else f"{value:.4f}",
        "test": "" if test is None else f"{test:.4f}",
        "status": job["status"],
        "where": redacted(os.path.relpath(folder)) if done else str(job["error"]),
        "order": (value is None, value or 0.0, own),
    }
