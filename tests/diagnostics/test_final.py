"""The final tier: a perfect model inside its intervals, planted failures named, limits told."""

from __future__ import annotations

import numpy as np
import pytest
from planted import planted, ring

from partimento.diagnostics.final import final_report
from partimento.errors import UserError

POOL = ring(1200, 41)
TRAIN, HELD_OUT = POOL[:600], POOL[600:]


@pytest.mark.parametrize(
    ("kind", "named"),
    [("perfect", ()), ("one missing", ("dropped_modes",)), ("copy", ("memorisation",))],
)
def test_a_finished_model_is_told_beside_a_perfect_one(kind, named):
    fake = planted(kind, 150, 4, TRAIN[:150])
    report = final_report(TRAIN, HELD_OUT, fake, most=150, resamples=59)
    assert report.count == 150
    assert report.failures == named
    assert (report.excess["vendi_ratio"] < -1) == (kind == "one missing")
    assert (report.excess["data_copying"] < -1) == (kind == "copy")


def test_the_level_is_what_the_divisions_support():
    report = final_report(TRAIN, HELD_OUT, ring(20, 3), most=20)
    assert report.intervals["coverage"].level == pytest.approx(0.99)
    report = final_report(TRAIN, HELD_OUT, ring(60, 3), again=ring(60, 3), most=60, resamples=39)
    assert report.intervals["coverage"].level == pytest.approx(0.95)
    assert report.values["same_answers"] == 1.0
    assert report.failures[0] == "z_independence"


def test_there_are_no_more_samples_than_music_allows():
    assert final_report(TRAIN, HELD_OUT, ring(900, 5), resamples=19).count == 399
    few = np.arange(300) // 100
    with pytest.raises(UserError, match="6 groups|too few"):
        final_report(TRAIN[:300], HELD_OUT[:200], ring(50, 5), (few, few[:200] + 9))
    with pytest.raises(UserError, match="5 samples are too few to compare"):
        final_report(TRAIN, HELD_OUT, ring(5, 5))
