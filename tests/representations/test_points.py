"""Points as they are: one likelihood per point, and no music."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from partimento.datasets.chorales import read_bach
from partimento.errors import UserError
from partimento.representations.points import Points


def test_a_mean_likelihood_is_one_per_point():
    points = Points(scale=2.0)
    distribution = points.distribution
    x = torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]]])
    nats = distribution.log_prob(torch.zeros(2, 1, 2), x)
    assert distribution.count(torch.ones_like(nats, dtype=torch.bool)) == 2
    mean = float(nats.sum()) / 2
    # Two axes of a normal distribution of standard deviation 2, squared distances 25 and 0.
    assert mean == pytest.approx(-math.log(2 * math.pi * 4) - 25 / 2 / 8)
    assert Points(**points.arguments()).distribution == distribution


def test_points_are_no_music():
    piece, points = read_bach("253"), Points()
    calls = [
        lambda: points.encode(piece),
        lambda: points.decode(np.zeros((1, 2))),
        lambda: points.loss_of(piece),
        lambda: points.windows(piece, stride=1),
        lambda: points.transpositions(piece),
    ]
    for call in calls:
        with pytest.raises(UserError, match=r"^representation=points holds points of the plane, "):
            call()
    assert points.metrics() == {}


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_a_scale_that_is_none(scale):
    with pytest.raises(UserError, match=r"^representation\.scale must be a positive number, not "):
        Points(scale)
