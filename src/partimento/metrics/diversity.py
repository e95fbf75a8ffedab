"""How varied a set of samples is, by distances and kernels, beside as many real examples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from partimento.metrics.comparison import Comparison
from partimento.metrics.neighbours import distance_blocks

BANDWIDTH = 0.15
"""Width of the kernel in mean distances between reals: between the scales within modes and between
modes, where the scores count modes (checked on rings and grids in the tests)."""

MOST = 2000
"""Examples of each side of which the Vendi ratio is taken, whose time grows with their cube."""


def mean_distance(x: Tensor) -> float:
    """Return the mean Euclidean distance between two different examples of `(n, features)`.

    Raises:
        ValueError: When there are fewer than two.
    """
    if len(x) < 2:
        raise ValueError("one example has no distance to another")
    total = sum(float(distances.double().sum()) for _, distances in distance_blocks(x, x))
    return total / (len(x) * (len(x) - 1))


def kernel_blocks_mean_square(x: Tensor, bandwidth: float) -> float:
    """Return the mean of k(a, b)^2 over all pairs, the k(a, a) included, k the Gaussian kernel."""
    total = 0.0
    for _, distances in distance_blocks(x, x):
        total += float(distances.double().div_(bandwidth).square_().neg_().exp_().sum())
    return total / len(x) ** 2


def renyi_kernel_entropy(x: Tensor, bandwidth: float) -> float:
    """Return the order-2 diversity 1 / mean k(a, b)^2, from 1 to n: a count of modes.

    Jalali, Li & Farnia, "An Information-Theoretic Evaluation of Generative Models in Learning
    Multi-modal Distributions", NeurIPS 2023 (RKE, without the logarithm), with
    k(a, b) = exp(-|a - b|^2 / (2 bandwidth^2)).
    """
    return 1 / kernel_blocks_mean_square(x, bandwidth)


def vendi(x: Tensor, bandwidth: float, order: float = 1.0) -> float:
    """Return the Vendi score exp(H_q(eigenvalues of K / n)), from 1 to n.

    Friedman & Dieng, "The Vendi Score", TMLR 2023, definition 3.1; orders other than 1: Pasarkar &
    Dieng, AISTATS 2024. Order 2 is `renyi_kernel_entropy`. It takes n^2 memory and n^3 time.

    Args:
        x: Features `(n, features)`.
        bandwidth: Of the Gaussian kernel, in units of distance.
        order: Order q of the entropy, above 0.
    """
    (kernel,) = (d for _, d in distance_blocks(x, x, block=len(x) ** 2))
    kernel = torch.exp(-(kernel.double() / bandwidth).square() / 2) / len(x)
    share = torch.linalg.eigvalsh(kernel).clamp(min=0)
    share = share / share.sum()
    if order == 1:
        return math.exp(-float(torch.special.xlogy(share, share).sum()))
    return float(share[share > 0].pow(order).sum()) ** (1 / (1 - order))


def diversity_ratios(
    real: Tensor, fake: Tensor, bandwidth: float | None = None, *, with_vendi: bool = True
) -> dict[str, float]:
    """Return the fakes' diversity over the reals', by three scores; all grow with n.

    The first n of each are compared, n the size of the smaller set, at most `MOST` by the slow one:
    a ratio stands for itself as long as n is the same above and below. The scores rise on noise as
    well as on variety, and mean nothing without a score of fidelity beside them.

    Args:
        real: Features `(n, features)`.
        fake: Features `(m, features)`.
        bandwidth: Of the kernel; None: `BANDWIDTH` mean distances of the reals.
        with_vendi: Whether to take the slow one too.
    """
    size = min(len(real), len(fake))
    real, fake = real[:size], fake[:size]
    apart = mean_distance(real)
    width = BANDWIDTH * apart if bandwidth is None else bandwidth
    ratios = {
        "distance_ratio": mean_distance(fake) / apart,
        "rke_ratio": renyi_kernel_entropy(fake, width) / renyi_kernel_entropy(real, width),
    }
    if with_vendi:
        ratios["vendi_ratio"] = vendi(fake[:MOST], width) / vendi(real[:MOST], width)
    return ratios


class DiversityRatios(Comparison):
    """`diversity_ratios` as a metric: `distance_ratio`, `rke_ratio` and `vendi_ratio`.

    Args:
        bandwidth: Of the kernel; None: by the reals.
        with_vendi: Whether to take the slow one too.
    """

    def __init__(self, bandwidth: float | None = None, with_vendi: bool = True) -> None:
        super().__init__()
        self.bandwidth = bandwidth
        self.with_vendi = with_vendi

    def value(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        return diversity_ratios(real, fake, self.bandwidth, with_vendi=self.with_vendi)
