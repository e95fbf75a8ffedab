"""Next events before the game: bit for bit what a plain loop gives, then the game as without."""

from __future__ import annotations

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn
from torch.nn import functional as F

from partimento.data.batch import Batch
from partimento.data.loader import Beats, EvalLoader, TrainLoader, epoch_order
from partimento.distributions import Categorical, Distribution, Normal
from partimento.errors import UserError
from partimento.losses.objectives import NonSaturating
from partimento.models.adversarial import Adversarial
from partimento.models.pretraining import NextEvent
from partimento.models.techniques import FeatureMatching, Freezing
from partimento.networks import MLP
from partimento.networks.recurrent import RecurrentDiscriminator, RecurrentGenerator
from partimento.runs.quiet import quiet_lightning
from partimento.seeds import stream_seed
from partimento.studies.stacked import StackedAdversarial

EVENTS = Normal((6, 2), scale=2.0, loc=1.0)
COUNT, BATCH, LATENT = 20, 5, 12
PER_EPOCH = COUNT // BATCH


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def examples(distribution: Distribution = EVENTS) -> Batch:
    draw = torch.Generator().manual_seed(1)
    if isinstance(distribution, Categorical):
        return Batch(torch.randint(0, 4, (COUNT, 6), generator=draw))
    return Batch(torch.randn(COUNT, 6, 2, generator=draw))


def sgd(parameters: object) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1)  # type: ignore[arg-type]


def model_of(distribution: Distribution = EVENTS, **options: object) -> Adversarial:
    torch.manual_seed(3)
    settings: dict[str, object] = {
        "generator": lambda *shapes: RecurrentGenerator(*shapes, hidden=(8,), code="steps"),
        "discriminator": lambda *shapes: RecurrentDiscriminator(*shapes, hidden=(5,)),
        "generator_optimizer": sgd,
        "discriminator_optimizer": sgd,
        "latent": LATENT,
        "latent_kind": "unit",
    }
    model = Adversarial(distribution, **{**settings, **options})  # type: ignore[arg-type]
    model.seed = 3
    return model


class Stop(Callback):
    def on_train_batch_end(self, trainer: Trainer, pl_module: Adversarial, *_: object) -> None:
        trainer.should_stop = pl_module.counters["updates"] >= (pl_module.max_updates or 0)


def fit(model: Adversarial, updates: int) -> Adversarial:
    model.max_updates = updates
    data = examples(model.distribution)
    loader = TrainLoader(data, batch_size=BATCH, seed=model.seed)
    trainer = Trainer(
        accelerator="cpu", max_epochs=1000, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, enable_model_summary=False,
        callbacks=[Stop()],
    )  # fmt: skip
    with quiet_lightning():
        trainer.fit(model, Beats(loader), EvalLoader(data, batch_size=COUNT))  # type: ignore[arg-type]
    return model


def foretold(network: nn.Module, codes: Tensor, real: Tensor) -> Tensor:
    """Each event from the real one before it, as a loop over the generator's own cells."""
    assert isinstance(network, RecurrentGenerator)
    states = network.stack.start(codes)
    before, outputs = torch.zeros(len(real), real.shape[2]), []
    for step in range(real.shape[1]):
        hidden, states = network.stack.step(torch.cat([codes[:, step], before], 1), states)
        outputs.append(network.output(hidden))
        before = real[:, step]
    return torch.stack(outputs, dim=1)


def reference(model: Adversarial, updates: int, growth: int) -> nn.Module:
    """The paper's schema: squared errors, from random places, in sequences that grow by the epoch."""
    generator, optimizer = model.generator, sgd(model.generator.parameters())
    data = (examples().x - 1.0) / 2.0
    for index in range(updates):
        epoch, batch = divmod(index, PER_EPOCH)
        rows = epoch_order(COUNT, model.seed, epoch)[batch * BATCH : (batch + 1) * BATCH]
        torch.manual_seed(stream_seed(model.seed, "noise", index + 1))
        length = min(6, growth * (epoch + 1))
        begin = int(torch.randint(6 - length + 1, ()))
        latents = torch.Generator().manual_seed(stream_seed(model.seed, "latent", index + 1))
        codes = torch.rand(BATCH, LATENT, generator=latents).reshape(BATCH, 6, 2)
        window = slice(begin, begin + length)
        real = data[rows][:, window]
        loss = (foretold(generator, codes[:, window], real) - real).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return generator


def test_weights_are_those_of_the_papers_schema() -> None:
    updates = 4 * PER_EPOCH  # lengths 2, 4, 6 and 6
    expected = reference(model_of(), updates, 2)
    model = fit(model_of(pretraining=NextEvent(epochs=4, growth=2)), updates)
    for one, other in zip(expected.parameters(), model.generator.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    untouched = model_of().discriminator
    for one, other in zip(untouched.parameters(), model.discriminator.parameters(), strict=True):
        assert torch.equal(one, other)
    assert model.counters["discriminator_updates"] == model.counters["iterations"] == 0
    assert model.counters["batches_seen"] == model.counters["updates"] == updates


def test_the_game_begins_after_its_epochs() -> None:
    model = fit(
        model_of(pretraining=NextEvent(epochs=2, growth=2), discriminator_steps={0: 1, 2: 2}), 12
    )
    # Eight updates alone; then a schedule of the game, counted from its own beginning.
    assert model.counters["iterations"] == 4
    assert model.counters["discriminator_updates"] == 1 + 1 + 2 + 2
    assert model.counters["batches_seen"] == 8 + 6


def test_no_epochs_are_no_pretraining() -> None:
    plain, none = (fit(model_of(pretraining=p), 3) for p in (None, NextEvent(epochs=0)))
    for one, other in zip(plain.parameters(), none.parameters(), strict=True):
        assert torch.equal(one, other)


def test_symbols_are_foretold_by_likelihood() -> None:
    tokens = Categorical((6,), (4,))
    generator = lambda *shapes: RecurrentGenerator(*shapes, hidden=(8,), feedback="softmax")  # noqa: E731
    model = model_of(tokens, generator=generator, latent=3)
    real = examples(tokens)
    model.begin_attempt()
    loss = NextEvent(growth=6).loss(model, real, 0)
    model._position["attempts"] = 0
    model.begin_attempt()
    torch.randint(1, ())
    logits = model.generator.forced(model.codes(COUNT), F.one_hot(real.x, 4).float())
    torch.testing.assert_close(loss, F.cross_entropy(logits.flatten(0, 1), real.x.flatten()))


def test_averaged_weights_follow_from_the_first_update_on() -> None:
    model = fit(model_of(pretraining=NextEvent(epochs=9), ema=0.5), 2)
    assert model.generator_ema is not None
    pairs = zip(model.generator_ema.parameters(), model_of().generator.parameters(), strict=True)
    assert not all(torch.equal(average, first) for average, first in pairs)


def test_a_generator_that_foretells_nothing_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"^model.pretraining foretells each event.*which MLP does not"
    ):
        model_of(generator=MLP, pretraining=NextEvent())
    deaf = lambda *shapes: RecurrentGenerator(*shapes, hidden=(8,), feedback="none")  # noqa: E731
    with pytest.raises(UserError, match=r"feedback=none tells RecurrentGenerator nothing"):
        model_of(generator=deaf, pretraining=NextEvent())


def test_it_is_no_part_of_a_stack() -> None:
    model = model_of(pretraining=NextEvent())
    with pytest.raises(UserError, match="the part 'pretraining' cannot be stacked"):
        StackedAdversarial([model], torch.zeros(4, 6, 2), 2)


# -- what the paper puts in the place of the generator's loss ------------------------------------


class Noting(Adversarial):
    """Notes the generator's gradient and stays where it is."""

    gradient: Tensor

    def descend(self, loss: Tensor, index: int | None = None) -> None:
        if not index:
            found = torch.autograd.grad(loss, list(self.generator.parameters()))
            self.gradient = torch.cat([g.flatten() for g in found])


def test_matched_pairs_take_the_place_of_the_generators_loss() -> None:
    technique = FeatureMatching(weight=0.5, pairs=True, objective_weight=0.0)
    torch.manual_seed(3)
    model = Noting(
        EVENTS, generator=lambda *s: RecurrentGenerator(*s, hidden=(8,), code="steps"),
        discriminator=lambda *s: RecurrentDiscriminator(*s, hidden=(5,)), latent=LATENT,
        techniques={"matching": technique}, objective=NonSaturating(),
    )  # fmt: skip
    real = Batch(examples().x[:BATCH])
    model.begin_attempt()
    codes = model.codes(BATCH)
    made = model.discriminator(model.generator(codes))[1]
    shown = model.discriminator(EVENTS.features(real.x))[1]
    loss = 0.5 * sum((shown[i].detach() - made[i]).square().sum() for i in range(BATCH)) / BATCH
    expected = torch.autograd.grad(loss, list(model.generator.parameters()))
    model._position["attempts"] = 0
    model.update_generator(real)
    torch.testing.assert_close(model.gradient, torch.cat([g.flatten() for g in expected]))


def test_freezing_compares_the_losses_of_the_game() -> None:
    """Whatever the features' distance, far below or above the discriminator's loss."""
    for weight in (1e-6, 1e6):
        model = model_of(
            techniques={
                "matching": FeatureMatching(weight=weight, pairs=True, objective_weight=0.0),
                "freezing": Freezing(0.01),
            }
        )
        fitted = fit(model, 4)
        assert fitted.counters["discriminator_updates"] == fitted.counters["updates"] == 4
        assert float(fitted.scoreboard.last[1]) < 3  # softplus of a score near 0
