"""Singular values: of how many directions a layer or a set of samples makes use."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchmetrics import Metric


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


class LayerSpectrum(NamedTuple):
    """The singular values of a layer's weights in three numbers.

    Attributes:
        effective_rank: See the function of that name.
        stable_rank: See the function of that name.
        largest: The largest singular value. A generator's grow fast when training breaks down
            (Brock, Donahue & Simonyan, "Large Scale GAN Training", ICLR 2019, section 4).
    """

    effective_rank: float
    stable_rank: float
    largest: float


@contextmanager
def resting(*networks: nn.Module) -> Iterator[None]:
    """Put networks into evaluation mode, and each of their modules back into its own.

    Reading a weight that is spectrally normalised makes a power iteration in training mode, and
    so changes the training that is looked at.
    """
    modules = [module for network in networks for module in network.modules()]
    modes = [module.training for module in modules]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def layer_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return each weight matrix of a network, as its layer uses it, by the layer's name."""
    with torch.no_grad(), resting(network):
        return {
            name: module.weight
            for name, module in network.named_modules()
            if isinstance(getattr(module, "weight", None), Tensor) and module.weight.dim() > 1
        }


def layer_spectra(network: nn.Module) -> dict[str, LayerSpectrum]:
    """Return the spectrum of each weight matrix of a network, by the layer's name."""
    return {name: spectrum_of(weight) for name, weight in layer_weights(network).items()}


def spectrum_of(weight: Tensor) -> LayerSpectrum:
    """Return the spectrum of one weight; all 0 where it is 0."""
    values = torch.linalg.svdvals(weight.detach().double().flatten(1))
    if not float(values[0]) > 0:
        return LayerSpectrum(0.0, 0.0, 0.0)
    return LayerSpectrum(effective_rank(weight), stable_rank(weight), float(values[0]))


class LayerSpectra(Metric):
    """`layer_spectra` as a metric, the mean over updates: `effective_rank/LAYER` and so on.

    Args:
        network: The network whose layers are looked at, or one built like it.
    """

    is_differentiable = False
    full_state_update = False

    total: Tensor
    count: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.layers = tuple(layer_weights(network))
        zeros = torch.zeros(len(self.layers), len(LayerSpectrum._fields), dtype=torch.float64)
        self.add_state("total", zeros, dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, network: nn.Module) -> None:
        """Add the spectra that the layers have now."""
        self.total += torch.tensor(list(layer_spectra(network).values())).to(self.total)
        self.count += 1

    def compute(self) -> dict[str, float]:
        """Return the means by name."""
        rows = (self.total / self.count).tolist()
        return {
            f"{what}/{layer}": value
            for layer, row in zip(self.layers, rows, strict=True)
            for what, value in zip(LayerSpectrum._fields, row, strict=True)
        }


class Participation(Metric):
    """`participation_ratio` over batches of samples, as `participation_ratio`.

    Args:
        features: Number of features of a sample.
    """

    is_differentiable = False
    full_state_update = False

    total: Tensor
    products: Tensor
    count: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.set_dtype(torch.float64)
        shapes = {"total": (features,), "products": (features, features), "count": ()}
        for name, shape in shapes.items():
            zeros = torch.zeros(shape, dtype=torch.float64)
            self.add_state(name, zeros, dist_reduce_fx="sum")

    def update(self, features: Tensor) -> None:
        """Add samples `(n, features)`."""
        x = features.double()
        self.total += x.sum(dim=0)
        self.products += x.T @ x
        self.count += len(x)

    def compute(self) -> dict[str, float]:
        """Return the number of directions in which the samples vary."""
        scatter = self.products - torch.outer(self.total, self.total) / self.count
        squares = float(scatter.square().sum())
        found = float(scatter.trace()) ** 2 / squares if squares > 0 else 0.0
        return {"participation_ratio": found}
