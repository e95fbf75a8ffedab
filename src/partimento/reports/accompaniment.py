"""Chord symbols made to sound: a part of block chords under a melody."""

from __future__ import annotations

import dataclasses

import numpy as np

from partimento.chords import parse_chord
from partimento.music import Piece

BASS = 48
"""MIDI number from which upwards the lowest tone of each chord is sought: C3."""
SOFT = 48
"""MIDI velocity of the chords, below the default of melodies."""


def voiced(symbol: str) -> list[int]:
    """Return the MIDI numbers of a chord in close position over its bass; [] for no chord.

    A symbol that cannot be read is silent.
    """
    try:
        chord = parse_chord(symbol)
    except ValueError:
        return []
    if chord.bass is None:
        return []
    lowest = BASS + chord.bass
    return sorted(lowest + (tone - chord.bass) % 12 for tone in chord.pitch_classes)


def with_chords(piece: Piece) -> Piece:
    """Return a piece with one more part, "chords", that holds each chord as long as it lasts."""
    rows = [
        (chord.onset, chord.duration, pitch)
        for chord in piece.chords
        for pitch in voiced(chord.symbol)
    ]
    onset, duration, pitch = np.array(rows, dtype=np.int32).reshape(-1, 3).T
    assert piece.velocity is not None  # always filled in

    def joined(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        return np.concatenate([ours, theirs])

    return dataclasses.replace(
        piece,
        onset=joined(piece.onset, onset),
        duration=joined(piece.duration, duration),
        pitch=joined(piece.pitch, pitch),
        part=joined(piece.part, np.full(len(rows), len(piece.parts))),
        velocity=joined(piece.velocity, np.full(len(rows), SOFT)),
        parts=(*piece.parts, "chords"),
    )
