"""Closed forms of the simple baselines, and what every baseline promises."""

import math

import numpy as np
import pytest
import torch

from partimento.distributions import Categorical
from partimento.errors import UserError
from partimento.evaluation.baselines import (
    MostFrequentSymbol,
    NearestNeighbour,
    frequencies,
    mixture_weight,
    nearest,
)
from partimento.evaluation.table import BASELINES

GIVEN = [0, 2, 1]  # The tiny given voice: a note, held, another note.


@pytest.mark.parametrize("name", BASELINES)
def test_likelihood_sums_to_one_over_all_harmonies(tiny, name) -> None:
    baseline = BASELINES[name]().fit(tiny.train, tiny.distribution, ["top"], tiny.train[:9])
    harmonies = tiny.harmonies(GIVEN)
    assert len(harmonies) == (4 * 3) ** 3
    log_prob = baseline.log_prob(harmonies)
    assert torch.isfinite(log_prob).all()
    total = log_prob.exp().sum().item()
    assert total == pytest.approx(1, abs=2e-6)


@pytest.mark.parametrize("name", BASELINES)
def test_prediction_keeps_the_given_and_sees_nothing_else(chorales, name) -> None:
    baseline = BASELINES[name]().fit(chorales.train, chorales.distribution, ["soprano"])
    test = chorales.test[:3]
    prediction = baseline.predict(test)
    assert prediction.dtype == test.dtype
    assert torch.equal(prediction[..., 0], test[..., 0])
    hidden = test.clone()
    hidden[..., 1:] = 0
    assert torch.equal(baseline.predict(hidden), prediction)
    for voice, size in enumerate(chorales.distribution.sizes):
        assert prediction[..., voice].max() < size


@pytest.mark.parametrize("name", BASELINES)
def test_fitting_again_gives_the_same(chorales, name) -> None:
    first, second = (
        BASELINES[name]().fit(chorales.train, chorales.distribution, ["bass"]) for _ in range(2)
    )
    test = chorales.test[:2]
    assert torch.equal(first.log_prob(test), second.log_prob(test))


@pytest.mark.parametrize("name", BASELINES)
def test_an_empty_validation_split_means_the_defaults(tiny, name) -> None:
    without = BASELINES[name]().fit(tiny.train, tiny.distribution, ["top"])
    empty = BASELINES[name]().fit(tiny.train, tiny.distribution, ["top"], tiny.train[:0])
    assert torch.equal(without.log_prob(tiny.train), empty.log_prob(tiny.train))


def test_windows_of_another_shape_are_refused(tiny) -> None:
    with pytest.raises(UserError, match=r"of 3 steps and 3 voices, got the shape \(40, 2, 3\)"):
        MostFrequentSymbol().fit(tiny.train[:, :2], tiny.distribution, ["top"])
    with pytest.raises(UserError, match="at least one training window"):
        MostFrequentSymbol().fit(tiny.train[:0], tiny.distribution, ["top"])


def test_frequencies_are_counts_plus_a_half() -> None:
    x = np.array([[[0], [1]], [[0], [1]], [[2], [1]]])
    (table,) = frequencies(x, [3])
    expected = [[2.5 / 4.5, 0.5 / 4.5, 1.5 / 4.5], [0.5 / 4.5, 3.5 / 4.5, 0.5 / 4.5]]
    np.testing.assert_allclose(table, expected)


def test_most_frequent_symbol_closed_form() -> None:
    grid = Categorical((1, 2), [2, 2], ["a", "b"], [[60, "hold"], [50, "hold"]])
    train = torch.tensor([[[0, 1]], [[1, 1]], [[1, 0]], [[0, 1]]])
    baseline = MostFrequentSymbol().fit(train, grid, ["a"])
    assert baseline.predict(torch.tensor([[[0, 0]]])).tolist() == [[[0, 1]]]
    log_prob = baseline.log_prob(torch.tensor([[[0, 1]], [[0, 0]]]))
    assert log_prob.tolist() == pytest.approx([math.log(3.5 / 5), math.log(1.5 / 5)])


def test_nearest_is_the_first_of_the_smallest_hamming_distance() -> None:
    stored = np.array([[1, 2, 3, 4], [1, 2, 3, 9], [1, 2, 3, 4], [0, 0, 0, 0]])
    query = np.array([[1, 2, 3, 4], [1, 2, 7, 9], [0, 0, 3, 4], [5, 5, 5, 5]])
    # The third query is at distance 2 from rows 0, 2 and 3, the last at 4 from all.
    assert nearest(query, stored, chunk=3).tolist() == [0, 1, 0, 0]


def test_mixture_weight_reaches_the_maximum_of_the_likelihood() -> None:
    # d/dw [m log(w + (1 - w) f) + (n - m) log((1 - w) f)] = 0 at w = (m / n - f) / (1 - f).
    first = np.array([1.0] * 70_000 + [0.0] * 30_000)[:, None]
    weight = mixture_weight(first, np.full_like(first, 0.2))
    assert weight[0] == pytest.approx((0.7 - 0.2) / 0.8, abs=1e-4)


def test_nearest_neighbour_copies_and_mixes(chorales) -> None:
    train = chorales.train[::3]
    baseline = NearestNeighbour().fit(train, chorales.distribution, ["soprano"])
    own = train[:20]
    found = baseline.predict(own)
    # The own window is at distance 0; another may come first only with the same soprano.
    for window, prediction in zip(own, found, strict=True):
        twins = train[(train[..., 0] == window[:, 0]).all(dim=1)]
        assert torch.equal(prediction, twins[0])
    table = frequencies(train.numpy(), chorales.distribution.sizes)
    expected = 0.0
    for voice in (1, 2, 3):
        for step in range(own.shape[1]):
            symbol = own[0, step, voice].item()
            same = symbol == found[0, step, voice].item()
            expected += math.log(0.5 * same + 0.5 * table[voice][step, symbol])
    assert baseline.log_prob(own[:1]).item() == pytest.approx(expected)


def test_nearest_neighbour_needs_a_given_voice(tiny) -> None:
    with pytest.raises(UserError, match=r"at least one given voice, such as given=\[top\]"):
        NearestNeighbour().fit(tiny.train, tiny.distribution, [])
