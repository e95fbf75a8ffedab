"""From many notes to one melody: the highest part, and the highest note of what sounds together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from partimento.errors import UserError, did_you_mean
from partimento.music import Piece
from partimento.representations.table import NoteTable

HIGHEST = "highest"
SKYLINE = "skyline"


def highest_parts(table: NoteTable, parts: Sequence[int]) -> np.ndarray:
    """Return for each piece the part that is highest on average, the first of equal ones.

    Args:
        table: The notes of the pieces.
        parts: Number of parts of each piece; one without notes is never the highest.
    """
    width = max([1, *parts])
    lane = table.piece * width + table.part
    lanes = len(parts) * width
    count = np.bincount(lane, minlength=lanes)
    total = np.bincount(lane, weights=table.pitch, minlength=lanes)
    mean = np.where(count > 0, total / np.maximum(count, 1), -1.0)
    return mean.reshape(-1, width).argmax(axis=1)


def part_named(piece: Piece, voice: str | int) -> int:
    """Return the index of a part by its name, in any case of letters, or by its number from 0.

    Raises:
        UserError: When the piece has no such part.
    """
    if isinstance(voice, int):
        if not 0 <= voice < len(piece.parts):
            raise UserError(
                f"'{piece.id}' has {len(piece.parts)} part(s), so representation.voice={voice} "
                "names none of them; numbers begin at 0."
            )
        return voice
    names = [name.strip().lower() for name in piece.parts]
    if voice.strip().lower() not in names:
        raise UserError(
            f"'{piece.id}' has no part named '{voice}'.{did_you_mean(voice, piece.parts)}"
        )
    return names.index(voice.strip().lower())


def skyline(table: NoteTable, steps_per_quarter: int) -> np.ndarray:
    """True for the notes that belong to the melody that one hears on top, `(notes,)`.

    Left out are notes that begin together with a higher one, and notes that begin while a higher
    one sounds on for a step or longer. Of notes of one pitch that begin together the first stays.
    A note that a higher one, or the next one, cuts off is kept; whoever places the notes ends it
    there. It does not come back after the higher one, as in the skyline of Uitdenbogerd & Zobel
    (Melodic Matching Techniques for Large Music Databases, ACM Multimedia 1999, section 3).

    Args:
        table: Notes, in order of onset within each piece.
        steps_per_quarter: Grid steps to the quarter note.
    """
    onset, pitch, piece = table.onset, table.pitch, table.piece
    resolution = np.broadcast_to(table.resolution, onset.shape)
    kept = np.ones(len(onset), dtype=bool)
    if not len(onset):
        return kept
    # Ends and onsets of a piece lie above all of the piece before, so that none looks into it.
    apart = piece * (int(table.end.max()) + 2)
    begin = onset + apart
    reach = np.maximum.accumulate(np.maximum(table.end, onset + 1) + apart)
    later = np.flatnonzero(reach[:-1] > begin[1:]) + 1
    lag = 1
    while len(later):
        # Compare each note with the one `lag` places before, while anything there still sounds.
        earlier = later - lag
        together = onset[earlier] == onset[later]
        sounds_on = (table.end[earlier] - onset[later]) * steps_per_quarter >= resolution[later]
        step_up = pitch[later] - pitch[earlier]
        under = ((together | sounds_on) & (step_up < 0)) | (together & (step_up == 0))
        kept[later[under]] = False
        kept[earlier[together & (step_up > 0)]] = False
        lag += 1
        later = later[later >= lag]
        later = later[reach[later - lag] > begin[later]]
    return kept
