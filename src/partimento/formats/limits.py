"""How large a file of music and the piece in it may be: a guard against files made to fill memory."""

from __future__ import annotations

from pathlib import Path

from partimento.errors import UserError
from partimento.music import Piece

MAX_NOTES = 2_000_000
"""Most notes of a piece; a symphony has some hundred thousand."""

MAX_QUARTERS = 100_000
"""Longest piece in quarter notes: fourteen hours at 120 a minute."""

MAX_BARS = 200_000
"""Most bars of a piece."""

MAX_TICK = 2**31 - 1
"""Latest time that a piece's 32-bit arrays can count."""


def read_bytes(path: Path, most: int) -> bytes:
    """Return what a file holds.

    Raises:
        UserError: When there is no such file, or it is larger than `most` bytes.
    """
    if not path.is_file():
        raise UserError(f"There is no file '{path}'.")
    with path.open("rb") as file:
        # Asked for no more than it holds: a buffer for the most would cost more than to read it.
        data = file.read(min(path.stat().st_size, most) + 1)
    if len(data) > most:
        raise UserError(f"'{path}' is larger than {most // 2**20} MiB, the most that is read.")
    return data


def check_length(end: int, resolution: int, name: str) -> None:
    """Refuse a time, in ticks of `resolution` to the quarter note, that no piece reaches.

    Raises:
        UserError: When the music would be longer than `MAX_QUARTERS` or `MAX_TICK`.
    """
    if end > MAX_TICK or end > MAX_QUARTERS * resolution:
        raise UserError(
            f"'{name}' lasts longer than {MAX_QUARTERS} quarter notes or {MAX_TICK} ticks, the "
            "most that is read."
        )


def check_count(notes: int, bars: int, name: str) -> None:
    """Refuse more notes or bars than any piece has.

    Raises:
        UserError: When there are more than `MAX_NOTES` or `MAX_BARS`.
    """
    for count, most, what in ((notes, MAX_NOTES, "notes"), (bars, MAX_BARS, "bars")):
        if count > most:
            raise UserError(f"'{name}' has more than {most} {what}, the most that is read.")


def check_piece(piece: Piece, name: str) -> None:
    """Refuse a piece beyond any of the limits, whatever it was read from.

    Raises:
        UserError: When it is too long, or has too many notes or bars.
    """
    check_count(len(piece), len(piece.bars), name)
    check_length(piece.end, piece.resolution, name)


def count_bars(metres: list[tuple[int, int, int]], end: int, resolution: int) -> int:
    """Return how many bars `music.lay_bars` would make at most, without making them."""
    stops = [metre[0] for metre in metres[1:]] + [end]
    return sum(
        (stop - onset) // max(1, 4 * resolution * beats // beat_type) + 1
        for (onset, beats, beat_type), stop in zip(metres, stops, strict=True)
    )


def shortened(text: object, most: int = 60) -> str:
    """Return words of a file's own for an error, no more of them than a person reads."""
    words = " ".join(str(text).split())
    return words if len(words) <= most else words[: most - 1] + "…"
