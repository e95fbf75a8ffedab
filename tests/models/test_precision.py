"""Games in bfloat16: what is computed in float32 all the same, and that each part trains."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from partimento.component import Component
from partimento.data.batch import Batch
from partimento.data.loader import Beats, EvalLoader, TrainLoader
from partimento.distributions import Categorical, Distribution, Normal
from partimento.losses import objectives
from partimento.losses.penalties import R1, R2, Dragan, GradientPenalty, Penalty
from partimento.models.adversarial import Adversarial
from partimento.models.base import Model
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.networks import MLP, AutoencoderDiscriminator, MLPDiscriminator
from partimento.runs.quiet import quiet_lightning

GRID = Categorical((4, 2), (5, 3), names=("a", "b"))
POINTS = Normal((1, 2))
PENALTIES = (GradientPenalty, Dragan, R1, R2)
OBJECTIVES = tuple(
    kind
    for kind in vars(objectives).values()
    if isinstance(kind, type)
    and issubclass(kind, objectives.AdversarialObjective)
    and kind is not objectives.AdversarialObjective
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def game(distribution: Distribution = GRID, **options: object) -> Adversarial:
    torch.manual_seed(3)
    spectral = bool(options.pop("spectral_norm", False))
    objective = options.get("objective")
    autoencoder = getattr(objective, "output", "score") == "reconstruction"
    settings = {
        "generator": lambda *shapes: MLP(*shapes, hidden=(16,)),
        "discriminator": (lambda *shapes: AutoencoderDiscriminator(*shapes, hidden=(16,), code=4))
        if autoencoder
        else (lambda *shapes: MLPDiscriminator(*shapes, hidden=(16,), spectral_norm=spectral)),
        "latent": 6,
    }
    return Adversarial(distribution, **{**settings, **options})  # type: ignore[arg-type]


def examples(distribution: Distribution) -> Batch:
    draw = torch.Generator().manual_seed(1)
    if isinstance(distribution, Categorical):
        columns = [torch.randint(0, n, (32, 4), generator=draw) for n in distribution.sizes]
        return Batch(torch.stack(columns, dim=-1))
    return Batch(torch.randn(32, 1, 2, generator=draw))


class Stop(Callback):
    def on_train_batch_end(self, trainer: Trainer, pl_module: Model, *_: object) -> None:  # type: ignore[override]
        trainer.should_stop = pl_module.counters["updates"] >= 6


def fit(model: Model, precision: str = "bf16-mixed") -> Model:
    model.max_updates, model.log_every = 6, 10**9
    data = examples(model.distribution)
    loader = TrainLoader(data, batch_size=8, seed=0)
    trainer = Trainer(
        accelerator="cpu", max_epochs=100, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, enable_model_summary=False,
        callbacks=[Stop()], precision=precision,
    )  # fmt: skip
    with quiet_lightning():
        trainer.fit(model, Beats(loader), EvalLoader(data, batch_size=32))  # type: ignore[arg-type]
    return model


def assert_trained(model: Model, before: dict[str, Tensor]) -> None:
    for name, value in model.named_parameters():
        assert value.dtype == torch.float32, name
        assert torch.isfinite(value).all(), name
    moved = {
        name.split(".")[0] for name, v in model.named_parameters() if (v != before[name]).any()
    }
    assert moved == {name.split(".")[0] for name in before}


class Watched(Adversarial):
    """Notes the types of the losses that the players descend."""

    losses: list[torch.dtype]

    def descend(self, loss: Tensor, index: int | None = None) -> None:
        self.__dict__.setdefault("losses", []).append(loss.dtype)
        super().descend(loss, index)


@pytest.mark.parametrize("distribution", [GRID, POINTS], ids=["grid", "points"])
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_each_objective_trains_with_losses_in_float32(
    monkeypatch: pytest.MonkeyPatch, kind: type, distribution: Distribution
) -> None:
    model = game(distribution, objective=kind(), ema=0.9)
    model.__class__ = Watched
    before = {name: value.clone() for name, value in model.named_parameters()}
    fit(model)
    assert_trained(model, before)
    assert set(model.losses) == {torch.float32}  # type: ignore[attr-defined]


@pytest.mark.parametrize("spectral_norm", [False, True])
@pytest.mark.parametrize("kind", PENALTIES)
def test_each_penalty_trains(kind: type[Penalty], spectral_norm: bool) -> None:
    model = game(penalties={"it": kind(1.0)}, spectral_norm=spectral_norm)
    before = {name: value.clone() for name, value in model.named_parameters()}
    fit(model)
    assert_trained(model, before)
    for name, value in model.discriminator.named_buffers():
        assert value.dtype == torch.float32, name


class Nothing(objectives.Wasserstein):
    """No objective, so that what moves the discriminator is the penalty."""

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return 0 * super().discriminator_loss(real, fake)


class Caught(Callback):
    def __init__(self) -> None:
        self.gradients: list[Tensor] = []

    def on_after_backward(self, trainer: Trainer, pl_module: Adversarial) -> None:  # type: ignore[override]
        if not self.gradients:
            self.gradients += [
                p.grad.clone() for p in pl_module.discriminator.parameters() if p.grad is not None
            ]


def gradients(kind: type[Penalty], precision: str) -> list[Tensor]:
    """Return the discriminator's gradients by the penalty in the first update of a run."""
    model = game(POINTS, objective=Nothing(None), penalties={"it": kind(1.0)})
    # The same fakes in both: half precision may change them, but not what the penalty makes of them.
    model.fake = lambda codes, condition: codes[:, None, :2]  # type: ignore[method-assign]
    model.generator_steps, caught = 0, Caught()
    data = examples(POINTS)
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, enable_model_summary=False,
        callbacks=[caught], precision=precision, limit_train_batches=1,
    )  # fmt: skip
    loader, valid = TrainLoader(data, batch_size=8, seed=0), EvalLoader(data, batch_size=32)
    with quiet_lightning():
        trainer.fit(model, Beats(loader), valid)  # type: ignore[arg-type]
    return caught.gradients


@pytest.mark.parametrize("kind", PENALTIES)
def test_the_gradient_of_a_penalty_is_that_of_float32(kind: type[Penalty]) -> None:
    whole, mixed = gradients(kind, "32-true"), gradients(kind, "bf16-mixed")
    assert any(value.abs().max() > 0 for value in whole)
    for one, other in zip(whole, mixed, strict=True):
        assert torch.equal(one, other)


def test_spectral_norm_is_kept_as_well_as_in_float32() -> None:
    for precision in ("32-true", "bf16-mixed"):
        model = fit(game(spectral_norm=True), precision)
        model.discriminator.eval()
        for layer in (model.discriminator.body[0], model.discriminator.score):
            largest = torch.linalg.matrix_norm(layer.weight.detach(), 2)
            assert float(largest) == pytest.approx(1, abs=0.01), precision


@pytest.mark.parametrize("distribution", [GRID, POINTS], ids=["grid", "points"])
def test_implicit_maximum_likelihood_trains(distribution: Distribution) -> None:
    torch.manual_seed(3)
    network: Callable[..., MLP] = lambda *shapes: MLP(*shapes, hidden=(16,))  # noqa: E731
    model = ImplicitMaximumLikelihood(distribution, generator=network, latent=6, rematch=2)
    before = {name: value.clone() for name, value in model.named_parameters()}
    assert_trained(fit(model), before)


def test_noise_of_discrete_music_has_the_digits_of_float32() -> None:
    """In bfloat16 uniform noise has 128 values near 1, and Gumbel noise none above 5."""
    model = game()
    drawn = model.relaxation(GRID, torch.zeros(64, 4, 8, dtype=torch.bfloat16), 0)
    assert drawn.dtype == torch.float32
    assert isinstance(model.relaxation, Component)
