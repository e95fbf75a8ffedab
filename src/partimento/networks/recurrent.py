"""Recurrent networks: LSTM layers run whole or step by step, a generator with feedback, a discriminator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Lt, MinLen
from torch import Tensor, nn
from torch.nn import functional as F

from partimento.errors import UserError

State = tuple[Tensor, Tensor]
"""Output and cell of one layer after a step, `(batch, units)` each."""

CELL = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""Weights of a layer, in the order in which a single step of torch takes them."""

Hidden = Annotated[Sequence[Annotated[int, Gt(0)]], MinLen(1)]
Feedback = Literal["linear", "softmax", "sigmoid", "none"]
FED: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda parameters: parameters,
    "softmax": lambda parameters: parameters.softmax(dim=-1),
    "sigmoid": torch.sigmoid,
}
"""From the parameters of an event to what the next step is told of it, in units of features."""


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


class RecurrentGenerator(nn.Module):
    """An LSTM that makes one event after the other, each from a code and the event before.

    Mogren, "C-RNN-GAN: Continuous recurrent neural networks with adversarial training", 2016,
    section 2: each step is given random numbers and the previous step's output; the first one zeros
    in its place. The output layer is linear, and shared by all steps.

    | tensor    | shape                          |
    |-----------|--------------------------------|
    | input     | `(batch, *input_shape)`        |
    | condition | name → `(batch, *shape)`       |
    | output    | `(batch, steps, *output)`      |

    Args:
        input_shape: Shape of a code.
        output_shape: Shape of the parameters of an example, steps first.
        condition_shapes: Shape of each condition; see `StepConditions`.
        hidden: Units of each layer; 350 in both in the paper, section 3.
        code: "steps": the code's numbers are dealt out to the steps, as many to each (the paper's
            random vectors); "whole": every step is given all of them.
        feedback: What is told of the event before: its parameters ("linear", for real values), or
            the probabilities that they mean; "none": nothing.
        dropout: Probability with which a layer's output is dropped; the paper names none, its
            released code 0.5.

    Raises:
        UserError: When a code cannot be dealt out evenly.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        output_shape: Sequence[int],
        condition_shapes: Mapping[str, Sequence[int]] | None = None,
        *,
        hidden: Hidden = (350, 350),
        code: Literal["steps", "whole"] = "whole",
        feedback: Feedback = "linear",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        super().__init__()
        self.output_shape = tuple(output_shape)
        self.steps, width = output_shape[0], math.prod(output_shape[1:])
        numbers = math.prod(input_shape)
        if code == "steps" and numbers % self.steps:
            raise UserError(
                f"model.latent={numbers} cannot be dealt out to {self.steps} steps evenly: with "
                f"model.generator.code=steps it must be a multiple of {self.steps}."
            )
        self.code, self.feedback = code, feedback
        self.conditions = StepConditions(condition_shapes, self.steps)
        inputs = numbers // self.steps if code == "steps" else numbers
        inputs += self.conditions.width + (0 if feedback == "none" else width)
        self.stack = LSTMStack(inputs, hidden, dropout=dropout)
        self.output = nn.Linear(self.stack.width, width)

    @property
    def feeds_back(self) -> bool:
        """Whether a step is told the event before, so that events can be foretold from real ones."""
        return self.feedback != "none"

    def _told(self, z: Tensor, condition: Mapping[str, Tensor] | None) -> Tensor:
        """Return what each step is given beside the event before, `(batch, steps, numbers)`."""
        flat = z.flatten(1)
        dealt = self.code == "steps"
        code = flat.unflatten(1, (self.steps, -1)) if dealt else repeated(flat, self.steps)
        return torch.cat([code, *self.conditions(condition)], dim=-1)

    def forward(self, z: Tensor, condition: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the events for codes `(batch, *input_shape)`, each made from the one before."""
        told = self._told(z, condition)
        if not self.feeds_back:
            return self.output(self.stack(told)[0]).unflatten(-1, self.output_shape[1:])
        fed = FED[self.feedback]
        states, made = self.stack.start(told), []
        before = told.new_zeros(len(told), self.output.out_features)
        for now in told.unbind(1):
            hidden, states = self.stack.step(torch.cat([now, before], dim=-1), states)
            made.append(self.output(hidden))
            before = fed(made[-1])
        return torch.stack(made, dim=1).unflatten(-1, self.output_shape[1:])

    def forced(
        self,
        z: Tensor,
        real: Tensor,
        condition: Mapping[str, Tensor] | None = None,
        begin: int = 0,
    ) -> Tensor:
        """Return each event as it is made after the real events before it (teacher forcing).

        Args:
            z: Codes `(batch, *input_shape)`.
            real: Features of real events `(batch, events, *output)`, no more than there are steps;
                the last one is only foretold.
            condition: Conditions of the whole examples.
            begin: Step at which these events stand in their examples.
        """
        told = self._told(z, condition)[:, begin : begin + real.shape[1]]
        if self.feeds_back:
            before = F.pad(real.flatten(2)[:, :-1], (0, 0, 1, 0))
            told = torch.cat([told, before], dim=-1)
        return self.output(self.stack(told)[0]).unflatten(-1, self.output_shape[1:])


def averaged_logit(logits: Tensor) -> Tensor:
    """Return the logit of the mean probability of logits `(batch, steps)`, `(batch,)`.

    With p the mean of sigmoid(l), log p and log(1 - p) are logarithms of sums, which stay finite
    where p itself would be 0 or 1 in float32.
    """
    real = torch.logsumexp(F.logsigmoid(logits), dim=1)
    return real - torch.logsumexp(F.logsigmoid(-logits), dim=1)


class RecurrentDiscriminator(nn.Module):
    """A bidirectional LSTM that judges every step, and a sequence by the average (Mogren 2016).

    | tensor    | shape                           |
    |-----------|---------------------------------|
    | input     | `(batch, *input_shape)`         |
    | condition | name → `(batch, *shape)`        |
    | score     | `(batch,)`                      |
    | features  | `(batch, steps * 2 hidden[-1])` |

    The features are those of the last layer before the steps' judgements, which the paper matches.

    Args:
        input_shape: Shape of one example's features, steps first.
        condition_shapes: Shape of each condition; see `StepConditions`.
        hidden: Units of each layer in each direction; 350 in both in the paper, section 3.
        average: Of the steps' "probabilities", as in the paper (the score is its logit), or of
            their "logits".
        dropout: Probability with which a layer's output is dropped.

    Attributes:
        LACKS: Options that other discriminators have: why this one has them not.
    """

    output: ClassVar[Literal["score", "reconstruction"]] = "score"
    LACKS: ClassVar[Mapping[str, str]] = {
        "activation": "its layers are LSTM cells, which have their own",
        "spectral_norm": "a bound on each matrix does not bound a network that runs through steps",
        "normalisation": "its layers are LSTM cells, which gates keep in range",
        "minibatch": "it judges a sequence by its own steps, not by the batch",
    }

    def __init__(
        self,
        input_shape: Sequence[int],
        condition_shapes: Mapping[str, Sequence[int]] | None = None,
        *,
        hidden: Hidden = (350, 350),
        average: Literal["probabilities", "logits"] = "probabilities",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        super().__init__()
        self.average = average
        self.conditions = StepConditions(condition_shapes, input_shape[0])
        inputs = math.prod(input_shape[1:]) + self.conditions.width
        self.stack = LSTMStack(inputs, hidden, bidirectional=True, dropout=dropout)
        self.judge = nn.Linear(self.stack.width, 1)

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return scores and features of examples `(batch, *input_shape)`."""
        told = torch.cat([x.flatten(2), *self.conditions(condition)], dim=-1)
        # cuDNN's layers have no second derivative, which penalties and unrolling take.
        twice = told.requires_grad and self.judge.weight.requires_grad
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled and not twice):
            features, _ = self.stack(told)
        logits = self.judge(features).squeeze(-1)
        score = averaged_logit(logits) if self.average == "probabilities" else logits.mean(dim=1)
        return score, features.flatten(1)
