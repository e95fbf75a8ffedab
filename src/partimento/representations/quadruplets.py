"""Pure functions between notes and quadruplets: duration, pitch, intensity, time since the last note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from partimento.music import Piece
from partimento.representations.table import NoteTable, note_table

CHANNELS = ("duration", "pitch", "intensity", "time")

FLAT_INTENSITY = 32.0
"""Stands in for the deviation of intensities that are all the same: a quarter of MIDI's range."""

_LATEST = 2**31 - 1


class Notes(NamedTuple):
    """The notes of pieces, by onset and from the highest down within an onset.

    Attributes:
        table: The notes in this order.
        velocity: MIDI velocities, `(notes,)`.
        since: Ticks since the onset of the note before; since the piece's beginning for its first.
    """

    table: NoteTable
    velocity: np.ndarray
    since: np.ndarray


def notes_in_order(pieces: Sequence[Piece]) -> Notes:
    """Return the notes of pieces in the order of their quadruplets."""
    table = note_table(pieces)
    velocity = np.concatenate([np.zeros(0, np.int32), *(piece.velocity for piece in pieces)])
    apart = int(table.onset.max(initial=0)) + 1
    # One number says it all, so that one sort does; pieces are mostly in this order already.
    key = (table.piece * apart + table.onset) * 128 + (127 - table.pitch)
    if (key[1:] < key[:-1]).any():
        order = np.argsort(key, kind="stable")
        table, velocity = table.only(order), velocity[order]
    since = table.onset.copy()
    since[1:] = np.where(
        table.piece[1:] == table.piece[:-1], table.onset[1:] - table.onset[:-1], table.onset[1:]
    )
    return Notes(table, velocity, since)


def quadruplets(notes: Notes, hertz: bool) -> np.ndarray:
    """Return the numbers of each note, float32 `(notes, 4)`: see `CHANNELS`; times in quarters."""
    table = notes.table
    values = np.empty((len(table.onset), len(CHANNELS)), dtype=np.float32)
    values[:, 0] = (table.end - table.onset) / table.resolution
    values[:, 1] = frequency(table.pitch) if hertz else table.pitch
    values[:, 2] = notes.velocity
    values[:, 3] = notes.since / table.resolution
    return values


def columns(values: np.ndarray, resolution: int, hertz: bool) -> dict[str, np.ndarray]:
    """Return the note columns of a piece from quadruplets `(notes, 4)`; any numbers give some.

    Tones of an intensity below a half are absent, but their time passes. Numbers that are not
    finite count as 0, pitches and velocities go to the nearest that MIDI has, durations are a tick
    at least, and notes that would end after 2^31 - 1 ticks are left out.
    """
    values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    ticks = np.clip(np.rint(values[:, [0, 3]] * resolution), 0, _LATEST).astype(np.int64)
    onset = np.cumsum(ticks[:, 1])
    duration = np.maximum(ticks[:, 0], 1)
    pitch = nearest_pitch(values[:, 1]) if hertz else np.clip(np.rint(values[:, 1]), 0, 127)
    present = (values[:, 2] >= 0.5) & (onset + duration <= _LATEST)
    return {
        "onset": onset[present],
        "duration": duration[present],
        "pitch": pitch.astype(np.int64)[present],
        "velocity": np.clip(np.rint(values[:, 2]), 1, 127).astype(np.int64)[present],
    }


def frequency(pitch: np.ndarray) -> np.ndarray:
    """Return the frequency of MIDI numbers in hertz, equally tempered, A4 (69) at 440 Hz."""
    return 440.0 * 2.0 ** ((pitch - 69) / 12)


def nearest_pitch(hertz: np.ndarray) -> np.ndarray:
    """Return the MIDI numbers nearest to frequencies in semitones; 0 where there is none."""
    return np.clip(np.rint(69 + 12 * np.log2(np.maximum(hertz, 1.0) / 440.0)), 0, 127)


def moments(
    pieces: Sequence[Piece], hertz: bool = False
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of the four channels over all notes of pieces.

    A channel that never varies gets the deviation 1, intensities a quarter of MIDI's range.

    Raises:
        ValueError: When the pieces have no notes.
    """
    values = quadruplets(notes_in_order(pieces), hertz).astype(np.float64)
    if not len(values):
        raise ValueError("there are no notes to take the mean of")
    scale = values.std(axis=0)
    flat = np.array([1.0, 1.0, FLAT_INTENSITY, 1.0])
    scale = np.where(scale > 0, scale, flat)
    return tuple(values.mean(axis=0).tolist()), tuple(scale.tolist())
