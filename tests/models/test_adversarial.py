"""Goodfellow's algorithm: against an independent loop, bit for bit, and what may move when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn
from torch.nn import functional as F

from partimento.data.batch import Batch
from partimento.data.loader import Beats, EvalLoader, TrainLoader, epoch_order
from partimento.distributions import Categorical
from partimento.models.adversarial import Adversarial
from partimento.models.techniques import packed
from partimento.networks import MLP, MLPDiscriminator
from partimento.runs.quiet import quiet_lightning
from partimento.seeds import stream_seed

GRID = Categorical((4, 2), (5, 3), names=("a", "b"))
COUNT, BATCH, LATENT = 40, 8, 6


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def examples() -> Batch:
    draw = torch.Generator().manual_seed(1)
    columns = [torch.randint(0, size, (COUNT, 4), generator=draw) for size in GRID.sizes]
    return Batch(torch.stack(columns, dim=-1))


def adam(parameters: object) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=1e-2, betas=(0.5, 0.999))  # type: ignore[arg-type]


def model_of(seed: int = 3, **options: object) -> Adversarial:
    torch.manual_seed(seed)
    settings = {
        "generator": lambda *shapes: MLP(*shapes, hidden=(16,)),
        "discriminator": lambda *shapes: MLPDiscriminator(*shapes, hidden=(16,), dropout=0.3),
        "generator_optimizer": adam,
        "discriminator_optimizer": adam,
        "latent": LATENT,
    }
    model = Adversarial(GRID, **{**settings, **options})  # type: ignore[arg-type]
    model.seed = seed
    return model


def fit(model: Adversarial, updates: int) -> Adversarial:
    model.max_updates = updates
    loader = TrainLoader(examples(), batch_size=BATCH, seed=model.seed)
    trainer = Trainer(
        accelerator="cpu", max_epochs=1000, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, enable_model_summary=False, callbacks=[Stop()],
    )  # fmt: skip
    with quiet_lightning():
        trainer.fit(model, Beats(loader), EvalLoader(examples(), batch_size=COUNT))  # type: ignore[arg-type]
    return model


class Stop(Callback):
    def on_train_batch_end(self, trainer: Trainer, pl_module: Adversarial, *_: object) -> None:
        most = pl_module.max_updates
        trainer.should_stop = most is not None and pl_module.counters["updates"] >= most


def reference(model: Adversarial, iterations: int, k: int) -> tuple[nn.Module, nn.Module]:
    """Goodfellow et al. 2014, algorithm 1, written from the paper, on the same random streams."""
    generator, discriminator = model.generator, model.discriminator
    adam_g, adam_d = adam(generator.parameters()), adam(discriminator.parameters())
    data, place, attempt = examples().x, 0, 0

    def one_hot(x: Tensor) -> Tensor:
        return torch.cat([F.one_hot(x[..., v], n) for v, n in enumerate(GRID.sizes)], -1).float()

    def streams() -> torch.Generator:
        nonlocal attempt
        attempt += 1
        torch.manual_seed(stream_seed(model.seed, "noise", attempt))
        return torch.Generator().manual_seed(stream_seed(model.seed, "latent", attempt))

    def make(count: int, latents: torch.Generator) -> Tensor:
        logits = generator(torch.randn(count, LATENT, generator=latents))
        uniform = torch.rand(logits.shape)
        uniform = uniform.clamp(torch.finfo(torch.float32).tiny, 1 - torch.finfo(torch.float32).eps)
        noisy = logits - torch.log(-torch.log(uniform))
        soft = torch.cat([v.softmax(-1) for v in noisy.split(GRID.sizes, -1)], -1)
        tops = [F.one_hot(v.argmax(-1), v.shape[-1]) for v in soft.split(GRID.sizes, -1)]
        return torch.cat(tops, -1).float() + (soft - soft.detach())

    for _ in range(iterations):
        for _ in range(k):
            latents = streams()
            epoch, index = divmod(place, COUNT // BATCH)
            rows = epoch_order(COUNT, model.seed, epoch)[index * BATCH : (index + 1) * BATCH]
            place += 1
            with torch.no_grad():
                fake = make(BATCH, latents)
            real_score, fake_score = discriminator(one_hot(data[rows]))[0], discriminator(fake)[0]
            loss = F.softplus(-real_score).mean() + F.softplus(fake_score).mean()
            adam_d.zero_grad()
            loss.backward()
            adam_d.step()
        loss = F.softplus(-discriminator(make(BATCH, streams()))[0]).mean()
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
    return generator, discriminator


def weights(*networks: nn.Module) -> list[Tensor]:
    return [value for network in networks for value in network.state_dict().values()]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_weights_are_those_of_the_algorithm(k: int) -> None:
    expected = weights(*reference(model_of(), 20, k))
    trained = fit(model_of(discriminator_steps=k), 20)
    found = weights(trained.generator, trained.discriminator)
    assert trained.counters["updates"] == 20
    assert trained.counters["discriminator_updates"] == 20 * k
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one, other)


class Spy(Adversarial):
    """Notes what each update saw and moved."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.seen: list[Tensor] = []
        self.moved: list[tuple[str, bool, bool]] = []
        self.drawn: list[Tensor] = []

    def _watched(self, name: str, update: Callable[[Batch], None], real: Batch) -> None:
        before = [
            [p.clone() for p in net.parameters()] for net in (self.generator, self.discriminator)
        ]
        update(real)
        networks = (self.generator, self.discriminator)
        changed = [
            any(not torch.equal(a, b) for a, b in zip(old, net.parameters(), strict=True))
            for old, net in zip(before, networks, strict=True)
        ]
        self.moved.append((name, changed[0], changed[1]))

    def update_discriminator(self, real: Batch) -> None:
        self.seen.append(real.x)
        self._watched("discriminator", super().update_discriminator, real)

    def update_generator(self, real: Batch) -> None:
        self._watched("generator", super().update_generator, real)

    def codes(self, count: int) -> Tensor:
        self.drawn.append(super().codes(count))
        return self.drawn[-1]


def spy_of(**options: object) -> Spy:
    plain = model_of(**options)
    torch.manual_seed(3)
    settings = {
        "generator": lambda *shapes: MLP(*shapes, hidden=(16,)),
        "discriminator": lambda *shapes: MLPDiscriminator(*shapes, hidden=(16,), dropout=0.3),
        "generator_optimizer": adam, "discriminator_optimizer": adam, "latent": LATENT,
    }  # fmt: skip
    model = Spy(GRID, **{**settings, **options})
    model.seed = plain.seed
    return model


def test_each_discriminator_update_sees_fresh_data_and_codes() -> None:
    model = fit(spy_of(discriminator_steps=5), 4)  # type: ignore[arg-type]
    assert [name for name, _, _ in model.moved] == (["discriminator"] * 5 + ["generator"]) * 4
    # An epoch has five batches of other examples; then every example comes again, in another order.
    epoch = torch.cat(model.seen[:5])
    assert sorted(map(str, epoch.tolist())) == sorted(map(str, examples().x.tolist()))
    assert not torch.equal(model.seen[0], model.seen[5])
    assert model.counters["examples_seen"] == 20 * BATCH
    codes = torch.stack(model.drawn)
    assert len(codes.flatten(1).unique(dim=0)) == 24


def test_only_the_player_that_is_updated_moves() -> None:
    model = fit(spy_of(discriminator_steps=2, generator_steps=2), 6)  # type: ignore[arg-type]
    for name, generator, discriminator in model.moved:
        assert (generator, discriminator) == (name == "generator", name == "discriminator")


def test_a_schedule_freezes_the_discriminator_for_a_window() -> None:
    model = fit(spy_of(discriminator_steps={0: 2, 3: 0, 5: 1}), 7)  # type: ignore[arg-type]
    names = "".join(name[0] for name, _, _ in model.moved)
    assert names == "ddg" * 3 + "g" * 2 + "dg" * 2
    assert model.counters["discriminator_updates"] == 8


def test_examples_judged_together_are_joined_along_the_last_axis() -> None:
    features = torch.arange(5 * 2 * 3.0).reshape(5, 2, 3)
    joined = packed(features, 2)
    assert joined.shape == (2, 2, 6)  # the fifth is left out
    torch.testing.assert_close(joined[0, :, :3], features[0])
    torch.testing.assert_close(joined[0, :, 3:], features[1])
    torch.testing.assert_close(joined[1, :, 3:], features[3])
    points = torch.arange(8.0).reshape(4, 1, 2)
    assert packed(points, 4).tolist() == [[[0, 1, 2, 3, 4, 5, 6, 7]]]


def test_averaged_weights_follow_and_are_what_is_sampled() -> None:
    model = fit(model_of(ema=0.5), 3)
    assert model.generator_ema is not None
    assert not torch.equal(weights(model.generator)[0], weights(model.generator_ema)[0])
    z = torch.randn(64, LATENT)

    def draw(which: str | None) -> Tensor:
        return model.sample(z=z, weights=which, generator=torch.Generator().manual_seed(0))

    assert torch.equal(draw(None), draw("ema"))
    assert not torch.equal(draw("ema"), draw("raw"))


def test_samples_are_symbols_of_the_alphabet() -> None:
    x = model_of().sample(50, generator=torch.Generator().manual_seed(0))
    assert x.shape == (50, 4, 2)
    assert x.dtype == torch.int64
    assert (x >= 0).all()
    assert (x < torch.tensor(GRID.sizes)).all()
