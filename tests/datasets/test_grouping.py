"""Groups of pieces that share a melody, on melodies whose answer is plain."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partimento.datasets.base import Card, Corpus
from partimento.datasets.chorales import read_bach
from partimento.datasets.grouping import (
    melody_intervals,
    melody_runs,
    shared_run_groups,
    shared_tunes,
)
from partimento.music import Piece

# Old Hundredth (Louis Bourgeois, 1551), first two lines, as MIDI numbers.
OLD_HUNDREDTH = [67, 67, 66, 64, 62, 67, 69, 71, 71, 71, 71, 69, 67, 72, 71, 69]


def piece(pitches: list[int], durations: list[int] | None = None) -> Piece:
    durations = durations or [1] * len(pitches)
    onsets = [2 * i for i in range(len(pitches))]
    return Piece("p", 1, onsets, durations, pitches, [0] * len(pitches))


def test_intervals_skip_rests_and_are_the_same_in_every_key() -> None:
    expected = (0, -1, -2, -2, 5, 2, 2, 0, 0, 0, -2, -2, 5, -1, -2)
    tune = piece(OLD_HUNDREDTH)
    assert melody_intervals(tune) == expected
    assert melody_intervals(tune.transposed(-5)) == expected


def test_of_notes_struck_together_the_highest_counts() -> None:
    chords = Piece("p", 1, [0, 0, 1, 2, 2], [1] * 5, [60, 64, 62, 65, 55], [0] * 5)
    assert melody_intervals(chords) == (-2, 3)


def test_few_notes_have_no_intervals() -> None:
    assert melody_intervals(piece([])) == melody_intervals(piece([60])) == ()


def test_part_that_is_not_there() -> None:
    with pytest.raises(IndexError, match="p has 1 parts, so none at index 1"):
        melody_intervals(piece([60]), part=1)


def test_one_run_in_common_joins_and_one_interval_less_does_not() -> None:
    shared = [2, 2, 1, -5]
    melodies = {"b": [7, *shared], "a": [*shared, 3, 3], "c": [9, 9, *shared[:3], 9]}
    assert shared_run_groups(melodies, run=4) == {"b": "a", "a": "a", "c": "c"}


def test_groups_chain_through_a_third_piece() -> None:
    melodies = {"c": [1, 2, 3], "b": [9, 9, 9], "a": [2, 3, 9, 9]}
    assert shared_run_groups(melodies, run=2) == {"c": "a", "b": "a", "a": "a"}


def test_short_melodies_join_only_when_wholly_equal() -> None:
    melodies = {"a": [1, 2], "b": [1, 2], "c": [1, 2, 3]}
    assert shared_run_groups(melodies, run=16) == {"a": "a", "b": "a", "c": "c"}


def test_run_must_be_positive() -> None:
    with pytest.raises(ValueError, match="run must be positive, got 0"):
        shared_run_groups({}, run=0)


@given(
    st.dictionaries(
        st.sampled_from("abcdefgh"), st.lists(st.integers(-1, 1), max_size=8), min_size=1
    ),
    st.integers(1, 4),
)
def test_groups_are_the_connected_components(melodies: dict[str, list[int]], run: int) -> None:
    """Against a plain closure over all pairs."""

    def joined(one: list[int], other: list[int]) -> bool:
        windows = [one[i : i + run] for i in range(len(one) - run + 1)]
        inside = any(other[i : i + run] in windows for i in range(len(other) - run + 1))
        return inside or one == other

    component = {name: {name} for name in melodies}
    for one in melodies:
        for other in melodies:
            if joined(melodies[one], melodies[other]) and component[one] is not component[other]:
                component[one] |= component[other]
                for name in component[one]:
                    component[name] = component[one]
    expected = {name: min(members) for name, members in component.items()}
    assert shared_run_groups(melodies, run) == expected


def corpus_of(name: str, *tunes: list[int]) -> Corpus:
    pieces = tuple(
        dataclasses.replace(piece(pitches), id=f"{name}{i}") for i, pitches in enumerate(tunes)
    )
    card = Card(name, "", "", "", "", {}, "")
    return Corpus(pieces, tuple(piece.id for piece in pieces), (), card)


def test_tunes_that_two_corpora_share_in_whatever_key() -> None:
    higher = [pitch + 5 for pitch in OLD_HUNDREDTH]
    one = corpus_of("a", OLD_HUNDREDTH, [60, 61] * 8, OLD_HUNDREDTH[3:])
    other = corpus_of("b", [60, 70, 80], [55, *higher], [60, 62] * 8)
    # 15 intervals: one run of 15, two of 14; without the first three notes, 12 are left.
    assert shared_tunes(one, other) == []
    assert shared_tunes(one, other, run=15) == [("a0", "b1", 1)]
    assert shared_tunes(one, other, run=14) == [("a0", "b1", 2)]
    assert shared_tunes(one, other, run=12) == [("a0", "b1", 4), ("a2", "b1", 1)]
    assert shared_tunes(other, one, run=15) == [("b1", "a0", 1)]


def test_a_chorale_among_other_tunes_is_found() -> None:
    chorales = [read_bach(number) for number in ("253", "254", "257", "258")]
    hidden = dataclasses.replace(chorales[2].transposed(-3), id="folk", parts=("melody", *"atb"))
    card = Card("", "", "", "", "", {}, "")
    one = Corpus(tuple(chorales), ("",) * 4, (), card)
    other = Corpus((piece([60, 62, 64] * 20), hidden), ("",) * 2, (), card)
    found = shared_tunes(one, other)
    # BWV 257 and 258 set one hymn, "Wo Gott der Herr nicht bei uns hält".
    assert [row[:2] for row in found] == [("bwv257", "folk"), ("bwv258", "folk")]
    assert found[0][2] == len(melody_runs(melody_intervals(hidden)))
