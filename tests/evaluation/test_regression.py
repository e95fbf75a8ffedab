"""Logistic regression against closed forms and a relation that it can express."""

import math

import numpy as np
import pytest
import torch

from partimento.distributions import Categorical
from partimento.evaluation.layout import GridLayout
from partimento.evaluation.regression import (
    LogisticRegression,
    feature_columns,
    feature_count,
    fit_weights,
)

SYMBOLS = [[60, 62, 64, "hold", "rest"], [48, 50, 52, "hold", "rest"]]
GRID = Categorical((8, 2), [5, 5], ["top", "low"], SYMBOLS)


def test_features_are_position_symbol_and_sounding_pitch() -> None:
    layout = GridLayout.of(GRID, ["top"])
    x = np.array([[[1, 0], [3, 0], [4, 0], [2, 0], [3, 0], [3, 0], [3, 0], [3, 0]]])
    columns = feature_columns(x, layout, 4)[0]
    assert columns[:, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert (columns[:, 1] - 4).tolist() == [1, 3, 4, 2, 3, 3, 3, 3]
    assert (columns[:, 2] - 9).tolist() == [1, 1, 3, 2, 2, 2, 2, 2]
    assert feature_count(layout, 4) == 4 + 5 + 4


def test_learns_a_deterministic_relation() -> None:
    draw = np.random.default_rng(0)
    top = draw.integers(5, size=(200, 8))
    # The lower voice goes in parallel, but rests on the second step of each bar of four.
    low = np.where(np.arange(8) % 4 == 1, 4, top)
    x = torch.from_numpy(np.stack([top, low], axis=-1))
    baseline = LogisticRegression(steps_per_bar=4).fit(x[:150], GRID, ["top"], x[150:175])
    assert torch.equal(baseline.predict(x[175:]), x[175:])
    assert -baseline.log_prob(x[175:]).mean().item() / 8 < 0.02
    assert baseline.penalty == min(baseline.penalties)


def test_without_given_voices_it_is_the_frequency_at_each_position() -> None:
    x = torch.tensor([[0, 1, 3], [0, 2, 0], [1, 2, 3]]).unsqueeze(-1)
    grid = Categorical((3, 1), [4], ["a"], [[60, 62, 64, "hold"]])
    baseline = LogisticRegression(steps_per_bar=2, default_penalty=1e-10).fit(x, grid, [])
    # Positions 0, 1, 0: the first and third steps are pooled, {0: 3, 1: 1, 3: 2} and {1: 1, 2: 2}.
    expected = math.log(3 / 6) + math.log(1 / 3) + math.log(2 / 6)
    assert baseline.log_prob(x[:1]).item() == pytest.approx(expected, abs=1e-3)
    assert baseline.predict(x).squeeze(-1).tolist() == [[0, 2, 0]] * 3


def test_weights_are_a_stationary_point() -> None:
    draw = torch.Generator().manual_seed(1)
    rows = torch.tensor([[0, 2], [0, 3], [1, 2], [1, 3]])
    counts = torch.randint(1, 50, (4, 3), generator=draw)
    penalty = 0.01
    weights = fit_weights(rows, counts, 4, penalty)
    design = torch.zeros(4, 4, dtype=torch.float64).scatter_(1, rows, 1.0)
    share = counts.double() / counts.sum()
    expected = torch.softmax(design @ weights, dim=1) * share.sum(dim=1, keepdim=True)
    gradient = design.T @ (expected - share) + penalty * weights
    assert gradient.abs().max().item() < 1e-6


def test_a_stronger_penalty_gives_smaller_weights() -> None:
    rows, counts = torch.tensor([[0], [1]]), torch.tensor([[9, 1], [2, 8]])
    sizes = [fit_weights(rows, counts, 2, p).norm().item() for p in (1e-4, 1e-2, 1.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 2 * sizes[2]
