"""Music statistics in real runs: logged beside the validation music's, and training is the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import only_runs

import partimento
from partimento.diagnostics.music import LOGGED, Music
from partimento.errors import UserError
from partimento.generation.strategies import SingleStep
from partimento.loading import read_checkpoint
from partimento.loggers.csv import read_metrics
from partimento.loggers.offline import read_offline
from partimento.metrics.music.statistics import STATISTICS
from partimento.representations.points import Points

GAN = (
    "model=gan", "dataset=chorales", "representation.bars=2", "data.transpose=false",
    "data.stride=8", "model.generator.hidden=[16]", "model.discriminator.hidden=[16]",
    "trainer.max_updates=12", "trainer.max_epochs=2", "trainer.progress_bar=false",
    "accelerator=cpu", "accelerator.threads=1", "logger=csv",
)  # fmt: skip


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    outputs = tmp_path_factory.mktemp("music")
    watch = (
        "diagnostics=music", "~diagnostics.samples", "diagnostics.music.count=40", "logger=wandb"
    )  # fmt: skip
    partimento.train([*GAN, *watch, f"paths.outputs={outputs}", f"paths.cache={cache}"])
    return only_runs(outputs)[0]


def test_samples_stand_beside_held_out_music(logged):
    assert set(LOGGED) <= set(STATISTICS)
    found: dict[str, dict[int, float]] = {}
    for row in read_metrics(logged / "metrics.csv"):
        if row["name"].startswith("music/"):
            found.setdefault(row["name"].removeprefix("music/"), {})[row["updates"]] = row["value"]
    assert set(found) == {*LOGGED, *(f"{name}_held_out" for name in LOGGED)}
    places = set(found["polyphony"])
    assert len(places) >= 1
    for name, values in found.items():
        assert set(values) == places, name
        assert not name.endswith("_held_out") or len(set(values.values())) == 1, name
    last = max(places)
    # Held-out music is Bach's; a dozen updates make none.
    assert found["scale_consistency_held_out"][last] == pytest.approx(0.95, abs=0.03)
    assert found["polyphony_held_out"][last] == pytest.approx(3.9, abs=0.15)
    assert found["scale_consistency"][last] < found["scale_consistency_held_out"][last] - 0.05


def test_they_are_in_weights_and_biases_over_generator_updates(logged):
    offline = read_offline(logged)
    rows = [row for row in read_metrics(logged / "metrics.csv") if row["name"].startswith("music/")]
    assert rows
    for row in rows:
        assert offline.values(row["name"])[row["updates"]] == pytest.approx(row["value"])


def test_training_is_the_same_without(logged, tmp_path, cache):
    none = ("diagnostics=none", f"paths.outputs={tmp_path}", f"paths.cache={cache}")
    partimento.train([*GAN, *none])
    ours, theirs = (
        read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]
        for folder in (logged, only_runs(tmp_path)[0])
    )
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_points_are_no_music(tmp_path):
    with pytest.raises(UserError, match="measures music, not points"):
        Music(tmp_path, Points(), SingleStep())
