"""The user's own music: every MIDI, MusicXML, ABC and muspy file below a folder."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import hashlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Ge

from partimento.datasets.base import Card, Corpus, Dataset, Skipped
from partimento.datasets.preparation import commonest_reason, prepare_files, printable
from partimento.datasets.shards import SHARD_FORMAT, PieceShards
from partimento.errors import UserError
from partimento.formats.files import READER_VERSIONS, SUFFIXES, read_pieces
from partimento.music import Piece

DATASET_VERSION = 1
"""Raised whenever this file would choose or name pieces differently; part of the cache key."""

SPLIT_RULE = (
    "Pieces whose top lines (the highest note of each onset) are the same in some key stay on one "
    "side; pieces that are merely alike may be divided."
)


class Found(NamedTuple):
    """A file below a folder: its name relative to it, its size and time of change."""

    name: str
    size: int
    changed_ns: int


def files_below(root: Path, pattern: str | None = None) -> Iterator[Found]:
    """Yield the files of music below a folder, in the order of their paths, reading no list of all.

    Hidden files and folders, what a Mac packs beside them, and links to folders are left out.

    Args:
        root: Where to look.
        pattern: What the relative path must match, such as "*/train/*.mid" (`*` stands for any
            characters, `/` too; capitals do not count); by default the known suffixes decide.
    """

    def below(folder: str, prefix: str) -> Iterator[Found]:
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
        for entry in ordered:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from below(entry.path, f"{name}/")
            elif _wanted(name, pattern) and entry.is_file():
                stat = entry.stat()
                yield Found(name, stat.st_size, stat.st_mtime_ns)

    return below(str(root), "")


def _wanted(name: str, pattern: str | None) -> bool:
    if pattern is None:
        return os.path.splitext(name)[1].lower() in SUFFIXES
    return fnmatch.fnmatchcase(name.lower(), pattern.lower())


def read_selected(
    path: Path, parts: Sequence[str], ranges: Sequence[tuple[int, int]]
) -> list[Piece]:
    """Return those pieces of a file that have exactly these parts, in this order, inside the ranges.

    Raises:
        UserError: When the file cannot be read, or holds no such piece.
    """
    pieces = read_pieces(path)
    if not parts:
        return pieces
    chosen = [selected(piece, parts, ranges) for piece in pieces]
    kept = [piece for piece in chosen if isinstance(piece, Piece)]
    if not kept:
        raise UserError(next((reason for reason in chosen if isinstance(reason, str)), "is empty"))
    return kept


def selected(piece: Piece, parts: Sequence[str], ranges: Sequence[tuple[int, int]]) -> Piece | str:
    """Return the piece with its parts in the given order, or why it has not these parts."""
    own = [name.strip().casefold() for name in piece.parts]
    wanted = [name.strip().casefold() for name in parts]
    if sorted(own) != sorted(wanted):
        return f"has the parts {', '.join(piece.parts)}, not {', '.join(parts)}"
    place = np.array([wanted.index(name) for name in own])
    piece = dataclasses.replace(piece, part=place[piece.part], parts=tuple(parts))
    for index, (low, high) in enumerate(ranges):
        pitch = piece.notes(index)["pitch"]
        if len(pitch) and not low <= pitch.min() <= pitch.max() <= high:
            return f"leaves the range of {parts[index]}, {low} to {high}"
    return piece


class Folder(Dataset):
    """All music below a folder of the user's: MIDI, MusicXML, ABC and muspy files, mixed.

    A file that cannot be read is skipped with its reason. Pieces with the same top line, in
    whatever key, are in one group (see `skyline_hash`). The fingerprint is of the files' relative
    names, sizes and times of change, so the folder may be moved as it is; the prepared shards hold
    hashes of their content.

    Args:
        path: The folder.
        pattern: What a file's relative path must match, such as "*.mid"; `*` crosses folders. By
            default every file with a known suffix is read.
        parts: Names of the parts that a piece must have, all of them and no others (capitals and
            order do not count); null takes any piece. With `ranges`, these are what
            representation=multivoice needs.
        ranges: Lowest and highest MIDI number of each of these parts; a piece that leaves them is
            skipped.
        workers: Processes that read the files; null: one for each core. Changes no result.

    Raises:
        UserError: When ranges are given that do not belong to the parts; on first use, when there
            is no such folder, no music in it, or none that can be used.
    """

    name = "folder"
    chords: bool | None = None

    def __init__(
        self,
        path: str,
        pattern: str | None = None,
        parts: Sequence[str] | None = None,
        ranges: Sequence[tuple[int, int]] | None = None,
        workers: Annotated[int, Ge(0)] | None = None,
    ) -> None:
        if ranges and len(ranges) != len(parts or ()):
            raise UserError(
                f"dataset.ranges needs one range for each of dataset.parts, not {len(ranges)} for "
                f"{len(parts or ())}."
            )
        self.path = Path(path).expanduser()
        self.pattern = pattern
        self.parts = tuple(parts or ())
        self.ranges = tuple((int(low), int(high)) for low, high in ranges or ())
        self.workers = workers

    def root(self, cache: str | None) -> Path:
        """Return the folder with the files.

        Raises:
            UserError: When it is missing.
        """
        if not self.path.exists():
            raise UserError(f"dataset.path: there is no folder '{self.path}'.")
        if not self.path.is_dir():
            raise UserError(f"dataset.path: '{self.path}' is a file, where its folder is wanted.")
        return self.path

    def options(self) -> dict[str, Any]:
        """Return what, beside the files, can change the pieces."""
        return {
            "dataset": DATASET_VERSION,
            "readers": READER_VERSIONS,
            "shards": SHARD_FORMAT,
            "pattern": self.pattern,
            "parts": self.parts,
            "ranges": self.ranges,
        }

    def files(self, root: Path) -> Iterator[Found]:
        """Yield the files to read, always in the same order."""
        return files_below(root, self.pattern)

    @functools.cached_property
    def _listing(self) -> str:
        """Hash of names, sizes and times of all files."""
        digest, found = hashlib.sha256(), False
        for file in self.files(self.root(None)):
            digest.update(f"{file.size} {file.changed_ns} {printable(file.name)}\0".encode())
            found = True
        if not found:
            raise self._without_files()
        return digest.hexdigest()

    def _without_files(self) -> UserError:
        matching = f"that matches '{self.pattern}'" if self.pattern else "of music"
        return UserError(f"dataset.path: '{self.path}' holds no file {matching}.")

    def fingerprint(self) -> str:
        """Return a hash of the files' names, sizes and times, of the options and the readers."""
        return key_of({"files": self._listing, **self.options()})

    def prepare(self, cache: str | None) -> Corpus:
        """Return the corpus; shards in the cache folder are gone on with where they end.

        Without a cache they lie in a temporary folder that goes with the corpus.
        """
        folder = Path(cache or tempfile.mkdtemp()) / f"{self.name}-{self.fingerprint()}"
        try:
            shards = PieceShards(folder)
        except ValueError:
            shards = self._read(self.root(cache), folder)
        if cache is None:
            weakref.finalize(shards, shutil.rmtree, folder.parent, ignore_errors=True)
        skipped = tuple(Skipped(*row) for row in shards.skipped())
        if not len(shards):
            first = skipped[0]
            raise UserError(
                f"None of the {len(skipped):,} files of the dataset can be used; "
                f"'{first.source}', for one, "
                f"{commonest_reason([(first.source, first.reason)])}."
            )
        groups = self.groups(shards)
        return Corpus(
            pieces=shards,
            groups=groups,
            skipped=skipped,
            card=self.card(counts_of(shards, groups)),
        )

    def groups(self, shards: PieceShards) -> tuple[str, ...]:
        """Return the group of each piece."""
        return tuple(shards.groups)

    def _read(self, root: Path, folder: Path) -> PieceShards:
        total = sum(1 for _ in self.files(root))
        if not total:
            raise self._without_files()
        files = ((file.name, file.size) for file in self.files(root))
        read = functools.partial(read_selected, parts=self.parts, ranges=self.ranges)
        return prepare_files(files, root, read, folder, total=total, workers=self.workers)

    def card(self, counts: dict[str, int]) -> Card:
        """Return the dataset card."""
        return Card(
            name=self.name,
            title="Music from a folder",
            source=str(self.path),
            licence="Not known: the files are the user's own.",
            citation="None: the files are the user's own.",
            counts=counts,
            split_rule=SPLIT_RULE,
            ranges=dict(zip(self.parts, self.ranges, strict=False)),
        )


def counts_of(shards: PieceShards, groups: Sequence[str]) -> dict[str, int]:
    """Return the counts of a card."""
    return {
        "pieces": len(shards),
        "notes": sum(shard.notes for shard in shards.shards),
        "groups": len(set(groups)),
        "files": sum(shard.files for shard in shards.shards),
        "files left out": sum(shard.skipped for shard in shards.shards),
    }


def key_of(content: Mapping[str, Any]) -> str:
    """Return a short hash of plain containers."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
