"""Lead sheets from a user's own files: melodies with chord symbols, in MusicXML or ABC."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge

from partimento.chords import parse_chord
from partimento.datasets.base import Card, Corpus, Dataset, Skipped
from partimento.datasets.grouping import RUN, melody_intervals, shared_run_groups
from partimento.datasets.store import FORMAT_VERSION, cached_pieces
from partimento.errors import UserError
from partimento.formats.abc import READER_VERSION as ABC_VERSION
from partimento.formats.abc import Unreadable, decode_abc, read_tunes
from partimento.formats.musicxml import READER_VERSION as MUSICXML_VERSION
from partimento.formats.musicxml import read_musicxml
from partimento.formats.musicxml_file import MAX_BYTES
from partimento.music import Piece
from partimento.representations.bar_chords import longest_triad, triads_between
from partimento.representations.grid import full_bars

DATASET_VERSION = 1
"""Raised whenever this file would choose or name pieces differently; part of the cache key."""

SUFFIXES = (".mxl", ".musicxml", ".xml", ".abc")
Repeats = Literal["written", "played"]


def music_files(path: Path) -> list[Path]:
    """Return the MusicXML and ABC files of a folder, recursively and in stable order, or the file.

    Raises:
        UserError: When there is no such file or folder, or no such file in it.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"There is no file or folder '{path}', where lead sheets are to be.")
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
    found = [file for file in found if file.is_file()]
    if not found:
        raise UserError(
            f"'{path}' holds no lead sheets; MusicXML (.mxl, .musicxml, .xml) and ABC (.abc) files "
            "are read."
        )
    return found


def read_file(path: Path, id: str, source: str, repeats: Repeats) -> list[Piece | Unreadable]:
    """Return every piece of a MusicXML or ABC file, or the reason why it is none."""
    try:
        if path.suffix.lower() != ".abc":
            return [read_musicxml(path, id=id, source=source)]
        if path.stat().st_size > MAX_BYTES:
            return [Unreadable(id, source, f"is larger than {MAX_BYTES // 2**20} MiB")]
        text = decode_abc(path.read_bytes())
    except UserError as error:
        reason = str(error).removeprefix(f"'{path.name}' ").rstrip(".")
        return [Unreadable(id, source, reason)]
    except OSError as error:
        return [Unreadable(id, source, f"cannot be read: {error}")]
    return read_tunes(text, id=id, source=source, expand=repeats == "played")


def melody_of(piece: Piece, part: int) -> Piece:
    """Return one part of a piece under the name "melody", with everything but the other notes."""
    chosen = piece.part == part
    columns = {
        name: getattr(piece, name)[chosen] for name in ("onset", "duration", "pitch", "velocity")
    }
    return dataclasses.replace(piece, **columns, part=piece.part[chosen] * 0, parts=("melody",))


def chord_counts(pieces: Sequence[Piece]) -> dict[str, int]:
    """Count chord symbols, those that are not understood, and the bars of 4/4 that have a triad."""
    symbols = Counter(chord.symbol for piece in pieces for chord in piece.chords)
    counts = Counter({"chord symbols": symbols.total()})
    for symbol, count in symbols.items():
        try:
            counts["chord symbols without a third"] += count * (parse_chord(symbol).triad is None)
        except ValueError:
            counts["chord symbols not understood"] += count
    for piece in pieces:
        for onset in (onset for run in full_bars(piece) for onset in run):
            ticks = triads_between(piece, onset, onset + 4 * piece.resolution)
            counts["bars of 4/4"] += 1
            counts["bars of 4/4 with a chord"] += bool(ticks)
            counts["bars of 4/4 with a triad"] += longest_triad(ticks) is not None
    return dict(counts)


class LeadSheets(Dataset):
    """Melodies with chord symbols from a file or a folder: MusicXML and ABC, mixed.

    A piece keeps the notes of one part, its chord symbols, key, metre and pick-up. Files and tunes
    that cannot be read, or have no chord symbols or no notes, are left out, each with its reason.
    Pieces whose melodies share 16 successive intervals are in one group.

    Args:
        path: A file, or a folder that is searched with all that is in it.
        repeats: "written": each bar once; "played": repeats and endings of ABC tunes played out
            (MusicXML is always read as written).
        part: Index of the part that has the melody.

    Raises:
        UserError: When there is no such path or it holds no lead sheets (on first use).
    """

    name = "leadsheets"
    title = "Lead sheets"
    licence = "That of the files, which are yours to know; they are not redistributed."
    citation = "That of the files."
    notes: tuple[str, ...] = ()

    parts: Sequence[str] = ("melody",)
    ranges: Sequence[tuple[int, int]] = ((0, 127),)
    chords = True

    def __init__(
        self, path: str, repeats: Repeats = "written", part: Annotated[int, Ge(0)] = 0
    ) -> None:
        if repeats not in get_args(Repeats):
            raise UserError(
                f"{self.name}: repeats is one of {', '.join(get_args(Repeats))}, not '{repeats}'."
            )
        if part < 0:
            raise UserError(f"{self.name}: part must be 0 or more, not {part}.")
        self.path = Path(path).expanduser()
        self.repeats: Repeats = repeats
        self.part = part

    def symbol(self, text: str) -> str:
        """Return a chord symbol of these files as lead sheets usually write it."""
        return text

    def fingerprint(self) -> str:
        """Return a hash of names and contents of the files, the readers' versions and the options.

        Raises:
            UserError: When there are no files.
        """
        digest = hashlib.sha256()
        for file in music_files(self.path):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
            digest.update(self._relative(file).encode("utf-8", "surrogateescape"))
        key = {
            "files": digest.hexdigest(),
            "readers": [ABC_VERSION, MUSICXML_VERSION],
            "format": FORMAT_VERSION,
            "dataset": [self.name, DATASET_VERSION],
            "options": [self.repeats, self.part],
        }
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]

    def prepare(self, cache: str | None) -> Corpus:
        """Return the corpus, some milliseconds per file the first time.

        Raises:
            UserError: When there is no such path or it holds no lead sheets.
        """
        path = None if cache is None else Path(cache) / f"{self.name}-{self.fingerprint()}.npz"
        pieces, extra = cached_pieces(path, self._build)
        skipped = tuple(Skipped(*row) for row in extra["skipped"])
        if not pieces:
            first = f": '{skipped[0].source}' {skipped[0].reason}" if skipped else ""
            raise UserError(f"'{self.path}' holds no lead sheet that can be used{first}.")
        groups = shared_run_groups({piece.id: melody_intervals(piece) for piece in pieces})
        return Corpus(
            pieces=tuple(pieces),
            groups=tuple(groups[piece.id] for piece in pieces),
            skipped=skipped,
            card=self._card(pieces, groups, skipped),
        )

    def _relative(self, file: Path) -> str:
        return file.relative_to(self.path).as_posix() if file != self.path else file.name

    def _build(self) -> tuple[list[Piece], dict[str, Any]]:
        """Read the files anew."""
        pieces: list[Piece] = []
        skipped: list[tuple[str, str]] = []
        for read in self._read():
            reason = read.reason if isinstance(read, Unreadable) else self._unfit(read)
            if reason is None and isinstance(read, Piece):
                chords = tuple(c._replace(symbol=self.symbol(c.symbol)) for c in read.chords)
                melody = melody_of(read, self.part)
                pieces.append(dataclasses.replace(melody, chords=chords))
            else:
                of_many = "" if read.source.startswith(read.id) else f" ({read.id})"
                skipped.append((read.source + of_many, reason or ""))
        return pieces, {"skipped": skipped}

    def _read(self) -> Iterator[Piece | Unreadable]:
        """Yield every piece of every file; ids are names without suffix, where those are unique."""
        files = music_files(self.path)
        stems = Counter(self._relative(file).rpartition(".")[0] for file in files)
        for file in files:
            source = self._relative(file)
            stem = source.rpartition(".")[0] if "." in source else source
            yield from read_file(file, stem if stems[stem] < 2 else source, source, self.repeats)

    def _unfit(self, piece: Piece) -> str | None:
        """Return why a piece is no lead sheet; None when it is one."""
        if not piece.chords:
            return "has no chord symbols"
        if not (piece.part == self.part).any():
            return f"has no notes in the part at index {self.part}"
        return None

    def _card(
        self, pieces: Sequence[Piece], groups: dict[str, str], skipped: Sequence[Skipped]
    ) -> Card:
        without = sum(skip.reason == "has no chord symbols" for skip in skipped)
        return Card(
            name=self.name,
            title=self.title,
            source=str(self.path),
            licence=self.licence,
            citation=self.citation,
            counts={
                "pieces": len(pieces),
                "notes": sum(map(len, pieces)),
                "groups": len(set(groups.values())),
                "pieces in the largest group": max(Counter(groups.values()).values()),
                "left out without chord symbols": without,
                "left out for other reasons": len(skipped) - without,
                **chord_counts(pieces),
            },
            split_rule=f"Melodies that share {RUN} successive intervals stay on one side.",
            ranges=dict(zip(self.parts, self.ranges, strict=True)),
            notes=(
                *self.notes,
                f"Repeats are read as {self.repeats}; those of MusicXML as written.",
                "Original keys and pick-ups are kept; of several parts only the melody's is kept.",
            ),
        )
