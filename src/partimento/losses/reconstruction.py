"""Losses of models that predict music cell by cell: likelihood, and the book's binary cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from partimento.distributions import Categorical, Distribution
from partimento.errors import Mismatch
from partimento.losses.base import Objective


def mean_over(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of `values` over the cells where `mask` is True (all cells without a mask)."""
    if mask is None:
        return values.mean()
    return (values * mask).sum() / mask.sum().clamp(min=1)


def negative_log_likelihood(
    distribution: Distribution, parameters: Tensor, x: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Mean of -log p(x) over the cells under the mask, in nats per cell."""
    return mean_over(-distribution.log_prob(parameters, x, mask), mask)


def one_hot_binary_cross_entropy(
    distribution: Categorical, parameters: Tensor, x: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Sigmoid outputs with binary cross-entropy on the one-hot code of each cell.

    The multi-one-hot loss of MiniBach (Briot, Hadjeres & Pachet, "Deep Learning Techniques for
    Music Generation", 2020, section 6.1.1): summed over the symbols of a cell and averaged over
    the cells under the mask, in nats per cell.

    Sampling and likelihood still go through the softmax of the same logits: conditioned on exactly
    one of independent Bernoulli units being on, the probability that it is unit i is proportional
    to sigmoid(l_i) * prod_{j != i} (1 - sigmoid(l_j)), hence to exp(l_i).
    """
    target = distribution.features(x)
    units = F.binary_cross_entropy_with_logits(parameters, target, reduction="none")
    cells = [voice.sum(dim=-1) for voice in distribution.voices(units)]
    if len(cells) == 1 and x.dim() == 2:
        return mean_over(cells[0], mask)
    return mean_over(torch.stack(cells, dim=-1), mask)


class SoftmaxObjective(Objective):
    """Negative log-likelihood: softmax per voice and step for a grid (multi-multiclass single-label)."""

    def __call__(
        self, distribution: Distribution, parameters: Tensor, x: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        return negative_log_likelihood(distribution, parameters, x, mask)


class SigmoidObjective(Objective):
    """Sigmoid and binary cross-entropy on the one-hot code, as the book trains MiniBach."""

    def check(self, distribution: Distribution) -> None:
        if not isinstance(distribution, Categorical):
            raise Mismatch(
                "model/objective=sigmoid needs a categorical representation (one-hot cells), not "
                f"{distribution.kind}; use model/objective=softmax."
            )

    def __call__(
        self, distribution: Distribution, parameters: Tensor, x: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        self.check(distribution)
        assert isinstance(distribution, Categorical)  # for the type checker; check() has spoken
        return one_hot_binary_cross_entropy(distribution, parameters, x, mask)
