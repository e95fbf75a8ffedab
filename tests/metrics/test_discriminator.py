"""A discriminator's health: values by hand, linear critics whose gradients are known, batches."""

from __future__ import annotations

import math

import pytest
import torch

from partimento.metrics.discriminator import (
    DiscriminatorHealth,
    discriminator_health,
    gradient_norms,
)

TRAIN = torch.tensor([2.0, 1.0, 3.0, -2.0])
HELD_OUT = torch.tensor([0.5, -0.5])
FAKE = torch.tensor([-1.0, -3.0, 1.0])


def test_values_by_hand():
    found = discriminator_health(TRAIN, HELD_OUT, FAKE)
    assert found == pytest.approx(
        {
            "score_train": 1.0,
            "score_held_out": 0.0,
            "score_fake": -1.0,
            "accuracy_train": 3 / 4,
            "accuracy_held_out": 1 / 2,
            "accuracy_fake": 2 / 3,
            "overfitting_r_t": (3 - 1) / 4,
            "overfitting_r_v": (1 - 0) / (1 + 1),
        }
    )


def test_the_threshold_is_the_objectives():
    """Least squares have 1/2 between their targets, and a critic has none."""
    found = discriminator_health(TRAIN, HELD_OUT, FAKE, threshold=0.5)
    assert found["accuracy_held_out"] == 0  # 0.5 is not above it
    found = discriminator_health(TRAIN, HELD_OUT, FAKE, threshold=None)
    assert set(found) == {"score_train", "score_held_out", "score_fake", "overfitting_r_v"}


def test_overfitting_is_between_its_ends():
    assert discriminator_health(TRAIN, TRAIN, FAKE)["overfitting_r_v"] == 0
    assert discriminator_health(TRAIN, FAKE, FAKE)["overfitting_r_v"] == 1
    assert math.isnan(discriminator_health(TRAIN, HELD_OUT, TRAIN)["overfitting_r_v"])


def test_gradients_of_a_linear_critic_are_its_weights():
    weight = torch.tensor([[1.0, 2.0], [-2.0, 0.0]])
    x = torch.randn(5, 2, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():  # as at a validation
        found = gradient_norms(lambda x: (x * weight).sum((1, 2)), x)
    assert found.tolist() == [9.0] * 5
    squares = gradient_norms(lambda x: x.square().sum((1, 2)) / 2, x)
    torch.testing.assert_close(squares, x.double().square().sum((1, 2)))
    assert not x.requires_grad


def test_batches_are_what_all_scores_are():
    metric = DiscriminatorHealth()
    for side, scores in {"trained": TRAIN, "held_out": HELD_OUT, "fake": FAKE}.items():
        for part in scores.split(2):
            metric.update(part, side)
    assert metric.compute() == discriminator_health(TRAIN, HELD_OUT, FAKE)
    metric.update_gradients(torch.tensor([1.0, 3.0]), real=True)
    metric.update_gradients(torch.tensor([8.0]), real=False)
    metric.update_gradients(torch.tensor([4.0]), real=False)
    metric._computed = None
    found = metric.compute()
    assert (found["gradient_real"], found["gradient_fake"], found["gradient_ratio"]) == (2, 6, 3)
    with pytest.raises(ValueError, match="not 'real'"):
        metric.update(TRAIN, "real")
