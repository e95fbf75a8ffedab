"""Accuracy of predicted multi-voice grids: with and without holds, at onsets, of whole steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


def cell_kinds(target: Tensor, mask: Tensor, hold: Tensor, rest: Tensor) -> dict[str, Tensor]:
    """Return which cells each accuracy counts, by name, booleans `(batch, steps, voices)`.

    Args:
        target: Symbols `(batch, steps, voices)`.
        mask: True for the cells that were to be predicted, the shape of `target`.
        hold: Index of "hold" in each voice's alphabet, `(voices,)`.
        rest: Index of "rest" in each voice's alphabet, `(voices,)`.

    Returns:
        `accuracy`: all cells; `accuracy_no_hold`: those whose target is not a hold;
        `accuracy_onset`: those whose target is a pitch.
    """
    no_hold = mask & (target != hold)
    return {
        "accuracy": mask,
        "accuracy_no_hold": no_hold,
        "accuracy_onset": no_hold & (target != rest),
    }


def count_correct(prediction: Tensor, target: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Count the right cells and all cells under `cells`, per voice: two tensors `(voices,)`."""
    voices = target.shape[-1]
    right = (prediction == target) & cells
    return right.reshape(-1, voices).sum(0), cells.reshape(-1, voices).sum(0)


def count_correct_steps(prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Count the steps whose masked-in voices are all right, and those that have such a voice."""
    asked = mask.any(-1)
    wrong = ((prediction != target) & mask).any(-1)
    return (asked & ~wrong).sum(), asked.sum()


class GridAccuracy(Metric):
    """Accuracies of predicted grids of symbols, as shares of the cells that were to be predicted.

    `compute()` returns a flat dictionary. Over all voices, and per voice as `NAME/VOICE`:

    - `accuracy`: all cells, holds included;
    - `accuracy_no_hold`: the cells whose target is not a hold;
    - `accuracy_onset`: the cells whose target is a pitch, that is, a true onset.

    And `accuracy_all_voices`: the share of steps at which every voice to be predicted is right.
    About three cells in four of a chorale are holds, so `accuracy` alone flatters. A value for
    which no cell was counted (a voice that was always given) is absent.

    Args:
        voices: Name of each voice.
        hold: Index of "hold" in each voice's alphabet.
        rest: Index of "rest" in each voice's alphabet; None: the alphabets have no rest.

    Raises:
        ValueError: When names and indices differ in number, or a batch has another shape.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    kinds = ("accuracy", "accuracy_no_hold", "accuracy_onset")
    hold: Tensor
    rest: Tensor
    right: Tensor
    total: Tensor
    right_steps: Tensor
    total_steps: Tensor

    def __init__(
        self, voices: Sequence[str], hold: Sequence[int], rest: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        rest = hold if rest is None else rest
        if not len(voices) == len(hold) == len(rest):
            raise ValueError(
                f"{len(voices)} voices need as many hold and rest symbols, "
                f"not {len(hold)} and {len(rest)}"
            )
        self.voices = tuple(voices)
        self.register_buffer("hold", torch.tensor(list(hold)), persistent=False)
        self.register_buffer("rest", torch.tensor(list(rest)), persistent=False)
        counts = torch.zeros(len(self.kinds), len(self.voices), dtype=torch.long)
        self.add_state("right", counts.clone(), dist_reduce_fx="sum")
        self.add_state("total", counts.clone(), dist_reduce_fx="sum")
        self.add_state("right_steps", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("total_steps", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Count one batch.

        Args:
            prediction: Predicted symbols, integers `(batch, steps, voices)`.
            target: True symbols, the same shape.
            mask: True for cells that were to be predicted, the same shape; None: all of them.
        """
        mask = torch.ones_like(target, dtype=torch.bool) if mask is None else mask
        if not prediction.shape == target.shape == mask.shape:
            raise ValueError(
                "prediction, target and mask must have the same shape, got "
                f"{tuple(prediction.shape)}, {tuple(target.shape)} and {tuple(mask.shape)}"
            )
        if target.shape[-1] != len(self.voices):
            raise ValueError(f"expected {len(self.voices)} voices, got {target.shape[-1]}")
        kinds = cell_kinds(target, mask, self.hold, self.rest)
        for row, kind in enumerate(self.kinds):
            right, total = count_correct(prediction, target, kinds[kind])
            self.right[row] += right
            self.total[row] += total
        right_steps, total_steps = count_correct_steps(prediction, target, mask)
        self.right_steps += right_steps
        self.total_steps += total_steps

    def compute(self) -> dict[str, Tensor]:
        """Return the accuracies by name, scalars; those without a counted cell are absent."""
        values: dict[str, Tensor] = {}
        for kind, right, total in zip(self.kinds, self.right, self.total, strict=True):
            if total.sum() > 0:
                values[kind] = right.sum() / total.sum()
            for name, hits, cells in zip(self.voices, right, total, strict=True):
                if cells > 0:
                    values[f"{kind}/{name}"] = hits / cells
        if self.total_steps > 0:
            values["accuracy_all_voices"] = self.right_steps / self.total_steps
        return values
