"""Chord following: counted by hand, held to every permutation, and to melodies that are known."""

from __future__ import annotations

from itertools import permutations

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from partimento.chords import Triad, parse_chord
from partimento.metrics.chord_following import (
    ChordFollowing,
    chord_following,
    chord_tones,
    resampled_following,
    sums_by_piece,
    tone_counts,
)

C, G, AM = (triad for triad in map(lambda s: parse_chord(s).triad, ("C", "G", "Am")) if triad)


def notes(*pitches: int, bars: int = 1) -> np.ndarray:
    return tone_counts(np.array([pitches] * bars))


def test_notes_are_runs_of_one_pitch() -> None:
    found = tone_counts(np.array([[60, 60, -1, 60, 72, 64, 64, 67], [-1] * 8]))
    assert found.sum(axis=1).tolist() == [5, 0]
    assert found[0, [0, 4, 7]].tolist() == [3, 1, 1]


def test_triads_have_their_tones() -> None:
    assert [np.flatnonzero(row).tolist() for row in chord_tones([C, G, AM])] == [
        [0, 4, 7], [2, 7, 11], [0, 4, 9],
    ]  # fmt: skip


def test_a_song_counted_by_hand() -> None:
    """C E G over C, then C D over G: 4 of 5 notes; with chords changed, G and C, D: 2 of 5."""
    tones = np.concatenate([notes(60, 64, 67), notes(72, 62, -1)])
    found = chord_following(tones, chord_tones([C, G]), np.array([0, 0]))
    assert found.in_chord == pytest.approx(4 / 5)
    assert found.shuffled == pytest.approx((4 + 2) / 10)
    assert found.following == pytest.approx(1 / 5)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_the_expectation_is_the_mean_over_all_permutations(seed: int, bars: int) -> None:
    draw = np.random.default_rng(seed)
    tones = draw.integers(0, 4, (bars, 12))
    tones[0, 0] += 1
    chords = chord_tones([Triad(int(draw.integers(12)), bool(draw.integers(2)))
                          for _ in range(bars)])  # fmt: skip
    shares = [(tones * chords[list(order)]).sum() for order in permutations(range(bars))]
    found = chord_following(tones, chords, np.zeros(bars))
    assert found.shuffled == pytest.approx(np.mean(shares) / tones.sum())


def test_one_chord_says_nothing() -> None:
    """A piece in one chord is all in the chord, and would be so in any order."""
    found = chord_following(notes(60, 64, bars=4), chord_tones([C] * 4), np.zeros(4))
    assert found.in_chord == found.shuffled == 1.0
    assert found.following == 0.0


def test_chords_are_shuffled_within_their_piece() -> None:
    """Two pieces in one chord each follow nothing; joined to one piece, half of it."""
    tones = np.concatenate([notes(60, 64, 67), notes(61, 65, 68)])
    chords = chord_tones([C, Triad(1, False)])
    assert chord_following(tones, chords, np.array([0, 1])).following == 0.0
    assert chord_following(tones, chords, np.array([7, 7])).following == pytest.approx(0.5)


def test_a_melody_that_does_not_know_its_chords_follows_nothing() -> None:
    draw = np.random.default_rng(0)
    bars = 4000
    pitches = draw.integers(60, 72, (bars, 8))
    triads = [Triad(int(root), bool(minor)) for root, minor in draw.integers(0, [12, 2], (bars, 2))]
    piece = np.repeat(np.arange(bars // 8), 8)
    found = chord_following(tone_counts(pitches), chord_tones(triads), piece)
    assert found.in_chord == pytest.approx(3 / 12, abs=0.01)
    assert found.following == pytest.approx(0, abs=0.01)
    sums = sums_by_piece(tone_counts(pitches), chord_tones(triads), piece)
    low, high = np.quantile(resampled_following(sums), [0.025, 0.975])
    assert low < 0 < high


@given(arrays.arrays(np.int64, (6, 12), elements=st.integers(0, 3)))
def test_resampling_one_piece_gives_that_piece(tones: np.ndarray) -> None:
    tones[0, 0] += 1
    chords = chord_tones([C, G, AM, C, G, AM])
    sums = sums_by_piece(tones, chords, np.zeros(6))
    one = chord_following(tones, chords, np.zeros(6)).following
    assert resampled_following(sums, 5) == pytest.approx(np.full(5, one))
    assert resampled_following(np.stack([sums, sums]), 5) == pytest.approx(np.full(5, one))


def test_the_interval_of_resampled_pieces_covers_the_known_value() -> None:
    """Pieces whose notes are in the chord with probability 0.7, against 3 of 12 under shuffles."""
    draw = np.random.default_rng(1)
    inside = draw.random((200, 16)) < 0.7
    sums = np.stack([inside.sum(1), np.full(200, 4.0), np.full(200, 16.0)], axis=1)
    found = resampled_following(sums)
    assert found.mean() == pytest.approx(inside.mean() - 0.25, abs=0.002)
    # A mean of 3,200 independent notes has a standard error of root(0.7 * 0.3 / 3200).
    assert found.std() == pytest.approx((0.7 * 0.3 / 3200) ** 0.5, rel=0.2)


def test_batches_are_what_all_bars_at_once_are() -> None:
    draw = np.random.default_rng(2)
    tones, piece = draw.integers(0, 3, (20, 12)), np.arange(20) // 5
    chords = chord_tones([Triad(int(root), False) for root in draw.integers(0, 12, 20)])
    metric = ChordFollowing()
    for part in (slice(0, 7), slice(7, 20)):  # a piece may be divided
        metric.update(tones[part], chords[part], piece[part])
    whole = chord_following(tones, chords, piece)
    assert metric.compute() == pytest.approx(
        {
            "chord_share": whole.in_chord,
            "chord_share_shuffled": whole.shuffled,
            "chord_following": whole.following,
        }
    )


def test_nothing_to_count() -> None:
    with pytest.raises(ValueError, match="there are no notes"):
        chord_following(np.zeros((2, 12)), chord_tones([C, G]), np.zeros(2))
    with pytest.raises(ValueError, match=r"have the shape \(bars, 12\)"):
        sums_by_piece(np.zeros((2, 12)), chord_tones([C]), np.zeros(2))
