"""Distances between the features of two sets: Fréchet's, and the kernel distance, by torchmetrics.

Both notice every failure and attribute none. Fréchet's grows with fewer examples, so that only
equally many compare; the kernel distance does not, on average. Neither compares between feature
spaces.
"""

from __future__ import annotations

import warnings
from typing import Annotated, Any

import torch
from annotated_types import Gt
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from partimento.metrics.neighbours import BLOCK

DEGREE = 3
"""Of the polynomial kernel (Bińkowski et al. 2018, section 4)."""


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Return |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the features' means and covariances.

    The squared Fréchet distance of two Gaussians; Heusel et al., "GANs Trained by a Two Time-Scale
    Update Rule Converge to a Local Nash Equilibrium", NeurIPS 2017, section 2.

    Args:
        real: Features `(n, features)`, two or more.
        fake: Features `(m, features)`.

    Raises:
        ValueError: When a set has fewer than two examples.
    """
    if min(len(real), len(fake)) < 2:
        raise ValueError("one example has no covariance")
    first, second = real.double(), fake.double()
    apart = (first.mean(dim=0) - second.mean(dim=0)).square().sum()
    c1, c2 = (torch.atleast_2d(torch.cov(x.T)) for x in (first, second))
    values, vectors = torch.linalg.eigh(c1)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # C1 C2 has the eigenvalues of the symmetric root C2 root, which are real.
    shared = torch.linalg.eigvalsh(root @ c2 @ root).clamp(min=0).sqrt().sum()
    return float((apart + c1.trace() + c2.trace() - 2 * shared).clamp(min=0))


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Return the unbiased squared maximum mean discrepancy by the kernel (a·b / features + 1)^3.

    Bińkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4. About 0, on either side, for a
    perfect model.

    Args:
        real: Features `(n, features)`, two or more.
        fake: Features `(m, features)`.

    Raises:
        ValueError: When a set has fewer than two examples.
    """
    if min(len(real), len(fake)) < 2:
        raise ValueError("one example has no distance to another")
    within = sum(
        (_kernel_sum(x, x) - float(_kernel(x.double().square().sum(dim=1), x).sum()))
        / (len(x) * (len(x) - 1))
        for x in (real, fake)
    )
    return within - 2 * _kernel_sum(real, fake) / (len(real) * len(fake))


def _kernel(products: Tensor, x: Tensor) -> Tensor:
    return (products / x.shape[1] + 1) ** DEGREE


def _kernel_sum(x: Tensor, y: Tensor) -> float:
    rows = max(1, BLOCK // max(1, len(y)))
    return sum(float(_kernel(part.double() @ y.double().T, x).sum()) for part in x.split(rows))


class Given(nn.Module):
    """Takes examples for their own features, for metrics that want an extractor.

    Args:
        features: Number of features.
    """

    def __init__(self, features: Annotated[int, Gt(0)]) -> None:
        super().__init__()
        self.num_features = features

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class FrechetDistance(FrechetInceptionDistance):
    """torchmetrics' Fréchet distance in a feature space of music instead of Inception's of pictures.

    `update(x, real)` takes what the extractor takes.

    Args:
        extractor: Maps examples to features `(examples, num_features)` and has `num_features`, as
            `evaluation.encoder.Extractor`; a number: examples are their own features, so many.
    """

    def __init__(self, extractor: nn.Module | Annotated[int, Gt(0)], **kwargs: Any) -> None:
        super().__init__(feature=_extractor(extractor), **kwargs)


class KernelDistance(KernelInceptionDistance):
    """torchmetrics' kernel distance in a feature space of music: mean and deviation over subsets.

    Args:
        extractor: As for `FrechetDistance`.
        subsets: Number of random subsets, of each side.
        subset_size: Examples of each.
        seed: Of the subsets, drawn from a stream of their own.
    """

    def __init__(
        self,
        extractor: nn.Module | Annotated[int, Gt(0)],
        subsets: Annotated[int, Gt(0)] = 100,
        subset_size: Annotated[int, Gt(0)] = 100,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        with warnings.catch_warnings():
            # That it keeps the features is what was asked for.
            warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance`")
            super().__init__(
                feature=_extractor(extractor), subsets=subsets, subset_size=subset_size, **kwargs
            )
        # Gathered batch by batch, processes with unequal numbers of batches would wait for ever.
        self.add_state("real_features", [], dist_reduce_fx="cat")
        self.add_state("fake_features", [], dist_reduce_fx="cat")
        self.seed = seed

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation over the subsets."""
        # torchmetrics draws them from the stream that training draws from.
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(self.seed)
            return super().compute()


def _extractor(given: nn.Module | int) -> nn.Module:
    return Given(given) if isinstance(given, int) else given
