"""Reference intervals: order statistics, groups kept whole, and the stated rate of false alarms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import binom

from partimento.diagnostics.calibration import (
    Interval,
    calibrate,
    draw_sides,
    interval_of,
    supported_count,
)
from partimento.diagnostics.measures import Sides, minimal, thorough
from partimento.errors import UserError


def tunes(count: int, windows: int, rng: np.random.Generator) -> tuple[torch.Tensor, np.ndarray]:
    """Windows of tunes: those of one tune are alike, as windows of music are."""
    middle = rng.standard_normal((count, 1, 3))
    x = middle + 0.15 * rng.standard_normal((count, windows, 3))
    return torch.as_tensor(x.reshape(-1, 3)).float(), np.repeat(np.arange(count), windows)


def test_an_interval_is_of_order_statistics_and_says_its_level():
    values = np.arange(1.0, 200.0)  # 199 of them
    found = interval_of(np.random.default_rng(0).permutation(values), level=0.99)
    assert (found.low, found.middle, found.high) == (1.0, 100.0, 199.0)
    assert found.level == pytest.approx(0.99)
    assert interval_of(values, level=0.9).low == 10.0
    with pytest.raises(ValueError, match="198 resamples cannot support an interval of 99.00%"):
        interval_of(values[:-1], level=0.99)


def test_excess_is_in_half_widths_of_its_side():
    interval = Interval(low=-1.0, middle=0.0, high=4.0, level=0.99)
    assert [interval.excess(v) for v in (4.0, 2.0, 0.0, -1.0, -3.0)] == [1.0, 0.5, 0.0, -1.0, -3.0]
    assert math.isnan(interval.excess(math.nan))
    flat = Interval(low=0.0, middle=1.0, high=1.0, level=0.99)
    assert flat.excess(1.0) == 0.0
    assert flat.excess(1.1) == math.inf


def test_no_group_is_on_two_sides():
    rng = np.random.default_rng(0)
    group = rng.integers(40, size=300)
    for _ in range(20):
        sides = draw_sides(group, 60, rng)
        assert all(len(np.unique(side)) == 60 for side in sides)
        members = [set(group[side]) for side in sides]
        assert not members[0] & members[1]
        assert not members[0] & members[2]
        assert not members[1] & members[2]
    with pytest.raises(ValueError, match="give no 3 x 120"):
        draw_sides(group, 120, rng)


def test_the_held_out_side_has_no_more_tunes_than_asked_for_unless_it_needs_them():
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(90), 4)
    for _ in range(20):
        first, second, third = draw_sides(group, 40, rng, tunes=12)
        assert len(np.unique(group[second])) <= 12
        assert min(len(np.unique(group[side])) for side in (first, third)) > 20
    assert len(np.unique(group[draw_sides(group, 40, rng, tunes=3)[1]])) == 10


def test_few_held_out_tunes_widen_the_interval():
    x, group = tunes(150, 6, np.random.default_rng(4))
    all_tunes, few = (
        calibrate(x, group, minimal, 50, resamples=59, level=0.9, seed=0, tunes=tunes_held)
        for tunes_held in (None, 10)
    )
    widths = [found["coverage"].high - found["coverage"].low for found in (all_tunes, few)]
    assert widths[1] > 1.2 * widths[0]


@pytest.mark.parametrize("seed", range(5))
def test_the_supported_count_can_be_drawn(seed):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(30), rng.integers(1, 40, size=30))
    count = supported_count(group, len(group), 10**6)
    for _ in range(50):
        draw_sides(group, count, rng)
    assert supported_count(group, 60, 10**6) == 20
    assert supported_count(group, len(group), 12) == 12


def test_too_little_music_is_told():
    with pytest.raises(UserError, match="25 windows of 5 groups of tunes, too few"):
        supported_count(np.repeat(np.arange(5), 5), 25, 100)


def outside(intervals: dict[str, Interval], values: dict[str, float]) -> dict[str, bool]:
    return {name: not abs(intervals[name].excess(value)) <= 1 for name, value in values.items()}


def false_alarms(grouped: bool, runs: int) -> dict[str, int]:
    """Count how often a perfect model, whose tunes are new, leaves a 90 % interval."""
    count: dict[str, int] = {}
    for run in range(runs):
        rng = np.random.default_rng(run)
        x, group = tunes(120, 5, rng)
        kept = group if grouped else np.arange(len(group))
        intervals = calibrate(x, kept, minimal, 60, resamples=59, level=0.9, seed=run)
        train, held_out, _ = draw_sides(group, 60, rng)
        new, _ = tunes(60, 5, rng)
        fake = new[rng.permutation(len(new))[:60]]
        sides = Sides(x[torch.as_tensor(train)], x[torch.as_tensor(held_out)], fake)
        for name, wrong in outside(intervals, minimal(sides)).items():
            count[name] = count.get(name, 0) + wrong
    return count


@pytest.mark.full
def test_a_perfect_model_leaves_the_interval_as_often_as_it_says():
    """10 % of 60 draws; the resamples of one run are of one corpus, hence twice the binomial room."""
    runs = 60
    count = false_alarms(grouped=True, runs=runs)
    most = 2 * binom.isf(0.01, runs, 0.1)
    assert max(count.values()) <= most, count
    assert sum(count.values()) / (len(count) * runs) < 0.16


@pytest.mark.full
def test_windows_of_one_tune_on_both_sides_make_false_alarms():
    """Why groups are kept whole: the same test without them fails."""
    runs = 60
    count = false_alarms(grouped=False, runs=runs)
    assert max(count.values()) > 2 * binom.isf(0.01, runs, 0.1), count


def test_the_same_seed_gives_the_same_intervals():
    x, group = tunes(60, 3, np.random.default_rng(1))
    first, second = (
        calibrate(x, group, thorough, 30, resamples=19, level=0.9, seed=4) for _ in range(2)
    )
    assert first == second
    other = calibrate(x, group, thorough, 30, resamples=19, level=0.9, seed=5)
    assert other != first
    assert set(minimal(Sides(x[:30], x[30:60], x[60:90]))) < set(first)


def test_failures_leave_the_interval_on_their_side():
    rng = np.random.default_rng(2)
    x, group = tunes(150, 4, rng)
    intervals = calibrate(x, group, thorough, 80, resamples=39, level=0.95, seed=0)
    train, held_out, new = (x[torch.as_tensor(side)] for side in draw_sides(group, 80, rng))

    def excess(fake: torch.Tensor) -> dict[str, float]:
        values = thorough(Sides(train, held_out, fake))
        return {name: intervals[name].excess(value) for name, value in values.items()}

    point = excess(new[:1] + 1e-4 * torch.randn(80, 3, generator=torch.Generator().manual_seed(0)))
    assert point["nearest_ratio"] > 3
    assert point["coverage"] < -3
    assert point["rke_ratio"] < -3
    copies = excess(train.clone())
    assert copies["authenticity_gap"] < -1
    assert copies["data_copying"] < -3
    noise = excess(10 * torch.randn(80, 3, generator=torch.Generator().manual_seed(1)))
    assert noise["precision"] < -3
    assert noise["rke_ratio"] > 1
