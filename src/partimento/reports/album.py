"""Several examples of one model, written together: each alone, on one sheet, and all in a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from partimento.music import Piece
from partimento.reports.midi import write_midi
from partimento.reports.pianoroll import bars_of, draw_sheet


def in_a_row(pieces: Sequence[Piece], title: str = "") -> Piece:
    """Return pieces of one representation played one after the other, as one piece.

    Each begins where the one before ends, its trailing rests included. Parts are those of the
    first.

    Raises:
        ValueError: When there are none, or they count time in different ticks.
    """
    if len({piece.resolution for piece in pieces}) != 1:
        raise ValueError("pieces in a row must be there, and have one resolution")
    starts = np.cumsum([0, *(piece.end for piece in pieces)])

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(piece, name) for piece in pieces])

    moved = list(zip(pieces, starts.tolist(), strict=False))
    first = pieces[0]
    return Piece(
        id=title or first.id,
        resolution=first.resolution,
        onset=np.concatenate([piece.onset + start for piece, start in moved]),
        duration=column("duration"),
        pitch=column("pitch"),
        part=column("part"),
        velocity=column("velocity"),
        parts=first.parts,
        end=int(starts[-1]),
        bars=tuple(
            bar._replace(onset=bar.onset + start)
            for piece, start in moved
            for bar in bars_of(piece)
            if bar.onset < piece.end
        ),
        keys=tuple(k._replace(onset=k.onset + start) for p, start in moved for k in p.keys),
        chords=tuple(c._replace(onset=c.onset + start) for p, start in moved for c in p.chords),
        tempos=tuple(t._replace(onset=t.onset + start) for p, start in moved for t in p.tempos),
        metadata={"title": title} if title else {},
    )


def write_album(
    pieces: Sequence[Piece],
    folder: str | Path,
    *,
    name: str,
    titles: Sequence[str],
    heading: str = "",
) -> dict[str, Path]:
    """Write a MIDI file of each piece, one sheet of piano rolls, and a MIDI file of all in a row.

    Args:
        pieces: Pieces of one representation.
        folder: Where to write; files there of the same names are replaced.
        name: What a piece is, for the names of files: "step" gives step-01.mid, ...
        titles: Title of each piece, over its picture.
        heading: Title of the sheet and of the row.

    Returns:
        The files by kind: "pieces" (the folder), "row" and "sheet".
    """
    folder = Path(folder)
    digits = max(2, len(str(len(pieces))))
    for number, piece in enumerate(pieces, start=1):
        write_midi(piece, folder / f"{name}-{number:0{digits}d}.mid")
    sheet = folder / "sheet.png"
    draw_sheet(pieces, sheet, titles=titles, heading=heading, columns=3, quarters=16)
    return {
        "pieces": folder,
        "row": write_midi(in_a_row(pieces, heading), folder / "row.mid"),
        "sheet": sheet,
    }
