"""How detection is judged: ranks by counting pairs, delays by hand, intervals over whole runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partimento.studies.detection import (
    Delay,
    Named,
    auroc,
    clustered,
    delays,
    f1,
    f1_by_name,
    false_alarms,
    labels_of,
    median_delay,
)

SCORES = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0, math.inf]), st.booleans()), min_size=2
)


def flags(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


@given(SCORES)
def test_auroc_is_the_share_of_pairs_in_the_right_order(rows):
    score = np.array([row[0] for row in rows])
    positive = np.array([row[1] for row in rows])
    pairs = [(a > b) + (a == b) / 2 for a in score[positive] for b in score[~positive]]
    if pairs:
        assert auroc(score, positive) == pytest.approx(np.mean(pairs))
    else:
        assert math.isnan(auroc(score, positive))


def test_the_interval_is_as_wide_as_runs_differ():
    """Ten rows of one run say no more than one: copies of rows leave the interval as it is."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=30)
    run = np.arange(30)
    copied = np.repeat(values, 10)

    one = clustered(lambda rows: float(values[rows].mean()), run)
    many = clustered(lambda rows: float(copied[rows].mean()), np.repeat(run, 10))
    assert many == pytest.approx(one)
    # The interval of a mean of 30 runs, by its own formula.
    assert one.high - one.low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(30), rel=0.1)


def test_draws_without_a_value_are_left_out():
    found = clustered(lambda rows: math.nan if 0 in rows else 1.0, np.arange(5))
    assert math.isnan(found.value)
    assert found[1:] == (1.0, 1.0)
    assert found.rounded() == [None, 1.0, 1.0]


@pytest.mark.parametrize(
    ("collapsed", "healthy", "alarm", "wanted"),
    [
        ("..xxxx", "xx....", "....xx", [Delay(2, True)]),
        ("..xxxx", "xx....", "......", [Delay(4, False)]),  # the run ends
        ("..xx..", "xx...x", ".....x", [Delay(3, False)]),  # healthy again before the alarm
        ("..x...", "xx.xxx", "...x..", []),  # too short to be one
        ("xxxx", "....", "xxxx", [Delay(0, True)]),
        # Two collapses with health between, and a pause that is not healthy, which parts nothing.
        ("xx..xx.xx", "..xx.....", "......xxx", [Delay(2, False), Delay(2, True)]),
    ],
)
def test_delays(collapsed, healthy, alarm, wanted):
    assert delays(flags(collapsed), flags(healthy), flags(alarm), 2) == wanted


def test_the_median_allows_for_alarms_that_were_too_late_to_come():
    # Kaplan and Meier by hand: after 1: 4/5; after 3: 4/5 * 2/3; after 6: 0.
    found = [Delay(1, True), Delay(2, False), Delay(3, True), Delay(4, False), Delay(6, True)]
    assert median_delay(found) == 6
    assert median_delay([Delay(1, True), Delay(5, False)]) == 1
    assert math.isnan(median_delay([Delay(1, True), Delay(5, False), Delay(5, False)]))
    assert math.isnan(median_delay([]))


def test_only_alarms_that_begin_in_health_are_false():
    assert false_alarms(flags("xxxx.xxx"), flags(".xx..x.x")) == 2  # not the one after the pause
    assert false_alarms(flags("xxx"), flags("xxx")) == 0


def test_names_are_judged_where_the_truth_is_clear():
    present, absent, said = flags("xxx..."), flags("...xx."), flags("xx.x.x")
    assert f1(present, absent, said) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert math.isnan(f1(flags("..."), flags("xxx"), flags("x..")))
    truth = {"a": Named(flags("x."), flags(".x")), "never": Named(flags(".."), flags("xx"))}
    assert f1_by_name(truth, [("a", "b"), ()]) == {"a": 1.0}


def test_labels_of_counts():
    even, dropped, faint = [25] * 4, [50, 25, 25, 0], [40, 30, 26, 4]
    labels = labels_of(np.array([even, dropped, faint]), np.ones(3), np.ones(3), 0.2)
    assert labels.visited.tolist() == [4, 3, 3]
    assert labels.modes == 4
    # Even counts are evener than draws, by the divergence that these have.
    assert -0.02 < labels.uneven[0] < -0.01
    want = math.log(4) - 1.5 * math.log(2) - (0 - labels.uneven[0])
    assert labels.uneven[1] == pytest.approx(want)
    assert labels.drift[0] == 0
    # Of (1/4, 1/4, 1/4, 1/4) and (1/2, 1/4, 1/4, 0), in nats.
    p, q = np.full(4, 0.25), np.array([0.5, 0.25, 0.25, 1e-300])
    m = (p + q) / 2
    assert labels.drift[1] == pytest.approx((p * np.log(p / m) + q * np.log(q / m)).sum() / 2)
