"""The watch for mode collapse in real runs: what it writes, when it speaks, what it leaves alone."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import only_runs

import partimento
from partimento import experiment
from partimento.data.batch import Batch
from partimento.diagnostics import tiers
from partimento.diagnostics.draws import Draws, check_samples
from partimento.diagnostics.mode_collapse import CALIBRATION, PLANE, TABLE
from partimento.errors import Interrupted, UserError
from partimento.generation.strategies import SingleStep
from partimento.loading import read_checkpoint
from partimento.loggers.csv import read_metrics
from partimento.loggers.offline import read_offline
from partimento.models.adversarial import Adversarial
from partimento.representations.points import Points
from partimento.spaces.fixed import Raw

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
    "diagnostics.mode_collapse.every=25", "diagnostics.mode_collapse.count=48",
    "diagnostics.mode_collapse.warm_up=50", "diagnostics.mode_collapse.thorough_count=48",
)  # fmt: skip


def series(folder: Path, name: str) -> dict[int, float]:
    """Return the values of one name by generator updates."""
    rows = read_metrics(folder / "metrics.csv")
    return {row["updates"]: row["value"] for row in rows if row["name"] == name}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]


def callback_state(folder: Path) -> dict[str, Any]:
    states = read_checkpoint(folder / "checkpoints" / "last.ckpt")["callbacks"]
    (state,) = (value for name, value in states.items() if "ModeCollapse" in name)
    return state


@pytest.fixture(scope="module")
def watched_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, list[str]]:
    outputs = tmp_path_factory.mktemp("watched")
    told: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logger, ear = logging.getLogger("partimento.diagnostics.mode_collapse"), Ear()
    logger.addHandler(ear)
    partimento.train([*RING, *WATCH, f"paths.outputs={outputs}", f"paths.cache={cache}"])
    logger.removeHandler(ear)
    return only_runs(outputs)[0], told


def test_values_stand_beside_their_intervals(watched_run):
    folder, _ = watched_run
    kept = json.loads((folder / CALIBRATION).read_text())["alarm"]
    assert kept["count"] == 48
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
    modes = ("few_modes", "dropped_modes", "rotation", "intra_mode", "point_collapse")
    assert any(name in spoken[0] for name in modes)
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
    state = callback_state(folder)
    assert state["monitor"]["alarm"]["state"] != "healthy"
    assert state["monitor"]["calibrations"] == json.loads((folder / CALIBRATION).read_text())


@pytest.mark.full
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


@pytest.mark.full
def test_a_second_run_on_the_same_data_is_not_calibrated_again(tmp_path, monkeypatch):
    counted = []
    before = tiers.calibrate
    monkeypatch.setattr(tiers, "calibrate", lambda *a, **k: counted.append(k) or before(*a, **k))
    kept = [*RING, *WATCH, "trainer.max_updates=30", f"paths.outputs={tmp_path}"]
    kept += [f"paths.cache={tmp_path / 'cache'}"]
    partimento.train([*kept, "seed=1"])
    assert len(counted) == 2  # tiers
    partimento.train([*kept, "seed=2"])
    assert len(counted) == 2
    first, second = (folder / CALIBRATION for folder in only_runs(tmp_path))
    assert first.read_text() == second.read_text()
    partimento.train([*kept, "seed=1", "diagnostics.mode_collapse.count=40"])
    assert len(counted) == 4


ACTIONS = (
    "diagnostics.mode_collapse.actions=[checkpoint,raise_discriminator_steps,r1_r2]",
    "diagnostics.mode_collapse.act_at=warning", "diagnostics.mode_collapse.raised_steps=3",
    "trainer.checkpoint_every=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    outputs = tmp_path_factory.mktemp("acted")
    places = [f"paths.outputs={outputs}", f"paths.cache={cache}"]
    partimento.train([*RING, *WATCH, *ACTIONS, *places])
    return only_runs(outputs)[0]


def test_actions_are_taken_once_and_change_training(acted, watched_run):
    state = callback_state(acted)
    (update,) = set(state["actions"].values())
    assert set(state["actions"]) == {"checkpoint", "raise_discriminator_steps", "r1_r2"}
    assert update in series(acted, "collapse/state")
    kept = read_checkpoint(acted / "checkpoints" / f"collapse-{update:06d}.ckpt")
    counters = read_checkpoint(acted / "checkpoints" / "last.ckpt")["partimento"]["counters"]
    later = counters["updates"] - update
    made = kept["partimento"]["counters"]["discriminator_updates"]
    assert counters["discriminator_updates"] - made == pytest.approx(3 * later, abs=3)
    plain = weights(watched_run[0])
    assert any(not torch.equal(value, plain[name]) for name, value in weights(acted).items())


@pytest.mark.parametrize("looks", [pytest.param(20, marks=pytest.mark.full), 90])
def test_a_resumed_run_goes_on_with_what_the_alarm_has_changed(
    acted, tmp_path, cache, monkeypatch, looks
):
    """Interrupted before the action and after it, weights and values are those of a whole run."""
    asked = []

    class Stop(experiment.StopRequest):
        def __call__(self) -> bool:
            asked.append(None)
            return len(asked) == looks

    overrides = [*RING, *WATCH, *ACTIONS, f"paths.outputs={tmp_path}", f"paths.cache={cache}"]
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(experiment, "StopRequest", Stop)
        partimento.train(overrides)
    (folder,) = only_runs(tmp_path)
    assert bool(callback_state(folder)["actions"]) == (looks > 75)
    monkeypatch.delattr(tiers, "calibrate")  # the intervals are in the checkpoint
    partimento.train([*overrides, "paths.cache=null"])
    ours, theirs = weights(folder), weights(acted)
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    assert callback_state(folder) == callback_state(acted)
    for name in ("collapse/left_out", "collapse/drift", "collapse/state"):
        assert series(folder, name) == series(acted, name)


def test_actions_that_do_not_go_with_the_model_are_refused(tmp_path):
    with pytest.raises(UserError, match="r1_r2 changes a discriminator, and Implicit"):
        partimento.train(
            [
                *(o for o in RING if not o.startswith(("model", "dataset.samples"))), "model=imle",
                *WATCH, "diagnostics.mode_collapse.actions=[r1_r2]", f"paths.outputs={tmp_path}",
            ]
        )  # fmt: skip


def test_imle_is_watched_and_what_cannot_be_sampled_is_refused(tmp_path, cache):
    imle = [o for o in RING if not o.startswith(("model", "trainer.max_updates"))]
    places = [f"paths.outputs={tmp_path}", f"paths.cache={cache}"]
    partimento.train([*imle, "model=imle", "trainer.max_updates=60", *WATCH, *places])
    (folder,) = only_runs(tmp_path)
    assert series(folder, "collapse/left_out")
    with pytest.raises(UserError, match=r"draws samples, but Linear has no sample\(n\)"):
        check_samples(torch.nn.Linear(1, 1))


def test_answers_to_the_same_conditions_are_drawn_where_there_are_conditions():
    points = Points()
    model = Adversarial(points.distribution, {"c": points.distribution}, latent=2)
    x = torch.randn(40, 1, 2, generator=torch.Generator().manual_seed(0))
    data = SimpleNamespace(examples=lambda split: Batch(x, condition={"c": x}))
    draws = Draws(SingleStep(1.0), Raw(points), seed=3)
    trainer = SimpleNamespace(datamodule=data)
    fake, again = draws(trainer, model, 64)
    assert again is not None
    assert fake.shape == again.shape == (64, 2)
    assert not torch.equal(fake, again)
    assert torch.equal(draws(trainer, model, 64)[0], fake)  # the same place in training
    plain = Adversarial(points.distribution, latent=2)
    data.examples = lambda split: Batch(x)
    assert Draws(SingleStep(1.0), Raw(points), seed=3)(trainer, plain, 8)[1] is None


def test_weights_and_biases_offline_has_values_pictures_tables_and_alerts(tmp_path, cache):
    places = [f"paths.outputs={tmp_path}", f"paths.cache={cache}"]
    partimento.train([*RING, *WATCH, "logger=wandb", *places])
    (folder,) = only_runs(tmp_path)
    offline = read_offline(folder)
    kept = json.loads((folder / CALIBRATION).read_text())
    interval = kept["alarm"]["intervals"]["left_out"]
    values = offline.values("collapse/left_out")
    excess = offline.values("collapse_excess/left_out")
    assert len(values) == 6
    for place, value in values.items():
        assert (interval["low"] <= value <= interval["high"]) == (abs(excess[place]) <= 1)
    assert offline.axes["*"] == "generator_updates"
    assert offline.summary["collapse/left_out"] == values[max(values)]
    assert offline.summary["collapse_low/left_out"] == interval["low"]
    thorough = kept["thorough"]["intervals"]["recall"]
    assert offline.summary["collapse_thorough_high/recall"] == thorough["high"]
    pictures = [path for path in offline.files if path.name.startswith("plane")]
    assert pictures[-1].read_bytes() == (folder / PLANE).read_bytes()
    (table,) = [path for path in offline.files if path.name.startswith("table")]
    rows = json.loads(table.read_text())
    assert rows["columns"] == list(TABLE)
    row = next(row for row in rows["data"] if row[:2] == ["alarm", "left_out"])
    ends = [interval["low"], interval["middle"], interval["high"]]
    assert row[2:] == pytest.approx([values[max(values)], *ends])
    assert offline.alerts[0]["title"] == "Mode collapse"
    assert "at update" in offline.alerts[0]["text"]
    assert len(offline.values("collapse_thorough/recall")) == len(
        offline.values("collapse/thorough_s")
    )
