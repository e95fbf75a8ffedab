"""The style-based generator: a code decides on the style of every layer, and noise on the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from partimento.errors import UserError
from partimento.networks.convolutional import as_steps, channels_of, check_layers, coarsest
from partimento.networks.equalized import EqualizedConv, EqualizedLinear
from partimento.networks.noise import Noise

SLOPE = 0.2
"""Of the leaky rectifiers, for which the gain of sqrt(2) is kept, as in the authors' code."""


def adaptive_instance_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float = 1e-8) -> Tensor:
    """Return channels whose means over time are `shift` and whose standard deviations are `|scale|`.

    AdaIN (Huang & Belongie 2017; Karras et al. 2019, equation 1).

    Args:
        x: `(batch, channels, steps)`.
        scale: `(batch, channels)`.
        shift: `(batch, channels)`.
        eps: Added to each variance.
    """
    x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x  # eps is 0 in half precision
    centred = x - x.mean(dim=2, keepdim=True)
    unit = centred * torch.rsqrt(centred.square().mean(dim=2, keepdim=True) + eps)
    return scale.unsqueeze(2) * unit + shift.unsqueeze(2)


def normalised(codes: Tensor, eps: float = 1e-8) -> Tensor:
    """Return codes `(batch, latent)` with a mean square of 1 (Karras et al. 2018, section 4.2)."""
    return codes * torch.rsqrt(codes.square().mean(dim=1, keepdim=True) + eps)


def resampled(codes: Tensor) -> Tensor:
    """Return other codes of the same law, each number drawn from those of the batch in its place.

    The network need not know how codes are distributed, as long as their numbers are independent.
    """
    return codes.gather(0, torch.rand_like(codes).argsort(dim=0))


def truncated(styles: Tensor, mean: Tensor, psi: float, layers: Sequence[int]) -> Tensor:
    """Return styles with those of some layers moved towards the mean (Karras et al. 2019, app. B).

    Args:
        styles: `(batch, layers, style)`.
        mean: `(style,)`.
        psi: 1 leaves them, 0 takes the mean; below 0 lies the opposite style.
        layers: Which layers, the coarsest 0.
    """
    index = torch.tensor(layers, dtype=torch.long, device=styles.device)
    moved = torch.lerp(mean.expand_as(styles), styles, psi)
    return styles.index_copy(1, index, moved[:, index])


class StyleLayer(nn.Module):
    """One layer of the synthesis: (doubling,) convolution, noise, bias, non-linearity, AdaIN.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        style: Size of a style.
        kernel: Steps that the convolution sees; None: there is none, the input is the constant.
        doubles: Whether the steps are doubled first, with the values between interpolated.
        noise: Whether there is noise.
    """

    def __init__(
        self, inputs: int, outputs: int, style: int, kernel: int | None, doubles: bool, noise: bool
    ) -> None:
        super().__init__()
        self.doubles = doubles
        self.convolution = (
            nn.Identity() if kernel is None else EqualizedConv(inputs, outputs, kernel)
        )
        self.noise = Noise(outputs) if noise else nn.Identity()
        self.bias = nn.Parameter(torch.zeros(outputs, 1))
        self.style = EqualizedLinear(style, 2 * outputs, gain=1.0)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return `(batch, outputs, steps)` for an input and a style `(batch, style)`."""
        if self.doubles:
            x = F.interpolate(x, scale_factor=2, mode="linear", align_corners=False)
        x = F.leaky_relu(self.noise(self.convolution(x)) + self.bias, SLOPE)
        scale, shift = self.style(style).chunk(2, dim=1)
        return adaptive_instance_norm(x, 1 + scale, shift)  # a style of 0 leaves unit channels


def mapping_of(width: int, style: int, count: int, rate: float) -> nn.Sequential:
    """Return fully connected layers from `width` numbers to a style."""
    layers: list[nn.Module] = []
    for index in range(count):
        layers.append(EqualizedLinear(style if index else width, style, rate=rate))
        layers.append(nn.LeakyReLU(SLOPE))
    return nn.Sequential(*layers)


def layers_of(hidden: Sequence[int], style: int, kernel: int, noise: bool) -> list[StyleLayer]:
    """Return two layers to each resolution, the coarsest first, which has the constant's steps."""
    layers = []
    for index, (before, after) in enumerate(zip((hidden[0], *hidden), hidden, strict=False)):
        first = kernel if index else None
        layers.append(StyleLayer(before, after, style, first, bool(index), noise))
        layers.append(StyleLayer(after, after, style, kernel, False, noise))
    return layers


class StyleGenerator(nn.Module):
    """Karras, Laine & Aila 2019, "A style-based generator architecture", with one axis: time.

    A mapping network makes a style w of the code; a learned constant grows into music through two
    layers to a resolution, each of which has its statistics set by the style (AdaIN) and gets noise
    of its own. Coarse layers have few steps, so decide on what is common to whole bars, fine ones
    on single notes. Of the paper it has the mapping network with its rate, normalised codes,
    the learned constant, AdaIN, noise, style mixing, truncation, bilinear up-sampling and equalized
    learning rates; not progressive growing.

    | tensor    | shape                                                           |
    |-----------|-----------------------------------------------------------------|
    | input     | `(batch, *input_shape)`                                         |
    | condition | name → `(batch, *shape)`                                        |
    | w         | `(batch, style)`                                                |
    | styles    | `(batch, layers, style)`, layers = 2 * len(hidden), coarse first |
    | layer i   | `(batch, hidden[i // 2], coarsest steps * 2 ** (i // 2))`       |
    | output    | `(batch, *output_shape)`, time first                            |

    Args:
        input_shape: Shape of one code.
        output_shape: Shape of one output; all axes but the first are channels.
        condition_shapes: Shape of each condition; conditions are concatenated to the code.
        hidden: Channels of each resolution, the coarsest first.
        mapping_layers: Layers of the mapping network (8 in the paper).
        style: Size of a style, and of the mapping network's layers (512 in the paper).
        mapping_rate: Factor of the mapping network's learning rate (0.01, appendix C).
        kernel: Steps that a convolution sees, an odd number (3 in the paper).
        noise: Whether layers have noise.
        mixing: Share of the minibatches in training whose examples have two codes, the coarse
            layers the one and the fine layers the other (0.9 in the paper, section 3.1). Not for
            IMLE, which must know each example's code.
        mean_decay: Decay per minibatch of the mean style (0.995 in the authors' code).

    Attributes:
        mean_style: Running mean of w in training, `(style,)`, towards which truncation goes.

    Raises:
        UserError: When there is no layer, the kernel is even, or the coarsest resolution would have
            one step only, whose statistics would leave nothing of it.
    """

    mean_style: Tensor

    def __init__(
        self,
        input_shape: Sequence[int],
        output_shape: Sequence[int],
        condition_shapes: Mapping[str, Sequence[int]] | None = None,
        *,
        hidden: Sequence[Annotated[int, Gt(0)]] = (128, 64, 32),
        mapping_layers: Annotated[int, Gt(0)] = 8,
        style: Annotated[int, Gt(0)] = 512,
        mapping_rate: Annotated[float, Gt(0)] = 0.01,
        kernel: Annotated[int, Gt(0)] = 3,
        noise: bool = True,
        mixing: Annotated[float, Ge(0), Le(1)] = 0.0,
        mean_decay: Annotated[float, Ge(0), Lt(1)] = 0.995,
    ) -> None:
        super().__init__()
        check_layers(type(self).__name__, hidden, kernel)
        self.output_shape = tuple(output_shape)
        start = coarsest(self.output_shape[0], len(hidden))
        if start < 2:
            raise UserError(
                f"StyleGenerator needs 2 steps or more at its coarsest resolution, whose mean and "
                f"variance it sets: {self.output_shape[0]} steps are too few for hidden="
                f"{list(hidden)}."
            )
        self.conditions = sorted(condition_shapes or {})
        width = math.prod(input_shape)
        width += sum(math.prod((condition_shapes or {})[name]) for name in self.conditions)
        self.mapping = mapping_of(width, style, mapping_layers, mapping_rate)
        self.constant = nn.Parameter(torch.ones(1, hidden[0], start))
        self.synthesis = nn.ModuleList(layers_of(hidden, style, kernel, noise))
        last = channels_of(self.output_shape)
        self.last = EqualizedConv(hidden[-1], last, 1, gain=1.0)
        self.bias = nn.Parameter(torch.zeros(last, 1))
        self.mixing, self.mean_decay = mixing, mean_decay
        self.register_buffer("mean_style", torch.zeros(style))

    @property
    def layers(self) -> int:
        """Number of layers that have a style."""
        return len(self.synthesis)

    def styles(self, codes: Tensor, condition: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the style w `(batch, style)` of each code."""
        parts = [normalised(codes.flatten(1))]
        parts += [(condition or {})[name].flatten(1) for name in self.conditions]
        return self.mapping(torch.cat(parts, dim=1))

    def per_layer(self, style: Tensor) -> Tensor:
        """Return one style `(batch, style)` for all layers, `(batch, layers, style)`."""
        return style.unsqueeze(1).expand(-1, self.layers, -1)

    def synthesized(self, styles: Tensor) -> Tensor:
        """Return the output for the styles of all layers `(batch, layers, style)`."""
        x = self.constant.expand(len(styles), -1, -1)
        for layer, style in zip(self.synthesis, styles.unbind(1), strict=True):
            x = layer(x, style)
        return as_steps(self.last(x) + self.bias, self.output_shape)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the output for codes `(batch, *input_shape)`."""
        style = self.styles(x, condition)
        if self.training:
            self._note(style)
        styles = self.per_layer(style)
        # Both numbers come from the CPU's stream: reading them off a GPU would stall it.
        if self.training and self.mixing and float(torch.rand((), device="cpu")) < self.mixing:
            crossing = int(torch.randint(1, self.layers, (), device="cpu"))
            other = self.per_layer(self.styles(resampled(x), condition))
            styles = torch.cat([styles[:, :crossing], other[:, crossing:]], dim=1)
        return self.synthesized(styles)

    @torch.no_grad()
    def _note(self, style: Tensor) -> None:
        """Move the mean style towards that of a minibatch."""
        self.mean_style.lerp_(style.mean(dim=0).to(self.mean_style), 1 - self.mean_decay)
