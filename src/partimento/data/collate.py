"""Examples of many pieces as one batch: concatenated field by field, padded where lengths differ."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from partimento.data.batch import Batch
from partimento.representations.base import Examples


def collate(parts: Sequence[Examples]) -> Batch:
    """Return all examples as one batch.

    Where the parts differ in steps, or state lengths, `x` and `given` are padded with zeros to the
    longest and the batch has lengths.

    Raises:
        ValueError: When some parts have a condition, or given cells, and others do not.
    """
    names = set(parts[0].condition)
    if any(set(part.condition) != names for part in parts):
        raise ValueError("all examples must have the same conditions")
    if len({part.given is None for part in parts}) > 1:
        raise ValueError("given cells must be stated for all examples or for none")
    steps = max(part.x.shape[1] for part in parts)
    ragged = any(part.lengths is not None or part.x.shape[1] < steps for part in parts)
    return Batch(
        x=_joined([_padded(part.x, steps) for part in parts]),
        given=_joined([_padded(part.given, steps) for part in parts if part.given is not None])
        if parts[0].given is not None
        else None,
        condition={name: _joined([part.condition[name] for part in parts]) for name in names},
        lengths=_joined([_lengths(part) for part in parts]) if ragged else None,
    )


def checksum(batches: Sequence[Batch]) -> str:
    """Return a hash of everything that the batches hold."""
    digest = hashlib.sha256()
    for batch in batches:
        fields = {"x": batch.x, "given": batch.given, "lengths": batch.lengths, **batch.condition}
        for name, tensor in sorted(fields.items()):
            if tensor is not None:
                digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
                digest.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
    return digest.hexdigest()[:16]


def _joined(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays))


def _padded(array: np.ndarray, steps: int) -> np.ndarray:
    missing = steps - array.shape[1]
    return np.pad(array, [(0, 0), (0, missing), *[(0, 0)] * (array.ndim - 2)]) if missing else array


def _lengths(part: Examples) -> np.ndarray:
    whole = np.full(len(part), part.x.shape[1], dtype=np.int64)
    return whole if part.lengths is None else part.lengths.astype(np.int64)
