"""Files of piano rolls with a published split: MATLAB, pickle or JSON, as the four sets circulate."""

from __future__ import annotations

import io
import itertools
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from partimento.errors import UserError
from partimento.formats.plain_pickle import PickledArray, load_plain_pickle

READER_VERSION = 1
"""Raised whenever a file would be read differently; part of every cache key."""

LOWEST, KEYS = 21, 88
"""MIDI number of a piano's lowest key, and how many keys it has."""
SPLITS = ("train", "valid", "test")
# How the files call them.
_NAMES = {
    "train": ("train", "traindata"),
    "valid": ("valid", "validdata", "validation"),
    "test": ("test", "testdata"),
}
# The largest set has 392,296 frames and 15 notes at once; what is far above is no music.
MAX_FRAMES = 1_000_000
MAX_NOTES_OF_FRAME = 256
MAX_BYTES = 256 * 2**20
SILENCE = -1


def read_rolls(path: str | Path) -> dict[str, list[np.ndarray]]:
    """Return the piano rolls of a file by split, each uint8 `(frames, 88)`, column j = MIDI 21 + j.

    Three forms are known, told apart by their first bytes: MATLAB 5 with object arrays `traindata`,
    `validdata`, `testdata` of binary `(frames, 88)` matrices; a pickle or JSON of
    `{train, valid, test}`: pieces: frames: MIDI numbers. In these -1 (or NaN) is silence. Of a
    pickle no code is run (see `load_plain_pickle`).

    Raises:
        UserError: When the file is missing, too large, damaged, of another form or unsafe.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no piano-roll file '{path}'.")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"'{path}' is larger than {MAX_BYTES // 2**20} MiB, the most that is read.")
    return rolls_of_bytes(path.read_bytes(), str(path))


def rolls_of_bytes(data: bytes, name: str) -> dict[str, list[np.ndarray]]:
    """Return what `read_rolls` does, of the content of a file with this name.

    Raises:
        UserError: As `read_rolls` does.
    """
    kind, read = _reader(data)
    try:
        return _rolls(read(data))
    except (ValueError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise UserError(f"'{name}' cannot be read as {kind} of piano rolls: {reason}.") from error


def _reader(data: bytes) -> tuple[str, Callable[[bytes], Any]]:
    start = data[:64].lstrip()
    if start.startswith(b"MATLAB 5"):
        return "a MATLAB file", _load_mat
    if start.startswith(b"{"):
        return "a JSON file", json.loads
    if start.startswith((b"\x80", b"(d", b"(l", b"}", b"]", b"c")):
        return "a pickle", load_plain_pickle
    return "a file", _unknown


def _unknown(data: bytes) -> Any:
    raise ValueError("it is neither MATLAB 5 (.mat) nor a pickle (.pkl) nor JSON (.json)")


def _load_mat(data: bytes) -> Any:
    from scipy.io import loadmat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            content = loadmat(io.BytesIO(data))
        except Exception as error:  # a damaged file can fail in any way
            raise ValueError(f"it is damaged ({type(error).__name__}: {error})") from error
    return {
        name: list(value.reshape(-1))
        for name, value in content.items()
        if isinstance(value, np.ndarray) and value.dtype == object
    }


def _rolls(content: Any) -> dict[str, list[np.ndarray]]:
    """Return the rolls of a mapping from split to pieces."""
    if not isinstance(content, dict):
        raise ValueError("it does not hold the splits train, valid and test")
    rolls: dict[str, list[np.ndarray]] = {}
    frames = 0
    for split, names in _NAMES.items():
        pieces = next((content[name] for name in names if name in content), None)
        if isinstance(pieces, PickledArray):
            pieces = pieces.values
        if not isinstance(pieces, (list, tuple)) or not len(pieces):
            raise ValueError(f"it has no {split} split")
        rolls[split] = []
        for index, piece in enumerate(pieces):
            try:
                rolls[split].append(_roll(piece))
            except (ValueError, TypeError) as error:
                raise ValueError(f"piece {index} of the {split} split: {error}") from error
            frames += len(rolls[split][-1])
            if frames > MAX_FRAMES:
                raise ValueError(f"it has more than {MAX_FRAMES:,} frames")
    return rolls


def _roll(piece: Any) -> np.ndarray:
    """Return one piece, a binary matrix or a list of frames, as a roll."""
    if isinstance(piece, PickledArray):
        piece = piece.values
    if isinstance(piece, np.ndarray):
        if piece.ndim != 2 or piece.dtype.kind not in "biuf":
            raise ValueError("its array is no table of numbers")
        if piece.shape[1] == KEYS:
            if not np.isin(piece, (0, 1)).all():
                raise ValueError(f"its matrix of {KEYS} columns holds other numbers than 0 and 1")
            return np.ascontiguousarray(piece, dtype=np.uint8)
        piece = piece.tolist()
    if not isinstance(piece, (list, tuple)):
        raise TypeError("it is no list of frames")
    if len(piece) > MAX_FRAMES:
        raise ValueError(f"it has more than {MAX_FRAMES:,} frames")
    frames = [_frame(frame) for frame in piece]
    return roll_of_frames(frames)


def _frame(frame: Any) -> Sequence[Any]:
    if isinstance(frame, PickledArray):
        frame = frame.values
    if isinstance(frame, np.ndarray):
        frame = frame.reshape(-1).tolist()
    if not isinstance(frame, (list, tuple)) or len(frame) > MAX_NOTES_OF_FRAME:
        raise TypeError(f"a frame is no list of at most {MAX_NOTES_OF_FRAME} MIDI numbers")
    return frame


def roll_of_frames(frames: Sequence[Sequence[float]]) -> np.ndarray:
    """Return frames of MIDI numbers as a roll, uint8 `(frames, 88)`; -1 and NaN are silence.

    Raises:
        ValueError: When a number is no whole number from 21 to 108.
        TypeError: When something is no number.
    """
    numbers = list(itertools.chain.from_iterable(frames))
    if any(type(number) not in (int, float) for number in numbers):
        raise TypeError("a frame holds something that is no number")
    pitch = np.array(numbers, dtype=np.float64)
    step = np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])
    sounds = ~(np.isnan(pitch) | (pitch == SILENCE))
    pitch, step = pitch[sounds], step[sounds]
    wrong = (pitch != np.round(pitch)) | (pitch < LOWEST) | (pitch >= LOWEST + KEYS)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(
            f"frame {step[first]} holds {pitch[first]:g}, no key of a piano ({LOWEST} to "
            f"{LOWEST + KEYS - 1}) and not {SILENCE} for silence"
        )
    roll = np.zeros((len(frames), KEYS), dtype=np.uint8)
    roll[step, pitch.astype(np.int64) - LOWEST] = 1
    return roll
