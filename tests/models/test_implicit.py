"""IMLE: what is matched, where updates go, and that no mode of the data is dropped."""

from __future__ import annotations

import math

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

from partimento.data.batch import Batch
from partimento.data.loader import Beats, EvalLoader, TrainLoader
from partimento.distributions import Categorical, Normal
from partimento.errors import UserError
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.networks import MLP
from partimento.runs.quiet import quiet_lightning

POINTS = Normal((1, 2))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def ring(count: int = 256, modes: int = 8) -> Batch:
    """Points on a circle, close to eight places."""
    draw = torch.Generator().manual_seed(0)
    angle = torch.arange(count) % modes * (2 * math.pi / modes)
    centres = torch.stack([angle.cos(), angle.sin()], dim=1)
    return Batch((centres + 0.01 * torch.randn(count, 2, generator=draw)).unsqueeze(1))


def model_of(**options: object) -> ImplicitMaximumLikelihood:
    torch.manual_seed(0)
    settings = {
        "generator": lambda *shapes: MLP(*shapes, hidden=(64, 64)),
        "optimizer": lambda parameters: torch.optim.Adam(parameters, lr=2e-3),
        "latent": 2,
    }
    return ImplicitMaximumLikelihood(POINTS, **{**settings, **options})  # type: ignore[arg-type]


class Stop(Callback):
    def on_train_batch_end(self, trainer: Trainer, pl_module: object, *_: object) -> None:
        trainer.should_stop = pl_module.counters["updates"] >= pl_module.max_updates  # type: ignore[attr-defined]


def fit(model: ImplicitMaximumLikelihood, data: Batch, updates: int) -> ImplicitMaximumLikelihood:
    model.max_updates = updates
    loader = TrainLoader(data, batch_size=64, seed=0)
    trainer = Trainer(
        accelerator="cpu", max_epochs=10_000, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        limit_val_batches=0, callbacks=[Stop()],
    )  # fmt: skip
    with quiet_lightning():
        trainer.fit(model, Beats(loader), EvalLoader(data, batch_size=64))  # type: ignore[arg-type]
    return model


def distance_to_samples(model: ImplicitMaximumLikelihood, data: Batch) -> Tensor:
    """Return how far each real point is from the nearest of 2,000 samples."""
    made = model.sample(2000, generator=torch.Generator().manual_seed(1)).flatten(1)
    return torch.cdist(data.x.flatten(1), made).min(1).values


def test_the_chosen_code_is_the_nearest_of_the_whole_pool() -> None:
    model, batches = model_of(pool=5), [ring(16), ring(8)]
    matched = model.match(batches, torch.Generator().manual_seed(7))
    codes = model.codes(5 * 24, torch.Generator().manual_seed(7))
    with torch.no_grad():
        made = model.generator(codes, {}).flatten(1)
    for batch, found in zip(batches, matched, strict=True):
        pairs = (batch.x.flatten(1).unsqueeze(1) - made).square().sum(-1)
        assert torch.equal(found, codes[pairs.argmin(1)])


def test_one_matching_serves_its_updates_and_no_more() -> None:
    calls = []

    class Counting(ImplicitMaximumLikelihood):
        def match(self, batches: list[Batch], latents: torch.Generator) -> list[Tensor]:
            calls.append(len(batches))
            return super().match(batches, latents)

    torch.manual_seed(0)
    model = Counting(POINTS, latent=2, batches=2, rematch=6)
    fit(model, ring(), 15)
    assert calls == [2, 2, 2]  # 6 + 6 + 3 updates
    assert model.counters["updates"] == 15
    assert model.counters["batches_seen"] == 6


def test_no_mode_is_dropped() -> None:
    data = ring()
    before = distance_to_samples(model_of(), data)
    after = distance_to_samples(fit(model_of(), data, 1200), data)
    assert float(before.max()) > 0.5
    assert float(after.max()) < 0.1


def test_with_conditions_each_example_has_a_pool_of_its_own() -> None:
    class Shift(nn.Module):
        """The condition decides on the first coordinate, the code on the second."""

        def __init__(self, *shapes: object) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, z: Tensor, condition: dict[str, Tensor]) -> Tensor:
            first = condition["side"].flatten(1)[:, 1:2] * 10
            return torch.cat([first, self.scale * z[:, :1]], 1).unsqueeze(1)

    side = Categorical((1,), (2,))
    model = ImplicitMaximumLikelihood(POINTS, {"side": side}, generator=Shift, latent=1, pool=200)
    x = torch.tensor([[[0.0, 0.5]], [[10.0, -0.5]]])
    batch = Batch(x, condition={"side": torch.tensor([[0], [1]])})
    (codes,) = model.match([batch], torch.Generator().manual_seed(0))
    torch.testing.assert_close(codes[:, 0], torch.tensor([0.5, -0.5]), atol=0.05, rtol=0)


def test_requests_that_it_cannot_serve() -> None:
    with pytest.raises(UserError, match=r"z must have the shape \(n, 2\)"):
        model_of().sample(z=torch.zeros(1, 3))
    with pytest.raises(UserError, match="keeps no averaged weights"):
        model_of().sample(1, weights="ema")
