"""What is true of samples: the oracle's own labels without decoding, variety by closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from partimento.data.collate import collate
from partimento.datasets.chorale_modes import ChoraleModes
from partimento.datasets.mixtures import GaussianMixture, ring_centres
from partimento.representations.multivoice import MultiVoice
from partimento.studies.truth import (
    label_grids,
    truth_of_grids,
    truth_of_points,
    variety_of_grids,
)

LAW = GaussianMixture(ring_centres(8, 1.0), 0.05)
CHORALES = ChoraleModes(samples=400)
GRID = MultiVoice(CHORALES.parts, CHORALES.ranges, steps_per_bar=4)


@pytest.fixture(scope="module")
def grids() -> np.ndarray:
    pieces = CHORALES.prepare(None).pieces
    return collate([GRID.windows(piece, stride=4) for piece in pieces]).x.numpy()


def points(weights: list[float], sigma: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(0)
    mode = rng.choice(8, 4000, p=np.array(weights) / sum(weights))
    return LAW.centres[mode] + sigma * rng.standard_normal((4000, 2))


def test_the_law_itself_has_a_variety_of_one():
    truth = truth_of_points(LAW, points([1] * 8))
    assert truth.spread == pytest.approx(1, abs=0.03)
    assert truth.quality == pytest.approx(LAW.ceiling, abs=0.01)
    assert truth.counts.sum() == 4000


def test_shrunken_modes_and_missing_ones():
    truth = truth_of_points(LAW, points([1, 1, 1, 0, 1, 0, 1, 1], sigma=0.02))
    assert truth.spread == pytest.approx(0.4, abs=0.02)
    assert np.flatnonzero(truth.counts == 0).tolist() == [3, 5]


def test_a_few_points_between_modes_do_not_change_the_variety():
    x = points([1] * 8, sigma=0.02)
    x[::12] = np.random.default_rng(1).uniform(-0.3, 0.3, x[::12].shape)
    assert truth_of_points(LAW, x).spread == pytest.approx(0.4, abs=0.05)


def test_too_few_samples_of_every_mode_have_no_variety():
    assert math.isnan(truth_of_points(LAW, points([1] * 8)[:20]).spread)


def test_grids_get_the_labels_that_their_music_gets(grids):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 20, grids.shape).astype(grids.dtype)
    held = grids.copy()
    held[:, 1::2] = np.array(GRID.hold)
    silent = np.where(rng.random(grids.shape) < 0.3, np.array(GRID.rest), grids)
    leading = grids.copy()
    leading[:, :3] = np.array(GRID.hold)  # holds with no note before them
    for x in (grids, noise, held, silent, leading):
        wanted = CHORALES.oracle.assign([GRID.decode(example) for example in x])
        found, _ = label_grids(CHORALES.oracle, GRID, x)
        np.testing.assert_array_equal(found.mode, wanted.mode)
        np.testing.assert_array_equal(found.good, wanted.good)


def test_variety_is_the_chance_that_two_samples_of_a_mode_differ_in_a_cell():
    rng = np.random.default_rng(0)
    pitch = rng.integers(0, 4, (60, 16, 4))  # every cell even over four pitches
    mode = np.repeat([0, 1], 30)
    assert variety_of_grids(pitch, mode) == pytest.approx(0.75, abs=0.01)
    assert variety_of_grids(np.tile(pitch[:1], (60, 1, 1)), mode) == 0
    assert math.isnan(variety_of_grids(pitch[:9], mode[:9]))


def test_truth_of_real_chorales_and_of_one_copied(grids):
    labels, pitch = label_grids(CHORALES.oracle, GRID, grids)
    own = variety_of_grids(pitch, labels.mode)
    real = truth_of_grids(CHORALES.oracle, GRID, grids, own)
    assert real.spread == pytest.approx(1)
    assert (real.counts > 0).all()
    copied = truth_of_grids(CHORALES.oracle, GRID, np.repeat(grids[:1], 50, axis=0), own)
    assert copied.spread == 0
    assert (copied.counts > 0).sum() == 1
