"""Planted failures are named as what they are, also where they are slight, by a calibrated monitor."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest

from partimento.diagnostics import thresholds
from partimento.diagnostics.alarm import STATES, Alarm, State, attribute
from partimento.diagnostics.calibration import Interval, calibrate
from partimento.diagnostics.measures import COUNTED
from partimento.diagnostics.monitor import Monitor
from partimento.studies.planted import Failure, Planted, world

COUNT = 256
TURNS = 5
RING = world("ring")


def points(x):
    return x.flatten(1)


@pytest.fixture(scope="module")
def watched():
    """What the generators are trained on, and a monitor that knows it."""
    rng = np.random.default_rng(404)
    train, held_out = (RING.real(4 * COUNT, rng) for _ in range(2))
    monitor = Monitor.calibrated(points(train), points(held_out), count=COUNT)
    monitor.reals()
    return train[:COUNT], monitor


def named(watched, failure: Failure | None, severity: float, seed: int) -> tuple[State, list[str]]:
    train, monitor = watched
    monitor = copy.deepcopy(monitor)
    rng = np.random.default_rng([404, seed])
    generator = Planted(RING, failure, severity, train, rng)
    for turn in range(TURNS):
        made = generator.make(COUNT)
        again = None if made.again is None else points(made.again)
        seen = monitor.observe(turn, points(made.fake), again)
    raised = max(seen.state, seen.fidelity, key=STATES.index)
    return raised, list(seen.failures)


@pytest.mark.parametrize(
    ("failure", "severities"),
    [
        ("point_collapse", (0.1, 0.5, 1.0)),
        ("few_modes", (0.2, 0.9)),
        ("dropped_modes", (0.05, 0.7)),
        ("intra_mode", (0.5, 0.7, 1.0)),
        ("imbalance", (1.0,)),
        ("memorisation", (0.2, 0.5, 1.0)),
        ("z_independence", (0.3, 1.0)),
        ("rotation", (0.3, 0.7, 1.0)),
        ("off_manifold", (0.2, 0.5, 1.0)),
    ],
)
def test_a_failure_is_named_first(watched, failure: Failure, severities) -> None:
    cells = [(severity, seed) for severity in severities for seed in range(3)]
    found = {cell: named(watched, failure, *cell) for cell in cells}
    if failure != "imbalance":  # of ten to one is at the border of what raises the alarm
        assert all(state != "healthy" for state, _ in found.values()), found
    right = [names[:1] == [failure] for _, names in found.values()]
    assert sum(right) >= len(right) - 1, found


def test_health_has_no_name(watched) -> None:
    found = [named(watched, None, 0.0, seed) for seed in range(5)]
    assert all(state == "healthy" for state, _ in found), found
    assert sum(not names for _, names in found) >= 4, found


def test_evaluations_that_differ_in_how_bad_they_are_raise_an_alarm() -> None:
    alarm = Alarm()
    slight, grave = thresholds.WARNING + 0.1, thresholds.CRITICAL + 1
    assert [alarm.update({"coverage": value}) for value in (slight, grave)] == [False, True]
    assert alarm.state == "warning"
    assert alarm.update({"coverage": grave})
    assert alarm.state == "critical"
    assert [alarm.update({"coverage": value}) for value in (0.0, slight)] == [False, True]
    assert alarm.state == "warning"


def test_one_sample_more_is_inside_of_the_interval_of_a_count() -> None:
    values = {"repeated": 0.0, "coverage": 0.9}
    intervals = calibrate(
        points(RING.real(60, np.random.default_rng(0))),
        np.arange(60),
        lambda sides: dict.fromkeys(values, 0.0) | {"coverage": 0.9 + 0.0 * len(sides.fake)},
        10,
        resamples=199,
    )
    assert "repeated" in COUNTED
    assert intervals["repeated"].excess(1 / 10) == pytest.approx(1)
    assert intervals["repeated"].excess(5 / 10) == pytest.approx(5)
    assert intervals["coverage"].low == intervals["coverage"].high == 0.9


def test_an_interval_is_widened_only_where_it_is_narrow() -> None:
    wide = Interval(low=0.0, middle=0.5, high=0.6, level=0.99)
    assert dataclasses.astuple(wide.at_least(0.2)) == pytest.approx((0.0, 0.5, 0.7, 0.99))


def test_a_tie_of_two_points_is_no_point_collapse(watched) -> None:
    """Copies that meet are in many places, and modes that are dense have points close together."""
    _, monitor = watched
    reals = monitor.reals()
    twice = reals.held_out[: COUNT // 2].repeat(2, 1)
    seen = copy.deepcopy(monitor).observe(0, twice)
    assert seen.values["repeated"] == 1
    assert seen.values["one_place"] <= 6 / COUNT
    assert "point_collapse" not in seen.failures
    assert seen.failures[0] == "intra_mode"


def test_names_stand_from_the_clearest_on(watched) -> None:
    train, monitor = watched
    rng = np.random.default_rng(7)
    fake = RING.real(COUNT, rng)
    fake[:200] = train[:200]
    fake[200:] = RING.noise(COUNT - 200, rng)
    values = copy.deepcopy(monitor).observe(0, points(fake)).values
    assert attribute(monitor.intervals(), values)[:2] == ("memorisation", "off_manifold")
