"""Pieces to files of examples, as a task that a process of its own can do."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from partimento.atomic import write_atomically
from partimento.data.collate import collate, fields_of
from partimento.data.encoding import examples_of_piece, losses_of
from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.base import Examples, Representation
from partimento.workers import Task

PART_BYTES = 64 * 2**20
"""Size of the examples that a process gathers before it writes them."""

INDEX = "index.json"


@dataclass(frozen=True)
class Part:
    """Examples in one file for each field: how many, their steps, and whether lengths are stated."""

    rows: int
    steps: int
    ragged: bool


@dataclass(frozen=True)
class Encoded:
    """What became of the pieces of one task.

    Attributes:
        name: Name of the folder with the parts.
        pieces: Number of pieces.
        parts: What is in the folder.
        refused: Number of pieces that the representation could not hold.
        named: Ids and reasons of the first of them.
        lost: What the others lost, by reason.
    """

    name: str
    pieces: int
    parts: tuple[Part, ...]
    refused: int
    named: tuple[tuple[str, str], ...]
    lost: dict[str, int]


@dataclass(frozen=True)
class EncodePieces(Task):
    """Encode some pieces into a folder of parts, which appears whole."""

    pieces: Sequence[Piece]
    kind: type[Representation]
    arguments: Mapping[str, Any]
    stride: int
    transpose: bool
    target: str

    def run(self, without: Mapping[int, str], begin: Callable[[int | None], None]) -> Encoded:
        target = Path(self.target)
        representation = self.kind(**self.arguments)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            parts: list[Part] = []
            refused: list[tuple[str, str]] = []
            lost: Counter[str] = Counter()
            gathered: list[Examples] = []
            for item in range(len(self.pieces)):
                begin(item)
                piece = self.pieces[item]
                try:
                    if item in without:
                        raise UserError(without[item])
                    lost.update(losses_of([piece], representation))
                    gathered.extend(
                        examples_of_piece(piece, representation, self.stride, self.transpose)
                    )
                except UserError as error:
                    refused.append((piece.id, str(error)))
                if sum(example.x.nbytes for example in gathered) > PART_BYTES:
                    parts.append(_write_part(temporary, len(parts), gathered))
                    gathered = []
            begin(None)
            if gathered:
                parts.append(_write_part(temporary, len(parts), gathered))
            encoded = Encoded(
                name=target.name,
                pieces=len(self.pieces),
                parts=tuple(parts),
                refused=len(refused),
                named=tuple(refused[:5]),
                lost=dict(lost),
            )
            write_atomically(temporary / INDEX, json.dumps(asdict(encoded)))
            try:
                temporary.rename(target)
            except OSError:
                # A process that outlived its parent has written the same meanwhile.
                if read_encoded(target) is None:
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return encoded

    def probe(self, item: int) -> None:
        representation = self.kind(**self.arguments)
        examples_of_piece(self.pieces[item], representation, self.stride, self.transpose)


def _write_part(folder: Path, number: int, examples: Sequence[Examples]) -> Part:
    batch = collate(examples)
    for name, tensor in fields_of(batch).items():
        np.save(folder / f"{number:04d}.{name}.npy", tensor.numpy())
    return Part(len(batch), batch.x.shape[1], batch.lengths is not None)


def read_encoded(folder: Path) -> Encoded | None:
    """Return what a finished task left in its folder; None when it is not there."""
    try:
        row = json.loads((folder / INDEX).read_bytes())
        parts = tuple(Part(**part) for part in row.pop("parts"))
        named = tuple((id, reason) for id, reason in row.pop("named"))
        return Encoded(**row, parts=parts, named=named)
    except (OSError, ValueError, KeyError, TypeError):
        return None
