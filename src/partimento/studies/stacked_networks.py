"""Many networks of one kind as one: their weights stacked, their layers as batched products."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from partimento.errors import UserError
from partimento.networks import MLP, MLPDiscriminator
from partimento.networks.discriminator import AutoencoderDiscriminator

ELEMENTWISE = (nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.GELU)
EPSILON = 1e-12
"""Least norm by which a vector of spectral normalisation is divided, torch's default."""


def layers_of(network: nn.Module) -> list[nn.Module]:
    """Return the layers of a network that can be stacked, in the order in which they are applied.

    Raises:
        UserError: When a layer is neither linear nor elementwise, or the network is of another
            class.
    """
    if isinstance(network, MLPDiscriminator):
        layers = [*network.body, network.minibatch, network.score]
    elif isinstance(network, AutoencoderDiscriminator):
        if network.power != 1:
            raise UserError(
                f"AutoencoderDiscriminator with power={network.power} cannot be stacked: a stack "
                "takes absolute errors, so set power=1."
            )
        layers = [*network.encoder.layers, *network.decoder.layers]
    elif isinstance(network, MLP):
        layers = [*network.layers]
    else:
        raise UserError(
            f"{type(network).__name__} cannot be stacked: take MLP, MLPDiscriminator or "
            "AutoencoderDiscriminator."
        )
    layers = [layer for layer in layers if not isinstance(layer, nn.Identity)]
    for layer in layers:
        if not isinstance(layer, (nn.Linear, *ELEMENTWISE)):
            raise UserError(
                f"{type(layer).__name__} in {type(network).__name__} cannot be stacked: only "
                "linear layers and elementwise non-linearities can."
            )
    return layers


class SpectralNorms:
    """Spectral normalisation of one layer of every network (Miyato et al. 2018, algorithm 1).

    As in torch's parametrization, each use makes one step of power iteration, through which no
    gradient goes.

    Args:
        layers: That layer of each network, parametrized by `torch.nn.utils.parametrizations`.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        norms = [dict(layer.named_buffers()) for layer in layers]
        self.left = torch.stack([norm["parametrizations.weight.0._u"] for norm in norms])[..., None]
        self.right = torch.stack([norm["parametrizations.weight.0._v"] for norm in norms])[
            ..., None
        ]

    def __call__(self, weight: Tensor) -> Tensor:
        """Return weights `(stack, out, in)`, each divided by its largest singular value."""
        with torch.no_grad():
            self.left = F.normalize(torch.bmm(weight, self.right), dim=1, eps=EPSILON)
            self.right = F.normalize(torch.bmm(weight.mT, self.left), dim=1, eps=EPSILON)
        return weight / (self.left.mT @ weight @ self.right)


class StackedNetwork:
    """Networks of the same layers as one function from `(stack, batch, in)` to `(stack, batch, out)`.

    Args:
        networks: What is stacked; their weights are copied.

    Attributes:
        parameters: Weights `(stack, out, in)` and biases `(stack, 1, out)` of the linear layers in
            turn, leaves of autograd.
        stateful: Whether a use of the networks changes them, as spectral normalisation does.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        rows = list(zip(*map(layers_of, networks), strict=True))
        self.parameters: list[Tensor] = []
        self._linear: list[tuple[nn.Module, ...]] = []
        self._steps: list[SpectralNorms | Callable[[Tensor], Tensor] | None] = []
        for row in rows:
            if not isinstance(row[0], nn.Linear):
                self._steps.append(row[0])
                continue
            normed = parametrize.is_parametrized(row[0], "weight")
            self._steps.append(SpectralNorms(row) if normed else None)
            self._linear.append(row)
            for tensors in ([_weight(layer) for layer in row], [_bias(layer) for layer in row]):
                self.parameters.append(torch.stack(tensors).requires_grad_())
        self.stateful = any(isinstance(step, SpectralNorms) for step in self._steps)

    def __call__(self, x: Tensor, parameters: Sequence[Tensor] | None = None) -> Tensor:
        """Return the networks' outputs, with other parameters than their own where given."""
        left = iter(self.parameters if parameters is None else parameters)
        for step in self._steps:
            if step is not None and not isinstance(step, SpectralNorms):
                x = step(x)
                continue
            weight, bias = next(left), next(left)
            x = torch.baddbmm(bias, x, (weight if step is None else step(weight)).mT)
        return x

    def detached(self) -> list[Tensor]:
        """Return the parameters without gradients, for updates of the other player."""
        return [parameter.detach() for parameter in self.parameters]

    @torch.no_grad()
    def write(self, parameters: Sequence[Tensor] | None = None) -> None:
        """Copy the parameters back into the networks that were stacked."""
        pairs = iter(self.parameters if parameters is None else parameters)
        for row in self._linear:
            for layer, weight, bias in zip(row, next(pairs), next(pairs), strict=True):
                _weight(layer).copy_(weight)
                _bias(layer).copy_(bias)


def _weight(layer: nn.Module) -> Tensor:
    """Return a linear layer's weight as it is trained, before it is normalised, `(out, in)`."""
    own = dict(layer.named_parameters())
    name = "parametrizations.weight.original"
    return own[name if name in own else "weight"].data


def _bias(layer: nn.Module) -> Tensor:
    """Return a linear layer's bias, `(1, out)`."""
    return dict(layer.named_parameters())["bias"].data.unsqueeze(0)
