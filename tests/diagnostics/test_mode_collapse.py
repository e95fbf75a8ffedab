"""The watch for mode collapse in real runs: what it writes, when it speaks, what it leaves alone."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from conftest import only_runs

import partimento
from partimento.diagnostics.mode_collapse import CALIBRATION
from partimento.loading import read_checkpoint
from partimento.loggers.csv import read_metrics

RING = (
    "model=gan", "dataset=ring", "representation=points", "dataset.samples=3000",
    "model.generator.hidden=[32]", "model.discriminator.hidden=[32]", "model.latent=4",
    "trainer.batch_size=64", "trainer.max_epochs=4", "trainer.max_updates=150",
    "trainer.log_every=25", "trainer.progress_bar=false", "accelerator=cpu", "accelerator.threads=1",
    "logger=csv",
    "trainer.checkpoint_seconds=0", "paths.cache=null",
)  # fmt: skip
WATCH = (
    "diagnostics=mode_collapse", "~diagnostics.samples",
    "diagnostics.mode_collapse.every=25", "diagnostics.mode_collapse.count=64",
    "diagnostics.mode_collapse.warm_up=50", "diagnostics.mode_collapse.thorough_count=64",
)  # fmt: skip


def series(folder: Path, name: str) -> dict[int, float]:
    """Return the values of one name by generator updates."""
    rows = read_metrics(folder / "metrics.csv")
    return {row["updates"]: row["value"] for row in rows if row["name"] == name}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]


@pytest.fixture(scope="module")
def watched_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    outputs = tmp_path_factory.mktemp("watched")
    told: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logger, ear = logging.getLogger("partimento.diagnostics.mode_collapse"), Ear()
    logger.addHandler(ear)
    partimento.train([*RING, *WATCH, f"paths.outputs={outputs}"])
    logger.removeHandler(ear)
    return only_runs(outputs)[0], told


def test_values_stand_beside_their_intervals(watched_run):
    folder, _ = watched_run
    kept = json.loads((folder / CALIBRATION).read_text())["alarm"]
    assert kept["count"] == 64
    values = series(folder, "collapse/coverage")
    excess = series(folder, "collapse_excess/coverage")
    assert set(values) == set(excess)
    # A training step holds up to eight updates, at whose end the turn is noticed.
    for place in (25, 50, 75, 100, 125, 150):
        assert any(place <= found < place + 8 for found in values), place
    interval = kept["intervals"]["coverage"]
    for place, value in values.items():
        assert (interval["low"] <= value <= interval["high"]) == (abs(excess[place]) <= 1)
    # The slower measures stand at validations alone.
    assert not series(folder, "collapse/vendi_ratio")
    thorough = series(folder, "collapse_thorough/vendi_ratio")
    assert 0 < len(thorough) < len(values)
    assert set(thorough) == set(series(folder, "collapse/thorough_s"))


def test_a_bad_run_is_told_once_with_its_failure(watched_run):
    """A generator of 150 updates leaves out modes: told after the warm-up, once."""
    folder, told = watched_run
    spoken = [text for text in told if "Mode collapse is" in text]
    assert 1 <= len(spoken) <= 2  # no more than a warning, and critical
    assert any(name in spoken[0] for name in ("few_modes", "dropped_modes", "rotation"))
    assert "off_manifold" in spoken[0]
    states = series(folder, "collapse/state")
    assert all(state == 0 for place, state in states.items() if place < 50)  # before the warm-up
    assert states[max(states)] > 0


def test_training_is_the_same_without_the_watch(watched_run, tmp_path):
    folder, _ = watched_run
    partimento.train([*RING, "diagnostics=none", f"paths.outputs={tmp_path}"])
    (plain,) = only_runs(tmp_path)
    ours, theirs = weights(folder), weights(plain)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_intervals_and_state_are_in_the_checkpoint(watched_run):
    folder, _ = watched_run
    states = read_checkpoint(folder / "checkpoints" / "last.ckpt")["callbacks"]
    (state,) = (value for name, value in states.items() if "ModeCollapse" in name)
    assert state["monitor"]["alarm"]["state"] != "healthy"
    assert state["monitor"]["calibrations"] == json.loads((folder / CALIBRATION).read_text())


def test_music_is_watched_in_pitch_classes(tmp_path, cache):
    partimento.train(
        [
            "model=gan", "dataset=chorales", "representation=multivoice", "representation.bars=1",
            "model.generator.hidden=[16]", "model.discriminator.hidden=[16]",
            "data.transpose=false", "trainer.max_updates=20", "trainer.max_epochs=1",
            "trainer.progress_bar=false", "accelerator=cpu", "accelerator.threads=1",
    "logger=csv",
            *WATCH[:2], "diagnostics.mode_collapse.every=10",
            "diagnostics.mode_collapse.count=40", "diagnostics.mode_collapse.thorough_count=40",
            "diagnostics.mode_collapse.warm_up=0",
            f"paths.outputs={tmp_path}", f"paths.cache={cache}",
        ]
    )  # fmt: skip
    (folder,) = only_runs(tmp_path)
    names = ("coverage", "precision", "spread_ratio", "authenticity_gap")
    least = min(min(series(folder, f"collapse_excess/{name}").values()) for name in names)
    assert least < -1  # chance notes are no chorales
