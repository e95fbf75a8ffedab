"""Fidelity and diversity by balls around samples: precision, recall, density, coverage.

Balls are closed (distances up to the radius count): in discrete music a k-th neighbour may be an
equal example, whose open ball of radius 0 would be empty, and reals would not even cover
themselves.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from partimento.metrics.comparison import Comparison
from partimento.metrics.neighbours import distance_blocks, nearest_others

K = 5
"""Neighbours that make a neighbourhood, as in Naeem et al. 2020, section 4."""


class Manifold(NamedTuple):
    """Scores of fakes against reals.

    Attributes:
        precision: Share of fakes in the ball of any real.
        recall: Share of reals in the ball of any fake.
        density: Mean number of reals' balls that hold a fake, over k; about 1 for a perfect model.
        coverage: Share of reals whose ball holds a fake.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(real: Tensor, fake: Tensor, k: int = K) -> Manifold:
    """Compare fakes with reals by balls whose radius is the distance to the k-th own neighbour.

    Precision and recall: Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing
    Generative Models", NeurIPS 2019, section 2. Density and coverage: Naeem et al., "Reliable
    Fidelity and Diversity Metrics for Generative Models", ICML 2020, section 3.

    Args:
        real: Features of real examples `(n, features)`.
        fake: Features of generated ones `(m, features)`.
        k: Neighbour that sets the radius.

    Raises:
        ValueError: When either set has not more than k examples.
    """
    real_radius = nearest_others(real, k)[:, -1]
    fake_radius = nearest_others(fake, k)[:, -1]
    precise = balls = 0.0
    covered = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    recalled = torch.zeros_like(covered)
    for rows, distances in distance_blocks(fake, real):
        held = distances <= real_radius
        precise += float(held.any(dim=1).sum())
        balls += float(held.sum())
        covered |= held.any(dim=0)
        recalled |= (distances <= fake_radius[rows, None]).any(dim=0)
    return Manifold(
        precision=precise / len(fake),
        recall=float(recalled.double().mean()),
        density=balls / (k * len(fake)),
        coverage=float(covered.double().mean()),
    )


def coverage(real: Tensor, fake: Tensor, k: int = K) -> float:
    """Return the coverage alone, for which one generated point is enough.

    Naeem et al. 2020, equation 4, with one difference: a point on the border is in the
    neighbourhood (see above).

    Args:
        real: Features of real examples `(n, features)`.
        fake: Features of generated ones `(m, features)`.
        k: Neighbour that sets the radius.

    Raises:
        ValueError: When there are not more than k reals, or no fakes.
    """
    if not len(fake):
        raise ValueError("no examples were generated that could cover others")
    # The same way of computing distances on both sides: equal distances are equal numbers.
    radius = nearest_others(real, k)[:, -1]
    covered = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for _, distances in distance_blocks(fake, real):
        covered |= (distances <= radius).any(dim=0)
    return float(covered.double().mean())


def expected_coverage(n: int, m: int, k: int = K) -> float:
    """Return the coverage of `n` reals by `m` fakes of the same continuous law, in expectation.

    A real stays uncovered when its k nearest among the other n - 1 reals and the m fakes are all
    real: 1 - product over l of (n - l) / (n + m - l), l = 1 … k (Naeem et al. 2020, section 3.3).
    With as many of both it is about 1 - 2^-k; with equal examples (ties) it is higher.
    """
    return 1 - math.prod((n - nth) / (n + m - nth) for nth in range(1, k + 1))


class ManifoldScores(Comparison):
    """`manifold` as a metric: `precision`, `recall`, `density`, `coverage`.

    Args:
        k: Neighbour that sets the radius.
    """

    def __init__(self, k: int = K) -> None:
        super().__init__()
        self.k = k

    def value(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        return manifold(real, fake, self.k)._asdict()
