"""Scores of an oracle over batches: what `judge` says of all samples, and luck told from share."""

from __future__ import annotations

import numpy as np
import pytest
from planted import RING

from partimento.metrics.oracle_scores import OracleScores
from partimento.metrics.oracles import judge, reverse_kl_floor


def test_batches_are_what_all_samples_are():
    points = RING.draw(500, np.random.default_rng(0))
    metric = OracleScores(RING)
    for part in np.array_split(points, 3):
        metric.update(part)
    found = metric.compute()
    for name, value in judge(RING, points).items():
        assert found[name] == pytest.approx(value, rel=1e-6), name
    good = round(found["high_quality"] * 500)
    assert found["reverse_kl_floor"] == reverse_kl_floor(8, good)


def test_one_lucky_sample_covers_a_mode_but_has_no_share_of_it():
    points = np.repeat(RING.centres[:2], [499, 1], axis=0)
    metric = OracleScores(RING)
    metric.update(points)
    assert metric.compute()["modes"] == 2
    assert metric.compute()["modes_with_share"] == 1
