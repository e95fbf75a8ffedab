"""MidiNet's networks: convolutions over the steps of a bar, with conditions in any of the layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt
from torch import Tensor, nn

from partimento.errors import Mismatch
from partimento.networks.conditioning import (
    SLOPE,
    Conditioner,
    ConvolutionNormalisation,
    Entry,
    join,
)


class BarGenerator(nn.Module):
    """From a code to a bar: dense layers, then transposed convolutions that double the steps.

    The generator of Yang, Chou & Yang, "MidiNet: a convolutional generative adversarial network for
    symbolic-domain music generation" (ISMIR 2017, arXiv 1703.10847). Sizes are those of the
    authors' code (github.com/RichardYang40148/MidiNet, v1/model.py), whose maps have a pitch axis of
    length 1 up to the last layer; there is none here, which is the same. Its last layer is a
    transposed convolution over all pitches at once: a linear map of each step, as here, with a bias
    for each pitch instead of one.

    Of a bar of 16 steps, with `hidden=[1024]`, `channels=128`, `doublings=3`, where + are the
    conditions that enter there:

    | layer | input                                      | output                   |
    |-------|--------------------------------------------|--------------------------|
    | 0     | `(batch, latent +)`                        | `(batch, 1024)`          |
    | 1     | `(batch, 1024 +)`                          | `(batch, 256)`           |
    | 2     | `(batch, 128 +, 2)`                        | `(batch, 128, 4)`        |
    | 3     | `(batch, 128 +, 4)`                        | `(batch, 128, 8)`        |
    | 4     | `(batch, 128 +, 8)`                        | `(batch, 128, 16)`       |
    | 5     | `(batch, 128 +, 16)`                       | `(batch, 16, features)`  |

    Args:
        input_shape: Shape of a code.
        output_shape: `(steps, features)`; the parameters of an example.
        condition_shapes: Shape of each condition.
        conditions: How each condition enters; those that are not named enter as `Entry()`, a
            vector in all layers.
        hidden: Width of each dense layer but the last.
        channels: Channels of the transposed convolutions.
        doublings: Number of the transposed convolutions that double the steps.
        normalisation: Of each layer but the last, before the rectifier.
        init_scale: Standard deviation of the initial weights (0.02 in the authors' code, as in
            DCGAN); None: torch's own.

    Raises:
        Mismatch: When the steps cannot be halved so often, or a condition cannot enter so.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        output_shape: Sequence[int],
        condition_shapes: Mapping[str, Sequence[int]] | None = None,
        *,
        conditions: Mapping[str, Entry] | None = None,
        hidden: Sequence[Annotated[int, Gt(0)]] = (1024,),
        channels: Annotated[int, Gt(0)] = 128,
        doublings: Annotated[int, Ge(0)] = 3,
        normalisation: ConvolutionNormalisation = "batch",
        init_scale: Annotated[float, Gt(0)] | None = 0.02,
    ) -> None:
        super().__init__()
        steps, self.features = output_shape[0], math.prod(output_shape[1:])
        if steps % 2**doublings:
            raise Mismatch(
                f"{type(self).__name__} doubles the steps {doublings} times and cannot make "
                f"{steps}: set model.generator.doublings so that 2 to its power divides them."
            )
        self.output_shape = tuple(output_shape)
        self.rows = [steps // 2 ** (doublings - i) for i in range(doublings + 1)]
        places = [*(None for _ in (*hidden, channels)), *self.rows]
        self.conditioner = Conditioner(condition_shapes, steps, places, conditions, normalisation)
        widths = self.conditioner.widths
        units, size, layers = [*hidden, channels * self.rows[0]], math.prod(input_shape), []
        for wanted, more in zip(units, widths, strict=False):
            layers.append(_layer(nn.Linear(size + more, wanted), wanted, normalisation))
            size = wanted
        for more in widths[len(units) : -1]:
            double = nn.ConvTranspose1d(channels + more, channels, 2, stride=2)
            layers.append(_layer(double, channels, normalisation))
        layers.append(nn.Sequential(nn.Conv1d(channels + widths[-1], self.features, 1)))
        self.layers = nn.ModuleList(layers)
        self.dense, self.channels = len(units), channels
        _initialise(self, init_scale)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return parameters `(batch, *output_shape)` for codes `(batch, *input_shape)`."""
        x = x.flatten(1)
        for place, (layer, entering) in enumerate(
            zip(self.layers, self.conditioner(condition), strict=True)
        ):
            if place == self.dense:
                x = x.unflatten(1, (self.channels, self.rows[0]))
            x = layer(join(x, entering))
        return x.transpose(1, 2).reshape(-1, *self.output_shape)


class BarDiscriminator(nn.Module):
    """Two convolutions over the steps of a bar, a dense layer, a score (MidiNet, as `BarGenerator`).

    The first convolution has kernels over all pitches; its output is what feature matching
    compares. It is not normalised. MidiNet's judges a bar with its chord, but without the bar
    before (github.com/RichardYang40148/MidiNet/issues/5): hence `ignores`.

    Of a bar of 16 steps, where + are the conditions that enter there:

    | tensor    | shape                          |
    |-----------|--------------------------------|
    | input     | `(batch, 16, features)`        |
    | layer 0   | `(batch, features +, 16)`      |
    | layer 1   | `(batch, 14 +, 8)`             |
    | layer 2   | `(batch, 77 * 3 +)`            |
    | layer 3   | `(batch, 1024 +)`              |
    | score     | `(batch,)`                     |
    | features  | `(batch, 14 * 8)`: of layer 0  |

    Args:
        input_shape: `(steps, features)` of an example.
        condition_shapes: Shape of each condition.
        conditions: How each condition enters, as in `BarGenerator`.
        ignores: Conditions that it is not shown.
        channels: Channels of the two convolutions.
        widths: Steps of their kernels; both have stride 2.
        hidden: Width of each dense layer before the score.
        normalisation: Of each layer but the first and the last, before the rectifier; with a
            gradient penalty none.
        init_scale: Standard deviation of the initial weights; None: torch's own.

    Raises:
        Mismatch: When the example has too few steps, or a condition cannot enter so.
    """

    output: ClassVar[Literal["score", "reconstruction"]] = "score"

    def __init__(
        self,
        input_shape: Sequence[int],
        condition_shapes: Mapping[str, Sequence[int]] | None = None,
        *,
        conditions: Mapping[str, Entry] | None = None,
        ignores: Sequence[str] = ("previous",),
        channels: tuple[Annotated[int, Gt(0)], Annotated[int, Gt(0)]] = (14, 77),
        widths: tuple[Annotated[int, Gt(0)], Annotated[int, Gt(0)]] = (2, 4),
        hidden: Sequence[Annotated[int, Gt(0)]] = (1024,),
        normalisation: ConvolutionNormalisation = "batch",
        init_scale: Annotated[float, Gt(0)] | None = 0.02,
    ) -> None:
        super().__init__()
        steps, features = input_shape[0], math.prod(input_shape[1:])
        first = (steps - widths[0]) // 2 + 1
        second = (first - widths[1]) // 2 + 1
        if steps < widths[0] or first < widths[1]:
            raise Mismatch(
                f"{type(self).__name__} has kernels of {widths[0]} and {widths[1]} steps, for which "
                f"an example of {steps} is too short: take longer examples, or set "
                "model.discriminator.widths."
            )
        shown = {k: v for k, v in (condition_shapes or {}).items() if k not in ignores}
        places = [steps, first, *(None for _ in (*hidden, 1))]
        self.conditioner = Conditioner(shown, steps, places, conditions, normalisation)
        more = self.conditioner.widths
        one = nn.Conv1d(features + more[0], channels[0], widths[0], stride=2)
        two = nn.Conv1d(channels[0] + more[1], channels[1], widths[1], stride=2)
        layers = [_layer(one, channels[0], "none", SLOPE)]
        layers.append(_layer(two, channels[1], normalisation, SLOPE))
        size = channels[1] * second
        for units, extra in zip(hidden, more[2:], strict=False):
            layers.append(_layer(nn.Linear(size + extra, units), units, normalisation, SLOPE))
            size = units
        layers.append(nn.Sequential(nn.Linear(size + more[-1], 1)))
        self.layers = nn.ModuleList(layers)
        _initialise(self, init_scale)

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return scores and features of examples `(batch, *input_shape)`."""
        entering = self.conditioner(condition)
        x = self.layers[0](join(x.flatten(2).transpose(1, 2), entering[0]))
        features = x.flatten(1)
        x = self.layers[1](join(x, entering[1])).flatten(1)
        for layer, beside in zip(self.layers[2:], entering[2:], strict=True):
            x = layer(join(x, beside))
        return x.squeeze(1), features


def _layer(
    transform: nn.Module, channels: int, normalisation: ConvolutionNormalisation, slope: float = 0.0
) -> nn.Sequential:
    """Return a linear map with what follows it: normalisation and a (leaky) rectifier."""
    norm = [nn.BatchNorm1d(channels)] if normalisation == "batch" else []
    return nn.Sequential(transform, *norm, nn.LeakyReLU(slope) if slope else nn.ReLU())


def _initialise(network: nn.Module, scale: float | None) -> None:
    """Draw the weights of all linear maps from N(0, scale), and set their biases to 0."""
    if scale is None:
        return
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.ConvTranspose1d):
            nn.init.normal_(module.weight, std=scale)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
