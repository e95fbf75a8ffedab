"""What fakes say of each other: how far apart they are, and how many are nearly the same."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from partimento.metrics.diversity import BANDWIDTH
from partimento.metrics.neighbours import distance_blocks

NEIGHBOURS = 5
"""Neighbours that make a neighbourhood, as in Naeem et al. 2020, section 4."""
FAR = 80.0
"""Exponent of the kernel from which on it is taken as exp(-80), 2e-35."""


class Kin(NamedTuple):
    """What the distances between fakes say.

    Attributes:
        apart: Mean distance between two of them.
        diversity: Their order-2 diversity (see `metrics.diversity`).
        spacing: Mean distance to the nearest other.
        radius: Median distance to the k-th nearest other.
        repeated: Share of them that are nearly the same as another (`measures.Reals.same`).
        one_place: Largest share of them that are nearly the same as one, itself included.
    """

    apart: float
    diversity: float
    spacing: float
    radius: float
    repeated: float
    one_place: float


def among_fakes(fake: Tensor, apart: float, same: float) -> Kin:
    """Return what the distances between fakes say.

    Args:
        fake: Features `(n, features)`.
        apart: Mean distance between two real examples, the unit of the kernel's width.
        same: Distance up to which two examples are nearly the same.
    """
    total = kernel = 0.0
    width = BANDWIDTH * apart if apart > 0 else 1.0
    near, alike = [], []
    for rows, distances in distance_blocks(fake, fake):
        total += float(distances.sum())
        alike.append((distances <= same).sum(dim=1))
        # What is far has a kernel of nothing; without the bound it is denormal, which is slow.
        exponent = (distances / width).square_().clamp_(max=FAR)
        kernel += float(exponent.neg_().exp_().sum())
        own = torch.arange(len(distances))
        distances[own, rows.start + own] = math.inf
        near.append(distances.topk(min(NEIGHBOURS, len(fake) - 1), largest=False).values)
    nearest_few, many = torch.cat(near), torch.cat(alike)
    return Kin(
        apart=total / (len(fake) * (len(fake) - 1)),
        diversity=len(fake) ** 2 / kernel,
        spacing=float(nearest_few[:, 0].double().mean()),
        radius=float(nearest_few[:, -1].median()),
        repeated=float((many > 1).double().mean()),
        one_place=float(many.max()) / len(fake),
    )
