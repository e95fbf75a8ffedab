"""Fréchet and kernel distances: closed forms of Gaussians, plain loops, and torchmetrics' own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from partimento.metrics.frechet import (
    FrechetDistance,
    KernelDistance,
    frechet_distance,
    kernel_distance,
)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def exactly(n: int, mean: torch.Tensor, scale: torch.Tensor, seed: int) -> torch.Tensor:
    """Points whose sample mean and covariance, scale scale^T, are exact."""
    x = normal(n, len(mean), seed=seed)
    x = x - x.mean(dim=0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(torch.cov(x.T)), x.T, upper=False).T
    return white @ scale.T + mean


def metric_value(metric, real: torch.Tensor, fake: torch.Tensor, parts: int = 3):
    for x, y in zip(real.chunk(parts), fake.chunk(parts), strict=True):
        metric.update(x, real=True)
        metric.update(y, real=False)
    return metric.compute()


def test_gaussians_have_the_closed_form():
    """Along shared axes it is |m1 - m2|^2 + sum of (s1 - s2)^2, whatever the rotation."""
    s1, s2 = torch.tensor([1.0, 2, 0.5, 3]).double(), torch.tensor([2.0, 2, 0.1, 1]).double()
    m1, m2 = torch.zeros(4).double(), torch.tensor([1.0, 0, -2, 0.5]).double()
    turned = torch.linalg.qr(normal(4, 4, seed=5))[0]
    real, fake = (
        exactly(500, m @ turned.T, turned @ torch.diag(s), seed)
        for seed, (m, s) in enumerate([(m1, s1), (m2, s2)])
    )
    expected = float((m1 - m2).square().sum() + (s1 - s2).square().sum())
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-9)
    found = metric_value(FrechetDistance(4), real, fake)
    assert float(found) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-9)


def test_it_is_torchmetrics_value_where_covariances_are_singular():
    """Fewer examples than features, as small sets of music have."""
    real, fake = normal(20, 40), 1.5 * normal(25, 40, seed=1) + 0.2
    metric = FrechetDistance(40)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    assert float(metric.compute()) == pytest.approx(frechet_distance(real, fake), rel=1e-4)


def test_the_kernel_distance_is_what_plain_loops_give():
    real, fake = normal(12, 3), normal(9, 3, seed=1) + 0.5

    def kernel(a, b):
        return (float(a @ b) / 3 + 1) ** 3

    def within(x):
        pairs = [kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
        return sum(pairs) / len(pairs)

    between = [kernel(a, b) for a in real for b in fake]
    expected = within(real) + within(fake) - 2 * sum(between) / len(between)
    assert kernel_distance(real, fake) == pytest.approx(expected, rel=1e-9)


def test_the_kernel_distance_of_one_law_is_about_zero_on_either_side():
    found = torch.tensor(
        [kernel_distance(normal(100, 2, seed=s), normal(100, 2, seed=s + 500)) for s in range(60)]
    )
    error = float(found.std()) / 60**0.5
    assert abs(float(found.mean())) < 3 * error
    assert 0.2 < float((found > 0).double().mean()) < 0.8


def test_torchmetrics_subsets_of_all_examples_give_the_same():
    real, fake = normal(30, 4).float(), normal(30, 4, seed=1).float() + 0.3
    mean, deviation = metric_value(KernelDistance(4, subsets=2, subset_size=30), real, fake)
    assert float(mean) == pytest.approx(kernel_distance(real, fake), rel=1e-3)
    assert float(deviation) == pytest.approx(0, abs=1e-5)


def test_the_subsets_follow_from_the_seed_and_leave_the_common_stream():
    real, fake = normal(60, 4).float(), normal(60, 4, seed=1).float()
    state = torch.get_rng_state()
    first, second, other = (
        metric_value(KernelDistance(4, subsets=5, subset_size=20, seed=seed), real, fake)
        for seed in (0, 0, 1)
    )
    assert first == second != other
    assert torch.equal(torch.get_rng_state(), state)


class FirstTwo(nn.Module):
    num_features = 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :2].float()


def test_an_extractor_is_asked_for_features():
    real, fake = torch.randint(9, (50, 6)), torch.randint(7, (50, 6))
    found = metric_value(FrechetDistance(FirstTwo()), real, fake)
    assert float(found) == pytest.approx(frechet_distance(real[:, :2], fake[:, :2]), rel=1e-4)


def test_one_example_is_refused():
    with pytest.raises(ValueError, match="no covariance"):
        frechet_distance(normal(1, 2), normal(5, 2))
    with pytest.raises(ValueError, match="no distance"):
        kernel_distance(normal(5, 2), normal(1, 2))
