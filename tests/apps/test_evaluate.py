"""The evaluate command: a table on the screen, the same in a file, and sentences for mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def run(tiny_run, tmp_path) -> Path:
    """A copy of the tiny run to write into."""
    return shutil.copytree(tiny_run, tmp_path / tiny_run.name)


def rows_of(printed: str) -> dict[str, list[str]]:
    """Return the first cell → the other cells of the printed table, its head under ""."""
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells if not row[1].startswith("-")}


def test_the_table_says_what_the_file_and_the_run_say(cli, run, cache):
    result = cli(
        "evaluate",
        f"run={run}",
        f"cache={cache}",
        "baselines=[most_frequent]",
    )
    assert result.code == 0, result.err
    table = rows_of(result.out)
    assert list(table) == ["", "minibach", "most_frequent"]
    columns = table[""]
    assert columns[:2] == ["nll", "accuracy"]
    written = json.loads((run / "evaluation.json").read_text())
    assert list(written) == ["minibach", "most_frequent"]
    for name, values in written.items():
        assert table[name] == [f"{values[column]:.3f}" for column in columns]
    metrics = json.loads((run / "run.json").read_text())["metrics"]
    for column, cell in zip(columns, table["minibach"], strict=True):
        assert float(cell) == pytest.approx(metrics[f"test/{column}"], abs=6e-4)
    assert "evaluation.json" in result.out


def test_the_samples_of_a_generator(cli, tmp_path, cache):
    made = cli(
        "train", "model=gan", "dataset=ring", "representation=points", "dataset.samples=900",
        "model.generator.hidden=[8]", "model.discriminator.hidden=[8]", "trainer.max_updates=8",
        "trainer.progress_bar=false", "accelerator=cpu", "accelerator.threads=1", "logger=none",
        "diagnostics=none",
        f"paths.outputs={tmp_path}", f"paths.cache={cache}",
    )  # fmt: skip
    assert made.code == 0, made.err
    (run,) = (path.parent for path in tmp_path.rglob("run.json"))
    result = cli("evaluate", f"run={run}", f"cache={cache}", "count=100", "seed=3")
    assert result.code == 0, result.err
    assert "# gan on ring" in result.out
    table = rows_of(result.out)
    written = json.loads((run / "evaluation.json").read_text())
    assert written["about"]["examples"]["samples"] == 100
    oracle = written["oracle"]["high_quality"]
    assert table["high_quality"] == [
        f"{oracle[side]:.4g}" for side in ("samples", "held_out", "perfect")
    ]
    assert float(table["coverage"][0]) == pytest.approx(
        written["collapse"]["coverage"]["value"], rel=1e-3
    )
    assert (run / "evaluation.csv").read_text().count("coverage") == 6
    assert "evaluation.json" in result.out.splitlines()[-1]


def test_without_baselines(cli, run, cache):
    result = cli("evaluate", f"run={run}", f"cache={cache}", "baselines=[]")
    assert result.code == 0, result.err
    assert list(rows_of(result.out)) == ["", "minibach"]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["baselines=[most_frequen]"],
            "There is no baseline 'most_frequen'. Did you mean 'most_frequent'?",
        ),
        (["count=0"], "count=0 is wrong"),
        (["temperature=-1"], "temperature=-1 is wrong"),
        (["baselines=3"], "baselines=3 is wrong"),
        (["baselins=[]"], "There is no config key 'baselins'. Did you mean 'baselines'?"),
        (["run=no/such run"], "There is no run folder or checkpoint at no/such run."),
    ],
)
def test_mistakes_are_told_in_one_sentence(cli, run, cache, overrides, sentence):
    result = cli("evaluate", f"run={run}", f"cache={cache}", *overrides)
    assert result.code == 1
    assert sentence in result.sentence
    assert len(result.err.strip().splitlines()) == 1
    assert "Traceback" not in result.out + result.err


def test_a_run_must_be_named(cli):
    result = cli("evaluate")
    assert result.code == 1
    assert "run=" in result.sentence
    assert "missing" in result.sentence
