"""Sensitivity and the probe: linear generators whose values are known, and what collapses."""

from __future__ import annotations

import math

import pytest
import torch

from partimento.metrics.latent_probe import (
    LatentProbe,
    LocalSensitivity,
    latent_probe,
    moved_codes,
    sensitivities,
)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_scaled_rotation_moves_by_its_scale():
    codes = normal(50, 4)
    rotation = 3 * torch.linalg.qr(normal(4, 4, seed=1))[0]
    others = moved_codes(codes, torch.Generator().manual_seed(2))
    found = sensitivities(codes @ rotation, others @ rotation, codes, others)
    assert found.tolist() == pytest.approx([3.0] * 50, rel=1e-4)
    steps = (others - codes).std()
    assert float(steps) == pytest.approx(0.05, rel=0.15)


def test_a_linear_generator_moves_by_its_mean_gain():
    """E |W d|^2 / |d|^2 over directions is |W|_F^2 / latent."""
    codes, weight = normal(40_000, 3), normal(3, 5, seed=1)
    others = moved_codes(codes, torch.Generator().manual_seed(2))
    found = sensitivities(codes @ weight, others @ weight, codes, others)
    assert float(found.square().mean()) == pytest.approx(float(weight.square().sum() / 3), rel=0.02)
    same = torch.ones(40_000, 5)
    assert float(sensitivities(same, same, codes, others).max()) == 0


def test_sensitivity_over_batches_is_the_mean_of_all():
    codes, others = normal(30, 2), normal(30, 2, seed=1)
    made, moved = normal(30, 3, 4, seed=2), normal(30, 3, 4, seed=3)
    metric = LocalSensitivity()
    for part in (slice(0, 7), slice(7, None)):
        metric.update(made[part], moved[part], codes[part], others[part])
    expected = float(sensitivities(made, moved, codes, others).mean())
    assert metric.compute()["local_sensitivity"] == pytest.approx(expected)


def test_codes_can_be_read_off_a_linear_generator():
    codes = normal(400, 3)
    assert latent_probe(codes, codes @ normal(3, 10, seed=1) + 5) == pytest.approx(1, abs=1e-6)
    one = codes[:, :1] @ normal(1, 10, seed=1)  # one of three dimensions
    assert latent_probe(codes, one) == pytest.approx(1 / 3, abs=0.06)


def test_half_of_the_variance_is_half_readable():
    """x = z + e with as much noise as code: the best linear guess has R^2 1/2."""
    codes = normal(20_000, 4)
    assert latent_probe(codes, codes + normal(20_000, 4, seed=1)) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("features", [3, 500])
def test_noise_and_one_point_say_nothing_of_codes(features: int):
    """Also where features outnumber samples, and least squares would fit anything."""
    codes = normal(300, 4)
    assert latent_probe(codes, torch.full((300, features), 2.0)) == pytest.approx(0, abs=0.06)
    assert latent_probe(codes, normal(300, features, seed=1)) == pytest.approx(0, abs=0.12)


def test_many_features_do_not_hide_a_code():
    codes = normal(300, 4)
    made = torch.cat([codes @ normal(4, 100, seed=1), 0.1 * normal(300, 400, seed=2)], dim=1)
    assert latent_probe(codes, made) > 0.95


def test_batches_of_the_probe_are_gathered():
    codes, made = normal(600, 2), normal(600, 5, seed=1)
    made[:, 0] = codes[:, 0]
    metric = LatentProbe()
    for part in (slice(0, 250), slice(250, None)):
        metric.update(codes[part], made[part])
    assert metric.compute() == {"latent_probe": latent_probe(codes, made)}
    assert 0.4 < latent_probe(codes, made) < 0.6
    with pytest.raises(ValueError, match="a probe needs eight codes"):
        latent_probe(codes[:3], made[:3])
    assert math.isfinite(latent_probe(codes[:8], made[:8]))
