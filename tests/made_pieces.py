"""Pieces for tests: made from rows, drawn by hypothesis, or one voice of a real one."""

from __future__ import annotations

import dataclasses

import hypothesis.strategies as st
import numpy as np

from partimento.music import Key, Piece, lay_bars


def piece_of(rows, *, resolution=4, parts=("one",), **fields) -> Piece:
    """Make a piece from rows (onset, duration, pitch) or (onset, duration, pitch, part)."""
    table = np.array([(*row, 0)[:4] for row in rows], dtype=int).reshape(-1, 4)
    columns = dict(zip(("onset", "duration", "pitch", "part"), table.T, strict=True))
    return Piece("test", resolution, **columns, parts=parts, **fields)


def voice_of(piece: Piece, part: int) -> Piece:
    """Return one part of a piece as a piece of one part."""
    chosen = piece.part == part
    names = ("onset", "duration", "pitch", "part", "velocity")
    columns = {name: getattr(piece, name)[chosen] for name in names}
    columns["part"] = np.zeros(int(chosen.sum()), int)
    return dataclasses.replace(piece, **columns, parts=(piece.parts[part],))


@st.composite
def polyphony(draw, parts=1, max_notes=9, low=58, high=64) -> Piece:
    """Pieces in which anything may happen: chords, overlaps, unisons, off the grid, no length."""
    resolution = draw(st.sampled_from([1, 3, 4, 8]))
    row = st.tuples(
        st.integers(0, 12), st.integers(0, 7), st.integers(low, high), st.integers(0, parts - 1)
    )
    rows = draw(st.lists(row, max_size=max_notes))
    last = max((onset + duration for onset, duration, *_ in rows), default=0)
    end = max(0, last + draw(st.integers(-1, 5)))
    velocity = [draw(st.sampled_from([64, 64, 64, 80])) for _ in rows]
    names = tuple(f"part {i}" for i in range(parts))
    bars = lay_bars([(0, 3, 4)], end, resolution) if end else ()
    return piece_of(
        rows,
        resolution=resolution,
        end=end,
        bars=bars,
        keys=(Key(0, 2),),
        velocity=velocity,
        parts=names,
    )


@st.composite
def lines(draw, low=58, high=66, lengths=(1, 9)) -> Piece:
    """Pieces of one voice with one note at a time, on and off the grid, velocities 64."""
    resolution = draw(st.sampled_from([1, 2, 3, 4, 6, 8, 16]))
    notes = st.tuples(st.integers(0, 5), st.integers(*lengths), st.integers(low, high))
    rows, onset = [], 0
    for gap, duration, pitch in draw(st.lists(notes, max_size=8)):
        onset += gap
        rows.append((onset, duration, pitch))
        onset += duration
    end = onset + draw(st.integers(0, 7))
    bars = lay_bars([(0, 4, 4)], end, resolution) if end else ()
    return piece_of(rows, resolution=resolution, end=end, bars=bars)
