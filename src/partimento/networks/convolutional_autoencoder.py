"""BEGAN's autoencoder with convolutions along time, for any grid of fixed length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from annotated_types import Gt
from torch import Tensor, nn

from partimento.networks.convolutional import (
    ConvolutionalGenerator,
    as_channels,
    channels_of,
    check_layers,
    coarsest,
    descent,
    layer_of,
)
from partimento.networks.discriminator import Power, ReconstructionDiscriminator
from partimento.networks.mlp import Activation


class ConvolutionalEncoder(nn.Module):
    """Convolutions from fine to coarse, then a fully connected layer to a code.

    Args:
        input_shape: Shape of one example's features, time first.
        code: Size of the code.
        hidden: Channels of each layer, the finest first.
        kernel: Steps that a convolution sees, an odd number.
        activation: Non-linearity after each layer.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        code: Annotated[int, Gt(0)],
        *,
        hidden: Sequence[Annotated[int, Gt(0)]],
        kernel: Annotated[int, Gt(0)] = 3,
        activation: Activation = "elu",
    ) -> None:
        super().__init__()
        check_layers(type(self).__name__, hidden, kernel)

        def follow(width: int) -> list[nn.Module]:
            return layer_of(width, activation, "none")

        self.body = descent(channels_of(input_shape), hidden, kernel, follow)
        self.last = nn.Linear(hidden[-1] * coarsest(input_shape[0], len(hidden)), code)

    def forward(self, x: Tensor) -> Tensor:
        """Return codes `(batch, code)` of examples `(batch, *input_shape)`."""
        return self.last(self.body(as_channels(x)).flatten(1))


class ConvolutionalAutoencoder(ReconstructionDiscriminator):
    """BEGAN's autoencoder with convolutions; its decoder has the shape of `ConvolutionalGenerator`.

    Of the paper's network (Berthelot et al. 2017, section 3.5) it has the plan, exponential linear
    units, down-sampling by strides and up-sampling by repetition; it has one convolution to a
    resolution, along time only.

    Args:
        input_shape: Shape of one example's features, time first.
        condition_shapes: Must be empty: an autoencoder judges an example by itself.
        hidden: Channels of the encoder's layers, the finest first; the decoder's in reverse.
        code: Size of the code.
        kernel: Steps that a convolution sees, an odd number.
        activation: Non-linearity after each layer.
        power: Of a number's error. Where most numbers are 0, as in a grid, 1 is content with an
            autoencoder that always says 0.

    Raises:
        UserError: When there is no layer, or the kernel is even.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        condition_shapes: Mapping[str, Sequence[int]] | None = None,
        *,
        hidden: Sequence[Annotated[int, Gt(0)]] = (64, 128, 256),
        code: Annotated[int, Gt(0)] = 64,
        kernel: Annotated[int, Gt(0)] = 3,
        activation: Activation = "elu",
        power: Power = 1,
    ) -> None:
        check_layers(type(self).__name__, hidden, kernel)
        super().__init__(
            ConvolutionalEncoder(
                input_shape, code, hidden=hidden, kernel=kernel, activation=activation
            ),
            ConvolutionalGenerator(
                (code,), input_shape,
                hidden=list(reversed(hidden)), kernel=kernel, activation=activation,
            ),
            power,
        )  # fmt: skip
