"""The table of statistics: values over sets, intervals by group, the metric over batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_pieces import piece_of

from partimento.datasets.chorales import read_bach
from partimento.metrics.music.statistics import (
    STATISTICS,
    MusicStatistics,
    Shares,
    estimates,
    shares_of,
)

CHORALES = [read_bach(number) for number in ("253", "254", "256", "258")]
NAMES = list(STATISTICS)


def column(name: str, counted: list[float], among: list[float]) -> Shares:
    """Return shares of which one statistic alone is defined."""
    found = Shares(*(np.zeros((len(counted), len(NAMES))) for _ in range(2)))
    found.counted[:, NAMES.index(name)] = counted
    found.among[:, NAMES.index(name)] = among
    return found


def test_chorales_have_all_of_them() -> None:
    metric = MusicStatistics()
    metric.update(CHORALES)
    assert set(metric.compute()) == set(STATISTICS)


def test_batches_make_no_difference() -> None:
    whole, parts = MusicStatistics(), MusicStatistics()
    whole.update(CHORALES)
    for piece in CHORALES:
        parts.update([piece])
    ours, theirs = parts.compute(), whole.compute()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert float(value) == pytest.approx(float(theirs[name])), name
    expected = shares_of(CHORALES).value()
    assert [float(theirs[name]) for name in NAMES] == pytest.approx(list(expected))


def test_shares_are_added_up_before_division_and_means_are_not() -> None:
    found = estimates(column("parallel_fifths", [1000, 0], [2, 8]), np.arange(2))
    assert found["parallel_fifths"].value == 100  # and not (500 + 0) / 2
    assert set(found) == {"parallel_fifths"}
    pieces = [piece_of([(0, 4, 60)]), piece_of([(0, 4, 60), (4, 4, 61), (8, 4, 62)])]
    metric = MusicStatistics()
    metric.update(pieces)
    assert float(metric.compute()["pitches_used"]) == 2
    assert "voice_crossings" not in metric.compute()


def test_pieces_without_a_value_do_not_count() -> None:
    metric = MusicStatistics()
    metric.update([piece_of([], end=16), piece_of([(0, 16, 60), (0, 16, 67)])])
    found = metric.compute()
    assert float(found["pitch_range"]) == 7
    assert float(found["empty_beat_rate"]) == 0.5
    silent = MusicStatistics()
    silent.update([piece_of([], end=16)])
    assert "pitch_range" not in silent.compute()


def test_the_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    shares = column("pitch_range", list(values), [1] * 400)
    found = estimates(shares, np.arange(400))["pitch_range"]
    error = values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)


def test_windows_of_one_tune_are_drawn_together() -> None:
    """20 tunes of 20 equal windows: as uncertain as 20 windows, not as 400."""
    tune = np.random.default_rng(1).normal(0, 1, 20)
    shares = column("pitch_range", list(np.repeat(tune, 20)), [1] * 400)
    by_tune = estimates(shares, np.repeat(np.arange(20), 20))["pitch_range"]
    alone = estimates(column("pitch_range", list(tune), [1] * 20), np.arange(20))["pitch_range"]
    by_window = estimates(shares, np.arange(400))["pitch_range"]
    assert by_tune == pytest.approx(alone)
    assert by_tune.high - by_tune.low > 3 * (by_window.high - by_window.low)


def test_one_group_has_no_interval() -> None:
    found = estimates(column("pitch_range", [3, 5], [1, 1]), np.zeros(2))["pitch_range"]
    assert found.value == 4
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_no_statistic_depends_on_the_key() -> None:
    moved = [piece.transposed(5) for piece in CHORALES]
    assert shares_of(moved).value() == pytest.approx(shares_of(CHORALES).value())
