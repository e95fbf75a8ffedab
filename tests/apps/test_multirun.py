"""Sweeps: one run per job, failures that stay alone, a table in order, and the same command again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from conftest import only_runs

from partimento import experiment
from partimento.loggers.csv import read_metrics
from partimento.loggers.offline import read_offline
from partimento.models import Feedforward


class Row(NamedTuple):
    """A row of the printed table."""

    overrides: str
    objective: str
    test: str
    status: str
    where: str


def table_of(printed: str) -> tuple[str, list[Row]]:
    """Return title and rows of the printed table; a folded cell becomes one again."""
    lines = printed.splitlines()
    start = next(i for i, line in enumerate(lines) if " jobs, " in line)
    rows: list[list[str]] = []
    for line in lines[start:]:
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        if not line.startswith("│") or len(cells) != 5:
            continue
        if cells[3]:
            rows.append(cells)
        else:
            rows[-1] = [old + new for old, new in zip(rows[-1], cells, strict=True)]
    return lines[start].strip(), [Row(*cells) for cells in rows]


def jobs(tiny: Callable[..., list[str]], *more: str) -> list[str]:
    """Return the overrides of a sweep over tiny runs."""
    swept = {text.partition("=")[0] for text in more}
    return ["-m", *(text for text in tiny() if text.partition("=")[0] not in swept), *more]


def records(outputs: Path) -> dict[int, tuple[Path, dict]]:
    """Return seed → folder and run.json."""
    found = [
        (folder, json.loads((folder / "run.json").read_text())) for folder in only_runs(outputs)
    ]
    return {record["seed"]: (folder, record) for folder, record in found}


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """Paths in the table are relative, and short from here."""
    monkeypatch.chdir(tmp_path)


def test_a_sweep_is_one_run_folder_and_one_wandb_run_per_job(cli, tiny, tmp_path):
    result = cli("train", *jobs(tiny, "logger=wandb", "seed=1,2", "model.hidden=[4],[8]"))
    assert result.code == 0, result.err
    folders = only_runs(tmp_path)
    assert len(folders) == 4
    asked, groups, ids, recorded = set(), set(), set(), set()
    for folder in folders:
        record = json.loads((folder / "run.json").read_text())
        assert record["status"] == "finished"
        run = read_offline(folder)
        config = run.run["config"]["update"]
        asked.add((config["seed"], config["model"]["network"]["hidden"][0]))
        groups |= {run.run["run_group"], record["group"]}
        ids.add(run.run["run_id"])
        recorded.add(record["wandb_id"])
        assert f"seed={config['seed']}" in run.run["display_name"].split()
        rows = read_metrics(folder / "metrics.csv")
        for name in ("train/loss", "valid/nll", "test/nll"):
            own = {row["updates"]: row["value"] for row in rows if row["name"] == name}
            assert run.values(name) == own
            assert sum(name in row for row in run.history) == len(own) > 0
    assert asked == {(1, 4), (1, 8), (2, 4), (2, 8)}
    assert ids == recorded
    assert {name.rpartition("-")[0] for name in ids} == {folder.name for folder in folders}
    (group,) = groups
    assert group.startswith("sweep-")


def test_the_table_is_in_order_of_the_objective(cli, tiny, tmp_path):
    rates = "model.optimizer.lr=1e-05,0.03,0.001"
    result = cli("train", *jobs(tiny, rates))
    assert result.code == 0, result.err
    title, rows = table_of(result.out)
    assert title == "3 jobs, 0 failed"
    assert [row.overrides for row in rows] == [
        f"model.optimizer.lr={rate}" for rate in ("0.03", "0.001", "1e-05")
    ]
    assert [float(row.objective) for row in rows] == sorted(float(row.objective) for row in rows)
    for row in rows:
        record = json.loads((tmp_path / row.where / "run.json").read_text())
        assert row.objective == f"{record['objective']['value']:.4f}"
        assert row.test == f"{record['metrics']['test/nll']:.4f}"
        assert record["objective"]["name"] == "valid/nll"
        assert row.status == "finished"


def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make seed 2 run into an error and seed 3 call sys.exit, both in the middle of training."""
    loss = Feedforward.loss

    def fail(self, batch):
        if self.counters["updates"] == 4 and self.seed == 2:
            raise RuntimeError("the disk melted")
        if self.counters["updates"] == 4 and self.seed == 3:
            sys.exit(7)
        return loss(self, batch)

    monkeypatch.setattr(Feedforward, "loss", fail)


def test_a_failed_job_ends_no_other_and_the_same_command_completes_the_sweep(
    cli, tiny, tmp_path, monkeypatch
):
    command = jobs(tiny, "seed=1,2,3,4")
    with monkeypatch.context() as patch:
        broken(patch)
        result = cli("train", *command)
    assert result.code == 1
    assert "the disk melted" in result.sentence
    found = records(tmp_path)
    statuses = {seed: record["status"] for seed, (_, record) in found.items()}
    assert statuses == {1: "finished", 2: "failed", 3: "failed", 4: "finished"}
    assert found[2][1]["error"] == "RuntimeError: the disk melted"

    # The error is in the log of its own run, with the place in the code, and in no other.
    logs = {seed: (folder / "train.log").read_text() for seed, (folder, _) in found.items()}
    assert "RuntimeError: the disk melted" in logs[2]
    assert "Traceback" in logs[2]
    assert "SystemExit: 7" in logs[3]
    for seed in (1, 4):
        assert "Traceback" not in logs[seed]

    # And in the table: the failed ones last, in their own words.
    title, rows = table_of(result.out)
    assert title == "4 jobs, 2 failed"
    assert [row.status for row in rows] == ["finished", "finished", "failed", "failed"]
    assert {row.overrides: row.where for row in rows[2:]} == {
        "seed=2": "the disk melted",
        "seed=3": "the job called sys.exit(7)",
    }

    # Again: what is finished stays, the rest is done, and the sweep keeps its name.
    kept = {seed: (found[seed][0] / "run.json").read_bytes() for seed in (1, 4)}
    again = cli("train", *command)
    assert again.code == 0, again.err
    assert (again.out + again.err).count("already finished") == 2
    for seed, content in kept.items():
        assert (found[seed][0] / "run.json").read_bytes() == content
    done = records(tmp_path)
    assert {seed: record["status"] for seed, (_, record) in done.items()} == dict.fromkeys(
        (1, 2, 3, 4), "finished"
    )
    assert len({record["group"] for _, record in done.values()}) == 1
    assert done[2][1]["error"] is None
    title, rows = table_of(again.out)
    assert title == "4 jobs, 0 failed"
    assert all(row.objective for row in rows)


def test_a_refused_job_ends_no_other(cli, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = cli("train", *jobs(tiny, "accelerator=gpu,cpu", "seed=1"))
    assert result.code == 1
    sentence = "accelerator.device=gpu asks for a GPU, but torch finds none here"
    assert sentence in result.sentence
    title, rows = table_of(result.out)
    assert title == "2 jobs, 1 failed"
    assert [(row.overrides, row.status) for row in rows] == [
        ("accelerator=cpu", "finished"),
        ("accelerator=gpu", "failed"),
    ]
    # Folded at spaces that are lost in the joining.
    assert sentence.replace(" ", "") in rows[1].where.replace(" ", "")
    assert "Traceback" not in result.err
    (folder,) = only_runs(tmp_path)
    assert folder.parent.name == "minibach-chorales"


def test_several_refused_jobs_and_none_that_runs(cli, tiny, tmp_path):
    result = cli("train", *jobs(tiny, "model.given=[kazoo],[oboe]"))
    assert result.code == 1
    title, rows = table_of(result.out)
    assert title == "2 jobs, 2 failed"
    for row, voice in zip(rows, ("kazoo", "oboe"), strict=True):
        assert f"novoice'{voice}'" in row.where.replace(" ", "")
    assert only_runs(tmp_path) == []


def test_an_interruption_is_meant_for_the_whole_sweep(cli, tiny, tmp_path, monkeypatch):
    # A checkpoint after every batch: one update a turn, so one look a batch.
    command = jobs(tiny, "seed=1,2,3", "trainer.checkpoint_every=1")
    asked = []

    class Stop(experiment.StopRequest):
        def __call__(self) -> bool:
            asked.append(None)
            return len(asked) == 16  # 12 looks are the first run's

    with monkeypatch.context() as patch:
        patch.setattr(experiment, "StopRequest", Stop)
        result = cli("train", *command)
    assert result.code == 130
    assert "The same command goes on from the last checkpoint" in result.sentence
    found = records(tmp_path)
    assert {seed: record["status"] for seed, (_, record) in found.items()} == {
        1: "finished",
        2: "interrupted",
    }
    again = cli("train", *command)
    assert again.code == 0, again.err
    assert "Resuming after 4 updates" in again.out + again.err
    assert [record["status"] for _, record in records(tmp_path).values()] == ["finished"] * 3


def test_without_a_sweep_there_is_no_table_and_no_group(cli, tiny, tmp_path):
    result = cli("train", *tiny("seed=1"))
    assert result.code == 0, result.err
    assert " jobs, " not in result.out
    (folder,) = only_runs(tmp_path)
    assert json.loads((folder / "run.json").read_text())["group"] is None
