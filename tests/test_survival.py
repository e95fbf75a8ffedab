"""Killed at random times, and the same command again: the same weights bit for bit."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from survival import (
    assert_equal_weights,
    complete,
    counters,
    kill_until_done,
    start,
    weights,
)

from partimento.loggers.csv import read_metrics

# Dropout draws from a stream, checkpoints come often: what could go wrong gets its chance.
SURVIVAL = (
    "trainer.max_epochs=8",
    "trainer.limit_train_batches=7",
    "trainer.checkpoint_every=2",
    "trainer.log_every=3",
    "trainer.patience=null",
    "model.network.dropout=0.3",
)


def one_folder(outputs: Path) -> Path:
    (folder,) = {path.parent for path in outputs.rglob("config.yaml")}
    return folder


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, cache):
    from conftest import TINY

    import partimento

    outputs = tmp_path_factory.mktemp("whole") / "outputs"
    places = [f"paths.outputs={outputs}", f"paths.cache={cache}"]
    partimento.train([*TINY, *places, *SURVIVAL])
    return one_folder(outputs)


def assert_same_run(folder: Path, whole: Path) -> None:
    for name in ("last.ckpt", "best.ckpt"):
        assert_equal_weights(weights(folder, name), weights(whole, name))
    record, reference = (json.loads((f / "run.json").read_text()) for f in (folder, whole))
    assert record["status"] == "finished"
    assert record["metrics"] == reference["metrics"]
    assert record["counters"] == reference["counters"]
    assert read_metrics(folder / "metrics.csv") == read_metrics(whole / "metrics.csv")


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.full)])
def test_killed_at_random_times(seed, tiny, tmp_path, uninterrupted):
    overrides = tiny(*SURVIVAL)
    folder = tmp_path / "outputs" / "minibach-chorales" / uninterrupted.name
    kills, resumed = kill_until_done(overrides, folder, seed, kills=1)
    assert kills == 1
    assert resumed, "the last run began at the beginning"
    assert int(resumed[0].split()[-2]) > 0
    assert_same_run(folder, uninterrupted)


@pytest.mark.full
def test_fifty_kills(tiny, tmp_path, uninterrupted):
    """Fifty kills, over as many runs as it takes: a run of 56 updates is over sooner."""
    kills = 0
    attempt = 0
    while kills < 50:
        attempt += 1
        outputs = tmp_path / str(attempt)
        folder = outputs / "minibach-chorales" / uninterrupted.name
        done, _ = kill_until_done(tiny(*SURVIVAL, outputs=outputs), folder, attempt, kills=12)
        kills += done
        assert_same_run(folder, uninterrupted)
    assert kills >= 50


def test_a_request_to_stop_saves_at_once(tiny, tmp_path, uninterrupted):
    """SIGTERM, as a cluster sends it: state is saved mid-epoch, the next run goes on there."""
    overrides = tiny(*SURVIVAL)
    folder = tmp_path / "outputs" / "minibach-chorales" / uninterrupted.name
    process = start(overrides)
    deadline = time.monotonic() + 120
    while not (folder / "metrics.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "The same command goes on" in output
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert counters(folder)["updates"] > 0
    assert "Resuming after" in complete(overrides)
    assert_same_run(folder, uninterrupted)
