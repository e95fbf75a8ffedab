"""muspy's statistics: equal to muspy's where it is right, and what it says where it is not."""

from __future__ import annotations

import dataclasses
import math

import muspy
import muspy.metrics
import numpy as np
import pytest
from hypothesis import given
from made_pieces import piece_of, polyphony

from partimento.datasets.chorales import read_bach
from partimento.metrics.music.muspy_metrics import (
    FROM_MUSPY,
    empty_rate,
    groove_consistency,
    muspy_statistics,
    pitch_range,
    polyphony_rate,
)
from partimento.metrics.music.notes import bar_edges, beat_edges
from partimento.music import Piece, from_muspy, lay_bars, to_muspy

CHORALE = read_bach("253")


def bars_of(piece: Piece) -> Piece:
    """Return a piece with bars of 4/4, the last one full."""
    bar = 4 * piece.resolution
    end = -(-piece.end // bar) * bar
    return dataclasses.replace(piece, end=end, bars=lay_bars([(0, 4, 4)], end, piece.resolution))


def test_what_muspy_measures_rightly_is_muspys() -> None:
    found, music = muspy_statistics(CHORALE), to_muspy(CHORALE)
    for ours, theirs in FROM_MUSPY.items():
        assert found[ours] == float(getattr(muspy.metrics, theirs)(music)), ours
    assert found["pitch_range"] == muspy.metrics.pitch_range(music)
    assert found["polyphony"] == pytest.approx(4, abs=0.2)  # unisons are one pitch
    assert 0.85 < found["scale_consistency"] <= 1


def test_polyphony_rate_counts_two_voices() -> None:
    """muspy's default threshold of 2 asks for more than two: a dyad throughout scores 0."""
    dyad = piece_of([(0, 16, 60), (0, 16, 64)])
    assert muspy.metrics.polyphony_rate(to_muspy(dyad)) == 0.0
    assert polyphony_rate(dyad) == 1.0
    # One pitch in two parts is one pitch, as in muspy.
    unison = piece_of([(0, 16, 60, 0), (0, 8, 60, 1), (8, 8, 62, 1)], parts=("a", "b"))
    assert polyphony_rate(unison) == 0.5
    assert polyphony_rate(piece_of([(0, 8, 60), (0, 8, 64)], end=32)) == 0.25
    assert math.isnan(polyphony_rate(piece_of([])))


@given(polyphony(parts=2))
def test_polyphony_rate_is_muspys_with_the_threshold_one_lower(piece: Piece) -> None:
    """Zero lengths left out, since muspy ends with the last note and so does time here."""
    sounds = piece.duration > 0
    names = ("onset", "duration", "pitch", "part", "velocity")
    columns = {name: getattr(piece, name)[sounds] for name in names}
    cut = dataclasses.replace(piece, **columns, end=-1, bars=())
    for at_least in (1, 2, 3):
        theirs = muspy.metrics.polyphony_rate(to_muspy(cut), threshold=at_least - 1)
        assert polyphony_rate(cut, at_least) == pytest.approx(theirs, nan_ok=True)


def test_drums_have_no_range_and_no_notes_have_none_either() -> None:
    """muspy says -127 of music without pitched notes."""
    drums = muspy.Music(
        resolution=4, tracks=[muspy.Track(is_drum=True, notes=[muspy.Note(0, 36, 4, 64)])]
    )
    assert muspy.metrics.pitch_range(drums) == -127
    assert math.isnan(pitch_range(from_muspy(drums, id="drums")))
    assert pitch_range(piece_of([(0, 1, 60), (1, 1, 67)])) == 7


def test_two_bars_of_one_rhythm_are_wholly_consistent() -> None:
    """muspy adds an empty bar: (1 + share of equal steps beside silence) / 2."""
    rows = [(onset, 4, 60) for onset in range(0, 32, 4)]
    piece = bars_of(piece_of(rows))
    assert muspy.metrics.groove_consistency(to_muspy(piece), 16) == pytest.approx(
        1 - (0 + 4 / 16) / 2
    )
    assert groove_consistency(piece) == 1.0


def test_groove_is_the_same_at_any_resolution() -> None:
    rows = [(0, 2, 60), (4, 4, 62), (16, 2, 60), (22, 2, 64)]
    coarse = bars_of(piece_of(rows))
    fine = bars_of(piece_of([(o * 60, d * 60, p) for o, d, p in rows], resolution=240))
    # Onsets at 0 and 4, and at 0 and 6: two of sixteen steps differ.
    assert groove_consistency(coarse) == groove_consistency(fine) == 1 - 2 / 16
    theirs = [
        muspy.metrics.groove_consistency(to_muspy(piece), 4 * piece.resolution)
        for piece in (coarse, fine)
    ]
    assert theirs[1] > theirs[0] + 0.05
    # Where the last note ends inside the second bar, muspy adds none, and says the same as we do.
    assert theirs[0] == groove_consistency(coarse)
    assert math.isnan(groove_consistency(bars_of(piece_of(rows[:1]))))


def test_groove_compares_neighbours_of_one_length_alone() -> None:
    bars = lay_bars([(0, 3, 4), (12, 4, 4)], 44, 4)
    rows = [(0, 4, 60), (12, 4, 60), (16, 4, 60), (28, 4, 60), (32, 4, 60)]
    assert groove_consistency(piece_of(rows, bars=bars, end=44)) == 1.0
    assert math.isnan(groove_consistency(piece_of(rows, bars=bars[:2], end=28)))


def test_a_note_that_fills_the_last_beat_leaves_no_beat_behind_it() -> None:
    """muspy counts a beat (or bar) after the end, and takes it for full: 0 of 5, 1 of 5 silent."""
    piece = bars_of(piece_of([(0, 4, 60), (12, 4, 62)]))
    assert empty_rate(piece, beat_edges(piece)) == 0.5
    theirs = muspy.metrics.empty_beat_rate(to_muspy(piece))
    # Beats 0 and 3 sound; muspy sees 0, 1 (a note ends there), 3 and 4 (the end) of five.
    assert theirs == pytest.approx(1 / 5)
    assert empty_rate(piece, bar_edges(piece)) == 0.0


def test_silence_is_empty_and_not_undefined() -> None:
    """muspy has no value for silence, so that a model that is silent would look like no model."""
    silence = piece_of([], end=32, bars=lay_bars([(0, 4, 4)], 32, 4))
    assert math.isnan(muspy.metrics.empty_beat_rate(to_muspy(silence)))
    found = muspy_statistics(silence)
    assert found["empty_beat_rate"] == found["empty_bar_rate"] == 1.0
    assert found["polyphony_rate"] == 0.0
    assert found["groove_consistency"] == 1.0
    undefined = {name for name, value in found.items() if math.isnan(value)}
    assert undefined >= {"pitch_range", "scale_consistency", "pitch_entropy"}
    assert "polyphony" not in found


@given(polyphony(parts=2))
def test_any_music_has_values_in_bounds(piece: Piece) -> None:
    found = muspy_statistics(piece)
    for name in ("polyphony_rate", "empty_beat_rate", "empty_bar_rate", "groove_consistency"):
        assert math.isnan(found[name]) or 0 <= found[name] <= 1, name
    if len(piece):
        assert 0 <= found["pitch_class_entropy"] <= found["pitch_entropy"] + 1e-9 < 7.1
        assert found["pitch_classes_used"] <= 12
    assert np.isfinite(found["pitches_used"])
