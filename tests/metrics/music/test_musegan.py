"""MuseGAN's statistics, counted by hand; tonal distances in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from made_pieces import piece_of, polyphony

from partimento.datasets.chorales import read_bach
from partimento.metrics.music.musegan import (
    bar_pitch_classes,
    empty_part_bar_rate,
    musegan_statistics,
    qualified_notes,
    tonal_centroids,
    tonal_distance,
)
from partimento.music import Piece, lay_bars

TWO = ("high", "low")


def bars(end: int, resolution: int = 4):
    return lay_bars([(0, 4, 4)], end, resolution)


def test_the_empty_bar_rate_is_of_empty_bars() -> None:
    """MuseGAN's last published code returns the share of bars in which something sounds."""
    rows = [(0, 16, 60, 0), (16, 16, 62, 0), (32, 16, 62, 0), (0, 4, 48, 1)]
    piece = piece_of(rows, parts=TWO, bars=bars(48))
    assert empty_part_bar_rate(piece) == pytest.approx((0 / 3 + 2 / 3) / 2)
    assert empty_part_bar_rate(piece_of([], parts=TWO, end=32, bars=bars(32))) == 1.0
    assert empty_part_bar_rate(read_bach("253")) < 0.05


def test_octaves_are_one_pitch_class() -> None:
    octaves = piece_of([(0, 4, 36), (4, 4, 48), (8, 4, 60)], bars=bars(16), end=16)
    assert bar_pitch_classes(octaves) == 1.0
    semitones = piece_of([(0, 4, 60), (4, 4, 61), (8, 4, 62)], bars=bars(16), end=16)
    assert bar_pitch_classes(semitones) == 3.0
    # A silent bar counts 0: (1 + 0) / 2.
    longer = piece_of([(0, 4, 36), (4, 4, 48)], bars=bars(32), end=32)
    assert bar_pitch_classes(longer) == 0.5


def test_notes_of_a_32nd_qualify() -> None:
    piece = piece_of([(0, 1, 60), (1, 2, 60), (3, 3, 60), (6, 24, 60)], resolution=24)
    assert qualified_notes(piece) == 0.5
    assert qualified_notes(piece, shortest=0) == 1.0
    assert math.isnan(qualified_notes(piece_of([])))


def test_tonal_centroids_in_closed_form() -> None:
    """Angles of 7, 3 and 2 semitones' circles; a class alone lies on all three of them."""
    identity = tonal_centroids(np.eye(12))
    assert np.allclose(np.hypot(identity[:, 0], identity[:, 1]), 1)
    assert np.allclose(np.hypot(identity[:, 2], identity[:, 3]), 1)
    assert np.allclose(np.hypot(identity[:, 4], identity[:, 5]), 0.5)
    apart = np.linalg.norm(identity[0] - identity, axis=1)
    # The fifth turns by 49 pi / 6, 21 pi / 2 and 14 pi / 3: chords of pi / 6, pi / 2 and 2 pi / 3.
    chords = [2 * math.sin(angle / 2) for angle in (math.pi / 6, math.pi / 2, 2 * math.pi / 3)]
    assert apart[7] == pytest.approx(math.hypot(chords[0], chords[1], chords[2] / 2))
    # The tritone is opposite on the circles of fifths and of minor thirds, the same on the third.
    assert apart[6] == pytest.approx(math.sqrt(8))
    assert apart[7] == apart[1:].min() == pytest.approx(apart[5])
    assert np.isnan(tonal_centroids(np.zeros((1, 12)))).all()


def test_tonal_distance_of_parts() -> None:
    tritone = [(0, 4, 60, 0), (0, 4, 54, 1), (4, 4, 60, 0), (4, 4, 48, 1), (8, 4, 60, 0)]
    # A beat at the tritone, one at the octave, one in which a part is silent.
    assert tonal_distance(piece_of(tritone, parts=TWO)) == pytest.approx(math.sqrt(8) / 2)
    assert math.isnan(tonal_distance(piece_of([(0, 4, 60)])))
    assert math.isnan(tonal_distance(piece_of(tritone[:1], parts=TWO)))


@given(polyphony(parts=2))
def test_any_music_has_values_in_bounds(piece: Piece) -> None:
    found = musegan_statistics(piece)
    for name, most in (("empty_part_bar_rate", 1), ("qualified_notes", 1), ("tonal_distance", 4)):
        assert math.isnan(found[name]) or 0 <= found[name] <= most, name
    assert math.isnan(found["bar_pitch_classes"]) or 0 <= found["bar_pitch_classes"] <= 12


@given(polyphony(parts=2))
def test_values_do_not_depend_on_the_key(piece: Piece) -> None:
    ours, theirs = musegan_statistics(piece), musegan_statistics(piece.transposed(5))
    for name, value in ours.items():
        assert theirs[name] == pytest.approx(value, nan_ok=True, abs=1e-9)
