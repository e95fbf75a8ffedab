"""A run folder: config.yaml, run.json, lease, checkpoints; what is in it is written atomically."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from partimento.atomic import write_atomically
from partimento.errors import UserError


class RunFolder:
    """The folder of one run.

    Args:
        path: Where it is; made when first written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def last(self) -> Path:
        """The checkpoint from which an interrupted run goes on."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint with the best monitored value."""
        return self.path / "checkpoints" / "best.ckpt"

    def epoch(self, number: int) -> Path:
        """The checkpoint of an epoch that `trainer.keep_epochs` names."""
        return self.path / "checkpoints" / f"epoch-{number:04d}.ckpt"

    def read(self) -> dict[str, Any]:
        """Return run.json, or {} when there is none."""
        return self.read_json("run.json")

    def read_json(self, name: str) -> dict[str, Any]:
        """Return a JSON file of the folder, or {} when it is not there.

        Raises:
            UserError: When the file is there and no JSON.
        """
        path = self.path / name
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except (ValueError, OSError) as error:
            raise UserError(f"{path} cannot be read as JSON: {error}.") from error

    def update(self, **values: Any) -> dict[str, Any]:
        """Merge values into run.json and return it."""
        record = {**self.read(), **values}
        self.write_json("run.json", record)
        return record

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file into the folder, atomically."""
        write_atomically(self.path / name, json.dumps(value, indent=2, sort_keys=False) + "\n")

    def write_yaml(self, name: str, value: Any) -> None:
        """Write a YAML file into the folder, atomically."""
        write_atomically(self.path / name, yaml.safe_dump(value, sort_keys=False))

    def config(self) -> dict[str, Any]:
        """Return the resolved config of the run, or {} when there is none yet."""
        path = self.path / "config.yaml"
        return yaml.safe_load(path.read_text()) if path.exists() else {}

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Keep every other process out of the run while the block lasts.

        The lock is the kernel's, so a killed process leaves none behind.

        Raises:
            UserError: When another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / "lease", timeout=0)
        holder = self.path / "lease.json"
        try:
            lock.acquire()
        except Timeout:
            raise UserError(f"{self.path} is in use by {_holder(holder)}.") from None
        try:
            self.write_json(
                "lease.json",
                {"host": socket.gethostname(), "pid": os.getpid(), "since": _now()},
            )
            yield
        finally:
            # The folder may have been set aside meanwhile; then the lock went with it.
            holder.unlink(missing_ok=True)
            lock.release()

    def set_aside(self) -> Path:
        """Rename the folder to a free name beside it and return that name."""
        number = 1
        while (target := self.path.with_name(f"{self.path.name}.old{number}")).exists():
            number += 1
        return self.path.rename(target)


def _holder(path: Path) -> str:
    try:
        holder: Mapping[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return "another process"
    return f"process {holder['pid']} on {holder['host']} since {holder['since']}"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
