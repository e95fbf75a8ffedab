"""What every paradigm shares: counters, and an evaluation that adds up over batches."""

from __future__ import annotations

import math

import pytest
import torch

from partimento.data.batch import Batch
from partimento.distributions import Categorical
from partimento.metrics.grid import GridAccuracy
from partimento.models import Feedforward
from partimento.models.base import Model

GRID = Categorical((4, 2), (5, 6), ["upper", "lower"])


@pytest.fixture
def model() -> Feedforward:
    torch.manual_seed(0)
    return Feedforward(GRID, metrics={"grid": GridAccuracy(GRID.names, [4, 5])}, given=["upper"])


def batch_of(count: int, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    columns = [torch.randint(size, (count, 4), generator=generator) for size in (5, 6)]
    return Batch(torch.stack(columns, dim=-1))


def evaluated(model: Model, batches: list[Batch]) -> dict[str, float]:
    """Return what a validation over these batches sends to the loggers."""
    sent: dict[str, float] = {}
    model.emit = sent.update  # type: ignore[method-assign]
    model.log_dict = lambda *arguments, **keywords: None  # type: ignore[method-assign]
    with torch.no_grad():
        for index, batch in enumerate(batches):
            model.validation_step(batch, index)
    model.on_validation_epoch_end()
    return sent


def test_two_models_share_no_counter(model):
    other = Feedforward(GRID, given=["upper"])
    model.count(updates=2, batches_seen=3, examples_seen=40)
    assert model.counters == {"updates": 2, "batches_seen": 3, "examples_seen": 40, "epochs": 0}
    assert other.counters == dict.fromkeys(Model.COUNTERS, 0)
    model.counters["updates"] = 9  # a copy; the model's own stay
    assert model.counters["updates"] == 2


def test_counters_travel_with_the_weights(model):
    model.count(updates=2, batches_seen=3, examples_seen=40, epochs=1)
    other = Feedforward(GRID, metrics={"grid": GridAccuracy(GRID.names, [4, 5])}, given=["upper"])
    other.load_state_dict(model.state_dict())
    other.restore_counters()
    assert other.counters == model.counters
    checkpoint: dict = {"loops": {}}
    model.on_save_checkpoint(checkpoint)
    third = Feedforward(GRID, given=["upper"])
    third.on_load_checkpoint(checkpoint)
    assert third.counters == model.counters
    assert "loops" not in checkpoint
    assert Categorical.from_state(checkpoint["partimento"]["distribution"]) == GRID


def test_an_evaluation_is_the_same_however_the_batches_are_cut(model):
    """A mean of batches' means would weigh the last, smaller batch too much."""
    whole = batch_of(25)
    cut = [whole[slice(0, 20)], whole[slice(20, 24)], whole[slice(24, 25)]]
    one, three = evaluated(model, [whole]), evaluated(model, cut)
    assert one == pytest.approx(three, rel=1e-6)
    log_prob, prediction, mask = model.evaluate(whole)
    assert one["valid/nll"] == pytest.approx(-log_prob.sum().item() / 100, rel=1e-6)
    right = (prediction == whole.x)[mask].double().mean().item()
    assert one["valid/accuracy"] == pytest.approx(right, rel=1e-6)


def test_one_evaluation_leaves_nothing_to_the_next(model):
    first = evaluated(model, [batch_of(8, seed=1)])
    evaluated(model, [batch_of(8, seed=2)])
    assert evaluated(model, [batch_of(8, seed=1)]) == first


def test_what_is_no_number_is_not_left_out_of_the_sum(model):
    """Else a diverged model would have the nll of nothing at all, 0, and be the best."""
    with torch.no_grad():
        next(model.network.parameters()).fill_(math.nan)
    assert math.isnan(evaluated(model, [batch_of(8)])["valid/nll"])
