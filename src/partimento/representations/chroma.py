"""Pitch classes that sound at each step of grids and rolls, without decoding them to notes."""

from __future__ import annotations

import numpy as np

PITCH_CLASSES = 12


def chroma_of_voices(symbols: np.ndarray, pitches: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return how many voices sound each pitch class at each step, `(examples, steps, 12)`.

    Args:
        symbols: What sounds in each voice, holds filled in, `(examples, steps, voices)`.
        pitches: Number of pitches of each voice; symbols from there on are silence.
        low: MIDI number of each voice's symbol 0.
    """
    examples, steps, _ = symbols.shape
    place = np.arange(examples * steps).reshape(examples, steps, 1) * PITCH_CLASSES
    cells = (place + (symbols + low) % PITCH_CLASSES)[symbols < pitches]
    counts = np.bincount(cells, minlength=examples * steps * PITCH_CLASSES)
    return counts.reshape(examples, steps, PITCH_CLASSES)


def chroma_of_keys(sounds: np.ndarray, low: int) -> np.ndarray:
    """Return how many keys of each pitch class sound at each step, `(examples, steps, 12)`.

    Args:
        sounds: Whether a key sounds, `(examples, steps, keys)`.
        low: MIDI number of the first key.
    """
    below, above = low % PITCH_CLASSES, -(low + sounds.shape[-1]) % PITCH_CLASSES
    whole = np.pad(sounds, [(0, 0)] * (sounds.ndim - 1) + [(below, above)])
    return whole.reshape(*sounds.shape[:-1], -1, PITCH_CLASSES).sum(axis=-2)
