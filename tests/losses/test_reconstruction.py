"""Losses against closed forms, hand-written sums, and the enumeration of all states."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from partimento.distributions import Bernoulli, Categorical, Normal
from partimento.errors import Mismatch
from partimento.losses.base import Objective
from partimento.losses.reconstruction import (
    SigmoidObjective,
    SoftmaxObjective,
    mean_over,
    negative_log_likelihood,
    one_hot_binary_cross_entropy,
)

SIZES = (3, 5)
GRID = Categorical((4, 2), SIZES, ["upper", "lower"])


def drawn(batch: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    parameters = torch.randn(batch, 4, sum(SIZES), generator=generator, dtype=torch.float64)
    columns = [torch.randint(size, (batch, 4), generator=generator) for size in SIZES]
    return parameters, torch.stack(columns, dim=-1)


def test_mean_over_counts_the_cells_under_the_mask():
    values = torch.tensor([1.0, 2.0, 10.0])
    assert mean_over(values, None) == pytest.approx(13 / 3)
    assert mean_over(values, torch.tensor([True, True, False])) == pytest.approx(1.5)
    assert mean_over(values, torch.zeros(3, dtype=torch.bool)) == 0


def test_equal_logits_give_the_entropy_of_the_alphabets():
    x = drawn()[1]
    loss = SoftmaxObjective()(GRID, torch.zeros(6, 4, 8), x)
    assert loss.item() == pytest.approx((math.log(3) + math.log(5)) / 2, rel=1e-6)


def test_sure_and_right_costs_nothing_and_sure_and_wrong_costs_the_gap():
    x = drawn()[1]
    sure = 50 * GRID.features(x).double()
    assert SoftmaxObjective()(GRID, sure, x).item() == pytest.approx(0, abs=1e-12)
    assert SigmoidObjective()(GRID, sure - 25, x).item() == pytest.approx(0, abs=1e-9)
    wrong = (x + 1) % torch.tensor(SIZES)
    assert SoftmaxObjective()(GRID, sure, wrong).item() == pytest.approx(50, rel=1e-9)


def test_equal_logits_of_sigmoids_cost_log_2_per_unit():
    """The sum over the 3 and 5 units of a cell, averaged over the two voices' cells."""
    x = drawn()[1]
    loss = SigmoidObjective()(GRID, torch.zeros(6, 4, 8), x)
    assert loss.item() == pytest.approx(4 * math.log(2), rel=1e-6)


def test_likelihood_against_a_sum_written_out():
    parameters, x = drawn()
    total = 0.0
    for b, step, voice in itertools.product(range(6), range(4), range(2)):
        logits = parameters[b, step, :3] if voice == 0 else parameters[b, step, 3:]
        total += math.log(sum(math.exp(v) for v in logits)) - logits[x[b, step, voice]].item()
    loss = negative_log_likelihood(GRID, parameters, x)
    assert loss.item() == pytest.approx(total / 48, rel=1e-12)


def test_binary_cross_entropy_against_a_sum_written_out():
    parameters, x = drawn()
    total = 0.0
    for b, step, unit in itertools.product(range(6), range(4), range(8)):
        on = unit == (x[b, step, 0] if unit < 3 else 3 + x[b, step, 1])
        p = 1 / (1 + math.exp(-parameters[b, step, unit]))
        total -= math.log(p if on else 1 - p)
    loss = one_hot_binary_cross_entropy(GRID, parameters, x)
    assert loss.item() == pytest.approx(total / 48, rel=1e-6)


@pytest.mark.parametrize("objective", [SoftmaxObjective(), SigmoidObjective()])
def test_cells_outside_the_mask_count_for_nothing(objective: Objective):
    parameters, x = drawn()
    mask = torch.zeros(x.shape, dtype=torch.bool)
    mask[:, :2] = True
    half = Categorical((2, 2), SIZES, GRID.names)
    expected = objective(half, parameters[:, :2], x[:, :2])
    assert objective(GRID, parameters, x, mask).item() == pytest.approx(expected.item(), rel=1e-12)
    changed = parameters.clone()
    changed[:, 2:] += 7
    assert torch.equal(objective(GRID, changed, x, mask), objective(GRID, parameters, x, mask))


@pytest.mark.parametrize("objective", [SoftmaxObjective(), SigmoidObjective()])
def test_a_token_sequence_is_a_grid_of_one_voice(objective: Objective):
    parameters, x = drawn()
    tokens = Categorical((4,), (3,))
    one = Categorical((4, 1), (3,))
    left = objective(tokens, parameters[..., :3], x[..., 0])
    assert left.item() == objective(one, parameters[..., :3], x[..., :1]).item()


def test_softmax_is_the_law_of_sigmoids_of_which_exactly_one_is_on():
    """All 2^5 states of independent units, weighed by their probabilities."""
    logits = torch.tensor([0.3, -1.2, 2.0, 0.0, -0.4], dtype=torch.float64)
    p = torch.sigmoid(logits)
    weight = {}
    for state in itertools.product((0, 1), repeat=5):
        if sum(state) == 1:
            on = torch.tensor(state, dtype=torch.bool)
            weight[state.index(1)] = torch.where(on, p, 1 - p).prod().item()
    law = [weight[unit] / sum(weight.values()) for unit in range(5)]
    token = Categorical((1,), (5,))
    probability = token.log_probs(logits.reshape(1, 1, 5)).exp().flatten().tolist()
    assert law == pytest.approx(probability, rel=1e-12)


def test_gradients_of_both_objectives():
    """Softmax: p - one-hot; sigmoids: sigma - one-hot; both over the number of cells."""
    parameters, x = drawn()
    target = GRID.features(x).double()
    for objective, p in (
        (SoftmaxObjective(), GRID.log_probs(parameters).exp()),
        (SigmoidObjective(), torch.sigmoid(parameters)),
    ):
        leaf = parameters.clone().requires_grad_()
        objective(GRID, leaf, x).backward()
        torch.testing.assert_close(leaf.grad, (p - target) / 48)


def test_likelihood_of_other_distributions():
    roll = Bernoulli((2, 3))
    x = torch.tensor([[[1, 0, 0], [1, 1, 0]]], dtype=torch.uint8)
    assert SoftmaxObjective()(roll, torch.zeros(1, 2, 3), x).item() == pytest.approx(math.log(2))
    notes = Normal((1, 2), scale=[1.0, 2.0])
    loss = SoftmaxObjective()(notes, torch.zeros(1, 1, 2), torch.zeros(1, 1, 2))
    assert loss.item() == pytest.approx(0.5 * math.log(2 * math.pi) + 0.5 * math.log(2))


def test_refusals():
    with pytest.raises(Mismatch, match="objective=sigmoid needs a categorical.*not bernoulli"):
        SigmoidObjective().check(Bernoulli((2, 88)))
    with pytest.raises(Mismatch, match="SoftmaxObjective needs a distribution, not 'grid'"):
        SoftmaxObjective().check("grid")  # type: ignore[arg-type]
