"""The music that a user names in one word: a file, or a chorale by number."""

from __future__ import annotations

from pathlib import Path

from partimento.datasets.chorales import read_bach
from partimento.formats.files import read_piece
from partimento.music import Piece


def read_input(text: str) -> Piece:
    """Return the piece that a user names: a file, or a chorale such as "bwv:253" or "bwv:4.8".

    Raises:
        UserError: When there is no such file or chorale, or it cannot be read.
    """
    text = text.strip()
    if text.lower().startswith("bwv:"):
        return read_bach(text[len("bwv:") :])
    return read_piece(Path(text).expanduser())
