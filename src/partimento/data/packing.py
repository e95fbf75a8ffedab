"""Documents packed into one long stream of tokens, read in windows of one length."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from partimento.data.batch import Batch
from partimento.data.encoding import tell_refused
from partimento.data.loader import TrainLoader
from partimento.distributions import Categorical
from partimento.errors import Mismatch, UserError
from partimento.music import Piece
from partimento.representations.base import Representation
from partimento.seeds import generator

IN_MEMORY = 2**27
"""Tokens of a stream that are kept in memory; a longer one goes to a scratch file."""

OUTSIDE = -1
"""What stands for the document of padding."""


def check_packing(representation: Representation, length: int) -> None:
    """Refuse to pack what is no stream of tokens, or into windows that the model does not take.

    Raises:
        Mismatch: Saying which of the two it is.
    """
    shape = representation.distribution.shape
    marked = hasattr(representation, "bos") and hasattr(representation, "eos")
    if not (isinstance(representation.distribution, Categorical) and marked):
        raise Mismatch(
            "data.packing needs documents of tokens with a beginning and an end, such as those of "
            "representation=events; set data.packing=null."
        )
    if shape[0] not in (None, length):
        raise Mismatch(
            f"data.packing={length} differs from the {shape[0]} tokens of one example: set "
            f"representation.length={length} as well."
        )


def documents_of(
    pieces: Iterable[Piece], representation: Representation, transpose: bool
) -> Iterator[np.ndarray]:
    """Yield the document of each piece, in all its transpositions if asked for.

    Pieces that the representation cannot hold are left out, counted and named in the log.
    """
    refused: list[tuple[str, str]] = []
    for piece in pieces:
        try:
            shifts = representation.transpositions(piece) if transpose else (0,)
            documents = [representation.encode(piece.transposed(shift)) for shift in shifts]
        except UserError as error:
            refused.append((piece.id, str(error)))
            continue
        yield from documents
    tell_refused(refused, len(refused))


def on_disk(packed: Batch) -> bool:
    """Tell whether a packed stream is too long for memory, and stays in its file."""
    return packed.x.numel() > IN_MEMORY


def pack(
    documents: Iterable[np.ndarray],
    length: int,
    *,
    mark: bool = False,
    scratch: str | Path | None = None,
    in_memory: int = IN_MEMORY,
) -> Batch:
    """Join documents end to end and return the stream in windows of `length` tokens, in order.

    Every token is in exactly one window; the last is filled up with zeros, as its length says.

    Args:
        documents: Arrays `(tokens,)`, or `(tokens, fields)`, of one integer type.
        length: Tokens of a window.
        mark: Whether the batch has `documents`, the index of each token's document.
        scratch: Folder for a file, mapped into memory and gone with the batch, that takes the
            stream as soon as it is longer than `in_memory`; None: the system's.
        in_memory: Cells of the stream up to which it is kept in memory.

    Raises:
        UserError: When there are no documents.
    """
    stream = _Growing(scratch, in_memory)
    owners = _Growing(scratch, in_memory)
    for index, document in enumerate(documents):
        stream.append(document)
        if mark:
            owners.append(np.full(len(document), index, np.int32))
    if not stream.rows:
        raise UserError("No piece gives a document, so there is nothing to pack.")
    tokens = stream.rows
    lengths = torch.full((-(-tokens // length),), length)
    lengths[-1] = tokens - (len(lengths) - 1) * length
    return Batch(
        x=stream.windows(length, 0),
        lengths=lengths,
        documents=owners.windows(length, OUTSIDE) if mark else None,
    )


class PackedLoader(TrainLoader):
    """Shuffled windows of a packed stream, cut anew in every epoch.

    An epoch cuts the stream, closed to a ring, at a random token and from there into windows, and
    visits these in random order: each token is seen exactly once, at another place of its window
    each time. Both are keyed by (seed, epoch) and the place by the number of batches consumed, as
    for `TrainLoader`, whose arguments these are.

    Args:
        examples: A batch that `pack` made.
        options: See `TrainLoader`.
    """

    def __init__(self, examples: Batch, **options: Any) -> None:
        super().__init__(examples, **options)
        if examples.lengths is None:
            raise ValueError("a packed loader takes the batch that pack returns")
        self.tokens = int(examples.lengths.sum())
        self._cut: tuple[int, int, Tensor] | None = None

    def batch(self, position: int) -> Batch:
        """Return the batch at a place counted from the beginning of the run."""
        epoch, index = divmod(position, self.per_epoch)
        start, order = self._plan(epoch)
        chunk = order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.windows(chunk[self.rank :: self.world_size], start)

    def _plan(self, epoch: int) -> tuple[int, Tensor]:
        """Return the token at which an epoch cuts the ring, and the order of its windows."""
        if self._cut is None or self._cut[0] != epoch:
            stream = generator(self.seed, "order", epoch)
            start = int(torch.randint(self.tokens, (1,), generator=stream))
            order = torch.randperm(len(self.examples), generator=stream)
            self._cut = epoch, start, order.to(self.examples.x.device)
        return self._cut[1:]

    def windows(self, index: Tensor, start: int) -> Batch:
        """Return windows `(windows,)` of the ring, counted from the token `start`."""
        x, length = self.examples.x, self.examples.x.shape[1]
        place = index.unsqueeze(1) * length + torch.arange(length, device=x.device)
        outside = place >= self.tokens
        place = (place + start) % self.tokens
        owner = self.examples.documents
        return Batch(
            x=_filled(x.flatten(0, 1)[place], outside, 0),
            lengths=(~outside).sum(dim=1),
            documents=None if owner is None else _filled(owner.flatten()[place], outside, OUTSIDE),
        )


def same_document(documents: Tensor) -> Tensor:
    """True where two tokens of a window are of one document, `(batch, steps, steps)`.

    An attention that keeps to it sees no other piece than its own; padding is in no document.

    Args:
        documents: `Batch.documents`, `(batch, steps)`.
    """
    inside = (documents != OUTSIDE).unsqueeze(1)
    return (documents.unsqueeze(2) == documents.unsqueeze(1)) & inside


def begins_document(documents: Tensor) -> Tensor:
    """True for tokens at which a recurrent state is to be reset, `(batch, steps)`.

    These are the first token of each window, and the first of each document in it.
    """
    before = torch.nn.functional.pad(documents, (1, 0), value=OUTSIDE - 1)[:, :-1]
    return documents != before


def _filled(values: Tensor, outside: Tensor, value: int) -> Tensor:
    mask = outside.reshape(*outside.shape, *[1] * (values.ndim - 2))
    return values.masked_fill(mask, value)


class _Growing:
    """An array that rows are appended to: in memory at first, then in a nameless file."""

    def __init__(self, scratch: str | Path | None, in_memory: int) -> None:
        self.rows = 0
        self._scratch, self._limit = scratch, in_memory
        self._parts: list[np.ndarray] = []
        self._cells = 0
        self._file: Any = None
        self._like = np.zeros(0)

    def append(self, rows: np.ndarray) -> None:
        self._like = rows[:0]
        self.rows += len(rows)
        self._cells += rows.size
        self._parts.append(rows)
        if self._cells > self._limit:
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            if self._scratch is not None:
                Path(self._scratch).mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115, it outlives this
        for part in self._parts:
            self._file.write(np.ascontiguousarray(part).tobytes())
        self._parts, self._cells = [], 0

    def windows(self, length: int, fill: int) -> Tensor:
        """Return the rows as `(windows, length, ...)`, the last window filled up."""
        missing = -self.rows % length
        if missing:
            shape = (missing, *self._like.shape[1:])
            self._parts.append(np.full(shape, fill, dtype=self._like.dtype))
        full: Sequence[int] = (-1, length, *self._like.shape[1:])
        if self._file is None:
            return torch.from_numpy(np.concatenate(self._parts)).reshape(full)
        self._spill()
        self._file.flush()
        # Copy-on-write, since torch takes no read-only memory; the file itself never changes.
        mapped = np.memmap(self._file, dtype=self._like.dtype, mode="c")
        self._file.close()  # the mapping keeps what it needs
        return torch.from_numpy(mapped).reshape(full)
