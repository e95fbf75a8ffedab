"""Gradient penalties: closed forms on discriminators whose gradient is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from partimento.losses.penalties import (
    R1,
    R2,
    Dragan,
    GradientPenalty,
    input_gradient,
    interpolated,
)

SLOPE = torch.tensor([3.0, 4.0])
REAL = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
FAKE = torch.randn(6, 2, generator=torch.Generator().manual_seed(1))


def linear(x: Tensor) -> Tensor:
    return x.flatten(1) @ SLOPE


def square(x: Tensor) -> Tensor:
    return x.square().sum(1)


def test_gradient_of_each_score_by_its_own_input() -> None:
    torch.testing.assert_close(input_gradient(linear, REAL), SLOPE.expand(6, 2))
    torch.testing.assert_close(input_gradient(square, REAL), 2 * REAL)


def test_linear_discriminator() -> None:
    # The norm of the slope is 5 wherever one looks.
    assert float(GradientPenalty(10.0)(linear, REAL, FAKE)) == pytest.approx(10 * 16)
    assert float(Dragan(2.0)(linear, REAL, FAKE)) == pytest.approx(2 * 16)
    assert float(R1(1.0)(linear, REAL, FAKE)) == pytest.approx(25 / 2)
    assert float(R2(0.5)(linear, REAL, FAKE)) == pytest.approx(25 / 4)


def test_r1_looks_at_reals_and_r2_at_fakes() -> None:
    expected = (2 * REAL).square().sum(1).mean() / 2
    torch.testing.assert_close(R1(1.0)(square, REAL, FAKE), expected)
    expected = (2 * FAKE).square().sum(1).mean() / 2
    torch.testing.assert_close(R2(1.0)(square, REAL, FAKE), expected)


def test_lazy_regularisation_keeps_the_mean_weight() -> None:
    torch.testing.assert_close(
        R1(1.0, every=16)(square, REAL, FAKE), 16 * R1(1.0)(square, REAL, FAKE)
    )


def test_interpolates_lie_between_with_one_share_each() -> None:
    torch.manual_seed(0)
    between = interpolated(REAL, FAKE)
    shares = (between - FAKE) / (REAL - FAKE)
    torch.testing.assert_close(shares[:, 0], shares[:, 1])
    assert ((shares >= 0) & (shares < 1)).all()
    assert len(shares[:, 0].unique()) == 6


def test_the_penalty_has_gradients_for_the_weights() -> None:
    weight = torch.tensor([1.0, 0.0], requires_grad=True)
    R1(1.0)(lambda x: x @ weight, REAL, FAKE).backward()
    torch.testing.assert_close(weight.grad, weight.detach())
