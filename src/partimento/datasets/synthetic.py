"""What benchmarks drawn at run time share: streams, fingerprints, and four bars of quarter notes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from partimento.errors import UserError
from partimento.music import Key, Piece, lay_bars

LICENCE = "No licence is needed: synthetic, drawn by this program at run time from a stated law."
QUARTERS = 16
"""Length of a synthetic piece in quarter notes: four bars of 4/4."""
RESOLUTION = 4
"""Ticks per quarter note of a synthetic piece."""


def stream(name: str, seed: int, purpose: str) -> np.random.Generator:
    """Return the random stream of a dataset that a seed and a purpose (a split, say) have."""
    digest = hashlib.sha256(f"{name}/{seed}/{purpose}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def fingerprint(name: str, version: int, arguments: Mapping[str, Any]) -> str:
    """Return a hash of a dataset's name, version and arguments, which are all that it comes from."""
    key = {"name": name, "version": version, **arguments}
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def require_positive(name: str, **values: float) -> None:
    """Refuse arguments that are not finite and above 0.

    Raises:
        UserError: About the first of them.
    """
    for key, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise UserError(f"{name}: {key} must be a number above 0, not {value}.")


def quarter_piece(
    pitch: np.ndarray,
    struck: np.ndarray,
    *,
    id: str,
    parts: Sequence[str],
    key: Key,
    metadata: Mapping[str, str],
) -> Piece:
    """Return a piece of quarter notes, each of which goes on until its voice is struck again.

    Args:
        pitch: MIDI number of each voice, `(quarters, voices)`.
        struck: True for the quarters at which all voices strike, the first included, `(quarters,)`.
        id: Name of the piece.
        parts: Name of each voice.
        key: Its key signature.
        metadata: Its title and the like.
    """
    onset = np.flatnonzero(struck)
    length = np.diff(np.append(onset, len(pitch)))
    voices = pitch.shape[1]
    return Piece(
        id=id,
        resolution=RESOLUTION,
        onset=np.repeat(onset, voices) * RESOLUTION,
        duration=np.repeat(length, voices) * RESOLUTION,
        pitch=pitch[onset].ravel(),
        part=np.tile(np.arange(voices), len(onset)),
        parts=tuple(parts),
        bars=lay_bars([(0, 4, 4)], len(pitch) * RESOLUTION, RESOLUTION),
        keys=(key,),
        metadata=metadata,
    )


class Quarters(NamedTuple):
    """What a piece sounds like at each of its first sixteen quarter notes.

    Attributes:
        pitch: MIDI number that sounds in each voice, -1 for silence, `(16, voices)`.
        struck: Whether it begins there, `(16, voices)`.
        clean: Whether this is the whole piece: nothing between the quarters, or beyond them, and
            one note at a time in each voice.
    """

    pitch: np.ndarray
    struck: np.ndarray
    clean: bool


def quarters_of(piece: Piece, voices: int, name: str) -> Quarters:
    """Return a piece as quarter notes, in whatever ticks it is.

    Raises:
        UserError: When it has another number of parts.
    """
    if len(piece.parts) != voices:
        raise UserError(
            f"The oracle of {name} hears {voices} voices apart, but '{piece.id}' has "
            f"{len(piece.parts)} part(s)."
        )
    unit = piece.resolution
    # Quarters q whose beginning lies in the note: onset <= q * unit < onset + duration.
    start = np.minimum(-(-piece.onset // unit), QUARTERS)
    stop = np.minimum(-(-(piece.onset + piece.duration) // unit), QUARTERS)
    cells = np.repeat(np.arange(len(piece)), stop - start)
    offsets = np.arange(len(cells)) - np.repeat(
        np.cumsum(stop - start) - (stop - start), stop - start
    )
    row, column = start[cells] + offsets, piece.part[cells]
    pitch = np.full((QUARTERS, voices), -1)
    pitch[row, column] = piece.pitch[cells]
    struck = np.zeros((QUARTERS, voices), dtype=bool)
    begins = (piece.onset % unit == 0) & (start < QUARTERS)
    struck[start[begins], piece.part[begins]] = True
    filled = np.bincount(row * voices + column, minlength=1)
    end = piece.onset + piece.duration
    on_grid = ((piece.onset % unit == 0) & (end % unit == 0) & (end <= QUARTERS * unit)).all()
    return Quarters(pitch, struck, bool(on_grid and filled.max() <= 1))
