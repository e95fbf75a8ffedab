"""Histograms of notes, intervals and durations, counted by hand; Jensen-Shannon in closed form."""

from __future__ import annotations

import math
from pathlib import Path

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from made_pieces import piece_of

from partimento.datasets.celtic import Celtic
from partimento.metrics.histograms import durations, intervals, jensen_shannon, pitch_classes

# C4 E4 (rest) G4, then C6 and its octave below together; four ticks to the quarter note.
TUNE = piece_of([(0, 4, 60), (4, 2, 64), (8, 4, 67), (12, 16, 84), (12, 3, 72)])
COUNTS = arrays.arrays(np.int64, 5, elements=st.integers(0, 50)).filter(lambda x: x.sum() > 0)


def test_pitch_classes_count_each_note_once() -> None:
    assert pitch_classes([TUNE]).tolist() == [3, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]
    assert pitch_classes([TUNE, TUNE.transposed(-1)])[[11, 3, 6]].tolist() == [3, 1, 1]
    assert pitch_classes([]).tolist() == [0] * 12


def test_intervals_go_over_rests_and_along_the_highest_notes() -> None:
    found = intervals([TUNE])
    assert found.shape == (27,)
    # E4 from C4, G4 from E4; C6 from G4 is 17 semitones, in the last bin.
    assert {i - 13: int(found[i]) for i in np.flatnonzero(found)} == {4: 1, 3: 1, 13: 1}
    falling = piece_of([(0, 1, 80), (1, 1, 60), (2, 1, 60)])
    found = intervals([falling], largest=5)
    assert {i - 6: int(found[i]) for i in np.flatnonzero(found)} == {-6: 1, 0: 1}


def test_intervals_stay_in_a_part_and_in_a_piece() -> None:
    rows = [(0, 1, 60, 0), (0, 1, 72, 1), (1, 1, 62, 0), (1, 1, 71, 1)]
    two = piece_of(rows, parts=("high", "low"))
    found = intervals([two, two])
    assert {i - 13: int(found[i]) for i in np.flatnonzero(found)} == {2: 2, -1: 2}
    assert intervals([piece_of([(0, 1, 60)])]).sum() == 0


def test_durations_are_rounded_and_bounded() -> None:
    assert durations([TUNE], per_quarter=4, longest=6).tolist() == [0, 1, 1, 2, 0, 1]
    # In eighths: 2, 1, 2, 8 (at most 3) and one and a half, halves up.
    assert durations([TUNE], per_quarter=2, longest=3).tolist() == [1, 3, 1]
    assert durations([piece_of([(0, 1, 60)], resolution=64)]).tolist() == [1] + [0] * 15
    assert durations([]).sum() == 0


def test_a_real_corpus_is_in_its_key(cache: Path) -> None:
    """Jigs in G: nearly all notes are of its scale, most intervals are steps and thirds."""
    jigs = Celtic(metre="6/8", key="G", mode="major", rhythm="jig").prepare(str(cache)).pieces
    share = pitch_classes(jigs) / pitch_classes(jigs).sum()
    assert share[[7, 9, 11, 0, 2, 4, 6]].sum() > 0.97
    assert share.argmax() in (7, 2, 11)
    moves = intervals(jigs) / intervals(jigs).sum()
    assert moves[13 - 4 : 13 + 5].sum() > 0.75
    lengths = durations(jigs, per_quarter=2, longest=8) / sum(map(len, jigs))
    assert lengths[0] > 0.7  # eighths (and shorter)
    halves = [pitch_classes(jigs[start::2]) for start in (0, 1)]
    assert 0 < jensen_shannon(*halves) < 0.005 < jensen_shannon(halves[0], np.roll(halves[1], 1))


def test_jensen_shannon_in_closed_form() -> None:
    assert jensen_shannon(np.array([3, 0]), np.array([0, 7])) == pytest.approx(math.log(2))
    assert jensen_shannon(np.array([1, 2, 0]), np.array([10, 20, 0])) == pytest.approx(0, abs=1e-15)
    # p = (1, 0), q = (1/2, 1/2): ln(4/3) / 2 + (ln(2/3) + ln 2) / 4
    expected = math.log(4 / 3) / 2 + (math.log(2 / 3) + math.log(2)) / 4
    assert jensen_shannon(np.array([5, 0]), np.array([4, 4])) == pytest.approx(expected)


@given(COUNTS, COUNTS)
def test_jensen_shannon_is_the_information_that_a_draw_has_of_its_origin(
    first: np.ndarray, second: np.ndarray
) -> None:
    """I(bin; origin) = H(bin) - H(bin | origin), with even origins: symmetric, 0 to ln 2."""

    def entropy(p: np.ndarray) -> float:
        return -sum(float(v) * math.log(v) for v in p if v > 0)

    p, q = first / first.sum(), second / second.sum()
    expected = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    found = jensen_shannon(first, second)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found == pytest.approx(jensen_shannon(second, first), abs=1e-12)
    assert -1e-15 <= found <= math.log(2) + 1e-12


def test_no_distance_to_an_empty_histogram() -> None:
    with pytest.raises(ValueError, match="no distance between histograms"):
        jensen_shannon(np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match="no distance between histograms"):
        jensen_shannon(np.ones(2), np.ones(3))
