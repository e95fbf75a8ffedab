"""REINFORCE: unbiased where the gradient can be enumerated, learns a toy, refuses what cannot go with it."""

from __future__ import annotations

import itertools

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

from partimento.data.batch import Batch
from partimento.data.loader import Beats, EvalLoader, TrainLoader
from partimento.distributions import Bernoulli, Categorical, Distribution, Normal
from partimento.errors import UserError
from partimento.losses import objectives
from partimento.models.adversarial import Adversarial
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.models.policy import Reinforce, advantage, example_losses
from partimento.models.techniques import FeatureMatching, Game, InstanceNoise, ModeSeeking
from partimento.models.unrolling import Unrolled
from partimento.networks import MLP, MLPDiscriminator
from partimento.runs.quiet import quiet_lightning

LATENT, CODES, DRAWS = 2, 4, 2000


def model_of(kind: Distribution, **options: object) -> Adversarial:
    torch.manual_seed(4)
    settings: dict[str, object] = {
        "generator": lambda *shapes: MLP(*shapes, hidden=(), activation="tanh"),
        "discriminator": lambda *shapes: MLPDiscriminator(*shapes, hidden=(8,)),
        "relaxation": Reinforce(),
        "latent": LATENT,
    }
    return Adversarial(kind, **{**settings, **options})  # type: ignore[arg-type]


def outcomes(kind: Distribution) -> Tensor:
    """Every example there is of two cells."""
    size = kind.sizes[0] if isinstance(kind, Categorical) else 2
    cells = torch.tensor(list(itertools.product(range(size), repeat=2)))
    return cells.reshape(-1, *kind.shape).to(kind.dtype)  # type: ignore[arg-type]


def exact_gradient(model: Adversarial, codes: Tensor, reals: Tensor) -> Tensor:
    """The gradient of the expected loss over all combinations of examples in the packs."""
    kind, pack = model.distribution, model.pack
    every = outcomes(kind)
    parameters = model.generator(codes, {})
    total = torch.zeros(())
    for first in range(0, CODES, pack):
        for chosen in itertools.product(range(len(every)), repeat=pack):
            x = every[list(chosen)]
            log_prob = kind.log_prob(parameters[first : first + pack], x).sum()
            features = torch.cat([f.unsqueeze(0) for f in kind.features(x)], dim=-1)
            score = model.judge(features, {}).scores.detach()
            real = reals[first // pack : first // pack + 1]
            loss = model.objective.generator_loss(score, real if model.objective.paired else None)
            total = total + log_prob.exp() * loss
    (gradient,) = torch.autograd.grad(total / (CODES // pack), model.generator.parameters())[:1]
    return gradient


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Categorical((2,), (3,)), {}),
        (Categorical((2,), (3,)), {"relaxation": Reinforce("none")}),
        (Categorical((2,), (3,)), {"pack": 2}),
        (Bernoulli((1, 2)), {"objective": objectives.Relativistic()}),
    ],
    ids=["alone", "no_baseline", "pack", "paired"],
)
def test_the_gradient_is_unbiased(kind: Distribution, options: dict[str, object]) -> None:
    model = model_of(kind, **options)
    torch.manual_seed(1)
    codes = torch.randn(CODES, LATENT)
    with torch.no_grad():
        for p in model.discriminator.parameters():
            p.mul_(3)  # scores that differ
    x = model._shown(kind.features(outcomes(kind)[:CODES]))
    weight = next(iter(model.generator.parameters()))
    model.discriminator.requires_grad_(False)
    found = torch.empty(DRAWS, *weight.shape)
    for index in range(DRAWS):
        parameters = model.generator(codes, {})
        made = model.relaxation(kind, parameters, 0)
        game = Game(model, x, model._shown(made), {}, codes, made)
        loss = model.relaxation.descended(torch.zeros(()), game, parameters)
        (found[index],) = torch.autograd.grad(loss, weight)
    expected = exact_gradient(model, codes, model.judge(x, {}).scores)
    error = found.std(0) / DRAWS**0.5
    assert ((found.mean(0) - expected).abs() < 4.5 * error).all()
    assert (expected.abs() > 8 * error).any()  # a gradient of nothing would not pass


def test_a_baseline_makes_it_vary_less_and_takes_no_example_by_itself() -> None:
    losses = torch.tensor([1.0, 2.0, 6.0])
    assert advantage(losses, "leave_one_out").tolist() == [1 - 4, 2 - 3.5, 6 - 1.5]
    assert advantage(losses, "none").tolist() == [1, 2, 6]
    assert advantage(losses[:1], "leave_one_out").tolist() == [1]


@pytest.mark.parametrize(
    "objective",
    [
        objectives.Minimax(), objectives.NonSaturating(), objectives.LeastSquares(),
        objectives.Hinge(), objectives.Wasserstein(), objectives.Relativistic(), objectives.Began(),
    ],
    ids=lambda objective: type(objective).__name__,
)  # fmt: skip
def test_the_mean_of_example_losses_is_the_objectives(
    objective: objectives.AdversarialObjective,
) -> None:
    draw = torch.Generator().manual_seed(0)
    fake, real = torch.randn(2, 5, generator=draw)
    paired = real if objective.paired else None
    each = example_losses(objective, fake, paired)
    assert each.shape == (5,)
    assert float(each.mean()) == pytest.approx(float(objective.generator_loss(fake, paired)))
    assert float(each[2]) == pytest.approx(
        float(objective.generator_loss(fake[2:3], None if paired is None else paired[2:3]))
    )


class Stop(Callback):
    def on_train_batch_end(self, trainer: Trainer, pl_module: Adversarial, *_: object) -> None:
        trainer.should_stop = pl_module.counters["updates"] >= (pl_module.max_updates or 0)


def fit(model: Adversarial, data: Batch, updates: int) -> Adversarial:
    model.max_updates = updates
    trainer = Trainer(
        accelerator="cpu", max_epochs=10_000, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, enable_model_summary=False,
        limit_val_batches=0, callbacks=[Stop()],
    )  # fmt: skip
    loader = TrainLoader(data, batch_size=16, seed=0)
    with quiet_lightning():
        trainer.fit(model, Beats(loader), EvalLoader(data, batch_size=16))  # type: ignore[arg-type]
    return model


def test_it_learns_the_frequencies_of_one_cell() -> None:
    """Three quarters of one symbol, a quarter of another, none of the other two."""
    kind = Categorical((1,), (4,))
    data = Batch(torch.tensor([2, 2, 2, 0]).repeat(16).unsqueeze(1))

    def rate(parameters: object) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=0.02, betas=(0.5, 0.9))  # type: ignore[arg-type]

    model = model_of(kind, generator_optimizer=rate, discriminator_optimizer=rate)

    def shares() -> Tensor:
        x = model.sample(4000, generator=torch.Generator().manual_seed(0))
        return torch.bincount(x.flatten(), minlength=4) / 4000

    before = float(shares()[[0, 2]].sum())
    fit(model, data, 400)
    after = shares()
    assert before < 0.8
    assert float(after[1] + after[3]) < 0.05
    assert 0.5 < float(after[2]) < 0.95
    assert float(after[0]) > 0.05


def test_what_the_discriminator_sees_is_hard() -> None:
    kind = Categorical((3, 2), (4, 3))
    model = model_of(kind)
    made = model.fake(torch.randn(6, LATENT), {})
    assert not made.requires_grad
    assert set(made.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(kind.features(kind.from_features(made)), made)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"techniques": {"matching": FeatureMatching()}},
            r"^model\.techniques\.matching \(FeatureM",
        ),
        (
            {"techniques": {"seeking": ModeSeeking()}},
            r"^model\.techniques\.seeking \(ModeSeeking\)",
        ),
        ({"techniques": {"unrolled": Unrolled(2)}}, r"needs gradients through examples, which"),
        (
            {"discriminator": lambda *s: MLPDiscriminator(*s, minibatch="standard_deviation")},
            r"^model\.relaxation=Reinforce rewards each example for its own score, which this disc",
        ),
        (
            {"discriminator": lambda *s: WithBatchNorm(*s)},
            r"leave minibatch layers and batch normalisation out of it\.$",
        ),
    ],
)
def test_what_needs_gradients_through_examples_is_refused(
    options: dict[str, object], sentence: str
) -> None:
    kind = Categorical((2,), (3,))
    with pytest.raises(UserError, match=sentence):
        model_of(kind, **options)
    model_of(kind, **{**options, "relaxation": None})  # it goes with a relaxation


class WithBatchNorm(MLPDiscriminator):
    def __init__(self, *shapes: object) -> None:
        super().__init__(*shapes, hidden=(4,))  # type: ignore[arg-type]
        self.body.append(nn.BatchNorm1d(4))


def test_real_values_and_other_paradigms_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"^model\.relaxation=Reinforce is for discrete music; real"
    ):
        model_of(Normal((1, 2)))
    with pytest.raises(UserError, match=r"gives no gradients through examples, which IMLE needs"):
        ImplicitMaximumLikelihood(Categorical((2,), (3,)), relaxation=Reinforce())
    assert model_of(Categorical((2,), (3,)), techniques={"noise": InstanceNoise()}).techniques
