"""A file of music of any kind that is known here, as a piece."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partimento.errors import UserError
from partimento.formats.musicxml import read_musicxml
from partimento.formats.musicxml_file import MAX_BYTES
from partimento.music import Piece, from_muspy

if TYPE_CHECKING:
    import muspy

READABLE = "MIDI (.mid, .midi), MusicXML (.musicxml, .xml, .mxl) and ABC (.abc) files can be read"
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
    are left out. Of an ABC file the first tune is read: repeats are played out and chord symbols
    left out (through music21 and muspy).

    Raises:
        UserError: When the file is missing, empty, damaged, of another kind, or without notes.
    """
    path = Path(path)
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
    if kind == "MusicXML":
        piece = read_musicxml(path)
    elif kind == "MIDI":
        piece = _through_muspy(path, kind, lambda muspy: muspy.read_midi(path))
    else:
        tune = _first_tune(data, path)
        piece = _through_muspy(path, kind, lambda muspy: muspy.read_abc_string(tune))
    if not len(piece):
        raise UserError(f"'{path}' holds no notes.")
    return piece


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


def _first_tune(data: bytes, path: Path) -> str:
    """Return the first tune of an ABC file under the header fields that precede it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # ABC before version 2.1 was in Latin-1, which any bytes are.
        text = data.decode("latin-1")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not re.search(r"^K:", text, re.MULTILINE):
        raise UserError(f"'{path}' is no ABC tune: it has no key (a line such as 'K:G').")
    starts = [match.start() for match in re.finditer(r"^X:", text, re.MULTILINE)]
    shared: list[str] = []
    if starts:
        stop = starts[1] if len(starts) > 1 else len(text)
        shared = re.findall(r"^[A-Z]:.*\n", text[: starts[0]], re.MULTILINE)
        text = text[starts[0] : stop].partition("\n")[2]
    if not re.search(r"^[LM]:", "".join(shared) + text, re.MULTILINE):
        # The default of ABC 2.1, section 3.1.7, that music21 does not know.
        shared.append("L:1/8\n")
    # With a number before it music21 never takes the text for a path.
    return f"X:1\n{''.join(shared)}{text}"


def _through_muspy(path: Path, kind: str, read: Callable[[Any], Any]) -> Piece:
    """Return what muspy reads; whatever it, mido or music21 raise becomes one sentence."""
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
    import muspy

    for track in music.tracks:
        # ABC's bracketed notes are chords in muspy; chord symbols are too, but last no time.
        track.notes.extend(
            muspy.Note(chord.time, pitch, chord.duration, chord.velocity)
            for chord in track.chords
            if chord.duration > 0
            for pitch in chord.pitches
        )
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
