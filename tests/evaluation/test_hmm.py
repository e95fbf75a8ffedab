"""The chord model against enumeration of all harmonies, and what it learns."""

import itertools

import numpy as np
import pytest
import torch

from partimento.distributions import Categorical
from partimento.errors import UserError
from partimento.evaluation.hmm import ChordHMM

GIVENS = [[0, 2, 1], [1, 1, 0], [3, 3, 0], [2, 0, 3]]


@pytest.mark.parametrize("given", GIVENS)
def test_forward_algorithm_sums_over_all_harmonies(tiny, given) -> None:
    model = ChordHMM().fit(tiny.train, tiny.distribution, ["top"])
    view = model._view(tiny.harmonies(given).numpy())
    everything = np.exp(model._joint(view)).sum()
    _, evidence = model._forward(model._view(tiny.harmonies(given)[:1].numpy()))
    assert np.log(everything) == pytest.approx(evidence[0], abs=2e-6)


def test_joint_is_a_distribution_under_the_given_rhythm(tiny) -> None:
    model = ChordHMM().fit(tiny.train, tiny.distribution, ["top"])
    # The rhythm begin, go on, begin: a note (0, 1) or silence (3), which goes on as 2 or 3, ...
    openings = [(0, 2), (1, 2), (3, 3)]
    total = 0.0
    for opening in openings:
        # ... then a new note, or silence after a note; silence in silence does not begin.
        for last in (0, 1, 3) if opening != (3, 3) else (0, 1):
            view = model._view(tiny.harmonies([*opening, last]).numpy())
            total += np.exp(model._joint(view)).sum()
    # What is missing is the mass of "silence begins in silence", which a rhythm rules out.
    view = model._view(tiny.harmonies([3, 3, 0]).numpy())
    emission = model.tables.emissions[0]
    joint = np.exp(model._joint(view))
    chord = view.chord[:, 2]
    total += (joint * emission[chord, 2] / emission[chord, 0]).sum()
    assert total == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("given", GIVENS)
def test_prediction_is_the_likeliest_symbol_of_each_cell(tiny, given) -> None:
    model = ChordHMM().fit(tiny.train, tiny.distribution, ["top"])
    harmonies = tiny.harmonies(given)
    weight = model.log_prob(harmonies).exp()
    prediction = model.predict(harmonies[:1])[0]
    for step, voice in itertools.product(range(3), (1, 2)):
        size = tiny.distribution.sizes[voice]
        share = torch.bincount(harmonies[:, step, voice], weights=weight, minlength=size)
        # At the first step and in silence a hold reads as a rest: their shares are one decision.
        if voice == 1:
            silent = silent_share(harmonies, weight, step)
            held = share[2] + share[3] - silent
            share = torch.stack([share[0], share[1], held, silent])
        assert prediction[step, voice].item() == share.argmax().item()


@pytest.mark.parametrize("step", [1, 2])
def test_backward_step_is_the_transpose_of_the_forward_step(tiny, step) -> None:
    model = ChordHMM().fit(tiny.train, tiny.distribution, ["top"])
    chords = len(model.tables.first)
    view = model._view(tiny.harmonies([0, 2, 1])[:1].repeat(chords, 1, 1).numpy())
    matrix = sum(model._reached(torch.eye(chords), view, step))
    torch.testing.assert_close(matrix.sum(dim=0), torch.ones(chords))
    later = torch.rand(chords, generator=torch.Generator().manual_seed(2))
    expected = later @ matrix
    found = model._backward(later[:, None].repeat(1, chords), view, step)[:, 0]
    torch.testing.assert_close(found, expected / expected.sum())


def silent_share(harmonies: torch.Tensor, weight: torch.Tensor, step: int) -> torch.Tensor:
    """Return the probability that the middle voice is silent at a step, by a loop."""
    total = torch.zeros((), dtype=torch.float64)
    for window, share in zip(harmonies[:, : step + 1, 1].tolist(), weight, strict=True):
        spoken = [symbol for symbol in window if symbol != 2]
        if not spoken or spoken[-1] == 3:
            total += share
    return total


def test_two_states_by_hand() -> None:
    """One predicted voice of two pitches: every probability counted and smoothed by hand."""
    grid = Categorical((2, 2), [2, 3], ["top", "low"], [[60, "hold"], [48, 50, "hold"]])
    # From 48: to 50 three times, held three times; from 50: to 48 three times, held once.
    low = [(0, 1)] * 3 + [(0, 2)] * 3 + [(1, 0)] * 3 + [(1, 2)]
    train = torch.tensor([[[0, first], [0, second]] for first, second in low])
    model = ChordHMM(steps_per_bar=2, default_concentration=1e-9).fit(train, grid, ["top"])
    # 6 of 10 begin, blended with one pseudo-count of the frequency with 1/2 added to both.
    begins = (6 + (6 + 0.5) / (10 + 1)) / 11
    expected = [0.6 * begins, 0.6 * (1 - begins), 0.4 * begins, 0.4 * (1 - begins)]
    probability = model.log_prob(train[[0, 3, 6, 9]]).exp()
    assert probability.tolist() == pytest.approx(expected, abs=1e-6)
    assert model.predict(train[:1]).tolist() == [[[0, 0], [0, 2]]]


def test_learns_a_harmony_that_the_soprano_alone_does_not_tell() -> None:
    """The lower voice alternates: only a model that conditions on the past can know it."""
    symbols = [[60, "hold"], [48, 50, "hold"]]
    grid = Categorical((8, 2), [2, 3], ["top", "low"], symbols)
    low = np.array([np.arange(8) % 2, 1 - np.arange(8) % 2] * 20)
    x = torch.from_numpy(np.stack([np.zeros_like(low), low], axis=-1))
    model = ChordHMM(default_concentration=0.1).fit(x, grid, ["top"])
    # One bit is unknown, the first pitch; the rest is nearly certain.
    assert -model.log_prob(x[:2]).mean().item() == pytest.approx(np.log(2), abs=0.25)


@pytest.mark.parametrize("given", [["soprano"], ["bass", "alto"]])
def test_is_finite_on_unheard_real_chorales(chorales, given) -> None:
    model = ChordHMM().fit(chorales.train, chorales.distribution, given, chorales.valid[:2])
    log_prob = model.log_prob(chorales.test)
    assert torch.isfinite(log_prob).all()
    assert (log_prob < 0).all()
    assert model.concentration in model.concentrations


def test_too_many_chords_are_refused(chorales) -> None:
    with pytest.raises(UserError, match=r"chords of the voices to be predicted, more than 100,000"):
        ChordHMM().fit(chorales.train, chorales.distribution, [])
