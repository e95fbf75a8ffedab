"""The files that a folder of music may hold, and their readers' versions."""

from __future__ import annotations

from pathlib import Path

from partimento.errors import UserError
from partimento.formats import files as formats
from partimento.formats.musicxml import READER_VERSION
from partimento.music import Piece, from_muspy

MUSPY_SUFFIXES = (".json", ".yaml", ".yml")
SUFFIXES = frozenset({*formats.SUFFIXES, *MUSPY_SUFFIXES})
READERS = {"musicxml": READER_VERSION}


def read_file(path: Path) -> list[Piece]:
    """Return the pieces of a file of any kind known here.

    Raises:
        UserError: When it cannot be read.
    """
    if path.suffix.lower() not in MUSPY_SUFFIXES:
        return [formats.read_piece(path)]
    import muspy

    try:
        music = muspy.load(path)
    except Exception as error:
        raise UserError(f"'{path}' is no file that muspy has saved ({error}).") from error
    return [from_muspy(music, id=path.stem, source=path.name)]
