"""Stacked training: each of three seeds gets the weights of its own run of the real module."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import nn

from partimento.data.batch import Batch
from partimento.data.loader import Beats, EvalLoader, TrainLoader
from partimento.datasets.mixtures import Ring
from partimento.distributions import Categorical, Normal
from partimento.errors import UserError
from partimento.losses import objectives, penalties
from partimento.models.adversarial import Adversarial
from partimento.models.base import Model
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.models.techniques import InstanceNoise
from partimento.models.unrolling import Unrolled
from partimento.networks import MLP, MLPDiscriminator
from partimento.networks.discriminator import AutoencoderDiscriminator
from partimento.runs.quiet import quiet_lightning
from partimento.seeds import seed_global
from partimento.studies.stacked import StackedAdversarial, scale_rates
from partimento.studies.stacked_matching import StackedImplicit

POINTS = Normal((1, 2))
SEEDS = (0, 5, 1001)
BATCH = 32
EXAMPLES = Batch(torch.from_numpy(Ring(samples=100).examples("train").x))  # 32 + 32 + 32 + 4
SMALL = (24, 24)
# Adam makes full steps of rounding errors where a gradient is all but 0, unless eps is far above them.
adam = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.99), eps=1e-4)

GAMES: dict[str, dict[str, Any]] = {
    "non_saturating": {},
    "non_saturating, k=5": {"discriminator_steps": 5, "ema": 0.9},
    "two generator updates": {"generator_steps": 2, "latent_kind": "uniform"},
    "frozen for a window": {"discriminator_steps": {0: 2, 3: 0, 5: 1}},
    "minimax": {"objective": objectives.Minimax},
    "least_squares": {"objective": objectives.LeastSquares},
    "hinge, spectral norm": {
        "objective": objectives.Hinge,
        "discriminator": partial(MLPDiscriminator, hidden=SMALL, spectral_norm=True),
    },
    "wasserstein_gp": {
        "objective": partial(objectives.Wasserstein, clip=None),
        "penalties": {"gradient": penalties.GradientPenalty(0.1)},
        "discriminator_steps": 2,
    },
    "pacgan": {"pack": 2},
    "relativistic, r1, r2": {
        "objective": objectives.Relativistic,
        "penalties": {"r1": penalties.R1(0.1), "r2": penalties.R2(0.1)},
    },
    "unrolled": {"techniques": {"unrolled": Unrolled(3)}},
    "lazy r1": {"penalties": {"r1": penalties.R1(0.1, every=3)}},
    "began": {
        "objective": partial(objectives.Began, gamma=0.5, rate=0.1),
        "discriminator": partial(AutoencoderDiscriminator, hidden=SMALL, code=8),
    },
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def game(seed: int, **options: Any) -> Adversarial:
    settings: dict[str, Any] = {
        "generator": partial(MLP, hidden=SMALL),
        "discriminator": partial(MLPDiscriminator, hidden=SMALL),
        "generator_optimizer": adam,
        "discriminator_optimizer": adam,
        "latent": 3,
        "objective": objectives.NonSaturating,
    }
    settings |= options
    settings["objective"] = settings["objective"]()  # each model its own, since BEGAN's has a state
    seed_global(seed, "init")
    model = Adversarial(POINTS, **settings)
    model.seed = seed
    return model


def match(seed: int, **options: Any) -> ImplicitMaximumLikelihood:
    seed_global(seed, "init")
    settings: dict[str, Any] = {
        "generator": partial(MLP, hidden=SMALL), "optimizer": adam, "latent": 3,
        "pool": 4, "batches": 3, "rematch": 5,
    }  # fmt: skip
    model = ImplicitMaximumLikelihood(POINTS, **{**settings, **options})
    model.seed = seed
    return model


class Stop(Callback):
    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: object) -> None:
        trainer.should_stop = pl_module.counters["updates"] >= pl_module.max_updates


class Fall(Callback):
    """Lets the learning rates fall to 0 as the study does."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, *_: object) -> None:
        share = falling(pl_module.counters["updates"])
        for optimizer in trainer.optimizers:
            optimizer.param_groups[0]["lr"] = 1e-3 * share


def falling(update: int) -> float:
    return 1 - update / 10


def fit(model: Model, updates: int, *callbacks: Callback) -> None:
    """Train a model by itself, as a run does."""
    model.max_updates, model.round = updates, 1
    loader = TrainLoader(EXAMPLES, batch_size=BATCH, seed=model.seed)
    trainer = Trainer(
        accelerator="cpu", max_epochs=1000, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, enable_model_summary=False,
        limit_val_batches=0, callbacks=[Stop(), *callbacks],
    )  # fmt: skip
    with quiet_lightning():
        trainer.fit(model, Beats(loader), EvalLoader(EXAMPLES, batch_size=BATCH))  # type: ignore[arg-type]


def train(stack: StackedAdversarial | StackedImplicit, updates: int) -> None:
    while stack.updates < updates:
        stack.iterate()


def assert_same_weights(one: nn.Module, other: nn.Module, *, buffers: bool = True) -> None:
    left = one.state_dict() if buffers else dict(one.named_parameters())
    right = other.state_dict() if buffers else dict(other.named_parameters())
    for name, value in left.items():
        close = torch.allclose(right[name], value, atol=1e-5, rtol=1e-5)
        assert close, f"{name} differs by {float((right[name] - value).abs().max()):.2g}"


@pytest.mark.parametrize("name", GAMES)
def test_a_stack_of_games_is_its_runs(name: str) -> None:
    stack = StackedAdversarial([game(seed, **GAMES[name]) for seed in SEEDS], EXAMPLES.x, BATCH)
    before = [value.clone() for value in stack.generator.parameters]
    train(stack, 10)
    stack.write()
    assert any(
        not torch.equal(a, b) for a, b in zip(before, stack.generator.parameters, strict=True)
    )
    codes = torch.randn(3, 50, 3)
    averaged = stack.points(codes, averaged=True)
    for index, seed in enumerate(SEEDS):
        own = game(seed, **GAMES[name])
        fit(own, 10)
        assert own.counters["batches_seen"] == stack.batches_seen
        assert own.counters["discriminator_updates"] == stack.discriminator_updates
        assert_same_weights(own.generator, stack.models[index].generator)
        assert_same_weights(own.discriminator, stack.models[index].discriminator, buffers=False)
        if own.ema_decay is not None:
            found = own.sample(z=codes[index], weights="ema").flatten(1)
            torch.testing.assert_close(averaged[index], found, atol=1e-5, rtol=1e-5)
        if isinstance(own.objective, objectives.Began):
            assert float(own.objective.balance) > 0
            torch.testing.assert_close(stack.balance[index], own.objective.balance)


def test_rates_fall_alike() -> None:
    stack = StackedAdversarial([game(seed, ema=0.9) for seed in SEEDS], EXAMPLES.x, BATCH)
    while stack.updates < 10:
        scale_rates(stack.optimizers, falling(stack.updates))
        stack.iterate()
    stack.write()
    for index, seed in enumerate(SEEDS):
        own = game(seed, ema=0.9)
        fit(own, 10, Fall())
        assert_same_weights(own.generator, stack.models[index].generator)
        assert_same_weights(own.discriminator, stack.models[index].discriminator)


@pytest.mark.parametrize("options", [{}, {"batches": 1, "rematch": 2, "noise": 0.0}])
def test_a_stack_of_matchings_is_its_runs(options: dict[str, Any]) -> None:
    stack = StackedImplicit([match(seed, **options) for seed in SEEDS], EXAMPLES.x, BATCH)
    train(stack, 20)
    stack.write()
    for index, seed in enumerate(SEEDS):
        own = match(seed, **options)
        fit(own, 20)
        assert own.counters["batches_seen"] == stack.batches_seen
        assert_same_weights(own.generator, stack.models[index].generator)


def test_looking_ahead_matters() -> None:
    """More than rounding could: the game of the same seed without it goes elsewhere."""
    options = GAMES["unrolled"]
    stacks = [StackedAdversarial([game(7, **given)], EXAMPLES.x, BATCH) for given in (options, {})]
    for stack in stacks:
        train(stack, 10)
    one, other = (stack.generator.detached()[0] for stack in stacks)
    assert float((one - other).abs().max()) > 1e-3


def test_a_seed_does_not_depend_on_its_neighbours() -> None:
    many = StackedAdversarial([game(seed) for seed in (3, 4, 7)], EXAMPLES.x, BATCH)
    spoilt = game(8)
    with torch.no_grad():
        next(spoilt.generator.parameters()).fill_(torch.nan)  # a run that diverged
    few = StackedAdversarial([spoilt, game(7)], EXAMPLES.x, BATCH)
    train(many, 10)
    train(few, 10)
    for one, other in zip(many.generator.parameters, few.generator.parameters, strict=True):
        torch.testing.assert_close(one[2], other[1], atol=1e-5, rtol=1e-5)
        assert other[0].isnan().any()


def test_rates_are_shares_of_the_first() -> None:
    stack = StackedAdversarial([game(0)], EXAMPLES.x, BATCH)
    for share in (0.5, 0.25, 1.0):
        scale_rates(stack.optimizers, share)
        rates = [optimizer.param_groups[0]["lr"] for optimizer in stack.optimizers]
        assert rates == pytest.approx([share * 1e-3] * 2)
    scale_rates(stack.optimizers, 0.0)
    before = [parameter.clone() for parameter in stack.generator.parameters]
    train(stack, 3)
    assert all(torch.equal(a, b) for a, b in zip(before, stack.generator.parameters, strict=True))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"techniques": {"noise": InstanceNoise()}}, r"part 'noise' cannot be stacked"),
        ({"objective": objectives.Wasserstein}, r"part 'clip' cannot be stacked"),
        ({"penalties": {"d": penalties.Dragan()}}, r"model\.penalties\.d cannot be stacked: take"),
        (
            {"discriminator": partial(MLPDiscriminator, hidden=SMALL, dropout=0.5)},
            r"Dropout in MLPDiscriminator cannot be stacked",
        ),
        (
            {"discriminator": partial(MLPDiscriminator, hidden=SMALL, minibatch="discrimination")},
            r"MinibatchDiscrimination in MLPDiscriminator cannot be stacked",
        ),
        (
            {
                "objective": objectives.Began,
                "discriminator": partial(AutoencoderDiscriminator, hidden=SMALL, power=2),
            },
            r"AutoencoderDiscriminator with power=2 cannot be stacked",
        ),
        ({"generator_optimizer": torch.optim.SGD}, r"SGD cannot be stacked: let the models'"),
    ],
)
def test_what_cannot_be_stacked(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        StackedAdversarial([game(0, **options)], EXAMPLES.x, BATCH)


def test_only_points_are_stacked() -> None:
    model = ImplicitMaximumLikelihood(Categorical((4, 1), (5,)))
    with pytest.raises(UserError, match=r"Only models of real values without conditions"):
        StackedImplicit([model], EXAMPLES.x, BATCH)
    penalised = game(0, penalties={"r1": penalties.R1()}, **GAMES["unrolled"])
    with pytest.raises(UserError, match="Unrolling is stacked without penalties only"):
        StackedAdversarial([penalised], EXAMPLES.x, BATCH)
