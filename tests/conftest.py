"""Fixtures: the command line in this process, a cache that tests share, a run of a second."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

# A run small enough for a test: real chorales, few windows, a tiny network.
TINY = (
    "trainer=quick",
    "trainer.progress_bar=false",
    "trainer.batch_size=32",
    "trainer.checkpoint_seconds=0",
    "trainer.limit_train_batches=6",
    "data.transpose=false",
    "data.stride=4",
    "model.hidden=[8]",
    "accelerator=cpu",
    "accelerator.threads=1",
    "logger=csv",
    "diagnostics=none",
)


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The last line on standard error, where mistakes are told."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        return lines[-1] if lines else ""


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave random streams, threads and log handlers as they were."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.delenv("PARTIMENTO_DEBUG", raising=False)
    yield
    for handler in [h for h in root.handlers if h not in handlers]:
        handler.close()
        root.removeHandler(handler)
    root.setLevel(level)
    torch.set_num_threads(threads)
    torch.set_rng_state(state)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder in which the chorales are prepared once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run `partimento COMMAND ARGUMENTS` in this process, which pays the imports once."""

    def call(name: str, *arguments: str) -> Result:
        import sys

        from partimento.apps.main import main

        monkeypatch.setattr(sys, "argv", ["partimento", name, *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        code = stopped.value.code
        return Result(code if isinstance(code, int) else int(code is not None), *captured)

    return call


@pytest.fixture
def tiny(tmp_path: Path, cache: Path) -> Callable[..., list[str]]:
    """Return the overrides of a run of a second, in a folder of this test."""

    def overrides(*more: str, outputs: str | os.PathLike[str] | None = None) -> list[str]:
        places = [f"paths.outputs={outputs or tmp_path / 'outputs'}", f"paths.cache={cache}"]
        return [*TINY, *places, *more]

    return overrides


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The folder of a finished tiny run that tests may read but not change."""
    import partimento

    outputs = tmp_path_factory.mktemp("tiny") / "outputs"
    places = [f"paths.outputs={outputs}", f"paths.cache={cache}"]
    partimento.train([*TINY, *places])
    (folder,) = only_runs(outputs)
    return folder


def only_runs(outputs: Path) -> Sequence[Path]:
    """Return the run folders below an outputs folder."""
    return sorted(path.parent for path in outputs.rglob("run.json"))
