"""Copies: samples that are examples of the training set to the note, or nearly.

Copied passages of any length are in `copied_windows`, samples that recur in `duplicates`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric


def rows_of(x: np.ndarray) -> list[bytes]:
    """Return examples `(n, ...)` of integers as bytes that are equal where the examples are."""
    flat = np.ascontiguousarray(x, dtype=np.int64).reshape(len(x), -1)
    return [row.tobytes() for row in flat]


def copy_rate(samples: np.ndarray, corpus: np.ndarray) -> float:
    """Return the share of samples that equal an example of a corpus.

    Real music quotes too: the rate means something beside that of held-out examples.

    Args:
        samples: Examples `(n, ...)` of integers.
        corpus: Examples `(m, ...)` of the same shape.

    Raises:
        ValueError: When there are no samples, or the shapes differ.
    """
    if not len(samples) or samples.shape[1:] != corpus.shape[1:]:
        raise ValueError(f"no copies of {corpus.shape} can be looked for among {samples.shape}")
    known = set(rows_of(corpus))
    return sum(row in known for row in rows_of(samples)) / len(samples)


def near_copy_rate(samples: np.ndarray, corpus: np.ndarray, most: int) -> float:
    """Return the share of samples that differ from some example of a corpus in few cells.

    Args:
        samples: Examples `(n, ...)` of integers.
        corpus: Examples `(m, ...)` of the same shape.
        most: Cells in which a near copy differs, at most; 0: exact copies alone.

    Raises:
        ValueError: When there are no samples, or the shapes differ.
    """
    if not len(samples) or samples.shape[1:] != corpus.shape[1:]:
        raise ValueError(f"no copies of {corpus.shape} can be looked for among {samples.shape}")
    flat = corpus.reshape(len(corpus), -1)
    near = [((flat != row).sum(axis=1) <= most).any() for row in samples.reshape(len(samples), -1)]
    return float(np.mean(near))


class CopyRate(Metric):
    """`copy_rate` and `near_copy_rate` over batches of samples.

    Args:
        corpus: Examples `(m, ...)` of integers that may have been copied.
        most: Cells in which a near copy differs, at most.
    """

    is_differentiable = False
    full_state_update = False

    copies: Tensor
    near: Tensor
    samples: Tensor

    def __init__(self, corpus: np.ndarray, most: int = 2) -> None:
        super().__init__()
        self.corpus, self.most = corpus, most
        for name in ("copies", "near", "samples"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, samples: np.ndarray) -> None:
        """Count copies among samples `(n, ...)` of integers."""
        count = len(samples)
        self.copies += round(count * copy_rate(samples, self.corpus))
        self.near += round(count * near_copy_rate(samples, self.corpus, self.most))
        self.samples += count

    def compute(self) -> dict[str, float]:
        """Return `copy_rate` and `near_copy_rate`; NaN where nothing was counted."""
        return {
            "copy_rate": float(self.copies / self.samples),
            "near_copy_rate": float(self.near / self.samples),
        }
