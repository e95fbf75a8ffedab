"""Kernel densities beside scipy's, overlaps and divergences in closed form, sets of one value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import gaussian_kde, norm

from partimento.metrics.music.densities import agreement, density


def normal(n: int, seed: int, mean: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return mean + scale * np.random.default_rng(seed).standard_normal(n)


@pytest.mark.parametrize("values", [normal(50, 0), normal(2000, 1) ** 2, np.arange(9) % 4 * 1.0])
def test_the_density_is_scipys(values: np.ndarray) -> None:
    ours = density(values)
    place = np.linspace(values.min() - 1, values.max() + 1, 400)
    theirs = gaussian_kde(values)(place)  # Scott's width too
    assert np.exp(ours.at(place)) == pytest.approx(theirs, abs=0.004 * theirs.max())
    assert np.trapezoid(np.exp(ours.log), ours.place) == pytest.approx(1, abs=1e-6)


def test_normals_apart_overlap_by_the_closed_form() -> None:
    for apart in (0.0, 1.0, 2.0):
        first, second = normal(20_000, 0), normal(20_000, 1, apart)
        # The kernel widens both: their variance is 1 + width^2.
        wide = math.sqrt(1 + 20_000**-0.4)
        found = agreement(first, second)
        assert found.overlap == pytest.approx(2 * norm.cdf(-apart / 2 / wide), abs=0.02)
        # Where the second has no values its density is too small, and the divergence too large.
        expected = apart**2 / 2 / wide**2
        assert expected - 0.02 < found.divergence < 1.2 * expected + 0.02


def test_the_grid_is_one_for_both() -> None:
    """On grids of their own, as published, two sets ten deviations apart diverge by less than 1."""
    first, second = normal(1000, 0), normal(1000, 1, 10.0)
    found = agreement(first, second)
    assert found.overlap < 1e-6
    assert found.divergence > 20

    def own_grid(values: np.ndarray) -> np.ndarray:
        place = np.linspace(values.min(), values.max(), 1000)
        return gaussian_kde(values)(place)

    p, q = own_grid(first), own_grid(second)
    blind = float((p / p.sum() * np.log(p / p.sum() / (q / q.sum()))).sum())
    assert abs(blind) < 1


@pytest.mark.parametrize("values", [normal(30, 0), normal(100, 1), np.array([1.0, 1.0, 2.0])])
def test_a_set_agrees_with_itself(values: np.ndarray) -> None:
    """On the range of the data alone, as published, the overlap of 100 values is about 0.96."""
    found = agreement(values, values)
    assert found.overlap == pytest.approx(1, abs=1e-6)
    assert found.divergence == pytest.approx(0, abs=1e-9)


def test_a_set_of_one_value_has_no_density() -> None:
    """A point collapse: scipy refuses it, and MGEval's code stops there."""
    point, spread = np.full(10, 3.0), normal(100, 0, 3.0)
    with pytest.raises(np.linalg.LinAlgError):
        gaussian_kde(point)
    for pair in ((point, spread), (spread, point), (point, np.full(7, 4.0))):
        found = agreement(*pair)
        assert found.overlap == 0
        assert found.divergence == math.inf
    assert agreement(point, point[:4]) == (1, 0)


def test_scales_and_places_do_not_matter() -> None:
    first, second = normal(300, 0), normal(200, 1, 0.5, 2.0)
    expected = agreement(first, second)
    moved = agreement(1e4 + 1e-2 * first, 1e4 + 1e-2 * second)
    assert moved.overlap == pytest.approx(expected.overlap, abs=1e-3)
    assert moved.divergence == pytest.approx(expected.divergence, rel=1e-2)
    # A set much narrower than the other is still found where it lies.
    narrow = agreement(1e-3 * first, second)
    assert 0 < narrow.overlap < 0.01
    assert 3 < narrow.divergence < 12


def test_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="no densities of 0 and 3 values"):
        agreement(np.zeros(0), np.zeros(3))
