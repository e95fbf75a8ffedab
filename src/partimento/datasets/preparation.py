"""Files to shards of pieces, by several processes, so that a killed preparation goes on where it was."""

from __future__ import annotations

import csv
import io
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from partimento.atomic import write_atomically
from partimento.datasets.grouping import skyline_hash
from partimento.datasets.progress import Progress
from partimento.datasets.shards import (
    Entry,
    PieceShards,
    ShardInfo,
    entry_of,
    shard_info,
    write_index,
    write_shard,
)
from partimento.errors import UserError
from partimento.music import Piece
from partimento.workers import Task, available_cores, run_tasks

FILES_PER_SHARD = 500
BYTES_PER_SHARD = 16 * 2**20
"""Where a shard is full, in files and in their bytes: it bounds what a process holds in memory."""

SECONDS_PER_FILE = 60.0
MEMORY_PER_WORKER = 4 * 2**30
"""Address space of a reading process; a file that needs more is skipped."""

SKIPPED = "skipped.csv"

Reader = Callable[[Path], Sequence[Piece]]
"""Returns the pieces of a file, or raises UserError; it must be importable by name."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadFiles(Task):
    """Read the files of one shard and write it.

    Attributes:
        root: Folder below which the files lie.
        names: Their names, relative to it.
        read: How each is read.
        target: The shard's folder.
    """

    root: str
    names: tuple[str, ...]
    read: Reader
    target: str

    def run(self, without: Mapping[int, str], begin: Callable[[int | None], None]) -> ShardInfo:
        entries: list[Entry] = []
        skipped: list[tuple[str, str]] = []
        for item, name in enumerate(self.names):
            begin(item)
            reason = without.get(item)
            if reason is None:
                found = self._entries(name)
                if isinstance(found, str):
                    reason = found
                else:
                    entries.extend(found)
            if reason is not None:
                skipped.append((printable(name), reason))
        begin(None)
        names = [printable(name) for name in self.names]
        return write_shard(Path(self.target), names, entries, skipped)

    def probe(self, item: int) -> None:
        self._entries(self.names[item])

    def _entries(self, name: str) -> list[Entry] | str:
        """Return the pieces of a file with their groups, or why it cannot be used."""
        path = Path(self.root) / name
        source = printable(name)
        try:
            found = self.read(path)
            if not any(len(piece) for piece in found):
                return "holds no notes"
            many = len(found) > 1
            return [
                entry_of(
                    piece,
                    id=f"{source}#{index}" if many else source,
                    source=source,
                    group=skyline_hash(piece),
                )
                for index, piece in enumerate(found, 1)
                if len(piece)
            ]
        except UserError as error:
            return _told(str(error), path, source)
        except MemoryError:
            return "needs more memory than a reading process may take"
        except Exception as error:  # whatever a reader stumbles over costs this file only
            reason = _told(" ".join(str(error).split()), path, source)
            return f"cannot be read ({type(error).__name__}: {reason})"


def _told(reason: str, path: Path, source: str) -> str:
    """Return a reason that is the same wherever the folder lies."""
    for text in (str(path), path.name):
        reason = reason.replace(f"'{text}'", f"'{source}'")
    return reason


def printable(name: str) -> str:
    """Return a file's name with bytes that are no UTF-8 written out, so that any file can hold it."""
    return name.encode("utf-8", "backslashreplace").decode()


def shard_size(total: int) -> int:
    """Return how many of so many files go into one shard: few of few, so that all processes work."""
    return min(FILES_PER_SHARD, max(8, total // 16))


def shards_of(files: Iterable[tuple[str, int]], most: int) -> Iterator[tuple[str, ...]]:
    """Yield the names of the files of each shard, `most` at most, from names and sizes in bytes."""
    names: list[str] = []
    total = 0
    for name, size in files:
        if names and (len(names) == most or total + size > BYTES_PER_SHARD):
            yield tuple(names)
            names, total = [], 0
        names.append(name)
        total += size
    if names:
        yield tuple(names)


def prepare_files(
    files: Iterable[tuple[str, int]],
    root: Path,
    read: Reader,
    folder: Path,
    *,
    total: int,
    workers: int | None = None,
    seconds: float = SECONDS_PER_FILE,
) -> PieceShards:
    """Read files into a folder of shards, or open it when it is complete.

    Every finished shard stays, whatever stops the preparation, and the next call goes on after it;
    the bytes are the same as without a stop and with any number of processes. A file that cannot be
    read, crashes its process, or takes too long or too much memory is left out; `skipped.csv` in
    the folder says why.

    Args:
        files: Name below `root` and size of each file, always in the same order.
        root: Folder of the files.
        read: Reads one file.
        folder: Where the shards go; its name should say what can change them.
        total: Number of files, for the progress.
        workers: Number of processes; all cores by default, 0 to read in this one.
        seconds: How long one file may take.
    """
    try:
        return PieceShards(folder)
    except ValueError:
        pass  # not prepared, or not wholly
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        try:
            return PieceShards(folder)  # another process has done it meanwhile
        except ValueError:
            pass
        count = available_cores() if workers is None else workers
        write_index(folder, _shards(files, root, read, folder, total, count, seconds))
        shards = PieceShards(folder)
        reasons = list(shards.skipped())
        write_atomically(folder / SKIPPED, skipped_csv(reasons))
    log.info("%s", _summary(shards, reasons))
    return shards


def _shards(
    files: Iterable[tuple[str, int]],
    root: Path,
    read: Reader,
    folder: Path,
    total: int,
    workers: int,
    seconds: float,
) -> list[ShardInfo]:
    """Return all shards in order, those that are there and those that are made now."""
    done: dict[str, ShardInfo] = {}
    for leftover in folder.glob(".shard-*"):
        shutil.rmtree(leftover, ignore_errors=True)

    def missing() -> Iterator[ReadFiles]:
        for index, names in enumerate(shards_of(files, shard_size(total))):
            target = folder / f"shard-{index:06d}"
            known = shard_info(target, [printable(name) for name in names])
            if known is None:
                shutil.rmtree(target, ignore_errors=True)
                yield ReadFiles(str(root), names, read, str(target))
            else:
                done[known.name] = known

    with Progress("Reading", "files", total) as progress:

        def finished() -> int:
            return sum(info.files for info in done.values())

        results = run_tasks(
            missing(),
            min(workers, -(-total // shard_size(total))) if total < FILES_PER_SHARD else workers,
            seconds=seconds,
            memory=MEMORY_PER_WORKER,
            tick=lambda under_way: progress.show(finished() + under_way),
        )
        for info in results:
            done[info.name] = info
            progress.show(finished())
    return [done[name] for name in sorted(done)]


def _alone(folder: Path) -> Any:
    """Return the lock that keeps a second process from preparing the same folder."""
    lock = FileLock(folder / ".lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        log.info("Waiting for another process that prepares %s", folder)
        return lock.acquire()


def skipped_csv(rows: Iterable[tuple[str, str]]) -> str:
    """Return the table of files that could not be used, and why."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("source", "reason"))
    writer.writerows(rows)
    return text.getvalue()


def _summary(shards: PieceShards, skipped: Sequence[tuple[str, str]]) -> str:
    files = sum(shard.files for shard in shards.shards)
    notes = sum(shard.notes for shard in shards.shards)
    text = f"Read {len(shards):,} pieces with {notes:,} notes from {files:,} files"
    if not skipped:
        return f"{text}; none was skipped."
    return f"{text}; {len(skipped):,} skipped, most of them as it {commonest_reason(skipped)}."


def commonest_reason(skipped: Sequence[tuple[str, str]]) -> str:
    """Return the most frequent reason, with the name of the file taken out."""
    reasons = Counter(reason.replace(f"'{source}' ", "").rstrip(".") for source, reason in skipped)
    return reasons.most_common(1)[0][0]
