"""Accuracy of predicted melodies: of all tokens, without holds, and at onsets."""

from __future__ import annotations

from torch import Tensor

from partimento.metrics.grid import GridAccuracy


class LineAccuracy(GridAccuracy):
    """Accuracies of predicted tokens of one melody, as `GridAccuracy` counts them for one voice.

    `compute()` returns `accuracy`, `accuracy_no_hold` and `accuracy_onset`; a value for which no
    token was counted is absent.

    Args:
        hold: Token of "hold".
        rest: Token of "rest".

    Raises:
        ValueError: When a batch has another shape than its target.
    """

    def __init__(self, hold: int, rest: int) -> None:
        super().__init__(("melody",), (hold,), (rest,))

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Count one batch.

        Args:
            prediction: Predicted tokens, integers `(batch, steps)`.
            target: True tokens, the same shape.
            mask: True for tokens that were to be predicted, the same shape; None: all of them.
        """
        mask = mask if mask is None else mask.unsqueeze(-1)
        super().update(prediction.unsqueeze(-1), target.unsqueeze(-1), mask)

    def compute(self) -> dict[str, Tensor]:
        """Return the accuracies by name, scalars; those without a counted token are absent."""
        values = super().compute()
        return {kind: values[kind] for kind in self.kinds if kind in values}
