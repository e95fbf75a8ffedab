"""Ring and grid: where the modes lie, what their oracle says, and the way through the data module."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from partimento.config import DataConfig
from partimento.data.module import MusicDataModule
from partimento.datasets.mixtures import GaussianMixture, Grid, Ring, grid_centres, ring_centres
from partimento.errors import UserError
from partimento.metrics.oracles import judge, mode_counts, reverse_kl, reverse_kl_floor
from partimento.representations.points import Points

CEILING = 1 - math.exp(-4.5)
SPLITS = ("train", "valid", "test")


def within(share: float, expected: float, count: int) -> bool:
    """Whether a share of `count` draws is within four standard errors of what is expected."""
    return abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / count)


def test_the_ring_has_eight_distinct_modes():
    """With both ends of the circle among eight angles, two of them are one mode."""
    centres = ring_centres(8, 1.0)
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1)[~np.eye(8, dtype=bool)]
    assert apart.min() == pytest.approx(2 * math.sin(math.pi / 8))
    np.testing.assert_allclose(np.hypot(*centres.T), 1)
    np.testing.assert_allclose(centres.sum(axis=0), 0, atol=1e-12)


def test_the_grid_has_25_modes_from_minus_4_to_4():
    centres = grid_centres(5, 2.0)
    assert {tuple(centre) for centre in centres} == {
        (x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)
    }
    assert len(centres) == 25
    assert {tuple(centre) for centre in grid_centres(2, 1.0)} == {
        (x, y) for x in (-0.5, 0.5) for y in (-0.5, 0.5)
    }


@pytest.mark.parametrize(
    "dataset", [Ring(), Grid(), Ring(modes=3, radius=2, sigma=0.2), Grid(side=1)]
)
def test_a_perfect_model_is_judged_as_one(dataset):
    oracle, n = dataset.oracle, 100_000
    x = dataset.examples("train").x
    assert x.shape == (n, 1, 2)
    assert x.dtype == np.float32
    said = judge(oracle, x)
    assert said["modes"] == oracle.modes
    assert oracle.ceiling == pytest.approx(0.98889, abs=1e-5)
    assert within(said["high_quality"], CEILING, n)
    assert (
        said["reverse_kl"] < reverse_kl_floor(oracle.modes, n) + 4 * math.sqrt(oracle.modes / 2) / n
    )
    surprise = -oracle.log_prob(x)
    assert abs(surprise.mean() - oracle.entropy) < 4 * surprise.std() / math.sqrt(n)


def test_the_density_is_that_of_scipy():
    from scipy.stats import multivariate_normal

    oracle = Ring(modes=5, sigma=0.15).oracle
    x = np.random.default_rng(0).normal(size=(200, 2))
    each = [multivariate_normal(centre, 0.15**2).pdf(x) for centre in oracle.centres]
    np.testing.assert_allclose(np.exp(oracle.log_prob(x)), np.mean(each, axis=0), rtol=1e-9)
    np.testing.assert_array_equal(oracle.log_prob(x), oracle.log_prob(x[:, None]))


def test_the_labels_of_points_at_known_places():
    oracle = Grid().oracle
    x = np.array([[-4, -4], [4, 4], [0, 0.149], [0, 0.151], [1.01, 0], [40, 0.5]])
    labels = oracle.assign(x)
    assert labels.mode.tolist() == [0, 24, 12, 12, 13, 14]
    assert labels.good.tolist() == [True, True, True, False, False, False]


def test_planted_failures_have_the_values_that_follow():
    """Half of the modes: ln 2. A tenth of the spread: all good. Noise of 30 %: good less so."""
    ring, rng, n = Ring(), np.random.default_rng(1), 20_000
    x = ring.oracle.draw(n, rng)
    mode = ring.oracle.assign(x).mode
    half = judge(ring.oracle, x[mode < 4])
    assert half["modes"] == 4
    assert half["reverse_kl"] == pytest.approx(math.log(2), abs=0.002)
    sharp = GaussianMixture(ring.oracle.centres, 0.001).draw(n, rng)
    assert judge(ring.oracle, sharp)["high_quality"] == 1
    noisy = np.where(rng.random((n, 1, 1)) < 0.3, rng.uniform(-2, 2, x.shape), x)
    chance = 8 * math.pi * 0.03**2 / 16  # of a uniform point within 3 sigma of a centre
    expected = 0.7 * CEILING + 0.3 * chance
    assert within(judge(ring.oracle, noisy)["high_quality"], expected, n)
    weights = 0.7 ** np.arange(8)
    weights /= weights.sum()
    skewed = ring.oracle.centres[rng.choice(8, n, p=weights)]
    counts = mode_counts(ring.oracle.assign(skewed), 8)
    expected = (weights * np.log(weights * 8)).sum()
    assert reverse_kl(counts) == pytest.approx(expected, abs=0.02)


def test_the_entropy_where_modes_come_closest():
    oracle = Grid(sigma=1 / 3).oracle
    x = oracle.draw(200_000, np.random.default_rng(0))
    assert 0 < oracle.entropy + oracle.log_prob(x).mean() < 0.02


def test_modes_that_run_into_one_another_are_refused():
    with pytest.raises(
        UserError, match=r"^Modes 0\.765 apart run into one another with sigma=0\.2: "
    ):
        Ring(sigma=0.2)
    with pytest.raises(UserError, match=r"^grid: spacing must be a number above 0, not nan\.$"):
        Grid(spacing=math.nan)
    with pytest.raises(UserError, match=r"^ring: samples must be a number above 0, not 0\.$"):
        Ring(samples=0)


def test_the_same_arguments_give_the_same_points_and_others_others():
    same, other = Ring(samples=50), Ring(samples=50, seed=1)
    for split in SPLITS:
        np.testing.assert_array_equal(same.examples(split).x, Ring(samples=50).examples(split).x)
        assert not np.array_equal(same.examples(split).x, other.examples(split).x)
    train, valid = same.examples("train").x, same.examples("valid").x
    assert len(valid) == 5
    assert not {point.tobytes() for point in train} & {point.tobytes() for point in valid}
    prints = {
        d.fingerprint() for d in (same, other, Ring(), Ring(sigma=0.02), Grid(), Grid(side=4))
    }
    assert len(prints) == 6
    assert same.fingerprint() == Ring(samples=50).fingerprint()


def test_points_go_through_the_data_module():
    data = MusicDataModule(Ring(samples=1000), Points(), DataConfig(), batch_size=128)
    assert {split: len(data.examples(split)) for split in SPLITS} == {
        "train": 1000,
        "valid": 100,
        "test": 100,
    }
    assert data.examples("train").x.dtype == torch.float32
    assert data.examples("train").lengths is None
    np.testing.assert_array_equal(data.examples("test").x, data.dataset.examples("test").x)
    assert data.batches_per_epoch() == 8
    assert data.summary() == {
        "windows": {"train": 1000, "valid": 100, "test": 100},
        "lost": {},
        "skipped": 0,
    }
    other = MusicDataModule(Ring(samples=1000, seed=1), Points())
    assert data.checksum() == MusicDataModule(Ring(samples=1000), Points()).checksum()
    assert data.checksum() != other.checksum()
    assert data.manifest.hash != other.manifest.hash
    assert data.manifest.plain()["splits"]["test"] == ["100 points of the stream ring/0/test"]


def test_the_card_says_what_it_is():
    card = Grid().prepare(None).card
    assert card.title.startswith("Synthetic: 5 x 5 Gaussians 2 apart")
    assert "synthetic" in card.licence
    assert card.counts == {
        "modes": 25,
        "train points": 100_000,
        "valid points": 10_000,
        "test points": 10_000,
    }
