"""Many pieces in one compressed file: written atomically, and rebuilt when damaged."""

from __future__ import annotations

import io
import json
import logging
import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from partimento.atomic import write_atomically
from partimento.music import Bar, Chord, Key, Piece, Tempo

FORMAT_VERSION = 1
"""Raised whenever the layout of the file changes; part of every cache key."""

NOTE_COLUMNS = ("onset", "duration", "pitch", "part", "velocity")
# What NumPy, zipfile and json raise on damaged bytes.
_DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    SyntaxError,
    struct.error,
    lzma.LZMAError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

log = logging.getLogger(__name__)


def write_pieces(
    path: Path, pieces: Sequence[Piece], extra: Mapping[str, Any] | None = None
) -> None:
    """Write pieces, and anything else that JSON can hold, into one file.

    The file appears whole or not at all.

    Args:
        path: File to write; its folder is made.
        pieces: Pieces in the order in which they will be read.
        extra: Plain containers to keep with them.

    Raises:
        OSError: When the folder cannot be written to.
    """
    header = {
        "format": FORMAT_VERSION,
        "pieces": [_counted_header(piece) for piece in pieces],
        "extra": extra or {},
    }
    notes = [np.stack([getattr(p, name) for name in NOTE_COLUMNS], axis=1) for p in pieces]
    bars = [np.array(piece.bars, np.int32).reshape(-1, 3) for piece in pieces]
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        header=np.frombuffer(json.dumps(header).encode(), np.uint8),
        notes=_joined(notes, len(NOTE_COLUMNS)),
        bars=_joined(bars, 3),
    )
    write_atomically(path, buffer.getvalue())


def read_pieces(path: Path) -> tuple[list[Piece], dict[str, Any]]:
    """Return the pieces of a file and what was kept with them.

    Raises:
        OSError: When there is no such file.
        ValueError: When the file is damaged or of another format.
    """
    try:
        # Opened here, since numpy leaves a file that it cannot read open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            header = json.loads(arrays["header"].tobytes())
            notes, bars = arrays["notes"], arrays["bars"]
        if header["format"] != FORMAT_VERSION:
            raise ValueError(f"{path} has format {header['format']}, not {FORMAT_VERSION}")
        return list(_pieces(header["pieces"], notes, bars)), header["extra"]
    except FileNotFoundError:
        raise
    except _DAMAGED as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def cached_pieces(
    path: Path | None, build: Callable[[], tuple[list[Piece], dict[str, Any]]]
) -> tuple[list[Piece], dict[str, Any]]:
    """Return the pieces in a cache file, or build them and write it.

    A damaged file is built anew, and a folder that cannot be written to costs no more than the
    time saved; both are logged as warnings. What `build` raises passes through.

    Args:
        path: Cache file; None: always build.
        build: Returns pieces and plain containers to keep with them.
    """
    if path is not None and path.exists():
        try:
            return read_pieces(path)
        except (OSError, ValueError) as error:
            log.warning("Reading the music anew, since its cache cannot be used: %s", error)
    pieces, extra = build()
    if path is not None:
        try:
            write_pieces(path, pieces, extra)
        except OSError as error:
            log.warning("Going on without a cache, since it cannot be written: %s", error)
    return pieces, extra


def _joined(tables: Sequence[np.ndarray], width: int) -> np.ndarray:
    return np.concatenate([np.zeros((0, width), np.int32), *tables]).astype(np.int32)


def header_of(piece: Piece) -> dict[str, Any]:
    """Return everything of a piece but its notes and bar lines, as plain containers."""
    return {
        "id": piece.id,
        "resolution": piece.resolution,
        "parts": piece.parts,
        "end": piece.end,
        "keys": piece.keys,
        "chords": piece.chords,
        "tempos": piece.tempos,
        "source": piece.source,
        "metadata": dict(piece.metadata),
    }


def piece_from(
    header: Mapping[str, Any], columns: Mapping[str, np.ndarray], bars: np.ndarray
) -> Piece:
    """Return the piece of a header (see `header_of`), note columns and bar lines `(bars, 3)`."""
    rest: dict[str, Any] = dict(header)
    return Piece(
        **columns,  # type: ignore[arg-type]
        bars=tuple(Bar(*row) for row in bars.tolist()),
        keys=tuple(Key(*row) for row in rest.pop("keys")),
        chords=tuple(Chord(*row) for row in rest.pop("chords")),
        tempos=tuple(Tempo(*row) for row in rest.pop("tempos")),
        **rest,
    )


def _counted_header(piece: Piece) -> dict[str, Any]:
    return {**header_of(piece), "counts": [len(piece), len(piece.bars)]}


def _pieces(
    headers: Sequence[dict[str, Any]], notes: np.ndarray, bars: np.ndarray
) -> Iterable[Piece]:
    """Yield pieces from their headers and the rows that belong to each, in order."""
    counts = np.array([header.pop("counts") for header in headers], np.int64).reshape(-1, 2)
    if tuple(counts.sum(axis=0)) != (len(notes), len(bars)):
        raise ValueError("notes or bars are missing")
    note_ends, bar_ends = counts.cumsum(axis=0).T.tolist()
    for header, note_end, bar_end, (note_count, bar_count) in zip(
        headers, note_ends, bar_ends, counts.tolist(), strict=True
    ):
        columns = notes[note_end - note_count : note_end].T
        rows = bars[bar_end - bar_count : bar_end]
        yield piece_from(header, dict(zip(NOTE_COLUMNS, columns, strict=True)), rows)
