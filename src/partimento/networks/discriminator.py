"""Discriminators: features of music in, a score and the features behind it out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as with_spectral_norm

from partimento.networks.mlp import ACTIVATIONS, MLP, NORMALISATIONS, Activation, Normalisation


class MinibatchDiscrimination(nn.Module):
    """Closeness of each example to the others of the batch (Salimans et al. 2016, section 3.2).

    Appends `o_b = sum over other examples of exp(-|M_i,b - M_j,b|_1)` with `M = T f`, the example
    itself left out.

    Args:
        width: Size of the features.
        kernels: Number of closenesses, B of the paper.
        size: Size of each projection, C of the paper.
    """

    def __init__(self, width: int, kernels: int = 16, size: int = 8) -> None:
        super().__init__()
        self.project = nn.Linear(width, kernels * size, bias=False)
        self.kernels = kernels

    def forward(self, features: Tensor) -> Tensor:
        """Return `(batch, width + kernels)`."""
        projected = self.project(features).unflatten(1, (self.kernels, -1))
        distances = (projected.unsqueeze(0) - projected.unsqueeze(1)).abs().sum(-1)
        closeness = torch.exp(-distances).sum(1) - 1
        return torch.cat([features, closeness], dim=1)


class MinibatchStandardDeviation(nn.Module):
    """The batch's mean standard deviation as one more feature (Karras et al. 2018, section 3)."""

    def forward(self, features: Tensor) -> Tensor:
        """Return `(batch, width + 1)`."""
        spread = features.var(dim=0, unbiased=False).add(1e-8).sqrt().mean()
        return torch.cat([features, spread.expand(len(features), 1)], dim=1)


Minibatch = Literal["none", "discrimination", "standard_deviation"]


def minibatch_layer(kind: Minibatch, width: int) -> tuple[nn.Module, int]:
    """Return what adds to features `(batch, width)` what the batch says, and their new width."""
    if kind == "discrimination":
        closeness = MinibatchDiscrimination(width)
        return closeness, width + closeness.kernels
    if kind == "standard_deviation":
        return MinibatchStandardDeviation(), width + 1
    return nn.Identity(), width


class MLPDiscriminator(nn.Module):
    """Fully connected layers over the flattened features and conditions, then one score.

    | tensor    | shape                    |
    |-----------|--------------------------|
    | input     | `(batch, *input_shape)`  |
    | condition | name → `(batch, *shape)` |
    | score     | `(batch,)`               |
    | features  | `(batch, hidden[-1])`    |

    Args:
        input_shape: Shape of one example's features.
        condition_shapes: Shape of each condition; conditions are concatenated to the input.
        hidden: Width of each hidden layer.
        activation: Non-linearity after each hidden layer.
        dropout: Probability with which a hidden unit is dropped.
        spectral_norm: Whether each layer's weights are divided by their largest singular value
            (Miyato et al. 2018).
        normalisation: Of each hidden layer, before the non-linearity; with a gradient penalty not
            over the batch.
        minibatch: What the score knows of the whole batch.
    """

    output: ClassVar[Literal["score", "reconstruction"]] = "score"

    def __init__(
        self,
        input_shape: Sequence[int],
        condition_shapes: Mapping[str, Sequence[int]] | None = None,
        *,
        hidden: Sequence[Annotated[int, Gt(0)]] = (200,),
        activation: Activation = "leaky_relu",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        spectral_norm: bool = False,
        normalisation: Normalisation = "none",
        minibatch: Minibatch = "none",
    ) -> None:
        super().__init__()
        self.conditions = sorted(condition_shapes or {})
        width = math.prod(input_shape)
        width += sum(math.prod((condition_shapes or {})[name]) for name in self.conditions)

        def linear(inputs: int, outputs: int) -> nn.Module:
            made = nn.Linear(inputs, outputs)
            return with_spectral_norm(made) if spectral_norm else made

        layers: list[nn.Module] = []
        for units in hidden:
            layers.append(linear(width, units))
            layers += [] if normalisation == "none" else [NORMALISATIONS[normalisation](units)]
            layers.append(ACTIVATIONS[activation]())
            layers += [nn.Dropout(dropout)] if dropout else []
            width = units
        self.body = nn.Sequential(*layers)
        self.minibatch, width = minibatch_layer(minibatch, width)
        self.score = linear(width, 1)

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return scores and features of examples `(batch, *input_shape)`."""
        parts = [x.flatten(1)]
        parts += [(condition or {})[name].flatten(1) for name in self.conditions]
        features = self.body(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0])
        return self.score(self.minibatch(features)).squeeze(1), features


Power = Literal[1, 2]


class ReconstructionDiscriminator(nn.Module):
    """BEGAN's: an autoencoder whose score is its reconstruction error (Berthelot et al. 2017).

    | tensor   | shape                   |
    |----------|-------------------------|
    | input    | `(batch, *input_shape)` |
    | score    | `(batch,)`              |
    | features | `(batch, code)`         |

    Args:
        encoder: Makes codes `(batch, code)` of examples.
        decoder: Makes examples of codes.
        power: Of a number's error, eta of the paper's equation 1.

    Attributes:
        LACKS: Options that other discriminators have: why this one has them not.
    """

    output: ClassVar[Literal["score", "reconstruction"]] = "reconstruction"
    LACKS: ClassVar[Mapping[str, str]] = {
        "spectral_norm": "it bounds the slope of a score, and an autoencoder gives an error",
        "normalisation": "an example's error must be its own and keep its size, which k_t balances",
        "minibatch": "an autoencoder judges an example by its own reconstruction, not by the batch",
    }

    def __init__(self, encoder: nn.Module, decoder: nn.Module, power: Power = 1) -> None:
        super().__init__()
        self.power = power
        self.encoder = encoder
        self.decoder = decoder

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the mean reconstruction error of each example, and its code."""
        code = self.encoder(x)
        difference = x - self.decoder(code)
        errors = difference.abs() if self.power == 1 else difference.square()
        return errors.flatten(1).mean(dim=1), code


class AutoencoderDiscriminator(ReconstructionDiscriminator):
    """An autoencoder of fully connected layers, judging by its error; see its base for the shapes.

    Args:
        input_shape: Shape of one example's features.
        condition_shapes: Must be empty: an autoencoder judges an example by itself.
        hidden: Widths of the encoder's hidden layers; the decoder has them in reverse.
        code: Size of the code.
        activation: Non-linearity after each hidden layer.
        power: Of a number's error. Where most numbers are 0, as in a grid, 1 is content with an
            autoencoder that always says 0.
    """

    encoder: MLP
    decoder: MLP

    def __init__(
        self,
        input_shape: Sequence[int],
        condition_shapes: Mapping[str, Sequence[int]] | None = None,
        *,
        hidden: Sequence[Annotated[int, Gt(0)]] = (200,),
        code: Annotated[int, Gt(0)] = 64,
        activation: Activation = "relu",
        power: Power = 1,
    ) -> None:
        widths = list(reversed(hidden))
        super().__init__(
            MLP(input_shape, (code,), hidden=hidden, activation=activation),
            MLP((code,), input_shape, hidden=widths, activation=activation),
            power,
        )
