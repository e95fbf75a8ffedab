"""Conditions of a network: how each one is encoded, and which of the network's layers it enters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Literal, get_args

import torch
from annotated_types import Gt
from torch import Tensor, nn

from partimento.component import Component
from partimento.errors import Mismatch, UserError

Form = Literal["1d", "2d"]
Place = Literal["input", "one", "all"]
ConvolutionNormalisation = Literal["none", "batch"]
Rows = Sequence[int | None]
"""For each layer of a network the rows (steps) of its input, from the first layer on; None: a vector."""

SLOPE = 0.2
"""Of leaky rectifiers in MidiNet (Yang et al. 2017), as in DCGAN (Radford et al. 2016)."""
SUMMARY_ROWS = 2
"""Rows at which the encoder of a matrix stops when it makes a vector: those of MidiNet's last layer."""


class Entry(Component):
    """How one condition enters a network (Yang, Chou & Yang, "MidiNet", ISMIR 2017, section 3).

    "1d": the condition is one vector, joined to the input of a layer; where that has rows (steps),
    to every row. A condition that is a matrix becomes a vector by convolutions down to two rows.

    "2d": the condition is a matrix of as many rows as the network's output has, joined row to row;
    layers with fewer rows get it from convolutions down to as many (the conditioner CNN of the
    paper). A condition that is a vector is first written into every row. Layers without rows get
    nothing of it.

    Args:
        form: As a vector or as a matrix.
        at: "input": the first layer alone; "one": the layer of `layer`; "all": every layer that can
            take it.
        layer: Index of the layer for "one", from the input; negative: from the output.
        channels: Channels of the convolutions (16 in MidiNet).
    """

    def __init__(
        self,
        form: Form = "1d",
        at: Place = "all",
        layer: int = -1,
        channels: Annotated[int, Gt(0)] = 16,
    ) -> None:
        for name, value, values in (("form", form, Form), ("at", at, Place)):
            if value not in get_args(values):
                raise UserError(
                    f"A condition's {name} is one of {', '.join(get_args(values))}, not {value}."
                )
        self.form: Form = form
        self.at: Place = at
        self.layer = layer
        self.channels = channels

    def layers(self, name: str, rows: Rows) -> list[int]:
        """Return the indices of the layers that the condition `name` enters.

        Raises:
            UserError: When there is no such layer, or it cannot take the form.
        """
        if self.at == "all":
            return [i for i, count in enumerate(rows) if self.form == "1d" or count is not None]
        index = 0 if self.at == "input" else self.layer
        if not -len(rows) <= index < len(rows):
            raise UserError(
                f"Condition '{name}' is to enter layer {index} of a network that has {len(rows)}: "
                f"layer is one of 0 to {len(rows) - 1}, or -1 for the last."
            )
        if self.form == "2d" and rows[index] is None:
            raise UserError(
                f"Condition '{name}' is to enter layer {index}, which has no rows, as a matrix: use "
                "form=1d, at=all or another layer."
            )
        return [index % len(rows)]


class RowPyramid(nn.Module):
    """The conditioner CNN of MidiNet: a matrix at fewer and fewer rows.

    The first convolution takes whole rows, one at a time; the others halve (or divide) their
    number. Each is followed by batch normalisation, if wanted, and a leaky rectifier.

    | tensor | shape                                              |
    |--------|----------------------------------------------------|
    | input  | `(batch, rows[0], features)`                       |
    | output | for each of `rows`: `(batch, channels, that many)` |

    Args:
        features: Size of a row.
        rows: Numbers of rows, falling, each a divisor of the one before.
        channels: Channels of every convolution.
        normalisation: Of every convolution.
    """

    def __init__(
        self,
        features: int,
        rows: Sequence[int],
        channels: int,
        normalisation: ConvolutionNormalisation = "batch",
    ) -> None:
        super().__init__()

        def convolution(inputs: int, width: int) -> nn.Sequential:
            layers: list[nn.Module] = [nn.Conv1d(inputs, channels, width, stride=width)]
            layers += [nn.BatchNorm1d(channels)] if normalisation == "batch" else []
            return nn.Sequential(*layers, nn.LeakyReLU(SLOPE))

        self.rows = tuple(rows)
        steps = [convolution(features, 1)]
        steps += [convolution(channels, more // fewer) for more, fewer in pairwise(rows)]
        self.steps = nn.ModuleList(steps)

    def forward(self, matrix: Tensor) -> dict[int, Tensor]:
        """Return the maps by their number of rows."""
        maps, found = matrix.transpose(1, 2), {}
        for count, step in zip(self.rows, self.steps, strict=True):
            maps = step(maps)
            found[count] = maps
        return found


def halvings(rows: int) -> list[int]:
    """Return numbers of rows from `rows` down, each half the one before: 16, 8, 4, 2."""
    found = [rows]
    while found[-1] > SUMMARY_ROWS and found[-1] % 2 == 0:
        found.append(found[-1] // 2)
    return found


class _Encoded(nn.Module):
    """One condition as each layer gets it.

    Attributes:
        width: Channels, the same in every layer.
    """

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        steps: int,
        rows: Rows,
        entry: Entry,
        normalisation: ConvolutionNormalisation,
    ) -> None:
        super().__init__()
        self.layers = frozenset(entry.layers(name, rows))
        self.form, self.steps = entry.form, steps
        self.is_matrix = len(shape) > 1
        self.pyramid: RowPyramid | None = None
        folds = self.is_matrix and shape[0] % steps == 0
        if entry.form == "2d" and self.is_matrix and not folds:
            raise Mismatch(
                f"Condition '{name}' has {shape[0]} steps and the output {steps}: as a matrix it "
                "must have as many or a multiple; use form=1d."
            )
        # Several windows of the output's length lie beside each other in a row.
        self.base = steps if folds or not self.is_matrix else shape[0]
        features = math.prod(shape) // self.base if self.is_matrix else math.prod(shape)
        if entry.form == "2d":
            lowest = min(rows[i] or steps for i in self.layers) if self.layers else steps
            known = sorted({steps, *(r for r in rows if r and r >= lowest)}, reverse=True)
            _check_divisors(name, steps, known)
            self.pyramid = RowPyramid(features, known, entry.channels, normalisation)
            self.width = entry.channels
        elif self.is_matrix:
            summary = halvings(self.base)
            self.pyramid = RowPyramid(features, summary, entry.channels, normalisation)
            self.width = entry.channels * summary[-1]
        else:
            self.width = features

    def forward(self, condition: Tensor, rows: Rows) -> list[Tensor | None]:
        if self.is_matrix:
            condition = condition.unflatten(1, (-1, self.base)).transpose(1, 2).flatten(2)
        elif self.form == "2d":
            condition = condition.flatten(1).unsqueeze(1).expand(-1, self.steps, -1)
        if self.form == "2d":
            assert self.pyramid is not None  # every matrix has one
            maps = self.pyramid(condition)
            return [maps[r] if i in self.layers and r else None for i, r in enumerate(rows)]
        vector = condition.flatten(1)
        if self.pyramid is not None:
            vector = self.pyramid(condition)[self.pyramid.rows[-1]].flatten(1)
        return [
            None if i not in self.layers
            else vector if r is None
            else vector.unsqueeze(2).expand(-1, -1, r)
            for i, r in enumerate(rows)
        ]  # fmt: skip


def _check_divisors(name: str, steps: int, rows: Sequence[int]) -> None:
    if rows[0] != steps:
        raise Mismatch(
            f"Condition '{name}' has {steps} rows, fewer than the {rows[0]} of a layer: use form=1d."
        )
    for more, fewer in pairwise(rows):
        if more % fewer:
            raise Mismatch(
                f"Condition '{name}' cannot go from {more} rows to {fewer}, no divisor: use form=1d."
            )


class Conditioner(nn.Module):
    """Encodes the conditions of a network and says what each of its layers is given of them.

    A network of any kind tells the rows of its layers' inputs, widens each input by `widths`, and
    joins `forward`'s tensors to them along the channels.

    | tensor    | shape                                                                       |
    |-----------|-----------------------------------------------------------------------------|
    | condition | name → `(batch, *shape)`                                                    |
    | output    | for each layer `(batch, widths[i])`, or with rows `(batch, widths[i], rows[i])` |

    Args:
        condition_shapes: Shape of each condition, without the batch axis.
        steps: Rows of the network's input or output that conditions go along with.
        rows: The rows of each layer's input.
        entries: How each condition enters; those that are not named enter as `Entry()`.
        normalisation: Of the convolutions.

    Attributes:
        widths: Channels that each layer's input grows by.

    Raises:
        UserError: When an entry is of no condition, or of a layer that is not there.
        Mismatch: When a condition has not the shape that its form needs.
    """

    def __init__(
        self,
        condition_shapes: Mapping[str, Sequence[int]] | None,
        steps: int,
        rows: Rows,
        entries: Mapping[str, Entry] | None = None,
        normalisation: ConvolutionNormalisation = "batch",
    ) -> None:
        super().__init__()
        shapes, entries = dict(condition_shapes or {}), dict(entries or {})
        for name in entries:
            if name not in shapes:
                raise Mismatch(
                    f"A network is told how condition '{name}' enters it, and the representation "
                    f"gives {', '.join(sorted(shapes)) or 'no conditions'}: take conditions.{name} "
                    "out of the network, or another representation."
                )
        self.rows = tuple(rows)
        self.names = sorted(shapes)
        encoders = {
            name: _Encoded(
                name, shapes[name], steps, rows, entries.get(name) or Entry(), normalisation
            )
            for name in self.names
        }
        self.encoders = nn.ModuleDict(encoders)
        self.widths = [
            sum(encoder.width for encoder in encoders.values() if place in encoder.layers)
            for place in range(len(rows))
        ]

    def forward(self, condition: Mapping[str, Tensor] | None) -> list[Tensor | None]:
        """Return what each layer's input is joined with; None where nothing is."""
        found = [self.encoders[name]((condition or {})[name], self.rows) for name in self.names]
        joined: list[Tensor | None] = []
        for place in range(len(self.rows)):
            parts = [one[place] for one in found if one[place] is not None]
            joined.append(torch.cat(parts, dim=1) if parts else None)
        return joined


def join(x: Tensor, entering: Tensor | None) -> Tensor:
    """Return a layer's input `(batch, channels, ...)` with what enters beside it."""
    return x if entering is None else torch.cat([x, entering], dim=1)
