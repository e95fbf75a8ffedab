"""LSTM layers that are run whole or step by step, and how conditions reach the steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from annotated_types import Gt, MinLen
from torch import Tensor, nn
from torch.nn import functional as F

State = tuple[Tensor, Tensor]
"""Output and cell of one layer after a step, `(batch, units)` each."""

CELL = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""Weights of a layer, in the order in which a single step of torch takes them."""

Hidden = Annotated[Sequence[Annotated[int, Gt(0)]], MinLen(1)]
"""Units of each layer."""


class LSTMStack(nn.Module):
    """LSTM layers one upon another (Hochreiter & Schmidhuber 1997), without an output layer.

    Whole sequences and single steps go through the same weights, so that what is trained on known
    sequences can be run on its own outputs.

    | tensor | shape                                                |
    |--------|------------------------------------------------------|
    | input  | `(batch, steps, inputs)`                             |
    | output | `(batch, steps, hidden[-1])`, bidirectional: twice   |
    | state  | of each layer `(batch, units)`, bidirectional: twice |

    Args:
        inputs: Size of the input of a step.
        hidden: Units of each layer, of each direction.
        bidirectional: Whether each layer reads backwards too, beside reading forwards.
        dropout: Probability with which a layer's output is dropped, between layers and at the end,
            never from one step to the next (Zaremba et al. 2014, "Recurrent neural network
            regularization").
    """

    def __init__(
        self, inputs: int, hidden: Hidden, *, bidirectional: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.directions = 2 if bidirectional else 1
        widths = [inputs, *(units * self.directions for units in hidden)]
        self.width = widths[-1]
        self.layers = nn.ModuleList(
            nn.LSTM(width, units, batch_first=True, bidirectional=bidirectional)
            for width, units in zip(widths, hidden, strict=False)
        )

    def forward(
        self, x: Tensor, states: Sequence[State] | None = None
    ) -> tuple[Tensor, list[State]]:
        """Return the outputs of all steps, and each layer's state after the last.

        Args:
            x: Inputs `(batch, steps, inputs)`.
            states: Each layer's state before the first step; None: zeros.
        """
        last: list[State] = []
        for index, layer in enumerate(self.layers):
            begin = None if states is None else tuple(map(self._split, states[index]))
            x, (output, cell) = layer(x, begin)
            x = F.dropout(x, self.dropout, self.training)
            last.append((self._joined(output), self._joined(cell)))
        return x, last

    def _split(self, state: Tensor) -> Tensor:
        """Return `(directions, batch, units)` of `(batch, directions * units)`."""
        return state.unflatten(1, (self.directions, -1)).transpose(0, 1).contiguous()

    def _joined(self, state: Tensor) -> Tensor:
        return state.transpose(0, 1).flatten(1)

    def start(self, like: Tensor) -> list[State]:
        """Return states of zeros for a batch, beside a tensor `(batch, ...)`."""
        sizes = [self.directions * layer.hidden_size for layer in self._lstms()]
        return [
            (like.new_zeros(len(like), size), like.new_zeros(len(like), size)) for size in sizes
        ]

    def step(self, x: Tensor, states: Sequence[State]) -> tuple[Tensor, list[State]]:
        """Return the output `(batch, hidden[-1])` of one step, and the states after it.

        Raises:
            ValueError: When the layers read backwards too, which takes whole sequences.
        """
        if self.directions == 2:
            raise ValueError("layers that read backwards too have no single steps")
        after: list[State] = []
        for layer, state in zip(self._lstms(), states, strict=True):
            weights = [getattr(layer, f"{name}_l0") for name in CELL]
            output, cell = torch.lstm_cell(x, list(state), *weights)
            after.append((output, cell))
            x = F.dropout(output, self.dropout, self.training)
        return x, after

    def _lstms(self) -> list[nn.LSTM]:
        return [layer for layer in self.layers if isinstance(layer, nn.LSTM)]


class StepConditions:
    """How conditions reach the steps of a recurrent network.

    A condition with as many steps as the sequence is dealt out to these; any other is told whole to
    every step.

    Args:
        shapes: Shape of each condition's features.
        steps: Steps of a sequence.

    Attributes:
        width: Numbers that a step is told.
    """

    def __init__(self, shapes: Mapping[str, Sequence[int]] | None, steps: int) -> None:
        self.steps = steps
        self.dealt = {
            name: len(shape) > 1 and shape[0] == steps
            for name, shape in sorted((shapes or {}).items())
        }
        sizes = {name: math.prod(shape) for name, shape in (shapes or {}).items()}
        self.width = sum(
            sizes[name] // (steps if dealt else 1) for name, dealt in self.dealt.items()
        )

    def __call__(self, condition: Mapping[str, Tensor] | None) -> list[Tensor]:
        """Return what each condition tells the steps, `(batch, steps, numbers)`."""
        found = condition or {}
        return [
            found[name].flatten(2) if dealt else repeated(found[name].flatten(1), self.steps)
            for name, dealt in self.dealt.items()
        ]


def repeated(values: Tensor, steps: int) -> Tensor:
    """Return values `(batch, numbers)` at every step, `(batch, steps, numbers)`."""
    return values.unsqueeze(1).expand(-1, steps, -1)
