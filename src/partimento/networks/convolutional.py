"""Convolutions along time: a generator and a discriminator of any grid of fixed length."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as with_spectral_norm

from partimento.errors import UserError
from partimento.networks.discriminator import Minibatch, minibatch_layer
from partimento.networks.mlp import ACTIVATIONS, Activation, Normalisation

NORMALISATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm1d,
    "layer": lambda channels: nn.GroupNorm(1, channels),  # over an example's channels and steps
}


def as_channels(x: Tensor) -> Tensor:
    """Return `(batch, steps, ...)` as `(batch, channels, steps)`, which convolutions take."""
    return x.flatten(2).mT if x.dim() > 2 else x.unsqueeze(1)


def as_steps(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Return `(batch, channels, steps or more)` as `(batch, *shape)`, cropped at the end."""
    return x[..., : shape[0]].mT.reshape(len(x), *shape)


def channels_of(shape: Sequence[int]) -> int:
    """Return the number of channels of an example of a shape, whose first axis is time."""
    return math.prod(shape[1:])


def coarsest(steps: int, resolutions: int) -> int:
    """Return the steps that doubled `resolutions - 1` times are `steps` or a few more."""
    return -(-steps // 2 ** (resolutions - 1))


def check_layers(network: str, hidden: Sequence[int], kernel: int) -> None:
    """Refuse a network without layers, or with a kernel that has no middle.

    Raises:
        UserError: With the sentence that says why.
    """
    if not hidden:
        raise UserError(f"{network} needs the channels of one layer or more: hidden=[64], not [].")
    if kernel % 2 == 0:
        raise UserError(
            f"{network} needs a kernel of an odd number of steps, so that it has a middle, "
            f"not kernel={kernel}."
        )


def layer_of(
    channels: int,
    activation: Activation,
    normalisation: Normalisation,
    dropout: float = 0.0,
) -> list[nn.Module]:
    """Return what follows the sums of a layer: normalisation, non-linearity, dropout."""
    return [
        *([] if normalisation == "none" else [NORMALISATIONS[normalisation](channels)]),
        ACTIVATIONS[activation](),
        *([nn.Dropout(dropout)] if dropout else []),
    ]


def descent(
    channels: int,
    hidden: Sequence[int],
    kernel: int,
    follow: Callable[[int], list[nn.Module]],
    wrap: Callable[[nn.Module], nn.Module] = lambda layer: layer,
) -> nn.Sequential:
    """Return convolutions from fine to coarse: one at full resolution, then each halves the steps."""
    layers: list[nn.Module] = []
    for index, width in enumerate(hidden):
        stride = 1 if index == 0 else 2
        layers.append(wrap(nn.Conv1d(channels, width, kernel, stride, kernel // 2)))
        layers += follow(width)
        channels = width
    return nn.Sequential(*layers)


class ConvolutionalGenerator(nn.Module):
    """A code grows into music, twice as many steps at each layer (in the way of DCGAN and BEGAN).

    A fully connected layer makes `hidden[0]` channels at the coarsest resolution; each further
    layer doubles the steps by repetition and convolves them (Berthelot et al. 2017, section 3.5);
    what is more than the wanted number of steps is cut off at the end.

    | tensor    | shape                                         |
    |-----------|-----------------------------------------------|
    | input     | `(batch, *input_shape)`                       |
    | condition | name → `(batch, *shape)`                      |
    | layer i   | `(batch, hidden[i], coarsest steps * 2 ** i)` |
    | output    | `(batch, *output_shape)`, time first          |

    Args:
        input_shape: Shape of one code.
        output_shape: Shape of one output; all axes but the first are channels.
        condition_shapes: Shape of each condition; conditions are concatenated to the code.
        hidden: Channels of each layer, the coarsest first.
        kernel: Steps that a convolution sees, an odd number.
        activation: Non-linearity after each layer.
        normalisation: Of each layer, before the non-linearity; "layer" is over the channels and
            steps of an example.

    Raises:
        UserError: When there is no layer, or the kernel is even.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        output_shape: Sequence[int],
        condition_shapes: Mapping[str, Sequence[int]] | None = None,
        *,
        hidden: Sequence[Annotated[int, Gt(0)]] = (256, 128, 64),
        kernel: Annotated[int, Gt(0)] = 3,
        activation: Activation = "relu",
        normalisation: Normalisation = "none",
    ) -> None:
        super().__init__()
        check_layers(type(self).__name__, hidden, kernel)
        self.output_shape = tuple(output_shape)
        self.conditions = sorted(condition_shapes or {})
        width = math.prod(input_shape)
        width += sum(math.prod((condition_shapes or {})[name]) for name in self.conditions)
        start = coarsest(self.output_shape[0], len(hidden))
        self.first = nn.Linear(width, hidden[0] * start)
        layers = layer_of(hidden[0], activation, normalisation)
        for before, after in itertools.pairwise(hidden):
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
            layers.append(nn.Conv1d(before, after, kernel, padding=kernel // 2))
            layers += layer_of(after, activation, normalisation)
        last = channels_of(self.output_shape)
        layers.append(nn.Conv1d(hidden[-1], last, kernel, padding=kernel // 2))
        self.layers = nn.Sequential(*layers)
        self._coarsest = (hidden[0], start)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the output for codes `(batch, *input_shape)`."""
        parts = [x.flatten(1), *((condition or {})[name].flatten(1) for name in self.conditions)]
        grown = self.layers(self.first(torch.cat(parts, dim=1)).unflatten(1, self._coarsest))
        return as_steps(grown, self.output_shape)


class ConvolutionalDiscriminator(nn.Module):
    """Convolutions along time, each after the first halving the steps, then one score.

    | tensor    | shape                                 |
    |-----------|---------------------------------------|
    | input     | `(batch, *input_shape)`, time first   |
    | condition | name → `(batch, *shape)`              |
    | score     | `(batch,)`                            |
    | features  | `(batch, hidden[-1] * steps of last)` |

    Args:
        input_shape: Shape of one example's features; all axes but the first are channels.
        condition_shapes: Shape of each condition. One with as many steps as the example is
            joined to it step by step; any other is repeated at every step.
        hidden: Channels of each layer, the finest first.
        kernel: Steps that a convolution sees, an odd number.
        activation: Non-linearity after each layer.
        dropout: Probability with which a hidden unit is dropped.
        spectral_norm: Whether each layer's weights are divided by their largest singular value
            (Miyato et al. 2018); a kernel counts as the matrix of its flattened inputs.
        normalisation: Of each layer, before the non-linearity; "layer" is over the channels and
            steps of an example. With a gradient penalty not over the batch.
        minibatch: What the score knows of the whole batch.

    Raises:
        UserError: When there is no layer, or the kernel is even.
    """

    output: ClassVar[Literal["score", "reconstruction"]] = "score"

    def __init__(
        self,
        input_shape: Sequence[int],
        condition_shapes: Mapping[str, Sequence[int]] | None = None,
        *,
        hidden: Sequence[Annotated[int, Gt(0)]] = (64, 128, 256),
        kernel: Annotated[int, Gt(0)] = 3,
        activation: Activation = "leaky_relu",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        spectral_norm: bool = False,
        normalisation: Normalisation = "none",
        minibatch: Minibatch = "none",
    ) -> None:
        super().__init__()
        check_layers(type(self).__name__, hidden, kernel)
        shapes = condition_shapes or {}
        self.conditions = sorted(shapes)
        self.steps = input_shape[0]
        channels = channels_of(input_shape)
        for name in self.conditions:
            shape = shapes[name]
            channels += channels_of(shape) if self._goes_along(shape) else math.prod(shape)

        def wrap(layer: nn.Module) -> nn.Module:
            return with_spectral_norm(layer) if spectral_norm else layer

        def follow(width: int) -> list[nn.Module]:
            return layer_of(width, activation, normalisation, dropout)

        self.body = nn.Sequential(*descent(channels, hidden, kernel, follow, wrap), nn.Flatten())
        width = hidden[-1] * coarsest(self.steps, len(hidden))
        self.minibatch, width = minibatch_layer(minibatch, width)
        self.score = wrap(nn.Linear(width, 1))

    def _goes_along(self, shape: Sequence[int]) -> bool:
        """Whether a condition has steps of its own, as many as the example."""
        return len(shape) > 1 and shape[0] == self.steps

    def _channels(self, condition: Tensor) -> Tensor:
        """Return a condition as `(batch, channels, steps)`."""
        if self._goes_along(condition.shape[1:]):
            return as_channels(condition)
        return condition.flatten(1).unsqueeze(2).expand(-1, -1, self.steps)

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return scores and features of examples `(batch, *input_shape)`."""
        parts = [self._channels((condition or {})[name]) for name in self.conditions]
        features = self.body(torch.cat([as_channels(x), *parts], dim=1))
        return self.score(self.minibatch(features)).squeeze(1), features
