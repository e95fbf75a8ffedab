"""Adversarial runs as a user makes them: resumed, logged, with every penalty and technique."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from conftest import only_runs

import partimento
from partimento import experiment
from partimento.errors import Interrupted, UserError
from partimento.loading import read_checkpoint
from partimento.loggers.csv import read_metrics
from partimento.loggers.offline import read_offline
from partimento.models.schedules import in_force

SLIM = (
    "model=gan", "model.generator.hidden=[8]", "model.discriminator.hidden=[8]",
    "model.discriminator.dropout=0.3", "model.latent=4", "model.discriminator_steps=2",
    "trainer.log_every=2", "trainer.checkpoint_every=1",
)  # fmt: skip
LOSSES = "partimento.losses.penalties."
TECHNIQUES = "partimento.models.techniques."


@pytest.fixture
def run(tiny: Callable[..., list[str]]) -> Callable[..., list[str]]:
    def overrides(*more: str, **places: Path) -> list[str]:
        kept = [text for text in tiny(**places) if not text.startswith("model.hidden")]
        return [*kept, *SLIM, *more]

    return overrides


def state(outputs: Path) -> dict[str, torch.Tensor]:
    (folder,) = only_runs(outputs)
    return read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]


@pytest.mark.parametrize("stop", [3, 7])
def test_resuming_gives_the_weights_of_an_uninterrupted_run(
    run: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    more = ("model.ema=0.9", "model.pack=2", "trainer.max_epochs=3")
    partimento.train(run(*more, outputs=tmp_path / "whole"))
    looks = []

    class Stop(experiment.StopRequest):
        def __call__(self) -> bool:
            looks.append(None)
            return len(looks) == stop

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(experiment, "StopRequest", Stop)
        partimento.train(run(*more, outputs=tmp_path / "resumed"))
    broken = state(tmp_path / "resumed")
    partimento.train(run(*more, outputs=tmp_path / "resumed"))
    expected, found = state(tmp_path / "whole"), state(tmp_path / "resumed")
    assert expected.keys() == found.keys()
    for name in expected:
        assert torch.equal(expected[name], found[name]), name
    assert 0 < int(broken["updates"]) < int(found["updates"])


def test_counters_are_the_axes_of_what_is_logged(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    partimento.train(run())
    (folder,) = only_runs(tmp_path)
    metrics = read_metrics(folder / "metrics.csv")
    for name in ("discriminator_loss", "generator_loss", "discriminator_score_real"):
        assert f"train/{name}" in str(metrics)
    assert "discriminator_updates" in str(metrics)


def test_charts_of_wandb_stand_over_the_updates_of_the_player(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    partimento.train(run("logger=wandb"))
    (folder,) = only_runs(tmp_path)
    offline = read_offline(folder)
    assert offline.axes == {
        "*": "generator_updates",
        "train/discriminator_loss": "discriminator_updates",
        "train/discriminator_score_real": "discriminator_updates",
        "train/discriminator_score_fake": "discriminator_updates",
    }
    rows = [row for row in offline.history if "train/generator_loss" in row]
    assert [row["generator_updates"] for row in rows] == [2, 4, 6]
    for row in rows:
        assert row["updates"] == row["generator_updates"]
        assert row["discriminator_updates"] == 2 * row["generator_updates"]
        assert row["examples_seen"] == 32 * row["discriminator_updates"]


@pytest.mark.parametrize(
    ("steps", "most"),
    [("1", 1), ("1", 11), ("5", 7), ("{0:2,3:0,6:5}", 5), ("{0:2,3:0,6:5}", 11), ("{0:0,4:1}", 7)],
)
def test_training_ends_at_a_number_of_generator_updates(
    run: Callable[..., list[str]], steps: str, most: int
) -> None:
    chosen = (f"model.discriminator_steps={steps}", f"trainer.max_updates={most}")
    record = partimento.train(run(*chosen, "trainer.max_epochs=100", "trainer.checkpoint_every=50"))
    assert record["counters"]["updates"] == most
    schedule = yaml.safe_load(steps.replace(":", ": "))
    expected = sum(in_force(schedule, iteration) for iteration in range(most))
    assert record["counters"]["discriminator_updates"] == expected


@pytest.mark.parametrize(
    "chosen",
    [
        f"+model.penalties.gradient={{_target_:{LOSSES}GradientPenalty,weight:1.0}}",
        f"+model.penalties.dragan={{_target_:{LOSSES}Dragan}}",
        f"+model.penalties.r1={{_target_:{LOSSES}R1,weight:1.0,every:2}}",
        f"+model.techniques.noise={{_target_:{TECHNIQUES}InstanceNoise}}",
        f"+model.techniques.matching={{_target_:{TECHNIQUES}FeatureMatching,weight:0.1}}",
        f"+model.techniques.seeking={{_target_:{TECHNIQUES}ModeSeeking}}",
        f"+model.techniques.freezing={{_target_:{TECHNIQUES}Freezing}}",
        "model.discriminator.spectral_norm=true",
        "model.discriminator.minibatch=discrimination",
        "model.relaxation.hard=false",
        "model.discriminator_steps={0:1,2:3}",
    ],
)
def test_each_part_changes_the_weights(
    run: Callable[..., list[str]], tmp_path: Path, chosen: str
) -> None:
    few = ("trainer.max_updates=4", "trainer.max_epochs=4")
    partimento.train(run(*few, outputs=tmp_path / "plain"))
    partimento.train(run(*few, chosen, outputs=tmp_path / "other"))
    plain, other = state(tmp_path / "plain"), state(tmp_path / "other")
    moved = [name for name in plain if name.startswith("generator.") and name in other]
    assert any(not torch.equal(plain[name], other[name]) for name in moved)


def test_a_loss_that_is_no_number_ends_the_run_in_a_sentence(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"loss is no number at generator update \d+: training div"):
        partimento.train(run("model.generator_optimizer.lr=1e38", "trainer.max_epochs=4"))
    (folder,) = only_runs(tmp_path)
    for checkpoint in (folder / "checkpoints").glob("*.ckpt"):
        values = read_checkpoint(checkpoint)["state_dict"].values()
        assert all(torch.isfinite(v).all() for v in values if v.is_floating_point() and v.dim())


def test_implicit_maximum_likelihood_that_diverges_is_told_too(
    run: Callable[..., list[str]], tmp_path: Path
) -> None:
    overrides = [
        text for text in run("model.optimizer.lr=1e38", "trainer.max_epochs=4")
        if "discriminator" not in text and text != "model=gan"
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"^The loss is no number at update \d+: training diverged"):
        partimento.train(["model=imle", *overrides])
    (folder,) = only_runs(tmp_path)
    for checkpoint in (folder / "checkpoints").glob("*.ckpt"):
        values = read_checkpoint(checkpoint)["state_dict"].values()
        assert all(torch.isfinite(v).all() for v in values if v.is_floating_point() and v.dim())
