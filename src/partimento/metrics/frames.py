"""Agreement of predicted frames with true ones: accuracy, precision and recall over all keys."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


def count_keys(
    prediction: Tensor, target: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Count keys that are rightly down, wrongly down and missed: three scalars.

    Args:
        prediction: Predicted frames, zeros and ones `(batch, steps, keys)`.
        target: True frames, the same shape.
        mask: True for cells that count, the same shape; None: all of them.
    """
    down, true = prediction.bool(), target.bool()
    valid = torch.ones_like(true) if mask is None else mask
    hits = (down & true & valid).sum()
    return hits, (down & valid).sum() - hits, (true & valid).sum() - hits


class FrameAccuracy(Metric):
    """Frame-level accuracy, precision and recall of binary frames.

    With the true positives, false positives and false negatives of all cells of all frames,

    - `frame_accuracy` is TP / (TP + FP + FN), as Bay, Ehmann & Downie define it ("Evaluation of
      Multiple-F0 Estimation and Tracking Systems", ISMIR 2009, section 3); true negatives, most of
      the cells, do not count;
    - `frame_precision` is TP / (TP + FP), `frame_recall` is TP / (TP + FN).

    The sums are over all frames before the division, so a long piece weighs more than a short one.
    A value with nothing below the line is absent, such as the precision of a model that never
    predicts a key.

    Raises:
        ValueError: When the tensors of a batch differ in shape.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    hits: Tensor
    false: Tensor
    missed: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("hits", "false", "missed"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Count one batch of frames `(batch, steps, keys)`; see `count_keys`."""
        shapes = {tuple(t.shape) for t in (prediction, target, mask) if t is not None}
        if len(shapes) > 1:
            raise ValueError(f"prediction, target and mask differ in shape: {sorted(shapes)}")
        hits, false, missed = count_keys(prediction, target, mask)
        self.hits += hits
        self.false += false
        self.missed += missed

    def compute(self) -> dict[str, Tensor]:
        """Return the shares by name, scalars; those with nothing below the line are absent."""
        below = {
            "frame_accuracy": self.hits + self.false + self.missed,
            "frame_precision": self.hits + self.false,
            "frame_recall": self.hits + self.missed,
        }
        return {name: self.hits / count for name, count in below.items() if count > 0}
