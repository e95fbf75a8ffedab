"""Examples that need not fit into memory: encoded by several processes into memory-mapped arrays."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from filelock import FileLock

from partimento import representations
from partimento.atomic import write_atomically
from partimento.data.batch import Batch
from partimento.data.collate import CONDITION, array_digest, fields_digest, padded
from partimento.data.encoding import tell_refused
from partimento.data.parts import INDEX, Encoded, EncodePieces, Part, read_encoded
from partimento.datasets.progress import Progress
from partimento.datasets.shards import PieceShards
from partimento.music import Piece
from partimento.representations.base import Representation
from partimento.workers import available_cores, run_tasks

MAPPED_FORMAT = 1
"""Raised whenever the arrays would be laid out differently; part of the folder's name."""

PIECES_PER_TASK = 100
STAY_ON_DISK = 2**30
"""Examples of more bytes than this are mapped; fewer are read, and lie on the device."""

FEW = 200
"""As many pieces are encoded in this process, since others would take longer to start."""


class Subset(Sequence[Piece]):
    """Some of the pieces of a corpus, in order, each built when it is asked for."""

    def __init__(self, pieces: Sequence[Piece], indices: Sequence[int] | np.ndarray) -> None:
        self.pieces = pieces
        self.indices = np.asarray(indices, np.int64)

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> Piece: ...
    @overload
    def __getitem__(self, index: slice) -> Subset: ...
    def __getitem__(self, index: int | slice) -> Piece | Subset:
        if isinstance(index, slice):
            return Subset(self.pieces, self.indices[index])
        return self.pieces[int(self.indices[index])]


@dataclass(frozen=True)
class Mapped:
    """Examples in a folder of arrays, one for each field of a batch.

    Attributes:
        folder: Where they lie.
        digest: Hash of what they hold, the same as that of the batch in memory.
        lost: What the representation lost of their pieces, by reason.
        bytes: Size of all arrays.
    """

    folder: Path
    digest: str
    lost: dict[str, int]
    bytes: int

    @property
    def on_disk(self) -> bool:
        """Whether the examples stay there, since they may not fit elsewhere."""
        return self.bytes > STAY_ON_DISK

    def batch(self) -> Batch | None:
        """Return the examples, mapped or read; None when there are none."""
        paths = {path.name.removesuffix(".npy"): path for path in self.folder.glob("*.npy")}
        if not paths:
            return None
        # Copy on write, since torch has no tensors that cannot be written to.
        mode: Any = "c" if self.on_disk else None
        found = {name: torch.from_numpy(np.load(p, mmap_mode=mode)) for name, p in paths.items()}
        condition = {
            name.removeprefix(CONDITION): found.pop(name)
            for name in sorted(found)
            if name.startswith(CONDITION)
        }
        return Batch(found["x"], found.get("given"), condition, found.get("lengths"))


def mappable(pieces: Sequence[Piece]) -> bool:
    """Whether the examples of a corpus go through the disk: its pieces are not in memory either."""
    return isinstance(pieces, PieceShards)


def map_examples(
    pieces: Sequence[Piece],
    representation: Representation,
    *,
    stride: int,
    transpose: bool,
    folder: Path,
    workers: int | None = None,
) -> Mapped:
    """Encode pieces into a folder of arrays, or open it when it is complete.

    The examples, their order and their digest are those of `collate(examples_of(...))`. While they
    are written the folder takes twice their size. A killed encoding goes on where it was.

    Args:
        pieces: What to encode.
        representation: How; its class must be importable by name.
        stride: Bars from one window to the next.
        transpose: Whether each piece is taken in all its transpositions.
        folder: Where the arrays go; its name should say what can change them (see `mapped_key`).
        workers: Number of processes; all cores by default, 0 for this one.
    """
    if (done := _complete(folder)) is not None:
        return done
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if (done := _complete(folder)) is not None:
            return done
        count = available_cores() if workers is None else workers
        encoded = _encode(
            pieces, representation, stride, transpose, folder, 0 if len(pieces) <= FEW else count
        )
        named = [row for item in encoded for row in item.named]
        tell_refused(named, sum(item.refused for item in encoded))
        _write(folder, encoded)
        for item in encoded:
            shutil.rmtree(folder / item.name)
    done = _complete(folder)
    if done is None:
        raise OSError(f"the examples in {folder} vanished while they were written")
    return done


def mapped_key(
    fingerprint: str, representation: Representation, ids: Sequence[str], **options: Any
) -> str:
    """Return a hash of everything that the examples of some pieces follow from.

    That includes the source of the representation and of those that come with the program, so that
    examples encoded by other code are never taken.
    """
    sources = sorted(Path(representations.__path__[0]).glob("*.py"))
    sources.append(Path(inspect.getfile(type(representation))))
    digest = hashlib.sha256()
    for part in (
        MAPPED_FORMAT,
        fingerprint,
        type(representation).__qualname__,
        json.dumps(representation.arguments(), sort_keys=True),
        json.dumps(options, sort_keys=True),
    ):
        digest.update(f"{part}\0".encode())
    for source in sources:
        digest.update(source.read_bytes())
    for id in ids:
        digest.update(f"{id}\0".encode())
    return digest.hexdigest()[:16]


def _complete(folder: Path) -> Mapped | None:
    try:
        index = json.loads((folder / INDEX).read_bytes())
        sizes = {path.name: path.stat().st_size for path in folder.glob("*.npy")}
        if sizes != index["sizes"]:
            return None
        return Mapped(folder, index["digest"], index["lost"], sum(sizes.values()))
    except (OSError, ValueError, KeyError):
        return None


def _encode(
    pieces: Sequence[Piece],
    representation: Representation,
    stride: int,
    transpose: bool,
    folder: Path,
    workers: int,
) -> list[Encoded]:
    """Return what is encoded, in order, of earlier calls and of this one."""
    for leftover in folder.glob(".part-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    done: dict[str, Encoded] = {}

    def missing() -> Iterator[EncodePieces]:
        for start in range(0, len(pieces), PIECES_PER_TASK):
            target = folder / f"part-{start // PIECES_PER_TASK:06d}"
            if (known := read_encoded(target)) is not None:
                done[known.name] = known
                continue
            shutil.rmtree(target, ignore_errors=True)
            stop = min(start + PIECES_PER_TASK, len(pieces))
            yield EncodePieces(
                pieces=Subset(pieces, range(start, stop)),
                kind=type(representation),
                arguments=representation.arguments(),
                stride=stride,
                transpose=transpose,
                target=str(target),
            )

    with Progress("Encoding", "pieces", len(pieces)) as progress:

        def finished() -> int:
            return sum(item.pieces for item in done.values())

        tick = lambda under_way: progress.show(finished() + under_way)  # noqa: E731
        for item in run_tasks(missing(), workers, tick=tick):
            done[item.name] = item
            progress.show(finished())
    return [done[name] for name in sorted(done)]


def _write(folder: Path, encoded: Sequence[Encoded]) -> None:
    """Join the parts of each field into one array, reading one part at a time, and the index."""
    parts = [
        (folder / item.name / f"{number:04d}", part)
        for item in encoded
        for number, part in enumerate(item.parts)
    ]
    digests = {name: _join(folder / f"{name}.npy", name, parts) for name in _field_names(parts)}
    lost = sum((Counter(item.lost) for item in encoded), Counter[str]())
    index = {
        "digest": fields_digest(digests),
        "lost": dict(sorted(lost.items())),
        "sizes": {f"{name}.npy": (folder / f"{name}.npy").stat().st_size for name in digests},
    }
    write_atomically(folder / INDEX, json.dumps(index, indent=1))


def _field_names(parts: Sequence[tuple[Path, Part]]) -> list[str]:
    names = {
        frozenset(path.name.split(".", 1)[1].removesuffix(".npy") for path in _files(place))
        - {"lengths"}
        for place, _ in parts
    }
    if len(names) > 1:
        raise ValueError("all examples must have the same conditions, and given cells or none")
    ragged = any(part.ragged for _, part in parts) or len({part.steps for _, part in parts}) > 1
    return sorted(set().union(*names) | ({"lengths"} if ragged else set()))


def _files(place: Path) -> Iterator[Path]:
    return place.parent.glob(f"{place.name}.*.npy")


def _join(path: Path, name: str, parts: Sequence[tuple[Path, Part]]) -> str:
    """Write one field of all parts and return its digest."""
    steps = max(part.steps for _, part in parts)

    def arrays() -> Iterator[np.ndarray]:
        for place, part in parts:
            file = place.with_name(f"{place.name}.{name}.npy")
            if name == "lengths" and not file.exists():
                yield np.full(part.rows, part.steps, dtype=np.int64)
            else:
                array = np.load(file)
                yield padded(array, steps) if name in ("x", "given") else array

    first = next(arrays())
    rows = sum(part.rows for _, part in parts)
    shape = (rows, *first.shape[1:])
    header = np.lib.format.header_data_from_array_1_0(first)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {**header, "shape": shape})

        def written() -> Iterator[np.ndarray]:
            for array in arrays():
                if array.shape[1:] != first.shape[1:] or array.dtype != first.dtype:
                    raise ValueError(f"all {name} must have one shape and type")
                file.write(np.ascontiguousarray(array).data)
                yield array

        digest = array_digest(written(), shape)
        file.flush()
        os.fsync(file.fileno())
    return digest
