"""Adversarial losses: closed forms, gradients against autograd of the written formula, equilibria."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from partimento.losses import adversarial as losses

REAL = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
FAKE = torch.tensor([-0.5, 1.5, 0.0], dtype=torch.float64)


def sigmoid(scores: Tensor) -> list[float]:
    return [1 / (1 + math.exp(-float(s))) for s in scores]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_minimax_is_the_cross_entropy_of_the_slides() -> None:
    expected = mean([-math.log(p) for p in sigmoid(REAL)])
    expected += mean([-math.log(1 - p) for p in sigmoid(FAKE)])
    assert float(losses.minimax_discriminator(REAL, FAKE)) == pytest.approx(expected)
    generator = mean([math.log(1 - p) for p in sigmoid(FAKE)])
    assert float(losses.minimax_generator(FAKE)) == pytest.approx(generator)
    saturated = mean([-math.log(p) for p in sigmoid(FAKE)])
    assert float(losses.non_saturating_generator(FAKE)) == pytest.approx(saturated)


def test_a_discriminator_that_knows_nothing_pays_log_4() -> None:
    zero = torch.zeros(5)
    assert float(losses.minimax_discriminator(zero, zero)) == pytest.approx(math.log(4))
    assert float(losses.relativistic_discriminator(zero, zero)) == pytest.approx(math.log(2))
    assert float(losses.hinge_discriminator(zero, zero)) == 2.0
    assert float(losses.wasserstein_discriminator(zero, zero)) == 0.0


def test_smoothing_moves_the_best_real_score() -> None:
    scores = torch.zeros(1, requires_grad=True)
    best = math.log(0.9 / 0.1)
    losses.minimax_discriminator(scores + best, torch.zeros(1), real_label=0.9).backward()
    assert float(scores.grad) == pytest.approx(0.0, abs=1e-7)


def test_the_saturating_loss_has_no_gradient_where_the_other_has() -> None:
    sure = torch.tensor([-20.0], requires_grad=True)
    (flat,) = torch.autograd.grad(losses.minimax_generator(sure), sure)
    (steep,) = torch.autograd.grad(losses.non_saturating_generator(sure), sure)
    assert abs(float(flat)) < 1e-8
    assert float(steep) == pytest.approx(-1.0)


def test_extreme_scores_stay_finite() -> None:
    far = torch.tensor([1e4, -1e4])
    for value in (
        losses.minimax_discriminator(far, far),
        losses.minimax_generator(far),
        losses.non_saturating_generator(far),
        losses.relativistic_generator(far, -far),
    ):
        assert torch.isfinite(value)


def test_the_other_closed_forms() -> None:
    real, fake = REAL.tolist(), FAKE.tolist()
    least = (mean([(s - 1) ** 2 for s in real]) + mean([s**2 for s in fake])) / 2
    assert float(losses.least_squares_discriminator(REAL, FAKE)) == pytest.approx(least)
    least = mean([(s - 1) ** 2 for s in fake]) / 2
    assert float(losses.least_squares_generator(FAKE)) == pytest.approx(least)
    hinge = mean([max(0, 1 - s) for s in real]) + mean([max(0, 1 + s) for s in fake])
    assert float(losses.hinge_discriminator(REAL, FAKE)) == pytest.approx(hinge)
    distance = mean(fake) - mean(real)
    assert float(losses.wasserstein_discriminator(REAL, FAKE)) == pytest.approx(distance)
    assert float(losses.wasserstein_generator(FAKE)) == pytest.approx(-mean(fake))
    pairs = [math.log(1 + math.exp(f - r)) for r, f in zip(real, fake, strict=True)]
    assert float(losses.relativistic_discriminator(REAL, FAKE)) == pytest.approx(mean(pairs))
    pairs = [math.log(1 + math.exp(r - f)) for r, f in zip(real, fake, strict=True)]
    assert float(losses.relativistic_generator(FAKE, REAL)) == pytest.approx(mean(pairs))


@pytest.mark.parametrize(
    ("loss", "derivative"),
    [
        (losses.minimax_generator, lambda p: -p),
        (losses.non_saturating_generator, lambda p: p - 1),
    ],
)
def test_gradients_of_the_cross_entropies(loss, derivative) -> None:
    scores = FAKE.clone().requires_grad_(True)
    (found,) = torch.autograd.grad(loss(scores), scores)
    expected = [derivative(p) / len(FAKE) for p in sigmoid(FAKE)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_began() -> None:
    real, fake, balance = torch.tensor([0.6, 0.4]), torch.tensor([0.3, 0.1]), torch.tensor(0.25)
    assert float(losses.began_discriminator(real, fake, balance)) == pytest.approx(0.5 - 0.05)
    moved = losses.began_balance(balance, real, fake, gamma=0.5, rate=0.1)
    assert float(moved) == pytest.approx(0.25 + 0.1 * (0.25 - 0.2))
    assert float(losses.began_balance(torch.tensor(1.0), real, fake, 1.0, 1.0)) == 1.0
    assert float(losses.began_balance(torch.tensor(0.0), real, fake, 0.1, 1.0)) == 0.0
    assert float(losses.began_convergence(real, fake, 0.5)) == pytest.approx(0.5 + 0.05)
