"""Can a nearest neighbour tell fakes from reals: the leave-one-out two-sample test."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from partimento.metrics.comparison import Comparison
from partimento.metrics.neighbours import distance_blocks


class Accuracies(NamedTuple):
    """Shares of reals and of fakes whose nearest other example is of their own kind.

    Attributes:
        real: Near 1 where reals stand apart from fakes.
        fake: Near 1 where fakes stand close together, as copies and collapsed samples do.
    """

    real: float
    fake: float


def neighbour_accuracies(real: Tensor, fake: Tensor) -> Accuracies:
    """Return the leave-one-out accuracies of the 1-nearest-neighbour classifier, kind by kind.

    Lopez-Paz & Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017; recommended for GANs by
    Xu et al., "An empirical study on evaluation metrics of generative adversarial networks", 2018.
    Both are about 1/2 for a perfect model. Their mean may be 1/2 for a bad one (one near 1, the
    other near 0), so it is not taken. Among equally near examples one is taken at random, in
    expectation: equal music is common.

    Args:
        real: Features `(n, features)`; the first n of the smaller set are taken of both.
        fake: Features `(m, features)`.
    """
    size = min(len(real), len(fake))
    both = torch.cat([real[:size], fake[:size]])
    right = torch.empty(len(both), dtype=torch.float64)
    for rows, distances in distance_blocks(both, both):
        index = torch.arange(rows.start, rows.start + len(distances))
        distances[torch.arange(len(distances)), index] = torch.inf
        ties = distances == distances.min(dim=1, keepdim=True).values
        alike = torch.where(
            index < size, ties[:, :size].sum(dim=1).cpu(), ties[:, size:].sum(dim=1).cpu()
        )
        right[rows] = alike.double() / ties.sum(dim=1).cpu()
    return Accuracies(float(right[:size].mean()), float(right[size:].mean()))


class TwoSampleTest(Comparison):
    """`neighbour_accuracies` as a metric: `neighbour_accuracy_real`, `neighbour_accuracy_fake`."""

    def value(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        found = neighbour_accuracies(real, fake)
        return {"neighbour_accuracy_real": found.real, "neighbour_accuracy_fake": found.fake}
