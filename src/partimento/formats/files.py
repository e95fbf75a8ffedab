"""A file of music of any kind that is known here, as a piece."""

from __future__ import annotations

import difflib
import logging
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partimento.errors import UserError
from partimento.formats.abc import Unreadable, decode_abc, first_tune, read_tunes
from partimento.formats.musicxml import read_musicxml
from partimento.formats.musicxml_file import MAX_BYTES
from partimento.music import Piece, from_muspy

if TYPE_CHECKING:
    import muspy

READABLE = "MIDI (.mid, .midi), MusicXML (.musicxml, .xml, .mxl) and ABC (.abc) files can be read"
log = logging.getLogger(__name__)
SUFFIXES = {
    ".mid": "MIDI",
    ".midi": "MIDI",
    ".musicxml": "MusicXML",
    ".xml": "MusicXML",
    ".mxl": "MusicXML",
    ".abc": "ABC",
}


def read_piece(path: str | Path) -> Piece:
    """Return the music of a MusicXML, MIDI or ABC file.

    What kind of file it is, its first bytes tell, else its suffix. MIDI keeps its ticks; drums
    are left out. Of an ABC file the first tune is read.

    Raises:
        UserError: When the file is missing, empty, damaged, of another kind, or without notes.
    """
    path = Path(path)
    kind, data = _content(path)
    if kind == "MusicXML":
        piece = read_musicxml(path)
    elif kind == "MIDI":
        piece = _through_muspy(path, kind, lambda muspy: muspy.read_midi(path))
    else:
        piece = first_tune(decode_abc(data), path)
    if not len(piece):
        raise UserError(f"'{path}' holds no notes.")
    return piece


def read_pieces(path: str | Path) -> list[Piece]:
    """Return all pieces of a file: one, or the tunes of an ABC file, with ids such as "book-12".

    Tunes that cannot be read are named in the log, with their reasons.

    Raises:
        UserError: As `read_piece` does, and when no tune of an ABC file can be read.
    """
    path = Path(path)
    kind, data = _content(path)
    if kind != "ABC":
        return [read_piece(path)]
    tunes = read_tunes(decode_abc(data), id=path.stem, source=path.name)
    bad = [tune for tune in tunes if isinstance(tune, Unreadable)]
    pieces = [tune for tune in tunes if isinstance(tune, Piece)]
    if not pieces:
        raise UserError(f"'{path}' {bad[0].reason}.")
    if bad:
        reasons = "; ".join(f"{tune.id} {tune.reason}" for tune in bad[:5])
        log.warning("%d of %d tunes of '%s' left out: %s", len(bad), len(tunes), path, reasons)
    return pieces


def _content(path: Path) -> tuple[str, bytes]:
    """Return the kind and the bytes of a file that may be music."""
    _check_exists(path)
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UserError(f"'{path}' is larger than {MAX_BYTES // 2**20} MiB, the most that is read.")
    if not data.strip():
        raise UserError(f"'{path}' is empty; {READABLE}.")
    kind = _kind(data, path.suffix.lower())
    if kind is None:
        raise UserError(f"'{path}' is not a music file that is known here; {READABLE}.")
    return kind, data


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
    if start.startswith(b"MThd"):
        return "MIDI"
    # A zip file (.mxl), or XML in UTF-8 or in UTF-16 with its byte-order mark.
    if start.startswith((b"PK\x03\x04", b"<", b"\xff\xfe<", b"\xfe\xff\x00<")):
        return "MusicXML"
    if re.match(rb"(%abc|X:\s*\d)", start):
        return "ABC"
    return SUFFIXES.get(suffix)


def _through_muspy(path: Path, kind: str, read: Callable[[Any], Any]) -> Piece:
    """Return what muspy reads; whatever it or mido raise becomes one sentence."""
    with warnings.catch_warnings():
        # They warn about their own innards, not about the user's file.
        warnings.simplefilter("ignore")
        try:
            import muspy

            music = read(muspy)
            _tidy(music)
            return from_muspy(music, id=path.stem, source=path.name)
        except Exception as error:
            reason = (str(error).strip().splitlines() or [""])[0].rstrip(".")
            raise UserError(
                f"'{path}' is no {kind} file that can be read "
                f"({type(error).__name__}{': ' + reason if reason else ''}); {READABLE}."
            ) from error


def _tidy(music: muspy.Music) -> None:
    """Mend in place what muspy leaves in a form that a piece cannot take."""
    music.tracks = [track for track in music.tracks if track.notes]
    end = max((note.end for track in music.tracks for note in track.notes), default=0)
    for name in ("tempos", "key_signatures", "time_signatures"):
        # Files often repeat these in every track; of several at one time the last holds.
        marks = {mark.time: mark for mark in getattr(music, name) if mark.time < max(end, 1)}
        setattr(music, name, [marks[time] for time in sorted(marks)])
    for key in music.key_signatures:
        if key.fifths is None and key.root is not None:
            # The circle of fifths; a minor key has the signature of the major three semitones up.
            major = key.root + 3 * (key.mode == "minor")
            key.fifths = (7 * major + 5) % 12 - 5
    if music.metadata.title == "None":
        # What muspy makes of a MIDI file without a title.
        music.metadata.title = None
