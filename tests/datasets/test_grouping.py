"""Groups of pieces that share a melody, on melodies whose answer is plain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partimento.datasets.grouping import melody_intervals, shared_run_groups
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
