"""A file of music of any kind that is known here, as a piece."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable
from pathlib import Path

from partimento.errors import UserError
from partimento.formats import abc, midi, musicxml, muspy_files
from partimento.formats.abc import Unreadable, decode_abc, first_tune, read_tunes
from partimento.formats.limits import check_piece, read_bytes
from partimento.formats.midi import piece_of_midi
from partimento.formats.musicxml import read_musicxml
from partimento.formats.musicxml_file import MAX_BYTES
from partimento.formats.muspy_files import piece_of_muspy
from partimento.music import Piece

log = logging.getLogger(__name__)
READABLE = (
    "MIDI (.mid, .midi), MusicXML (.musicxml, .xml, .mxl), ABC (.abc) and muspy's "
    "JSON and YAML (.json, .yaml, .yml) files can be read"
)
SUFFIXES = {
    ".mid": "MIDI",
    ".midi": "MIDI",
    ".musicxml": "MusicXML",
    ".xml": "MusicXML",
    ".mxl": "MusicXML",
    ".abc": "ABC",
    ".json": "JSON",
    ".yaml": "YAML",
    ".yml": "YAML",
}
# Raised whenever a file would be read as different music than before; part of cache keys.
READER_VERSIONS = {
    "midi": midi.READER_VERSION,
    "musicxml": musicxml.READER_VERSION,
    "abc": abc.READER_VERSION,
    "muspy": muspy_files.READER_VERSION,
}


def read_piece(path: str | Path) -> Piece:
    """Return the music of a file, of an ABC file that of its first tune.

    What kind of file it is, its first bytes tell, else its suffix.

    Raises:
        UserError: When the file is missing, empty, too large, damaged, of another kind, or
            without notes.
    """
    path = Path(path)
    kind, data = _content(path)
    pieces = [first_tune(decode_abc(data), path)] if kind == "ABC" else _READERS[kind](data, path)
    return _checked(pieces, path)[0]


def read_pieces(path: str | Path) -> list[Piece]:
    """Return all pieces of a file: one, or the tunes of an ABC file, with ids such as "book-12".

    Tunes that cannot be read are named in the log, with their reasons.

    Raises:
        UserError: As `read_piece` does, and when no tune of an ABC file can be read.
    """
    path = Path(path)
    kind, data = _content(path)
    return _checked(_READERS[kind](data, path), path)


def _checked(pieces: list[Piece], path: Path) -> list[Piece]:
    """Return the pieces that hold notes, no more of them than any piece does."""
    pieces = [piece for piece in pieces if len(piece)]
    if not pieces:
        raise UserError(f"'{path}' holds no notes.")
    for piece in pieces:
        check_piece(piece, str(path))
    return pieces


def _content(path: Path) -> tuple[str, bytes]:
    """Return the kind and the bytes of a file that may be music."""
    _check_exists(path)
    data = read_bytes(path, MAX_BYTES)
    if not data or data.isspace():
        raise UserError(f"'{path}' is empty; {READABLE}.")
    kind = _kind(data, path.suffix.lower())
    if kind is None:
        raise UserError(f"'{path}' is not a music file that is known here; {READABLE}.")
    return kind, data


def _read_midi(data: bytes, path: Path) -> list[Piece]:
    return [piece_of_midi(data, id=path.stem, source=path.name, name=str(path))]


def _read_musicxml(_: bytes, path: Path) -> list[Piece]:
    return [read_musicxml(path)]


def _read_json(data: bytes, path: Path) -> list[Piece]:
    return [piece_of_muspy(data, "json", id=path.stem, source=path.name, name=str(path))]


def _read_yaml(data: bytes, path: Path) -> list[Piece]:
    return [piece_of_muspy(data, "yaml", id=path.stem, source=path.name, name=str(path))]


def _read_abc(data: bytes, path: Path) -> list[Piece]:
    tunes = read_tunes(decode_abc(data), id=path.stem, source=path.name)
    bad = [tune for tune in tunes if isinstance(tune, Unreadable)]
    pieces = [tune for tune in tunes if isinstance(tune, Piece)]
    if not pieces:
        raise UserError(f"'{path}' {bad[0].reason}.")
    if bad:
        reasons = "; ".join(f"{tune.id} {tune.reason}" for tune in bad[:5])
        log.warning("%d of %d tunes of '%s' left out: %s", len(bad), len(tunes), path, reasons)
    return pieces


_READERS: dict[str, Callable[[bytes, Path], list[Piece]]] = {
    "MIDI": _read_midi,
    "MusicXML": _read_musicxml,
    "ABC": _read_abc,
    "JSON": _read_json,
    "YAML": _read_yaml,
}


def _check_exists(path: Path) -> None:
    if path.is_file():
        return
    if path.is_dir():
        music = sorted(file.name for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        hint = f", such as '{music[0]}'" if music else ""
        raise UserError(f"'{path}' is a folder, where one music file in it is wanted{hint}.")
    if not path.parent.is_dir():
        raise UserError(f"There is no file '{path}', nor its folder.")
    if re.fullmatch(r"bwv ?\d[\w.-]*", path.name.lower()):
        number = path.name[3:].strip()
        raise UserError(f"There is no file '{path}'; for the chorale, write 'bwv:{number}'.")
    names = [file.name for file in path.parent.iterdir() if file.is_file()]
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    hint = f"; the nearest in its folder is '{close[0]}'" if close else ""
    raise UserError(f"There is no file '{path}'{hint}.")


def _kind(data: bytes, suffix: str) -> str | None:
    """Tell the kind of a file by its first bytes, else by its suffix."""
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"MThd") or re.match(rb"RIFF....RMID", start, re.DOTALL):
        return "MIDI"
    # A zip file (.mxl), or XML in UTF-8 or in UTF-16 with its byte-order mark.
    if start.startswith((b"PK\x03\x04", b"<", b"\xff\xfe<", b"\xfe\xff\x00<")):
        return "MusicXML"
    if re.match(rb"(%abc|X:\s*\d)", start):
        return "ABC"
    if re.match(rb"\{\s*\"", start):
        return "JSON"
    return SUFFIXES.get(suffix)
