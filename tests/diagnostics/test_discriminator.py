"""The watch over both players: its values in real runs, by name, and that it changes nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from conftest import only_runs

import partimento
from partimento.data.batch import Batch
from partimento.diagnostics.discriminator import DiscriminatorWatch, some, spectra
from partimento.distributions import Normal
from partimento.errors import UserError
from partimento.loading import read_checkpoint
from partimento.loggers.csv import read_metrics
from partimento.models.adversarial import Adversarial

RING = (
    "model=gan", "dataset=ring", "representation=points", "dataset.samples=2000",
    "model.generator.hidden=[32]", "model.discriminator.hidden=[32]", "model.latent=4",
    "trainer.batch_size=64", "trainer.max_epochs=2", "trainer.max_updates=40",
    "trainer.progress_bar=false", "accelerator=cpu", "accelerator.threads=1", "logger=csv",
    "trainer.checkpoint_seconds=0", "paths.cache=null",
)  # fmt: skip
WATCH = ("diagnostics=discriminator", "~diagnostics.samples")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]


def trained(outputs: Path, *overrides: str) -> Path:
    partimento.train([*RING, *overrides, f"paths.outputs={outputs}"])
    return only_runs(outputs)[0]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("watched"), *WATCH, "model.discriminator_steps=3")


def last_values(folder: Path) -> dict[str, float]:
    return {row["name"]: row["value"] for row in read_metrics(folder / "metrics.csv")}


def test_values_of_both_players_stand_under_their_names(watched):
    values = last_values(watched)
    for name in ("score_train", "score_held_out", "score_fake", "gradient_real", "gradient_fake"):
        assert math.isfinite(values[f"disc/{name}"]), name
    for side in ("train", "held_out", "fake"):
        assert 0 <= values[f"disc/accuracy_{side}"] <= 1
    assert -1 <= values["disc/overfitting_r_t"] <= 1
    assert values["gen/local_sensitivity"] > 0
    assert 0 < values["gen/participation_ratio"] <= 2  # points of the plane
    assert values["gen/latent_probe"] < 0.9  # two numbers do not hold four
    for player in ("disc", "gen"):
        ranks = {name for name in values if name.startswith(f"{player}/effective_rank/")}
        assert len(ranks) >= 2
        assert all(1 <= values[name] <= 32 for name in ranks)
        assert all(name.replace("effective", "stable") in values for name in ranks)


def test_places_are_generator_updates(watched):
    """Lightning's own count is of both players' updates, four times as many here."""
    rows = read_metrics(watched / "metrics.csv")
    places = {row["updates"] for row in rows if row["name"].startswith(("disc/", "gen/"))}
    assert places == {11, 22}


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("model/objective=hinge", "model.discriminator.spectral_norm=true"),
        ("model.pack=2", "model/objective=least_squares"),
    ],
)
def test_training_is_the_same_without_the_watch(options, tmp_path):
    ours = weights(trained(tmp_path / "watched", *WATCH, *options))
    theirs = weights(trained(tmp_path / "plain", "diagnostics=none", *options))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_music_is_watched_too_with_its_noise_left_alone(tmp_path, cache):
    """Straight-through samples draw noise from the stream that training draws from."""
    music = (
        "model=gan", "dataset=chorales", "representation=multivoice", "representation.bars=1",
        "model.generator.hidden=[16]", "model.discriminator.hidden=[16]",
        "data.transpose=false", "trainer.max_updates=12", "trainer.max_epochs=3",
        "trainer.limit_train_batches=4", "trainer.progress_bar=false", "accelerator=cpu",
        "accelerator.threads=1", "logger=csv", f"paths.cache={cache}",
    )  # fmt: skip
    found = []
    for place, watch in enumerate((WATCH, ("diagnostics=none",))):
        outputs = tmp_path / str(place)
        partimento.train([*music, *watch, f"paths.outputs={outputs}"])
        found.append(only_runs(outputs)[0])
    ours, theirs = map(weights, found)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    values = last_values(found[0])
    assert values["gen/latent_spread"] < 0.5  # an untrained generator's probabilities are all alike
    assert values["gen/participation_ratio"] > 2


@pytest.mark.parametrize("model", ["imle", "minibach"])
def test_a_model_without_a_discriminator_is_refused(model, tiny, tmp_path):
    options = [text for text in tiny() if not text.startswith(("diagnostics", "model."))]
    data = () if model == "minibach" else ("dataset=ring", "representation=points")
    with pytest.raises(UserError, match="has no discriminator: take model=gan") as told:
        partimento.train([*options, f"model={model}", *data, *WATCH])
    assert str(told.value).count(".") == 1


def model_of_lines() -> Adversarial:
    """A generator x = 2 z and a discriminator D(x) = 3 x1 - 1."""

    def made(*_: object) -> torch.nn.Module:
        class Generator(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = torch.nn.Linear(2, 2, bias=False)
                torch.nn.init.constant_(self.layer.weight, 0.0)
                self.layer.weight.data.fill_diagonal_(2.0)

            def forward(self, z, condition):
                return self.layer(z)

        return Generator()

    def judge(*_: object) -> torch.nn.Module:
        class Discriminator(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = torch.nn.Linear(2, 1)
                self.layer.weight.data = torch.tensor([[3.0, 0.0]])
                self.layer.bias.data = torch.tensor([-1.0])

            def forward(self, x, condition):
                return self.layer(x)[:, 0], x

        return Discriminator()

    return Adversarial(Normal((2,)), generator=made, discriminator=judge, latent=2)


def test_values_of_a_game_that_is_known():
    draw = torch.Generator().manual_seed(0)
    train, held_out = (Batch(torch.randn(400, 2, generator=draw) + shift) for shift in (2, 1))
    found = DiscriminatorWatch(seed=1, count=400).values(model_of_lines(), train, held_out)
    assert found["disc/score_train"] == pytest.approx(3 * 2 - 1, abs=0.3)
    assert found["disc/score_held_out"] == pytest.approx(3 * 1 - 1, abs=0.3)
    assert found["disc/score_fake"] == pytest.approx(-1, abs=0.7)
    assert found["disc/overfitting_r_v"] == pytest.approx(1 / 2, abs=0.07)
    for side in ("real", "held_out", "fake"):
        assert found[f"disc/gradient_{side}"] == pytest.approx(9)
    assert found["gen/local_sensitivity"] == pytest.approx(2, rel=1e-4)
    assert found["gen/latent_probe"] == pytest.approx(1, abs=1e-4)
    assert found["gen/latent_spread"] == pytest.approx(4, rel=0.3)
    assert found["gen/participation_ratio"] == pytest.approx(2, abs=0.1)
    assert found["gen/effective_rank/layer"] == pytest.approx(2)
    assert found["gen/largest/layer"] == pytest.approx(2)
    assert found["disc/stable_rank/layer"] == pytest.approx(1)


def test_spectra_and_rows():
    assert spectra(torch.nn.ReLU()) == {}
    batch = Batch(torch.arange(10.0))
    assert some(batch, 4).x.tolist() == [0, 3, 6, 9]
    assert some(batch, 99).x.tolist() == list(range(10))
