"""z-dependence: closed forms of linear generators, and batches against the whole."""

from __future__ import annotations

import math

import pytest
import torch

from partimento.metrics.latent_dependence import (
    LatentDependence,
    latent_dependence,
    total_variance,
    variance_components,
)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_variance_is_the_trace_of_the_covariance():
    x = normal(50, 3, 2)
    assert float(total_variance(x)) == pytest.approx(float(torch.cov(x.flatten(1).T).trace()))


def test_a_linear_generator_with_noise_has_the_share_of_its_weights():
    """x = 2 z + 1 e in each of three coordinates: the code explains 4 of 5."""
    made = 2 * normal(20_000, 1, 3) + normal(20_000, 4, 3, seed=1)
    explained, within = variance_components(made)
    assert float(explained) == pytest.approx(3 * 4, rel=0.03)
    assert float(within) == pytest.approx(3 * 1, rel=0.03)
    found = latent_dependence(made, math.sqrt(8) * normal(20_000, 3, seed=2))
    assert float(found["latent_share"]) == pytest.approx(0.8, abs=0.01)
    assert float(found["latent_spread"]) == pytest.approx(0.5, abs=0.02)


def test_one_point_for_all_codes_is_independent_of_them():
    real = normal(100, 1, 2)
    found = latent_dependence(torch.full((64, 1, 1, 2), 3.25), real)
    assert float(found["latent_spread"]) == 0
    assert math.isnan(found["latent_share"])


def test_noise_alone_is_no_dependence():
    """Means over few draws vary by noise; the estimate takes that away."""
    made = normal(5000, 2, 4)
    assert float(total_variance(made.mean(1))) > 1.9
    assert float(latent_dependence(made, normal(100, 4))["latent_share"]) < 0.03


def test_samples_like_the_data_have_spread_one():
    found = latent_dependence(normal(20_000, 1, 2), normal(20_000, 2, seed=1))
    assert float(found["latent_spread"]) == pytest.approx(1, abs=0.03)
    assert float(found["latent_share"]) == 1


@pytest.mark.parametrize("draws", [1, 3])
def test_batches_give_what_the_whole_gives(draws: int):
    made, real = 5 + normal(60, draws, 4, 2), 2 * normal(90, 4, 2, seed=1) - 7
    metric = LatentDependence(8, draws)
    for part, other in zip(made.split(25), real.split(40), strict=True):
        metric.update(part, other)
    expected, found = latent_dependence(made, real), metric.compute()
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-9)


def test_a_collapse_is_seen_far_from_the_origin():
    """Single precision would lose a variance of 1e-8 beside a mean of 100."""
    made = 100 + 1e-4 * normal(500, 1, 2)
    metric = LatentDependence(2)
    metric.update(made, normal(500, 2))
    expected = float(total_variance(made[:, 0]) / total_variance(normal(500, 2)))
    assert float(metric.compute()["latent_spread"]) == pytest.approx(expected, rel=1e-3)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="expected 2 draws of 3 features"):
        LatentDependence(3, 2).update(normal(5, 1, 3), normal(5, 3))
