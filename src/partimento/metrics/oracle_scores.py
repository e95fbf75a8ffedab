"""What an oracle says of samples, gathered over batches and processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from partimento.metrics.oracles import (
    Oracle,
    mode_counts,
    modes_covered,
    reverse_kl,
    reverse_kl_floor,
)


class OracleScores(Metric):
    """Modes, evenness and quality of samples of a law that is known.

    `modes`: modes with a sample of high quality; `modes_with_share`: those with a fifth of their
    share at least, which luck does not cover; `high_quality`; `reverse_kl`, beside the
    `reverse_kl_floor` of a perfect model's as many samples.

    Args:
        oracle: Knows the law.
    """

    is_differentiable = False
    full_state_update = False

    good: Tensor
    samples: Tensor

    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self.oracle = oracle
        zeros = torch.zeros(oracle.modes, dtype=torch.int64)
        self.add_state("good", zeros, dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, samples: Any) -> None:
        """Judge samples: points `(n, 2)`, or a sequence of pieces."""
        labels = self.oracle.assign(samples)
        self.good += torch.as_tensor(mode_counts(labels, self.oracle.modes)).to(self.good)
        self.samples += len(labels.mode)

    def compute(self) -> dict[str, float]:
        """Return the values by name; NaN where nothing was judged."""
        counts = self.good.cpu().numpy()
        found = int(counts.sum())
        return {
            "modes": float(modes_covered(counts)),
            "modes_with_share": float(modes_covered(counts, max(1, found / (5 * len(counts))))),
            "high_quality": float(self.good.sum() / self.samples),
            "reverse_kl": reverse_kl(counts),
            "reverse_kl_floor": reverse_kl_floor(len(counts), found),
        }
