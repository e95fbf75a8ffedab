"""The watch without a trainer: planted failures over evaluations, history, and what it keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from planted import modes_only, planted, ring

from partimento.diagnostics.measures import (
    Reals,
    Sides,
    alarm_values,
    drift,
    minimal,
    same_answers,
    thorough,
)
from partimento.diagnostics.monitor import Monitor

N = 256
POOL = ring(4000, 99)


@pytest.fixture(scope="module")
def calibrations():
    return Monitor.calibrated(POOL[:2000], POOL[2000:], count=N).calibrations


@pytest.fixture
def monitor(calibrations) -> Monitor:
    return Monitor(POOL[:2000], POOL[2000:], calibrations, warm_up=100)


def modes(number: int, *kept: int) -> torch.Tensor:
    weights = np.zeros(8)
    weights[list(kept)] = 1
    return modes_only(N, number, weights)


def test_nothing_is_announced_before_the_warm_up(monitor):
    seen = [monitor.observe(50 * place, modes(place, 0)) for place in range(5)]
    assert [found.state for found in seen] == [
        "healthy",
        "healthy",
        "healthy",
        "critical",
        "critical",
    ]
    assert [found.changed for found in seen] == [False, False, False, True, False]
    assert seen[0].failures == ("few_modes",)  # told all the same


def test_healthy_samples_stay_healthy(monitor):
    fresh = [planted("perfect", N, 7000 + place, POOL) for place in range(40)]
    seen = [monitor.observe(100 + place, fake) for place, fake in enumerate(fresh)]
    assert {found.state for found in seen} == {"healthy"}


def test_a_mode_that_moves_is_told_from_one_that_stays(monitor, calibrations):
    moving = [
        monitor.observe(place, modes(place, place % 8, (place + 1) % 8)) for place in range(6)
    ]
    assert "drift" not in moving[1].values  # one step may be a collapse under way
    assert moving[1].failures == ("few_modes",)
    assert all(found.failures == ("rotation",) for found in moving[2:])
    still = Monitor(POOL[:2000], POOL[2000:], calibrations)
    staying = [still.observe(place, modes(place, 0, 1)) for place in range(6)]
    assert all(found.failures == ("few_modes",) for found in staying)


def test_a_collapse_is_no_rotation(monitor):
    healthy = [monitor.observe(place, planted("perfect", N, place, POOL)) for place in range(4)]
    assert healthy[2].values["drift"] < monitor.intervals()["drift"].high
    fallen = [monitor.observe(place, modes(place, 2)) for place in range(5)]
    assert {found.failures for found in fallen} == {("few_modes",)}


def test_samples_that_ignore_their_code(monitor):
    fake, again = (planted("perfect", N, seed, POOL) for seed in (7100, 7101))
    assert monitor.observe(0, fake, again).failures == ()
    again[:64] = fake[:64]
    seen = monitor.observe(1, fake, again)
    assert seen.failures == ("z_independence",)
    assert seen.values["same_answers"] == pytest.approx(0.25, abs=0.03)
    # One point for all codes is told as what it is.
    point = planted("point", N, 0, POOL)
    assert monitor.observe(2, point, point).failures == ("point_collapse",)


def test_another_number_of_samples_is_refused(monitor):
    with pytest.raises(ValueError, match="intervals hold for 256 samples, not 255"):
        monitor.observe(0, POOL[:255])


def test_a_monitor_goes_on_where_it_was(monitor, calibrations):
    for place in range(4):
        monitor.observe(100 + place, modes(place, 0))
    again = Monitor(POOL[:2000], POOL[2000:], calibrations, warm_up=100)
    again.load_state_dict(monitor.state_dict())
    fake = modes(9, 3)
    assert again.observe(105, fake) == monitor.observe(105, fake)
    assert again.alarm == monitor.alarm


def test_what_is_of_the_reals_alone_is_computed_once(monitor):
    assert monitor.reals() is monitor.reals()
    fake = planted("perfect", N, 3, POOL)
    values = monitor.observe(0, fake).values
    reals = Reals.of(POOL[:N], POOL[2000 : 2000 + N], monitor.modes())
    assert values == alarm_values(reals, fake)


def test_the_thorough_tier_has_the_values_of_the_alarm_tier_and_more():
    sides = Sides(POOL[:100], POOL[2000:2100], ring(100, 5))
    assert minimal(sides).items() < thorough(sides).items()


def test_drift_is_the_mean_divergence_from_earlier_histograms():
    now = torch.tensor([4, 0])
    assert drift(now, torch.tensor([[2, 0], [0, 3]])) == pytest.approx(math.log(2) / 2)


def test_answers_are_one_within_a_tenth_of_the_distance_of_reals(monitor):
    reals = monitor.reals()
    fake = POOL[:4]
    step = torch.tensor([0.09, 0.11, 0.0, 1.0])[:, None] * torch.tensor([[1.0, 0.0]])
    assert same_answers(reals, fake, fake + reals.between * step) == 0.5
