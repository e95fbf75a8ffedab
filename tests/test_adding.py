"""docs/adding.md tells the truth: its representation is typed as it stands, trained and decoded."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from conftest import only_runs

import partimento

TEXT = (Path(__file__).parents[1] / "docs" / "adding.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write what the page shows and return the overrides that find it."""
    for block in (*blocks("python"), *blocks("yaml")):
        path = tmp_path / block.splitlines()[0].removeprefix("# ").strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "mymusic"]:
        monkeypatch.delitem(sys.modules, name)
    return [f"hydra.searchpath=[file://{tmp_path}/myconf]", "trusted_packages=[mymusic]"]


def test_the_code_is_short() -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line]) <= 30


def test_the_representation_of_the_page_trains(
    package: list[str], tmp_path: Path, cache: Path
) -> None:
    line = re.search(r"model=marginal representation=beats dataset=\w+", TEXT)
    assert line is not None
    places = [f"paths.outputs={tmp_path / 'outputs'}", f"paths.cache={cache}", "logger=csv"]
    small = ["dataset.metre=3/4", "data.stride=8", "diagnostics=none", "trainer.progress_bar=false"]
    record = partimento.train([*package, *line.group().split(), *places, *small])
    assert 0 < record["metrics"]["test/nll"] < 12
    (folder,) = only_runs(tmp_path)
    trained = partimento.load(folder, trusted_packages=["mymusic"])
    pieces = trained.sample(2, seed=0)
    assert all(piece.end == 16 for piece in pieces)
