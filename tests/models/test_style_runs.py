"""Runs with convolutions and styles: resumed bit for bit, half precision, pairs that no paper has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import only_runs

import partimento
from partimento import experiment
from partimento.errors import Interrupted, UserError
from partimento.loading import read_checkpoint
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.networks import MLP, ConvolutionalDiscriminator, StyleGenerator

SMALL = ("representation.bars=2", "representation.steps_per_bar=8", "model.latent=4")
STYLE = (
    "model/generator=style", "model.generator.hidden=[8,8]", "model.generator.style=8",
    "model.generator.mapping_layers=2",
)  # fmt: skip
GAME = (
    "model=gan", *STYLE, "model/discriminator=convolutional", "model.discriminator.hidden=[8,8]",
    "model.discriminator.minibatch=standard_deviation", "model/penalties=r1",
    "model.generator.mixing=0.9", "model.ema=0.9", "trainer.log_every=2", "trainer.checkpoint_every=1",
)  # fmt: skip


@pytest.fixture
def run(tiny: Callable[..., list[str]]) -> Callable[..., list[str]]:
    def overrides(*more: str, **places: Path) -> list[str]:
        kept = [text for text in tiny(**places) if not text.startswith("model.hidden")]
        return [*kept, *SMALL, *more]

    return overrides


def state(outputs: Path) -> dict[str, torch.Tensor]:
    (folder,) = only_runs(outputs)
    return read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]


def test_resuming_gives_the_weights_of_an_uninterrupted_run(run, tmp_path, monkeypatch) -> None:
    """Noise, mixed codes and the mean style too are what they would have been."""
    more = (*GAME, "trainer.max_epochs=3")
    partimento.train(run(*more, outputs=tmp_path / "whole"))
    looks = []

    class Stop(experiment.StopRequest):
        def __call__(self) -> bool:
            looks.append(None)
            return len(looks) == 5

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(experiment, "StopRequest", Stop)
        partimento.train(run(*more, outputs=tmp_path / "resumed"))
    broken = state(tmp_path / "resumed")
    partimento.train(run(*more, outputs=tmp_path / "resumed"))
    whole, resumed = state(tmp_path / "whole"), state(tmp_path / "resumed")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    for name in ("generator.mean_style", "generator.synthesis.1.noise.strength"):
        assert not torch.equal(whole[name], broken[name])
        assert whole[name].any()


def test_samples_follow_the_seed_with_noise_in_the_layers(run, tmp_path) -> None:
    partimento.train(run(*GAME))
    (folder,) = only_runs(tmp_path)
    trained = partimento.load(folder)
    for module in trained.model.modules():
        if hasattr(module, "strength"):
            torch.nn.init.ones_(module.strength)
    z = trained.codes(1).expand(6, -1)
    one, same, other = (
        trained.model.sample(z=z, generator=torch.Generator().manual_seed(s), temperature=0)
        for s in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(torch.unique(one.flatten(1), dim=0)) > 1  # of one code


def test_half_precision_takes_steps(run, tmp_path) -> None:
    record = partimento.train(
        run(*GAME, "accelerator.precision=bf16-mixed", "trainer.max_updates=3")
    )
    assert record["counters"]["updates"] == 3
    assert all(torch.isfinite(value).all() for value in state(tmp_path).values())


# -- by config alone --------------------------------------------------------------------------------


def test_imle_with_the_style_based_generator(run, tmp_path) -> None:
    """Implicit maximum likelihood has no published use of styles known to us."""
    record = partimento.train(run("model=imle", *STYLE, "model.pool=2", "trainer.max_updates=6"))
    assert record["counters"]["updates"] == 6
    (folder,) = only_runs(tmp_path)
    trained = partimento.load(folder)
    assert isinstance(trained.model, ImplicitMaximumLikelihood)
    assert isinstance(trained.model.generator, StyleGenerator)
    assert trained.model.generator.mean_style.any()
    assert len(trained.sample(2, seed=0)) == 2


def test_imle_refuses_mixed_codes(run) -> None:
    with pytest.raises(
        UserError, match=r"^model\.generator\.mixing=0\.5 makes examples of two codes"
    ):
        partimento.train(run("model=imle", *STYLE, "model.generator.mixing=0.5"))


def test_a_convolutional_discriminator_of_a_fully_connected_generator(run, tmp_path) -> None:
    chosen = ("model=gan", "model.generator.hidden=[8]", "model/discriminator=convolutional")
    small = (
        "model.discriminator.hidden=[8,8]",
        "model.pack=2",
        "model.discriminator.spectral_norm=true",
    )
    record = partimento.train(run(*chosen, *small, "trainer.max_updates=6"))
    assert record["counters"]["updates"] == record["counters"]["discriminator_updates"] == 6
    (folder,) = only_runs(tmp_path)
    model = partimento.load(folder).model
    assert isinstance(model.generator, MLP)
    assert isinstance(model.discriminator, ConvolutionalDiscriminator)


@pytest.mark.parametrize("representation", ["melody", "pianoroll"])
def test_other_representations(run, tmp_path, representation) -> None:
    """The number of steps, here 20, need be no power of two."""
    chosen = (f"representation={representation}", "representation.bars=5")
    kept = [text for text in run(*GAME) if "bars=2" not in text and "per_bar" not in text]
    more = ("representation.steps_per_bar=4", "trainer.max_updates=2")
    record = partimento.train([*kept, *chosen, *more])
    assert record["counters"]["updates"] == 2
    (folder,) = only_runs(tmp_path)
    assert partimento.load(folder).model.sample(3).shape[:2] == (3, 20)
