"""How much a generator's samples depend on their code: nothing is left of it in a point collapse."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


def total_variance(x: Tensor) -> Tensor:
    """Return the trace of the covariance of examples `(examples, *features)`, unbiased."""
    flat = x.flatten(1).double()
    return flat.var(dim=0).sum()


def variance_components(made: Tensor) -> tuple[Tensor, Tensor]:
    """Return which variance of samples their code explains, and which is left within a code.

    A one-way analysis of variance with random effects: the mean square between codes has `draws`
    times the code's variance above the one within. The estimate is cut off at 0.

    Args:
        made: Several samples of each code, `(codes, draws, *features)`; one draw is enough where
            the code alone decides.
    """
    x = made.flatten(2).double()
    draws = x.shape[1]
    between = total_variance(x.mean(dim=1))
    within = x.var(dim=1).sum(dim=1).mean() if draws > 1 else torch.zeros_like(between)
    return (between - within / draws).clamp(min=0), within


def latent_dependence(made: Tensor, real: Tensor) -> dict[str, Tensor]:
    """Return how much samples depend on their code.

    Args:
        made: Samples as features, `(codes, draws, *features)`.
        real: Real examples as features, `(examples, *features)`.

    Returns:
        `latent_spread`: variance that the code explains over the variance of real examples; 0
        where all codes give one point, 1 for a generator like the data whose codes decide alone.
        `latent_share`: the same over the variance of the samples; 0 where noise decides alone, and
        NaN where nothing varies.
    """
    explained, within = variance_components(made)
    return {
        "latent_spread": explained / total_variance(real),
        "latent_share": explained / (explained + within),
    }


class LatentDependence(Metric):
    """`latent_dependence` over batches of codes and of real examples.

    Args:
        features: Number of features of an example.
        draws: Samples of each code.

    Raises:
        ValueError: When a batch has another number of features or draws.
    """

    is_differentiable = False
    full_state_update = False

    made_sum: Tensor
    made_square: Tensor
    within: Tensor
    codes: Tensor
    real_sum: Tensor
    real_square: Tensor
    examples: Tensor

    def __init__(self, features: int, draws: int = 1) -> None:
        super().__init__()
        self.features, self.draws = features, draws
        self.set_dtype(torch.float64)
        for name in ("made_sum", "real_sum"):
            zeros = torch.zeros(features, dtype=torch.float64)
            self.add_state(name, zeros, dist_reduce_fx="sum")
        for name in ("made_square", "real_square", "within", "codes", "examples"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, made: Tensor, real: Tensor) -> None:
        """Count samples `(codes, draws, *features)` and real examples `(examples, *features)`."""
        x, y = made.flatten(2).double(), real.flatten(1).double()
        if x.shape[1:] != (self.draws, self.features) or y.shape[1:] != (self.features,):
            raise ValueError(
                f"expected {self.draws} draws of {self.features} features, got "
                f"{tuple(made.shape)} and {tuple(real.shape)}"
            )
        means = x.mean(dim=1)
        self.made_sum += means.sum(dim=0)
        self.made_square += means.square().sum()
        self.codes += len(x)
        self.within += x.var(dim=1).sum() if self.draws > 1 else 0.0
        self.real_sum += y.sum(dim=0)
        self.real_square += y.square().sum()
        self.examples += len(y)

    def compute(self) -> dict[str, Tensor]:
        """Return `latent_spread` and `latent_share`, scalars."""
        between = _variance(self.made_sum, self.made_square, self.codes)
        within = self.within / self.codes
        explained = (between - within / self.draws).clamp(min=0)
        return {
            "latent_spread": explained / _variance(self.real_sum, self.real_square, self.examples),
            "latent_share": explained / (explained + within),
        }


def _variance(total: Tensor, square: Tensor, count: Tensor) -> Tensor:
    """Return the trace of the covariance from sums over examples."""
    return (square - total.square().sum() / count) / (count - 1)
