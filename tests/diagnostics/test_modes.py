"""Modes of real examples: found as many as there are, and hardly moved by blur."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from planted import modes_only, ring

from partimento.data.collate import collate
from partimento.datasets.chorale_modes import ChoraleModes
from partimento.datasets.mixtures import Grid
from partimento.diagnostics.modes import (
    FEWEST,
    MOST_BINS,
    Modes,
    RealModes,
    find_modes,
    mode_counts,
    mode_spread,
)
from partimento.representations.multivoice import MultiVoice
from partimento.spaces.fixed import PitchClasses
from partimento.studies.truth import label_grids

COUNT = 256
POOL = ring(2000, 99)
EVEN = np.ones(8)


@pytest.fixture(scope="module")
def real() -> RealModes:
    return RealModes.of(find_modes(POOL, COUNT), POOL)


@pytest.mark.parametrize("size", [512, 2000])
def test_a_ring_has_eight_modes_and_a_grid_25(size):
    assert find_modes(ring(size, 3), COUNT).number == 8
    grid = torch.from_numpy(Grid(samples=size).examples("train").x).flatten(1)
    assert find_modes(grid, COUNT).number == 25


def test_chorales_have_the_modes_of_their_law():
    dataset = ChoraleModes(samples=600)
    representation = MultiVoice(dataset.parts, dataset.ranges, steps_per_bar=4)
    pieces = dataset.prepare(None).pieces
    x = collate([representation.windows(piece, stride=4) for piece in pieces]).x
    features = PitchClasses(representation, parts=4)(x)
    modes = find_modes(features, COUNT)
    assert modes.number == 24
    wanted = label_grids(dataset.oracle, representation, x.numpy())[0].mode
    # Each found mode is one of the law's, and each of the law's is found.
    pairs = set(zip(modes.of(features).tolist(), wanted.tolist(), strict=True))
    assert len(pairs) == 24


def test_a_single_cloud_has_the_fewest_modes_or_more():
    cloud = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    modes = find_modes(cloud, COUNT)
    assert FEWEST <= modes.number <= MOST_BINS
    assert mode_counts(modes, cloud).sum() == 500


def test_fewer_points_than_modes_are_modes_of_their_own():
    x = torch.tensor([[0.0], [1.0], [5.0]]).repeat(10, 1)
    modes = find_modes(x, COUNT)
    assert modes.number == 3
    assert sorted(mode_counts(modes, x).tolist()) == [10, 10, 10]


def test_few_samples_of_an_evaluation_make_few_modes():
    assert find_modes(POOL, 20).number == 4


def test_what_is_blurred_stays_in_its_mode(real):
    for sigma in (0.01, 0.05, 0.1):
        found = real.values(modes_only(20_000, 0, EVEN, sigma))
        assert found["mode_jsd"] < 0.002
        assert found["mode_left"] == 0
        assert found["mode_spread"] == pytest.approx(sigma / 0.01, rel=0.05)


def test_the_spread_of_a_gaussian_is_the_median_of_rayleighs_law(real):
    """sigma sqrt(2 ln 2), and as much with one sample in ten somewhere else."""
    x = modes_only(20_000, 1, EVEN, 0.01)
    expected = 0.01 * math.sqrt(2 * math.log(2))
    assert mode_spread(real.modes, x).numpy() == pytest.approx(expected, rel=0.05)
    x[::10] = 0.3 * torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    assert mode_spread(real.modes, x).numpy() == pytest.approx(expected, rel=0.2)


def test_modes_left_out_are_counted(real):
    fake = modes_only(4000, 0, (np.arange(8) < 6).astype(float))
    found = real.values(fake)
    assert found["mode_left"] == 2 / 8
    assert found["modes_used"] == 6
    # Modes of k-means have numbers of their own, but shares in common with the law's.
    p = real.counts.double() / real.counts.sum()
    q = mode_counts(real.modes, fake).double() / 4000
    middle = (p + q) / 2
    by_hand = (torch.xlogy(p, p / middle) + torch.xlogy(q, q / middle)).sum() / 2
    assert found["mode_jsd"] == pytest.approx(float(by_hand))


def test_modes_with_too_few_samples_have_no_spread():
    modes = Modes(torch.tensor([[0.0], [10.0]]), torch.tensor([0, 1]))
    x = torch.tensor([[0.0], [1.0], [2.0], [10.0], [11.0]])
    found = mode_spread(modes, x)
    assert found[0] == 1
    assert math.isnan(found[1])
    reals = RealModes.of(modes, x)
    assert math.isnan(reals.values(x[3:])["mode_spread"])


def test_bins_of_one_mode_are_one():
    modes = Modes(torch.tensor([[0.0], [1.0], [10.0]]), torch.tensor([0, 0, 1]))
    assert modes.number == 2
    assert mode_counts(modes, torch.tensor([[0.1], [0.9], [9.0]])).tolist() == [2, 1]
