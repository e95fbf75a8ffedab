"""Many pieces on disk as memory-mapped NumPy arrays, in shards that appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import numpy as np

from partimento.atomic import write_atomically
from partimento.datasets.store import NOTE_COLUMNS, header_of, piece_from
from partimento.errors import UserError
from partimento.music import Piece

SHARD_FORMAT = 1
"""Raised whenever the layout of a shard changes; part of every cache key."""

NOTE = np.dtype([(name, "<i4" if index < 2 else "<i2") for index, name in enumerate(NOTE_COLUMNS)])
"""One note, 14 bytes: onset and duration in ticks, pitch, part, velocity."""

INDEX = "index.json"
_ARRAYS = ("notes", "bars", "headers", "names", "table")
_OPEN = 16  # shards mapped at once: each takes a file handle per array


@dataclass(frozen=True)
class Entry:
    """A piece as it is written: smaller than the piece, and nothing that Python must keep track of.

    Attributes:
        id: Id of the piece.
        group: Name of its group.
        notes: Rows of `NOTE`.
        bars: Rows of onset, beats, beat type.
        header: All else, in JSON.
    """

    id: str
    group: str
    notes: np.ndarray
    bars: np.ndarray
    header: bytes


def entry_of(piece: Piece, *, id: str, source: str, group: str) -> Entry:
    """Return a piece as it is written, under an id, a source and the name of its group.

    Raises:
        ValueError: When a number is too large for its place.
    """
    notes = np.empty(len(piece), NOTE)
    for name in NOTE_COLUMNS:
        column, limits = getattr(piece, name), np.iinfo(NOTE[name])
        if len(column) and not limits.min <= column.min() <= column.max() <= limits.max:
            raise ValueError(f"a {name} does not fit into {limits.bits} bits")
        notes[name] = column
    header = json.dumps({**header_of(piece), "id": id, "source": source}).encode()
    return Entry(id, group, notes, np.array(piece.bars, np.int32).reshape(-1, 3), header)


@dataclass(frozen=True)
class ShardInfo:
    """What a folder's index says of one shard.

    Attributes:
        name: Name of its folder.
        files: Number of files that were read for it, unusable ones included.
        pieces: Number of pieces in it.
        notes: Number of notes in them.
        skipped: Number of files that could not be used.
        sha256: Hash of the shard's own index, which holds the hashes of its arrays.
    """

    name: str
    files: int
    pieces: int
    notes: int
    skipped: int
    sha256: str


def write_shard(
    folder: Path,
    files: Sequence[str],
    entries: Sequence[Entry],
    skipped: Sequence[tuple[str, str]],
) -> ShardInfo:
    """Write one shard, a folder of five `.npy` arrays and an index, which appears whole.

    The bytes depend on the arguments alone. `notes` are rows of `NOTE`, `bars` rows of (onset,
    beats, beat type), `headers` the rest of each piece in JSON, `names` a JSON line of id and
    group per piece, `table` where the notes, bars and header of each piece end.

    Args:
        folder: Folder to write; a shard that is already there is kept.
        files: Names of all files that were read for it.
        entries: Pieces in order.
        skipped: Names of files that could not be used, with reasons.
    """
    arrays = _arrays(entries)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for name, array in arrays.items():
            # Nothing is flushed to the disk: a kill leaves no part of the folder, and what a power
            # cut leaves of it the hashes tell.
            np.save(temporary / f"{name}.npy", array)
        index = {
            "format": SHARD_FORMAT,
            "files": list(files),
            "pieces": len(entries),
            "notes": len(arrays["notes"]),
            "skipped": [list(row) for row in skipped],
            "sha256": {name: _hash(temporary / f"{name}.npy") for name in arrays},
        }
        text = json.dumps(index, indent=1)
        (temporary / INDEX).write_text(text)
        temporary.chmod(0o755)
        try:
            temporary.rename(folder)
        except OSError:
            # A process that outlived its parent has written the same meanwhile.
            if shard_info(folder, files) is None:
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _info(folder, text.encode())


def shard_info(folder: Path, files: Sequence[str] | None = None) -> ShardInfo | None:
    """Return what there is of a shard; None when it is absent, damaged or of other files."""
    try:
        text = (folder / INDEX).read_bytes()
        index = json.loads(text)
        if index["format"] != SHARD_FORMAT or set(index["sha256"]) != set(_ARRAYS):
            return None
        if any(_hash(folder / f"{name}.npy") != known for name, known in index["sha256"].items()):
            return None
        if files is not None and index["files"] != list(files):
            return None
        return _info(folder, text)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _info(folder: Path, text: bytes) -> ShardInfo:
    index = json.loads(text)
    return ShardInfo(
        name=folder.name,
        files=len(index["files"]),
        pieces=index["pieces"],
        notes=index["notes"],
        skipped=len(index["skipped"]),
        sha256=hashlib.sha256(text).hexdigest(),
    )


def _arrays(entries: Sequence[Entry]) -> dict[str, np.ndarray]:
    counts = [(len(e.notes), len(e.bars), len(e.header)) for e in entries]
    names = "".join(json.dumps([entry.id, entry.group]) + "\n" for entry in entries)
    return {
        "notes": np.concatenate([np.zeros(0, NOTE), *(entry.notes for entry in entries)]),
        "bars": np.concatenate([np.zeros((0, 3), np.int32), *(entry.bars for entry in entries)]),
        "headers": np.frombuffer(b"".join(entry.header for entry in entries), np.uint8),
        "names": np.frombuffer(names.encode(), np.uint8),
        "table": np.array(counts, np.int64).reshape(-1, 3).cumsum(axis=0),
    }


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Shard:
    """The mapped arrays of one shard."""

    def __init__(self, folder: Path, *, verify: bool) -> None:
        index = json.loads((folder / INDEX).read_bytes())
        if verify:
            for name, expected in index["sha256"].items():
                if _hash(folder / f"{name}.npy") != expected:
                    raise ValueError(f"{name}.npy has changed since it was written")
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
        self.notes, self.bars, self.headers, self.names, self.table = arrays.values()

    def piece(self, index: int) -> Piece:
        start = self.table[index - 1].tolist() if index else [0, 0, 0]
        stop = self.table[index].tolist()
        note, bar, header = (slice(*ends) for ends in zip(start, stop, strict=True))
        rows = self.notes[note]
        return piece_from(
            json.loads(self.headers[header].tobytes()),
            {name: rows[name] for name in NOTE_COLUMNS},
            self.bars[bar],
        )


class PieceShards(Sequence[Piece]):
    """Pieces in a folder of shards, each built when it is asked for.

    The arrays are mapped, not read, so a million pieces need no more memory than one; their names
    are read as they are asked for. The hash of a shard is compared when it is first opened.

    Args:
        folder: Folder that `write_index` has completed.

    Raises:
        ValueError: When the folder has no whole index of this format.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            content = json.loads((self.folder / INDEX).read_bytes())
            if content["format"] != SHARD_FORMAT:
                raise ValueError(f"format {content['format']}, not {SHARD_FORMAT}")
            self.shards = tuple(ShardInfo(**row) for row in content["shards"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.folder} holds no complete shards: {error}") from error
        self._ends = np.array([0, *accumulate(shard.pieces for shard in self.shards)])
        self._opened: OrderedDict[int, _Shard] = OrderedDict()
        self._verified: set[int] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]

    def __len__(self) -> int:
        return int(self._ends[-1])

    @overload
    def __getitem__(self, index: int) -> Piece: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Piece, ...]: ...
    def __getitem__(self, index: int | slice) -> Piece | tuple[Piece, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        place = range(len(self))[index]
        shard = int(np.searchsorted(self._ends, place, side="right")) - 1
        return self._open(shard).piece(place - int(self._ends[shard]))

    @property
    def ids(self) -> list[str]:
        """Ids of all pieces, in order."""
        return [id for id, _ in self._names()]

    @property
    def groups(self) -> list[str]:
        """Group of each piece, in order."""
        return [group for _, group in self._names()]

    def skipped(self) -> Iterator[tuple[str, str]]:
        """Yield the files that could not be used, with reasons, in order."""
        for shard in self.shards:
            index = json.loads((self.folder / shard.name / INDEX).read_bytes())
            yield from ((source, reason) for source, reason in index["skipped"])

    def _names(self) -> Iterator[tuple[str, str]]:
        for shard in range(len(self.shards)):
            for line in self._open(shard).names.tobytes().splitlines():
                id, group = json.loads(line)
                yield id, group

    def _open(self, index: int) -> _Shard:
        if index in self._opened:
            self._opened.move_to_end(index)
            return self._opened[index]
        folder = self.folder / self.shards[index].name
        try:
            shard = _Shard(folder, verify=index not in self._verified)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"The prepared music in '{folder}' is damaged ({error}): delete "
                f"'{self.folder / INDEX}', and the same command makes anew what is damaged."
            ) from error
        self._verified.add(index)
        self._opened[index] = shard
        if len(self._opened) > _OPEN:
            self._opened.popitem(last=False)
        return shard


def write_index(folder: Path, shards: Sequence[ShardInfo]) -> None:
    """Complete a folder of shards: from now on `PieceShards` opens it."""
    rows = [vars(shard) for shard in shards]
    write_atomically(folder / INDEX, json.dumps({"format": SHARD_FORMAT, "shards": rows}, indent=1))
