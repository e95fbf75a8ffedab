"""One update: as Lightning makes it, clipped, and with learning rates that follow updates and epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from partimento.data.batch import Batch
from partimento.data.module import MusicDataModule
from partimento.distributions import Normal
from partimento.errors import Interrupted, UserError
from partimento.models.adversarial import Adversarial
from partimento.networks import MLP, MLPDiscriminator
from partimento.runs.checkpoint import AtomicCheckpointIO, Checkpointing
from partimento.runs.folder import RunFolder
from partimento.runs.quiet import quiet_lightning

POINTS = Normal((1, 2))
PER_EPOCH = 4


class Points(MusicDataModule):
    """Thirty-two points in each split, without any dataset."""

    def __init__(self) -> None:
        super().__init__(None, None, batch_size=8, seed=0)  # type: ignore[arg-type]

    varying = False

    def examples(self, split: str) -> Batch:
        return Batch(torch.randn(32, 1, 2, generator=torch.Generator().manual_seed(1)))


class Noted(Adversarial):
    """A game that notes the norm of the gradients it descends, and its learning rates."""

    def __init__(self, schedulers: str = "", **options: Any) -> None:
        torch.manual_seed(3)
        super().__init__(
            POINTS,
            generator=lambda *shapes: MLP(*shapes, hidden=(8,)),
            discriminator=lambda *shapes: MLPDiscriminator(*shapes, hidden=(8,), dropout=0.3),
            latent=2,
            **options,
        )
        self.schedulers = schedulers
        self.rates: list[tuple[float, ...]] = []
        self.norms: list[float] = []

    def configure_optimizers(self) -> Any:
        optimizers = [torch.optim.SGD(p.parameters(), lr=1.0) for p in self.players()]
        if not self.schedulers:
            return optimizers
        if self.schedulers == "plateau":
            return optimizers, [ReduceLROnPlateau(optimizers[1])]
        kinds = [
            {"scheduler": LambdaLR(o, lambda step: 1 / (1 + step)), "interval": self.schedulers}
            for o in optimizers
        ]
        if self.schedulers == "seldom":
            kinds = [{**kind, "interval": "step", "frequency": 2} for kind in kinds]
        return optimizers, kinds

    def players(self) -> tuple[nn.Module, nn.Module]:
        return self.generator, self.discriminator

    def descend(self, loss: Tensor, index: int | None = None) -> None:
        optimizers: Any = self.optimizers()
        self.rates.append(tuple(o.param_groups[0]["lr"] for o in optimizers))
        super().descend(loss, index)
        gradients = [p.grad.flatten() for p in self.players()[index or 0].parameters()]  # type: ignore[union-attr]
        self.norms.append(float(torch.cat(gradients).norm()))


class Listener(Callback):
    """Listens to an update, so that Lightning makes it."""

    heard = 0

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        self.heard += 1


def fit(
    model: Noted, folder: Path, *callbacks: Callback, epochs: int = 3, stop: int = 10**9
) -> Trainer:
    place = RunFolder(folder)
    checkpointing = Checkpointing(
        place, per_epoch=PER_EPOCH, monitor=None, stop_requested=lambda: len(model.norms) >= stop
    )
    trainer = Trainer(
        accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, enable_model_summary=False,
        callbacks=[*callbacks, checkpointing], plugins=[AtomicCheckpointIO()],
        reload_dataloaders_every_n_epochs=1, use_distributed_sampler=False,
    )  # fmt: skip
    resumed = place.last if place.last.exists() else None
    with quiet_lightning():
        trainer.fit(model, Points(), ckpt_path=resumed, weights_only=True if resumed else None)
    return trainer


def test_an_update_is_the_one_that_lightning_makes(tmp_path: Path) -> None:
    straight, heard = Noted(discriminator_steps=2), Noted(discriminator_steps=2)
    straight.gradient_clip = heard.gradient_clip = 0.1
    listener = Listener()
    first = fit(straight, tmp_path / "straight")
    second = fit(heard, tmp_path / "heard", listener)
    assert straight._direct
    assert not heard._direct
    assert listener.heard == len(heard.norms) == 12 + 6
    assert first.global_step == second.global_step == 18
    for name, value in straight.state_dict().items():
        assert torch.equal(value, heard.state_dict()[name]), name


@pytest.mark.parametrize("listening", [False, True])
def test_the_gradients_of_both_players_are_clipped(tmp_path: Path, listening: bool) -> None:
    free, clipped = Noted(), Noted()
    clipped.gradient_clip = 0.01
    callbacks = [Listener()] if listening else []
    fit(free, tmp_path / "free", *callbacks)
    fit(clipped, tmp_path / "clipped", *callbacks)
    for player in (0, 1):  # their updates alternate
        assert min(free.norms[player::2][:4]) > 0.011
        assert max(clipped.norms[player::2]) == pytest.approx(0.01, rel=1e-3)


def test_a_rate_by_updates_follows_those_of_its_player(tmp_path: Path) -> None:
    model = Noted("step", discriminator_steps=2)
    fit(model, tmp_path)
    made = [0, 0]
    for index, rates in enumerate(model.rates):
        assert rates == tuple(1 / (1 + count) for count in made)
        made[0 if index % 3 == 2 else 1] += 1
    assert made == [6, 12]


def test_a_rate_by_epochs_follows_the_passes_over_the_data(tmp_path: Path) -> None:
    model = Noted("epoch", discriminator_steps=2)
    fit(model, tmp_path)
    # Four batches to an epoch, two to an iteration, which makes three updates.
    assert model.rates == [(1.0, 1.0)] * 6 + [(0.5, 0.5)] * 6 + [(1 / 3, 1 / 3)] * 6


@pytest.mark.parametrize("interval", ["step", "epoch"])
@pytest.mark.parametrize("stop", [3, 9, 12])
def test_rates_go_on_where_they_were(tmp_path: Path, interval: str, stop: int) -> None:
    whole, first, second = (Noted(interval, discriminator_steps=2) for _ in range(3))
    for model in (whole, first, second):
        model.round = 1
    fit(whole, tmp_path / "whole")
    with pytest.raises(Interrupted):
        fit(first, tmp_path / "broken", stop=stop)
    fit(second, tmp_path / "broken")
    assert first.rates + second.rates == whole.rates
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.mark.parametrize(
    ("schedulers", "sentence"),
    [
        ("plateau", r"ReduceLROnPlateau, which follows a validation value: take a scheduler that"),
        ("seldom", r"LambdaLR with frequency=2: leave the frequency out, and give the"),
    ],
)
def test_rates_that_would_never_change_are_refused(
    tmp_path: Path, schedulers: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        fit(Noted(schedulers), tmp_path)


def test_a_model_with_a_hook_of_its_own_is_heard(tmp_path: Path) -> None:
    class Hooked(Noted):
        heard = 0

        def on_after_backward(self) -> None:
            self.heard += 1

    model = Hooked()
    fit(model, tmp_path, epochs=1)
    assert model.heard == 8
