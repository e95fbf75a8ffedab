"""Coverage: the share of real examples that have a generated one in their neighbourhood."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from partimento.metrics.neighbours import BLOCK, nearest

K = 5
"""Neighbours that make a neighbourhood, as in Naeem et al. 2020, section 4."""


def neighbourhood_radii(x: Tensor, k: int = K, block: int = BLOCK) -> Tensor:
    """Return the distance of each row to its k-th nearest other row of the same set, `(n,)`.

    Args:
        x: Points `(n, features)`.
        k: Which neighbour.
        block: Number of distances in memory at once, at most (one row at least).

    Raises:
        ValueError: When there are not more than k points.
    """
    if len(x) <= k:
        raise ValueError(f"{len(x)} points have no {k} neighbours each")
    found = []
    for start, part in enumerate(x.split(rows := max(1, block // len(x)))):
        distance = torch.cdist(part, x, compute_mode="donot_use_mm_for_euclid_dist")
        place = torch.arange(len(part), device=x.device)
        distance[place, start * rows + place] = math.inf  # itself, not an equal point
        found.append(distance.kthvalue(k, dim=1).values)
    return torch.cat(found)


def coverage(real: Tensor, fake: Tensor, k: int = K, block: int = BLOCK) -> float:
    """Return the share of real points whose k-neighbourhood holds a generated point.

    Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models", equation 4,
    with one difference: a point on the border is in the neighbourhood. Equal examples, of which
    discrete music has many, have neighbourhoods of radius 0, which nothing would ever be inside of.

    Args:
        real: Points `(n, features)`.
        fake: Points `(m, features)`.
        k: Neighbours that make a neighbourhood.
        block: Number of distances in memory at once, at most.

    Raises:
        ValueError: When there are not more than k real points, or none generated.
    """
    distance, _ = nearest(real, fake, block)
    return float((distance <= neighbourhood_radii(real, k, block)).double().mean())


def expected_coverage(real: int, fake: int, k: int = K) -> float:
    """Return the mean coverage when both sets are drawn from one continuous law.

    A real point is left out when its k nearest among the `real - 1 + fake` others are all real:
    1 - prod over l = 1..k of (real - l) / (real + fake - l). With as many of both it is about
    1 - 2^-k (Naeem et al. 2020, section 3.2). With equal points (ties) it is higher.
    """
    left_out = [(real - place) / (real + fake - place) for place in range(1, k + 1)]
    return 1 - math.prod(left_out)
