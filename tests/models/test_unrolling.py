"""Unrolling: closed forms, finite differences of the whole look-ahead, and what it must not touch."""

from __future__ import annotations

import copy

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

from partimento.data.batch import Batch
from partimento.data.loader import Beats, EvalLoader, TrainLoader
from partimento.distributions import Categorical, Distribution, Normal
from partimento.errors import UserError
from partimento.losses import objectives, penalties
from partimento.models.adversarial import Adversarial
from partimento.models.differentiable import DifferentiableSteps
from partimento.models.relaxation import Relaxation
from partimento.models.techniques import Game
from partimento.models.unrolling import Unrolled, look_ahead
from partimento.networks import MLP, AutoencoderDiscriminator, MLPDiscriminator
from partimento.runs.quiet import quiet_lightning

POINTS = Normal((1, 2))
GRID = Categorical((3, 2), (4, 3))
LATENT = 3


def adam(parameters: object) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=1e-2, betas=(0.5, 0.999))  # type: ignore[arg-type]


def model_of(steps: int | None, kind: Distribution = POINTS, **options: object) -> Adversarial:
    torch.manual_seed(5)
    settings: dict[str, object] = {
        "generator": lambda *shapes: MLP(*shapes, hidden=(7,), activation="tanh"),
        "discriminator": lambda *shapes: MLPDiscriminator(*shapes, hidden=(7,), activation="tanh"),
        "generator_optimizer": adam,
        "discriminator_optimizer": adam,
        "latent": LATENT,
    }
    if steps is not None:
        settings["techniques"] = {"unrolled": Unrolled(steps)}
    return Adversarial(kind, **{**settings, **options})  # type: ignore[arg-type]


def examples(kind: Distribution, count: int = 40) -> Batch:
    draw = torch.Generator().manual_seed(1)
    if isinstance(kind, Normal):
        return Batch(torch.randn((count, 1, 2), generator=draw) * 0.3 + 1)
    columns = [torch.randint(0, size, (count, 3), generator=draw) for size in (4, 3)]
    return Batch(torch.stack(columns, dim=-1))


class Stop(Callback):
    def on_train_batch_end(self, trainer: Trainer, pl_module: Adversarial, *_: object) -> None:
        trainer.should_stop = pl_module.counters["updates"] >= (pl_module.max_updates or 0)


def fit(model: Adversarial, updates: int) -> Adversarial:
    model.max_updates = updates
    data = examples(model.distribution)
    trainer = Trainer(
        accelerator="cpu", max_epochs=1000, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, enable_model_summary=False,
        callbacks=[Stop()],
    )  # fmt: skip
    with quiet_lightning():
        trainer.fit(
            model, Beats(TrainLoader(data, batch_size=8, seed=0)), EvalLoader(data, batch_size=40)
        )  # type: ignore[arg-type]
    return model


def same(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(mine[key], theirs[key]) for key in mine)


# A game of numbers: the generator gives t, reals are r, the discriminator's score of x is w x.
# Its loss is w (t - r) + w^2 / 2, the generator's is -w t.


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_a_linear_game_in_closed_form(steps: int) -> None:
    rate, real, start = 0.1, 3.0, 0.4
    t = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    parameter = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    rule = DifferentiableSteps(torch.optim.SGD([parameter], lr=rate))

    def loss(weights: dict[str, Tensor], index: int) -> Tensor:
        return weights["w"] * (t - real) + weights["w"].square() / 2

    (w,) = look_ahead(loss, {"w": parameter}, steps, rule).values()
    (gradient,) = torch.autograd.grad(-w * t, t)
    # w' = (1 - rate) w - rate (t - r) has the fixed point r - t.
    kept = (1 - rate) ** steps
    expected_w = (real - 0.7) + kept * (start - (real - 0.7))
    assert float(w.detach()) == pytest.approx(expected_w, abs=1e-12)
    slope = -(1 - kept)  # d w / d t
    assert float(gradient) == pytest.approx(-expected_w - 0.7 * slope, abs=1e-12)
    assert float(parameter.detach()) == start


class Frozen(Relaxation):
    """Relaxation whose noise is the same each time, so that finite differences make sense."""

    def __call__(self, distribution: Distribution, parameters: Tensor, update: int) -> Tensor:
        torch.manual_seed(9)
        return super().__call__(distribution, parameters, update)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (POINTS, {}),
        (POINTS, {"objective": objectives.Minimax(0.9), "pack": 2}),
        (
            POINTS,
            {
                "objective": objectives.Relativistic(),
                "penalties": {"r1": penalties.R1(0.5, every=2), "r2": penalties.R2(0.5)},
            },
        ),
        (
            POINTS,
            {
                "objective": objectives.Wasserstein(None),
                "penalties": {"gradient": penalties.GradientPenalty(1.0)},
            },
        ),
        (POINTS, {"objective": objectives.Wasserstein(0.3)}),
        (POINTS, {"penalties": {"dragan": penalties.Dragan(1.0)}}),
        (
            POINTS,
            {
                "objective": objectives.Began(),
                "discriminator": lambda *s: AutoencoderDiscriminator(
                    *s, hidden=(6,), code=2, activation="tanh"
                ),
            },
        ),
        (GRID, {"relaxation": Frozen(hard=False), "objective": objectives.LeastSquares()}),
    ],
    ids=["ns", "smooth_pack", "r3gan", "wgan_gp", "clip", "dragan", "began", "grid"],
)
def test_the_whole_look_ahead_against_finite_differences(
    kind: Distribution, options: dict[str, object]
) -> None:
    model = fit(model_of(3, kind, **options), 3).double()  # moments of Adam are not zero any more
    optimizer = model.optimizers()[1].optimizer  # type: ignore[index,union-attr]
    for values in optimizer.state.values():
        values.update({key: value.double() for key, value in values.items()})
    torch.manual_seed(2)
    codes = torch.randn(6, LATENT, dtype=torch.float64)
    x = kind.features(examples(kind).x[:6]).double()
    first = next(iter(model.generator.parameters()))

    def loss() -> Tensor:
        torch.manual_seed(3)
        made = model.relaxation(kind, model.generator(codes, {}), 0)
        game = Game(model, model._shown(x), model._shown(made), {}, codes, made)
        game = model.techniques["unrolled"].foreseen(game)
        real = game.scored_real.scores if model.objective.paired else None
        return model.objective.generator_loss(game.scored_fake.scores, real)

    (gradient,) = torch.autograd.grad(loss(), first)
    # Smaller steps drown in the rounding of sums that cancel, as a relativistic bias does.
    step, found = 1e-4, torch.zeros_like(first)
    for index in range(0, first.numel(), 5):
        with torch.no_grad():
            first.view(-1)[index] += step
        up = float(loss().detach())
        with torch.no_grad():
            first.view(-1)[index] -= 2 * step
        down = float(loss().detach())
        with torch.no_grad():
            first.view(-1)[index] += step
        found.view(-1)[index] = (up - down) / (2 * step)
    chosen = slice(0, None, 5)
    torch.testing.assert_close(
        gradient.view(-1)[chosen], found.detach().view(-1)[chosen], rtol=1e-5, atol=1e-8
    )
    assert float(gradient.abs().max()) > 1e-5


def test_no_steps_are_no_unrolling() -> None:
    for kind in (POINTS, GRID):
        assert same(fit(model_of(None, kind), 5), fit(model_of(0, kind), 5))
    assert not same(fit(model_of(None), 5), fit(model_of(1), 5))


def test_one_step_ahead_is_the_step_that_the_discriminator_makes() -> None:
    """Judged by the weights that the same real and fake examples would lead it to."""
    model = fit(model_of(1), 4)
    x = POINTS.features(examples(POINTS).x[:8])
    made = torch.randn(8, 1, 2, generator=torch.Generator().manual_seed(0))
    game = Game(model, x, made, {}, torch.zeros(8, LATENT), made)
    ahead = model.techniques["unrolled"].foreseen(game).scored_fake.scores
    before = game.judged_by(model.judge).scored_fake.scores
    model.descend(model.discriminator_loss(game.judged_by(model.judge)), 1)
    after = game.judged_by(model.judge).scored_fake.scores
    torch.testing.assert_close(ahead, after, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(before, after, rtol=1e-3)


@pytest.mark.parametrize("normalised", ["spectral", "batch"])
def test_the_discriminator_and_its_optimizer_stay_as_they_were(normalised: str) -> None:
    def discriminator(shape: tuple[int, ...], conditions: object) -> nn.Module:
        made = MLPDiscriminator(shape, hidden=(7,), spectral_norm=normalised == "spectral")
        if normalised == "batch":
            made.body.insert(1, nn.BatchNorm1d(7))
        return made

    model = fit(model_of(5, discriminator=discriminator), 3)
    optimizer = model.optimizers()[1].optimizer  # type: ignore[index,union-attr]
    weights = copy.deepcopy(model.discriminator.state_dict())
    moments = copy.deepcopy(optimizer.state_dict())
    assert any("_u" in key or "running_mean" in key for key in weights)
    x = examples(POINTS)[slice(0, 8)]
    model.update_generator(x)
    for key, value in model.discriminator.state_dict().items():
        assert torch.equal(value, weights[key]), key
    for index, values in optimizer.state_dict()["state"].items():
        for key, value in values.items():
            assert torch.equal(value, moments["state"][index][key])
    assert all(p.requires_grad for p in model.discriminator.parameters())


def test_clipped_gradients_are_foreseen() -> None:
    model = fit(model_of(1), 2)
    x = POINTS.features(examples(POINTS).x[:8])
    game = Game(model, x, -x, {}, torch.zeros(8, LATENT), -x)

    def moved() -> Tensor:
        return game.judged_by(model.techniques["unrolled"].foreseen(game).judge).scored_fake.scores

    free = moved()
    model.gradient_clip = 1e-9
    assert not torch.allclose(moved(), free)


def test_an_optimizer_that_cannot_be_followed_is_refused() -> None:
    model = model_of(2, discriminator_optimizer=torch.optim.Adagrad)
    with pytest.raises(UserError, match=r"^Unrolled in model\.techniques .* not Adagrad\.$"):
        model.configure_optimizers()
