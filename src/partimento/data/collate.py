"""Examples of many pieces as one batch: concatenated field by field, padded where lengths differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from partimento.data.batch import Batch
from partimento.representations.base import Examples

CONDITION = "condition."


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
        x=_joined([padded(part.x, steps) for part in parts]),
        given=_joined([padded(part.given, steps) for part in parts if part.given is not None])
        if parts[0].given is not None
        else None,
        condition={name: _joined([part.condition[name] for part in parts]) for name in names},
        lengths=_joined([_lengths(part) for part in parts]) if ragged else None,
    )


def checksum(batches: Sequence[Batch]) -> str:
    """Return a hash of everything that the batches hold."""
    return joined_digest([digest_of(batch) for batch in batches])


def joined_digest(digests: Sequence[str]) -> str:
    """Return the checksum of batches from the digest of each."""
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16]


def fields_of(batch: Batch) -> dict[str, Tensor]:
    """Return what a batch holds by name; names of conditions stand behind `CONDITION`."""
    own = {"x": batch.x, "given": batch.given, "lengths": batch.lengths}
    named = {CONDITION + name: value for name, value in batch.condition.items()}
    return {name: value for name, value in {**own, **named}.items() if value is not None}


def digest_of(batch: Batch) -> str:
    """Return the SHA-256 of all that a batch holds: of each field's name, shape, type and bytes."""
    arrays = {name: value.cpu().numpy() for name, value in fields_of(batch).items()}
    return fields_digest({name: array_digest([a], a.shape) for name, a in arrays.items()})


def fields_digest(digests: Mapping[str, str]) -> str:
    """Return the digest of a batch from the digests of its fields."""
    text = " ".join(f"{name} {digest}" for name, digest in sorted(digests.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def array_digest(pieces: Iterable[np.ndarray], shape: Sequence[int]) -> str:
    """Return the SHA-256 of an array of a known shape that comes piece by piece."""
    digest = hashlib.sha256(repr(tuple(shape)).encode())
    for index, piece in enumerate(pieces):
        if index == 0:
            digest.update(str(piece.dtype).encode())
        digest.update(np.ascontiguousarray(piece).data.cast("B") if piece.size else b"")
    return digest.hexdigest()


def _joined(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays))


def padded(array: np.ndarray, steps: int) -> np.ndarray:
    """Return examples `(examples, steps, ...)` with zeros behind them up to so many steps."""
    missing = steps - array.shape[1]
    return np.pad(array, [(0, 0), (0, missing), *[(0, 0)] * (array.ndim - 2)]) if missing else array


def _lengths(part: Examples) -> np.ndarray:
    whole = np.full(len(part), part.x.shape[1], dtype=np.int64)
    return whole if part.lengths is None else part.lengths.astype(np.int64)
