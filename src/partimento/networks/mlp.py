"""The multi-layer perceptron: a window of music in, parameters of a window out, in one step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "elu": nn.ELU,  # BEGAN's (Berthelot et al. 2017, section 3.5)
    "leaky_relu": lambda: nn.LeakyReLU(0.2),  # the slope of DCGAN (Radford et al. 2016)
}
NORMALISATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
Activation = Literal["relu", "tanh", "sigmoid", "gelu", "elu", "leaky_relu"]
Normalisation = Literal["none", "batch", "layer"]


class MLP(nn.Module):
    """Fully connected layers over the flattened input and conditions.

    | tensor    | shape                          |
    |-----------|--------------------------------|
    | input     | `(batch, *input_shape)`        |
    | condition | name → `(batch, *shape)`       |
    | output    | `(batch, *output_shape)`       |

    Args:
        input_shape: Shape of one input, without the batch axis.
        output_shape: Shape of one output.
        condition_shapes: Shape of each condition; conditions are concatenated to the input.
        hidden: Width of each hidden layer; `[]` is a linear model.
        activation: Non-linearity after each hidden layer.
        normalisation: Of each hidden layer, before the non-linearity.
        dropout: Probability with which a hidden unit is dropped in training.
        input_dropout: Probability with which an input is dropped in training.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        output_shape: Sequence[int],
        condition_shapes: Mapping[str, Sequence[int]] | None = None,
        *,
        hidden: Sequence[Annotated[int, Gt(0)]] = (200,),
        activation: Activation = "relu",
        normalisation: Normalisation = "none",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        input_dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        super().__init__()
        self.output_shape = tuple(output_shape)
        self.conditions = sorted(condition_shapes or {})
        width = math.prod(input_shape)
        width += sum(math.prod((condition_shapes or {})[name]) for name in self.conditions)
        layers: list[nn.Module] = [nn.Dropout(input_dropout)] if input_dropout else []
        for units in hidden:
            layers.append(nn.Linear(width, units))
            layers += [] if normalisation == "none" else [NORMALISATIONS[normalisation](units)]
            layers.append(ACTIVATIONS[activation]())
            layers += [nn.Dropout(dropout)] if dropout else []
            width = units
        layers.append(nn.Linear(width, math.prod(self.output_shape)))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the output for inputs `(batch, *input_shape)`."""
        parts = [x.flatten(1)]
        parts += [(condition or {})[name].flatten(1) for name in self.conditions]
        flat = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return self.layers(flat).unflatten(1, self.output_shape)
