"""Small piano-roll sets that tests write themselves, and where to look for the published ones."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

Frames = list[list[int]]
# Chords of a cadence, a rest, an empty and a one-frame piece; no music that anyone else wrote.
SET: dict[str, list[Frames]] = {
    "train": [
        [[48, 60, 64, 67], [48, 60, 64, 67], [53, 60, 65, 69], [55, 59, 62, 67], [], [48, 60, 64]],
        [[50, 57, 65, 69], [55, 59, 65, 67], [48, 60, 64, 67]],
        [[21], [108]],
    ],
    "valid": [[[45, 57, 60, 64], [], [], [40, 56, 59, 64]]],
    "test": [[[48, 60, 64, 67], [43, 59, 62, 67]], [[60]]],
}


def roll(frames: Frames) -> np.ndarray:
    """Return frames of MIDI numbers as a binary table, cell by cell."""
    table = np.zeros((len(frames), 88), np.uint8)
    for step, frame in enumerate(frames):
        for pitch in frame:
            table[step, pitch - 21] = 1
    return table


def write_set(path: Path, pieces: dict[str, list[Frames]] = SET) -> Path:
    """Write a set in the form that the suffix says."""
    if path.suffix == ".mat":
        from scipy.io import savemat

        arrays = {}
        for split, frames in pieces.items():
            arrays[f"{split}data"] = np.empty((1, len(frames)), object)
            for index, piece in enumerate(frames):
                arrays[f"{split}data"][0, index] = roll(piece)
        savemat(path, arrays, do_compression=True)
    elif path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(pieces, protocol=2))
    else:
        path.write_text(json.dumps(pieces))
    return path


def published(name: str) -> Path:
    """Return a published file, or skip the test that asks for it."""
    folder = os.environ.get("PARTIMENTO_TEST_DATA")
    if not folder:
        pytest.skip("PARTIMENTO_TEST_DATA names no folder with published piano rolls")
    path = Path(folder) / name
    if not path.is_file():
        pytest.skip(f"PARTIMENTO_TEST_DATA holds no {name}")
    return path
