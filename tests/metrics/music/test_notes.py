"""Bars, beats, what sounds in them, pitch classes with octaves folded, pitches on a grid."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from made_pieces import piece_of, polyphony

from partimento.datasets.chorales import read_bach
from partimento.metrics.music.notes import (
    SILENT,
    bar_edges,
    beat_edges,
    chroma,
    frames,
    occupied,
)
from partimento.music import Piece, lay_bars

BAR = lay_bars([(0, 3, 4)], 24, 4)  # two bars of 3/4, four ticks to the quarter note


def test_a_beat_that_ends_with_the_piece_is_the_last() -> None:
    assert beat_edges(piece_of([(0, 8, 60)])).tolist() == [0, 4, 8]
    assert beat_edges(piece_of([(0, 9, 60)])).tolist() == [0, 4, 8, 12]
    assert bar_edges(piece_of([(0, 24, 60)], bars=BAR)).tolist() == [0, 12, 24]
    assert bar_edges(piece_of([(0, 24, 60)])).tolist() == [0, 16, 32]
    assert beat_edges(piece_of([])).tolist() == [0]


def test_a_note_that_ends_on_a_line_is_not_behind_it() -> None:
    piece = piece_of([(0, 4, 60, 0), (9, 2, 60, 1)], parts=("a", "b"), end=16)
    assert occupied(piece, beat_edges(piece)).tolist() == [True, False, True, False]
    assert occupied(piece, beat_edges(piece), part=1).tolist() == [False, False, True, False]


def test_three_octaves_of_one_class_are_one_class() -> None:
    """MuseGAN's published code adds up rows of neighbouring semitones: three classes."""
    piece = piece_of([(0, 4, 36), (0, 4, 48), (2, 4, 60)])
    found = chroma(piece, beat_edges(piece))
    assert found.shape == (2, 12)
    assert found[:, 0].tolist() == [4 + 4 + 2, 2]
    assert found[:, 1:].sum() == 0
    wrong = np.zeros(84)  # rows of 84 pitches from 24, folded to 12 x 7 as published
    wrong[[36 - 24, 48 - 24, 60 - 24]] = 1
    assert (wrong.reshape(12, 7).sum(axis=1) > 0).sum() == 3


@given(polyphony(parts=2))
def test_chroma_counts_every_tick_of_every_note(piece: Piece) -> None:
    edges = np.array([0, max(piece.end, 1), 60])
    assert chroma(piece, edges).sum() == piece.duration.sum()
    parts = [chroma(piece, edges, part) for part in range(2)]
    assert np.array_equal(sum(parts), chroma(piece, edges))


def test_pitches_on_a_grid() -> None:
    rows = [(0, 3, 60, 0), (0, 2, 67, 0), (3, 3, 62, 0), (5, 1, 40, 1)]
    piece = piece_of(rows, parts=("high", "low"), end=8)
    assert frames(piece, 4).T.tolist() == [
        [67, 67, 60, 62, 62, 62, SILENT, SILENT],
        [SILENT] * 5 + [40] + [SILENT] * 2,
    ]
    # Steps of two ticks see what sounds as they begin: the last note comes and goes between.
    assert frames(piece, 2).T.tolist() == [[67, 60, 62, SILENT], [SILENT] * 4]
    assert frames(piece_of([], parts=("a", "b"))).shape == (0, 2)


def test_a_chorale_sounds_in_all_voices() -> None:
    piece = read_bach("253")
    grid = frames(piece, 4)
    assert grid.shape[1] == 4
    assert (grid != SILENT).mean() > 0.98
    assert (np.diff(grid[grid.min(axis=1) != SILENT].mean(axis=0)) < 0).all()
