"""A checkpoint named from where one stands, or lying outside of any run folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from partimento.errors import UserError
from partimento.loading import home_of


@pytest.fixture
def run(tiny_run, tmp_path) -> Path:
    return shutil.copytree(tiny_run, tmp_path / "run")


@pytest.mark.parametrize("named", ["best.ckpt", "../checkpoints/best.ckpt", ".."])
def test_generating_from_inside_the_checkpoints(cli, run, monkeypatch, named):
    monkeypatch.chdir(run / "checkpoints")
    result = cli("generate", f"run={named}", "input=bwv:253")
    assert result.code == 0, result.err
    assert (run / "generated" / "bwv253.mid").exists()
    assert sorted(path.suffix for path in (run / "checkpoints").iterdir()) == [".ckpt", ".ckpt"]


def test_evaluating_from_inside_the_checkpoints(cli, run, cache, monkeypatch):
    monkeypatch.chdir(run / "checkpoints")
    result = cli("evaluate", "run=best.ckpt", f"cache={cache}", "baselines=[]")
    assert result.code == 0, result.err
    assert (run / "evaluation.json").exists()
    assert not (run / "checkpoints" / "evaluation.json").exists()


def test_a_checkpoint_that_lies_alone_has_its_own_folder(cli, run, cache, tmp_path, monkeypatch):
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(run / "checkpoints" / "best.ckpt", alone / "mine.ckpt")
    monkeypatch.chdir(alone)
    before = sorted(tmp_path.iterdir())
    made = cli("generate", "run=mine.ckpt", "input=bwv:253")
    table = cli("evaluate", "run=mine.ckpt", f"cache={cache}", "baselines=[]")
    assert (made.code, table.code) == (0, 0), made.err + table.err
    assert {path.name for path in alone.iterdir()} == {"mine.ckpt", "generated", "evaluation.json"}
    assert sorted(tmp_path.iterdir()) == before


def test_the_home_of_what_is_named(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("run", "run/checkpoints/best.ckpt", "run/checkpoints/../checkpoints/last.ckpt"):
        assert home_of(Path(name)) == run.resolve()
    with pytest.raises(UserError, match="There is no run folder or checkpoint at nowhere"):
        home_of(Path("nowhere"))
