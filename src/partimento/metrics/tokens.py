"""Accuracy of predicted tokens, padding left out: of all, and of each kind of token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


def count_right(
    prediction: Tensor, target: Tensor, mask: Tensor, kind: Tensor, kinds: int
) -> tuple[Tensor, Tensor]:
    """Count the right cells and all cells under a mask, by kind: two tensors `(kinds,)`.

    Args:
        prediction: Predicted tokens, integers of any shape.
        target: True tokens, the same shape.
        mask: True for the cells that count, the same shape.
        kind: Kind of each true token, the same shape, from 0 to `kinds` - 1.
        kinds: Number of kinds.
    """
    right = kind[(prediction == target) & mask]
    return torch.bincount(right, minlength=kinds), torch.bincount(kind[mask], minlength=kinds)


class TokenAccuracy(Metric):
    """Share of tokens predicted right; padding is left out by the mask.

    `compute()` returns a flat dictionary: `accuracy` over all tokens, and `accuracy/KIND` over
    those whose true token is of a kind (pitches, durations, bar lines, ...), which differ widely in
    how hard they are to predict. A kind of which no token was counted is absent.

    Args:
        kinds: Kind of each token of the vocabulary, by field; a plain sequence of tokens has one
            field. Tokens with the kind "" count in `accuracy` alone.

    Raises:
        ValueError: When a batch has another number of fields, or shapes differ.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    kind: Tensor
    right: Tensor
    total: Tensor

    def __init__(self, kinds: Sequence[Sequence[str]]) -> None:
        super().__init__()
        names = dict.fromkeys(kind for field in kinds for kind in field)
        self.names = tuple(names)
        index = {name: number for number, name in enumerate(self.names)}
        table = torch.zeros(len(kinds), max(map(len, kinds)), dtype=torch.long)
        for row, field in enumerate(kinds):
            table[row, : len(field)] = torch.tensor([index[kind] for kind in field])
        self.register_buffer("kind", table, persistent=False)
        counts = torch.zeros(len(self.names), dtype=torch.long)
        self.add_state("right", counts.clone(), dist_reduce_fx="sum")
        self.add_state("total", counts.clone(), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Count one batch.

        Args:
            prediction: Predicted tokens, integers `(batch, steps)`, or `(batch, steps, fields)`.
            target: True tokens, the same shape.
            mask: True for the tokens that count, the same shape; None: all of them.
        """
        mask = torch.ones_like(target, dtype=torch.bool) if mask is None else mask
        if not prediction.shape == target.shape == mask.shape:
            raise ValueError(
                "prediction, target and mask must have the same shape, got "
                f"{tuple(prediction.shape)}, {tuple(target.shape)} and {tuple(mask.shape)}"
            )
        fields = len(self.kind)
        if (target.ndim, *target.shape[2:]) not in ((2,) if fields == 1 else (), (3, fields)):
            raise ValueError(f"expected tokens of {fields} field(s), got {tuple(target.shape)}")
        cells = target.reshape(-1, fields).long()
        kind = self.kind[torch.arange(fields, device=cells.device), cells].reshape(target.shape)
        right, total = count_right(prediction, target, mask, kind, len(self.names))
        self.right += right
        self.total += total

    def compute(self) -> dict[str, Tensor]:
        """Return the accuracies by name, scalars; those without a counted token are absent."""
        if not self.total.sum() > 0:
            return {}
        values = {"accuracy": self.right.sum() / self.total.sum()}
        for name, right, total in zip(self.names, self.right, self.total, strict=True):
            if name and total > 0:
                values[f"accuracy/{name}"] = right / total
        return values
