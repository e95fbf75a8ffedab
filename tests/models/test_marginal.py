"""The marginal model: frequencies in closed form, samples that follow them, refusals."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.strategies import DDPStrategy

from partimento.data.batch import Batch, Given
from partimento.data.loader import TrainLoader
from partimento.distributions import Bernoulli, Categorical, Distribution, Normal
from partimento.errors import Mismatch, UserError
from partimento.models.marginal import Marginal, count_cells

FRAMES = Bernoulli((None, 3))
GRID = Categorical((4, 2), (2, 3), ["upper", "lower"])
TOKENS = Categorical((None,), (5,))
TUPLES = Normal((None, 2), scale=[2.0, 0.5], loc=[1.0, 0.0])


def fit(model: Marginal, batch: Batch, batch_size: int = 2, epochs: int = 1) -> Marginal:
    """Run the model's training steps over the data without a trainer's loop."""
    model._trainer = SimpleNamespace(world_size=1, current_epoch=0)  # type: ignore[assignment]
    source = TrainLoader(batch, batch_size=batch_size, seed=0, trim=True)
    for _ in range(epochs):
        while model.counters["batches_seen"] < (model.current_epoch + 1) * source.per_epoch:
            model.training_step(source, 0)
        model._trainer.current_epoch += 1
    model._trainer = None
    return model


def ragged_frames() -> Batch:
    """Five valid frames of three keys that sound 4, 1 and 0 times; the padding would say otherwise."""
    x = torch.tensor([[[1, 0, 0], [1, 1, 0], [1, 0, 0]], [[1, 0, 0], [0, 0, 0], [1, 1, 1]]])
    return Batch(x.to(torch.uint8), lengths=torch.tensor([3, 2]))


def nll(model: Marginal, batch: Batch) -> float:
    log_prob, _, mask = model.evaluate(batch)
    return float(-log_prob.sum(dtype=torch.float64) / model.distribution.count(mask))


def test_frames_in_closed_form():
    """Keys sound with probability 4.5/6, 1.5/6 and 0.5/6."""
    model = fit(Marginal(FRAMES), ragged_frames(), batch_size=1)
    p = torch.tensor([4.5, 1.5, 0.5]) / 6
    ones = torch.tensor([4, 1, 0])
    expected = -float((ones * p.log() + (5 - ones) * (1 - p).log()).sum()) / 5
    assert nll(model, ragged_frames()) == pytest.approx(expected, rel=1e-6)
    prediction = model.evaluate(ragged_frames()).prediction
    assert prediction[0].tolist() == [[1, 0, 0]] * 3
    assert model.counters["updates"] == 2


def test_a_grid_in_closed_form_per_voice():
    x = torch.tensor([[[0, 2], [1, 2], [1, 0], [1, 2]]])
    model = fit(Marginal(GRID), Batch(x))
    upper = torch.tensor([1.5, 3.5]) / 5
    lower = torch.tensor([1.5, 0.5, 3.5]) / 5.5
    log_prob = model.evaluate(Batch(x)).log_prob
    expected = torch.stack([upper[x[..., 0]].log(), lower[x[..., 1]].log()], dim=-1)
    torch.testing.assert_close(log_prob, expected)
    assert model.evaluate(Batch(x)).prediction[0].tolist() == [[1, 2]] * 4


def test_tokens_in_closed_form():
    x = torch.tensor([[4, 4, 1, 0], [4, 0, 0, 0]])
    batch = Batch(x, lengths=torch.tensor([3, 1]))
    model = fit(Marginal(TOKENS), batch)
    expected = -(3 * math.log(3.5 / 6.5) + math.log(1.5 / 6.5)) / 4
    assert nll(model, batch) == pytest.approx(expected, rel=1e-6)


def test_real_values_in_closed_form():
    """The likelihood is highest at the data's own mean and variance, in their own units."""
    stream = torch.Generator().manual_seed(0)
    x = 3 + 4 * torch.randn(6, 5, 2, generator=stream)
    batch = Batch(x, lengths=torch.tensor([5, 5, 5, 2, 1, 0]))
    model = fit(Marginal(TUPLES), batch)
    valid = x[batch.step_mask()].double()
    variance = valid.var(dim=0, correction=0)
    expected = 0.5 * (1 + torch.log(2 * math.pi * variance)).sum()
    assert nll(model, batch) == pytest.approx(float(expected), rel=1e-5)
    best = model.evaluate(batch).prediction[0, 0]
    torch.testing.assert_close(best.double(), valid.mean(0), rtol=1e-5, atol=1e-5)


def test_before_any_data_all_is_equally_likely():
    assert nll(Marginal(FRAMES), ragged_frames()) == pytest.approx(3 * math.log(2))
    x = torch.zeros(1, 4, 2, dtype=torch.long)
    log_prob = Marginal(GRID).evaluate(Batch(x)).log_prob
    torch.testing.assert_close(log_prob[0, 0], -torch.log(torch.tensor([2.0, 3.0])))
    values = torch.ones(1, 1, 2)
    plain = TUPLES.log_prob(torch.zeros(1, 1, 2), values)
    torch.testing.assert_close(Marginal(TUPLES).evaluate(Batch(values)).log_prob, plain)


def test_a_second_pass_counts_nothing_twice():
    once, twice = (fit(Marginal(FRAMES), ragged_frames(), epochs=n) for n in (1, 3))
    assert torch.equal(once.counts, twice.counts)
    assert twice.counters["batches_seen"] == 3


def test_counts_add_up_however_the_data_are_cut():
    whole = ragged_frames()
    mask = whole.step_mask().unsqueeze(-1).expand(whole.x.shape)
    parts = [count_cells(FRAMES, whole.x[i : i + 1], mask[i : i + 1]) for i in range(2)]
    assert torch.equal(count_cells(FRAMES, whole.x, mask), parts[0] + parts[1])


def test_given_cells_are_neither_counted_nor_judged():
    x = torch.tensor([[[0, 2], [1, 2], [1, 0], [1, 2]]])
    given = torch.zeros_like(x, dtype=torch.bool)
    given[..., 0] = True
    model = fit(Marginal(GRID), Batch(x, given=given))
    assert model.counts.tolist() == [0, 0, 1, 0, 3]
    log_prob, _, mask = model.evaluate(Batch(x, given=given))
    assert torch.equal(mask, ~given)
    assert (log_prob[..., 0] == 0).all()


@pytest.mark.parametrize("distribution", [FRAMES, GRID, TOKENS, TUPLES])
def test_samples_have_the_shape_and_the_frequencies(distribution: Distribution):
    stream = torch.Generator().manual_seed(1)
    shape = [4 if size is None else size for size in distribution.shape]
    if isinstance(distribution, Categorical):
        x = torch.randint(2, (500, *shape), generator=stream)
    else:
        x = (torch.rand(500, *shape, generator=stream) < 0.2).to(distribution.dtype)
    model = fit(Marginal(distribution), Batch(x), batch_size=100)
    lengths = torch.full((3000,), 4) if distribution.shape[0] is None else None
    n = None if lengths is not None else 3000
    drawn = model.sample(n, lengths=lengths, generator=torch.Generator().manual_seed(2))
    assert drawn.shape == (3000, *shape)
    assert drawn.dtype == distribution.dtype
    mean, true = drawn.double().mean((0, 1)), x.double().mean((0, 1))
    np.testing.assert_allclose(mean.numpy(), true.numpy(), atol=0.03)
    spread = drawn.double().std((0, 1))
    np.testing.assert_allclose(spread.numpy(), x.double().std((0, 1)).numpy(), atol=0.03)


def test_what_is_given_is_kept_and_what_is_over_is_silent():
    model = fit(Marginal(FRAMES), ragged_frames())
    x = torch.tensor([[[0, 1, 1], [1, 1, 1]]], dtype=torch.uint8)
    given = Given(x, x == 1)
    drawn = model.sample(5, given=given, generator=torch.Generator().manual_seed(0))
    assert (drawn[:, given.mask[0]] == 1).all()
    ended = model.sample(lengths=torch.tensor([3, 1]), temperature=0.0)
    assert ended.tolist() == [[[1, 0, 0]] * 3, [[1, 0, 0], [0, 0, 0], [0, 0, 0]]]


def test_what_it_cannot_honour_is_refused():
    model = Marginal(FRAMES)
    with pytest.raises(UserError, match="pass lengths"):
        model.sample(2)
    with pytest.raises(UserError, match="has no use for z"):
        model.sample(2, z=torch.zeros(2, 3), lengths=torch.tensor([2, 2]))
    with pytest.raises(UserError, match="no averaged weights"):
        model.sample(lengths=torch.tensor([2]), weights="ema")
    strategy = DDPStrategy(parallel_devices=[torch.device("cpu")])
    model._trainer = SimpleNamespace(strategy=strategy)  # type: ignore[assignment]
    with pytest.raises(UserError, match="on one process and needs no more: use accelerator=cpu"):
        model.setup("fit")


def test_another_kind_of_distribution_is_a_mismatch():
    stranger: Any = SimpleNamespace(kind="poisson", shape=(None, 3))
    with pytest.raises(Mismatch, match="counts no cells of the kind 'poisson'"):
        Marginal(stranger)
