"""What a model is trained on and asked for: a batch, and the cells of it that must be kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Given(NamedTuple):
    """Cells that a generated example must keep.

    Attributes:
        x: The representation's own values, `(batch, *shape)`; only cells under the mask count.
        mask: True where `x` must be kept, the same shape as `x`.
    """

    x: Tensor
    mask: Tensor

    def to(self, device: torch.device | str) -> Given:
        return Given(self.x.to(device), self.mask.to(device))


@dataclass(frozen=True)
class Batch:
    """One batch of examples.

    Attributes:
        x: The representation's own integers or floats, `(batch, *shape)`.
        given: True for cells that are given and must be kept, the shape of `x`; None: none are.
        condition: Conditions by name, each `(batch, ...)`, with the distributions that the
            representation publishes in `conditions`.
        lengths: Number of valid steps of each example, `(batch,)`; None: all of them.
        documents: Which document each step of a packed stream belongs to, `(batch, steps)`, -1 for
            padding; None: each example is one.
        start: Step of the sequences at which `x` begins; above 0 it goes on where the batch before
            ended, with the same sequences in the same places (see `WindowLoader`).
    """

    x: Tensor
    given: Tensor | None = None
    condition: dict[str, Tensor] = field(default_factory=dict)
    lengths: Tensor | None = None
    documents: Tensor | None = None
    start: int = 0

    def __len__(self) -> int:
        return len(self.x)

    def _map(self, function: Any) -> Batch:
        return replace(
            self,
            x=function(self.x),
            given=None if self.given is None else function(self.given),
            condition={name: function(value) for name, value in self.condition.items()},
            lengths=None if self.lengths is None else function(self.lengths),
            documents=None if self.documents is None else function(self.documents),
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Return the batch on another device (Lightning calls this); itself, where it is there."""
        if self.x.device == torch.device(device):
            return self  # its tensors lie together
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def __getitem__(self, index: Tensor | slice) -> Batch:
        """Return the batch of the examples at `index`."""
        return self._map(lambda tensor: tensor[index])

    def steps(self, start: int, stop: int) -> Batch:
        """Return the steps from `start` to `stop` of all examples, with conditions as they are."""
        lengths = self.lengths
        return replace(
            self,
            x=self.x[:, start:stop],
            given=None if self.given is None else self.given[:, start:stop],
            lengths=None if lengths is None else (lengths - start).clamp(0, stop - start),
            documents=None if self.documents is None else self.documents[:, start:stop],
            start=self.start + start,
        )

    def step_mask(self) -> Tensor:
        """True for the valid steps of each example, `(batch, steps)`."""
        steps = torch.arange(self.x.shape[1], device=self.x.device)
        if self.lengths is None:
            return torch.ones(self.x.shape[:2], dtype=torch.bool, device=self.x.device)
        return steps < self.lengths.unsqueeze(1)
