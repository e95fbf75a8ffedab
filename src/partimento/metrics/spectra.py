"""Singular values: of how many directions a layer or a set of samples makes use."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def singular_profile(weight: Tensor) -> Tensor:
    """Return the singular values of a weight over the largest, descending.

    A weight of more than two axes is a matrix of its first axis by all others, as spectral
    normalisation takes it (Miyato et al. 2018).
    """
    values = torch.linalg.svdvals(weight.detach().double().flatten(1))
    return values / values[0] if float(values[0]) > 0 else values


def effective_rank(weight: Tensor) -> float:
    """Return exp of the entropy of s^2 / sum of s^2, from 1 to the rank.

    A discriminator's falls when its spectrum collapses (Liu et al., "Spectral Regularization for
    Combating Mode Collapse in GANs", ICCV 2019).
    """
    share = singular_profile(weight).square()
    share = share / share.sum()
    return math.exp(-float(torch.special.xlogy(share, share).sum()))


def stable_rank(weight: Tensor) -> float:
    """Return |W|_F^2 / s_1^2, from 1 to the rank."""
    return float(singular_profile(weight).square().sum())


def participation_ratio(features: Tensor) -> float:
    """Return (sum of l)^2 / sum of l^2 of the eigenvalues l of the covariance of `(n, features)`.

    The number of directions in which samples vary: 1 for a line, 0 where nothing varies.
    """
    centred = features.double() - features.double().mean(dim=0)
    values = torch.linalg.svdvals(centred).square()
    total = float(values.square().sum())
    return float(values.sum()) ** 2 / total if total > 0 else 0.0


def layer_ranks(network: nn.Module) -> dict[str, float]:
    """Return the effective rank of each weight matrix of a network, by its name."""
    with torch.no_grad():
        return {
            name: effective_rank(module.weight)
            for name, module in network.named_modules()
            if isinstance(getattr(module, "weight", None), Tensor) and module.weight.dim() > 1
        }
