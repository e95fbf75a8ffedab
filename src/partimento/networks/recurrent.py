"""Recurrent players: a generator that is fed its own events, a discriminator that reads both ways."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from partimento.errors import UserError
from partimento.networks.lstm import Hidden, LSTMStack, StepConditions, repeated

Feedback = Literal["linear", "softmax", "sigmoid", "none"]
FED: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda parameters: parameters,
    "softmax": lambda parameters: parameters.softmax(dim=-1),
    "sigmoid": torch.sigmoid,
}
"""From the parameters of an event to what the next step is told of it, in units of features."""


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
