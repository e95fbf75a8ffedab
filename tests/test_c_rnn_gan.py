"""C-RNN-GAN as a user runs it: its configs, its curves, killed and resumed, and other combinations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import only_runs
from survival import assert_equal_weights, weights

import partimento
from partimento import experiment
from partimento.apps.composition import compose_request
from partimento.building import build
from partimento.diagnostics.music import Music
from partimento.errors import Interrupted, UserError
from partimento.generation.strategies import SingleStep
from partimento.loggers.csv import read_metrics
from partimento.loggers.offline import read_offline
from partimento.models.adversarial import Adversarial
from partimento.networks.recurrent import RecurrentDiscriminator, RecurrentGenerator
from partimento.representations.note_tuples import NoteTuples

NAMES = ("c_rnn_gan", "c_rnn_gan_3", "c_rnn_gan_small", "c_rnn_gan_3_small")
STATISTICS = (
    "joint_onsets", "mode_consistency", "repetitions", "pitch_range", "pitches_used",
    "intensity_span",
)  # fmt: skip
# Chorales, which are prepared for other tests already, in place of the classical music.
SHORT = (
    "dataset=chorales", "representation.steps=6", "representation.loc=null",
    "representation.scale=null", "model.latent=24", "model.generator.hidden=[7,7]",
    "model.discriminator.hidden=[5,5]", "data.stride=8", "data.eval_stride=16",
    "trainer.limit_train_batches=4", "trainer.log_every=2", "trainer.patience=null",
    "model.pretraining.epochs=2",
)  # fmt: skip


@pytest.fixture
def short(tiny: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """Return the overrides of a few updates of a variant of C-RNN-GAN."""

    def overrides(name: str, *more: str, outputs: Path | None = None) -> list[str]:
        kept = [text for text in tiny(outputs=outputs) if not text.startswith("model.hidden")]
        return [*kept, f"experiment={name}", *SHORT, *more]

    return overrides


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_builds_as_the_paper_has_it(name: str) -> None:
    parts = build(compose_request([f"experiment={name}", "accelerator=cpu"], "train").resolved)
    model, small, tones = parts.model, name.endswith("_small"), 3 if "_3" in name else 1
    assert isinstance(model, Adversarial)
    assert isinstance(model.generator, RecurrentGenerator)
    assert isinstance(model.discriminator, RecurrentDiscriminator)
    units, steps = (64, 32) if small else (350, 100)
    for stack, directions in ((model.generator.stack, 1), (model.discriminator.stack, 2)):
        assert [layer.hidden_size for layer in stack.layers] == [units, units]
        assert stack.directions == directions
    # Each step: four random numbers and the output before, four numbers to a tone.
    assert model.distribution.shape == (steps, 4 * tones)
    assert model.generator.stack.layers[0].input_size == 4 + 4 * tones
    codes = model.codes(1000)
    assert codes.shape == (1000, 4 * steps)
    assert 0 <= float(codes.min()) < 0.001
    assert 0.999 < float(codes.max()) < 1
    for optimizer in model.configure_optimizers():
        assert isinstance(optimizer, torch.optim.SGD)
        (group,) = optimizer.param_groups
        assert group["lr"] == 0.1
        assert group["weight_decay"] > 0
        assert group["momentum"] == 0
    assert model.techniques["feature_matching"].objective_weight == 0
    assert model.techniques["freezing"].share == 0.7  # type: ignore[attr-defined]
    assert model.pretraining is not None
    assert model.pretraining.epochs == 6


def test_weight_decay_is_the_gradient_of_the_papers_penalty() -> None:
    torch.manual_seed(0)
    one, other = (torch.nn.Parameter(torch.linspace(-1, 1, 5)) for _ in range(2))
    decayed = torch.optim.SGD([one], lr=0.1, weight_decay=0.3)
    penalised = torch.optim.SGD([other], lr=0.1)
    for _ in range(3):
        for weight, optimizer, factor in ((one, decayed, 0.0), (other, penalised, 0.3)):
            optimizer.zero_grad()
            (weight.sin().sum() + factor / 2 * weight.square().sum()).backward()
            optimizer.step()
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["c_rnn_gan", "c_rnn_gan_3_small"])
def test_a_variant_takes_steps_of_the_game(short, tmp_path, name) -> None:
    few = ("trainer.max_updates=2", "model.pretraining.epochs=0", "diagnostics=none")
    record = partimento.train(short(name, *few))
    assert record["counters"]["updates"] == 2
    assert 0 < record["counters"]["discriminator_updates"] <= 2


@pytest.mark.full
@pytest.mark.parametrize("name", ["c_rnn_gan", "c_rnn_gan_3"])
def test_the_papers_sizes_take_steps(tiny, tmp_path, name) -> None:
    kept = [text for text in tiny() if not text.startswith("model.hidden")]
    one = ("dataset=chorales", "trainer.limit_train_batches=1", "trainer.max_epochs=2")
    chosen = (*one, "model.pretraining.epochs=1", "trainer.batch_size=20", "diagnostics=none")
    record = partimento.train([*kept, f"experiment={name}", *chosen])
    assert record["counters"]["updates"] == 2
    assert record["counters"]["iterations"] == 1
    (folder,) = only_runs(tmp_path)
    assert 0 < len(partimento.load(folder).sample(1, seed=0)[0]) <= 300


@pytest.mark.parametrize("name", ["c_rnn_gan_small", "c_rnn_gan_3"])
def test_a_run_has_the_papers_curves(short, tmp_path, name) -> None:
    logger = "csv" if name == "c_rnn_gan_3" else "wandb"
    chosen = ("diagnostics=c_rnn_gan", f"logger={logger}", "trainer.max_epochs=4")
    record = partimento.train(short(name, *chosen, "diagnostics.music.count=20"))
    assert record["status"] == "finished"
    assert record["counters"]["updates"] == 16
    assert record["counters"]["iterations"] == 8  # two epochs of four updates were before the game
    (folder,) = only_runs(tmp_path)
    rows = read_metrics(folder / "metrics.csv")
    curves: dict[str, dict[int, float]] = {}
    for row in rows:
        curves.setdefault(row["name"], {})[row["updates"]] = row["value"]
    assert list(curves["train/pretraining_loss"]) == [2, 4, 6, 8]
    assert min(curves["train/generator_loss"]) == 10
    offline = read_offline(folder) if logger == "wandb" else None
    for statistic in STATISTICS:
        ours, theirs = curves[f"music/{statistic}"], curves[f"music/{statistic}_held_out"]
        assert list(ours) == list(theirs) == [4, 8, 12, 16]
        assert len(set(theirs.values())) == 1
        if offline is not None:
            assert offline.values(f"music/{statistic}")[16] == pytest.approx(ours[16])
    # Four voices that mostly move together, in a major or minor scale.
    assert curves["music/joint_onsets_held_out"][16] > 0.6
    assert curves["music/mode_consistency_held_out"][16] > 0.95
    piece = partimento.load(folder).sample(1, seed=0)[0]
    assert len(piece) <= 6 * (3 if name == "c_rnn_gan_3" else 1)


@pytest.mark.parametrize("stop", [6, 14])
def test_resuming_in_and_after_pretraining_gives_the_same_weights(
    short, tmp_path, monkeypatch, stop
) -> None:
    """Stopped in the second epoch, before the game, and in the fourth."""
    more = (
        "trainer.max_epochs=4", "trainer.checkpoint_every=1", "model.generator.dropout=0.3",
        "diagnostics=none",
    )  # fmt: skip
    partimento.train(short("c_rnn_gan_small", *more, outputs=tmp_path / "whole"))
    looks = []

    class Stop(experiment.StopRequest):
        def __call__(self) -> bool:
            looks.append(None)
            return len(looks) == stop

    overrides = short("c_rnn_gan_small", *more, outputs=tmp_path / "resumed")
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(experiment, "StopRequest", Stop)
        partimento.train(overrides)
    (folder,) = only_runs(tmp_path / "resumed")
    broken = weights(folder)
    assert int(broken["updates"]) == stop
    partimento.train(overrides)
    (whole,) = only_runs(tmp_path / "whole")
    assert_equal_weights(weights(folder), weights(whole))
    assert read_metrics(folder / "metrics.csv") == read_metrics(whole / "metrics.csv")


def test_the_baseline_is_the_same_config_with_all_of_its_budget_in_pretraining(
    short, tmp_path
) -> None:
    more = ("trainer.max_epochs=3", "diagnostics=none")
    baseline = short("c_rnn_gan_small", *more, "model.pretraining.epochs=3", outputs=tmp_path / "a")
    record = partimento.train(baseline)
    assert record["counters"]["updates"] == 12
    assert record["counters"]["discriminator_updates"] == 0
    (folder,) = only_runs(tmp_path / "a")
    names = {row["name"] for row in read_metrics(folder / "metrics.csv")}
    assert "train/pretraining_loss" in names
    assert "train/generator_loss" not in names


def test_a_recurrent_generator_before_a_plain_discriminator_on_melodies(tiny, tmp_path) -> None:
    """No paper has it: GAN(discriminator=MLP, generator=LSTM) on tokens, by config alone."""
    kept = [text for text in tiny() if not text.startswith("model.hidden")]
    record = partimento.train(
        [
            *kept, "model=gan", "model/generator=recurrent", "model/pretraining=next_event",
            "dataset=chorales", "representation=melody", "representation.bars=1",
            "representation.steps_per_bar=8", "model.generator.hidden=[9]",
            "model.generator.feedback=softmax", "model.discriminator.hidden=[8]", "model.latent=4",
            "model.pretraining.epochs=1", "trainer.max_epochs=2", "trainer.limit_train_batches=3",
        ]
    )  # fmt: skip
    assert record["counters"]["updates"] == 6
    assert record["counters"]["discriminator_updates"] == 3
    (folder,) = only_runs(tmp_path)
    trained = partimento.load(folder)
    assert isinstance(trained.model.generator, RecurrentGenerator)
    assert type(trained.model.discriminator).__name__ == "MLPDiscriminator"
    piece = trained.sample(1, seed=3)[0]
    assert piece.end == 4 * piece.resolution


def test_mistakes_are_told_in_a_sentence(short, cli) -> None:
    cases = {
        "model.latent=25": "model.latent=25 cannot be dealt out to 6 steps evenly",
        "model.discriminator.spectral_norm=true": "spectral_norm",
    }
    for override, sentence in cases.items():
        result = cli("train", *short("c_rnn_gan_small", override))
        assert result.code != 0
        assert sentence in result.sentence


def test_a_statistic_that_there_is_not(tmp_path) -> None:
    with pytest.raises(UserError, match="diagnostics.music.names has no statistic 'swing': use "):
        Music(tmp_path, NoteTuples(), SingleStep(), names=["swing"])
