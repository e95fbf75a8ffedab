"""Pure functions that cut pieces into excerpts of full bars, and documents into examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from partimento.errors import UserError
from partimento.music import Bar, Piece
from partimento.representations.base import Examples
from partimento.representations.grid import full_bars


def excerpt(piece: Piece, start: int, stop: int) -> Piece:
    """Return the music from tick `start` to before `stop` as a piece of its own.

    A note that began before is restated at the beginning, one that goes on after is cut; the key
    and the tempo in force at the beginning are restated too.
    """
    end = piece.onset + piece.duration
    inside = (piece.onset < stop) & (end > start)
    onset = np.maximum(piece.onset[inside], start)
    return dataclasses.replace(
        piece,
        onset=onset - start,
        duration=np.minimum(end[inside], stop) - onset,
        pitch=piece.pitch[inside],
        part=piece.part[inside],
        velocity=np.asarray(piece.velocity)[inside],
        end=stop - start,
        bars=tuple(
            b._replace(onset=b.onset - start) for b in piece.bars if start <= b.onset < stop
        ),
        keys=_in_force(piece.keys, start, stop),
        tempos=_in_force(piece.tempos, start, stop),
        chords=tuple(
            c._replace(
                onset=max(c.onset, start) - start,
                duration=min(c.onset + c.duration, stop) - max(c.onset, start),
            )
            for c in piece.chords
            if c.onset < stop and c.onset + c.duration > start
        ),
    )


def _in_force(marks: Sequence[Any], start: int, stop: int) -> tuple[Any, ...]:
    before = [mark for mark in marks if mark.onset <= start]
    within = [mark for mark in marks if start < mark.onset < stop]
    return tuple(m._replace(onset=max(m.onset - start, 0)) for m in before[-1:] + within)


def full_excerpts(piece: Piece, bars: int, stride: int) -> Iterator[Piece]:
    """Yield all runs of so many full bars in one metre, one every `stride` bars, in order.

    A pick-up, or a bar of another length than its metre says, is in none (see `full_bars`, which
    also takes a bar for full that a repeat sign divides).

    Raises:
        UserError: When the stride is less than a bar.
    """
    if stride < 1:
        raise UserError(f"The stride of windows must be 1 bar or more, not {stride}.")
    found: list[tuple[Bar, ...]] = []
    for beats, value in {(bar.beats, bar.beat_type) for bar in piece.bars} or {(4, 4)}:
        for run in full_bars(piece, beats, value):
            for first in range(0, len(run) - bars + 1, stride):
                found.append(tuple(Bar(t, beats, value) for t in run[first : first + bars]))
    for lines in sorted(found):
        length = 4 * piece.resolution * lines[-1].beats // lines[-1].beat_type
        yield excerpt(
            dataclasses.replace(piece, bars=lines), lines[0].onset, lines[-1].onset + length
        )


def chunks(documents: Sequence[np.ndarray], length: int, pad: int) -> Examples:
    """Cut documents `(tokens, ...)` into examples of `length` tokens; the last is filled up.

    An example holds tokens of one document alone, and each token is in exactly one example.
    """
    parts = [
        document[start : start + length]
        for document in documents
        for start in range(0, len(document), length)
    ]
    if not parts:
        return Examples(np.zeros((0, length), np.int16))
    x = np.full((len(parts), length, *parts[0].shape[1:]), pad, dtype=parts[0].dtype)
    for row, part in zip(x, parts, strict=True):
        row[: len(part)] = part
    return Examples(x, lengths=np.array([len(part) for part in parts]))
