"""Which pieces share a melody, so that a split can keep them on one side."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from partimento.datasets.base import Corpus
from partimento.music import Piece

RUN = 16
"""Intervals in a row that make two melodies one: some four bars, longer than a stock cadence."""


def melody_intervals(piece: Piece, part: int = 0) -> tuple[int, ...]:
    """Return the semitones between successive notes of one part, rests skipped.

    Intervals are the same in every transposition. Of notes struck together the highest counts.

    Raises:
        IndexError: When the piece has no such part.
    """
    if not 0 <= part < len(piece.parts):
        raise IndexError(f"{piece.id} has {len(piece.parts)} parts, so none at index {part}")
    notes = piece.notes(part)
    # Notes are sorted by onset, then pitch: the last of each onset is the highest.
    highest = np.append(np.diff(notes["onset"]) > 0, True)[: len(notes["onset"])]
    return tuple(np.diff(notes["pitch"][highest]).tolist())


def shared_run_groups(melodies: Mapping[str, Sequence[int]], run: int = RUN) -> dict[str, str]:
    """Return a group id for each piece, such that pieces that share a run share the group.

    Two pieces belong together when any `run` successive intervals of one occur in the other, or
    when their whole melodies are equal; so do pieces linked through others. The group's id is the
    smallest id in it, whatever the order of the pieces.

    Args:
        melodies: Intervals of each piece's melody, by the piece's id.
        run: Number of successive intervals.

    Raises:
        ValueError: When `run` is not positive.
    """
    if run < 1:
        raise ValueError(f"run must be positive, got {run}")
    leader = {name: name for name in melodies}
    first_with: dict[tuple[int, ...], str] = {}
    for name in sorted(melodies):
        melody = tuple(melodies[name])
        for key in melody_runs(melody, run) | {melody}:
            _join(leader, first_with.setdefault(key, name), name)
    return {name: _find(leader, name) for name in melodies}


def shared_tunes(corpus_a: Corpus, corpus_b: Corpus, run: int = RUN) -> list[tuple[str, str, int]]:
    """Return which pieces of two corpora share a melody, whatever their keys.

    Melodies are those of the first parts. Two pieces are named when any `run` successive intervals
    of one occur in the other, as in `shared_run_groups`.

    Returns:
        Rows of the id in `corpus_a`, the id in `corpus_b`, and the number of different runs that
        they share, in the order of the ids.
    """
    with_run: dict[tuple[int, ...], list[str]] = {}
    for piece in corpus_a.pieces:
        for key in melody_runs(melody_intervals(piece), run):
            with_run.setdefault(key, []).append(piece.id)
    shared: Counter[tuple[str, str]] = Counter()
    for piece in corpus_b.pieces:
        for key in melody_runs(melody_intervals(piece), run):
            shared.update((other, piece.id) for other in with_run.get(key, ()))
    return sorted((one, other, count) for (one, other), count in shared.items())


def melody_runs(melody: Sequence[int], run: int = RUN) -> set[tuple[int, ...]]:
    """Return all runs of so many successive intervals in a melody; a shorter melody has none."""
    melody = tuple(melody)
    return {melody[start : start + run] for start in range(len(melody) - run + 1)}


def _find(leader: dict[str, str], name: str) -> str:
    """Return the head of a name's group, shortening the way there (union-find)."""
    while leader[name] != name:
        leader[name] = leader[leader[name]]
        name = leader[name]
    return name


def _join(leader: dict[str, str], one: str, other: str) -> None:
    """Make one group of two, headed by the smaller id."""
    low, high = sorted((_find(leader, one), _find(leader, other)))
    leader[high] = low


def skyline_hash(piece: Piece) -> str:
    """Return a hash that two pieces share when their top lines have the same intervals and rhythm.

    The top line is the highest note of each onset, whatever its part. Times count in 24ths of a
    quarter note from the first onset, so neither transposition, nor tempo, nor the resolution of a
    file makes a difference; velocities and notes struck together with a higher one do neither. It
    is one pass over one piece, and so serves where `shared_run_groups` would not fit memory.
    """
    if not len(piece):
        return hashlib.sha256(b"").hexdigest()[:16]
    since = piece.onset.astype(np.int64) - int(piece.onset[0])
    times = (24 * since + piece.resolution // 2) // piece.resolution
    first = np.flatnonzero(np.diff(times, prepend=-1))
    top = np.maximum.reduceat(piece.pitch, first)
    last = piece.duration[first[-1] :][piece.pitch[first[-1] :] == top[-1]]
    length = (24 * int(last.max()) + piece.resolution // 2) // piece.resolution
    line = np.concatenate([np.diff(times[first]), [length], np.diff(top)])
    return hashlib.sha256(line.astype("<i4").tobytes()).hexdigest()[:16]
