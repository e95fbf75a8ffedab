"""The facts about a dataset: closed-form on two written pieces, and known counts of the chorales."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from partimento.datasets.base import Card, Corpus
from partimento.music import Bar, Chord, Piece
from partimento.reports.overview import (
    commonest,
    music_facts,
    muspy_statistics,
    opening_metre,
    quantiles,
)

CARD = Card("two", "Two pieces", "written here", "none", "none", {}, "none")
WALTZ = Piece(
    "waltz", 2, [0, 2, 4], [2, 2, 2], [60, 64, 67], [0, 0, 1], parts=("violin", "bass"),
    bars=(Bar(0, 3, 4),), chords=(Chord(0, 6, "C"),),
)  # fmt: skip
MARCH = Piece("march", 4, [0], [16], [72], [0], parts=("violin",), bars=(Bar(0, 4, 4),))
EMPTY = Piece("silence", 4, [], [], [], [])


def test_facts_of_two_pieces() -> None:
    facts = music_facts(Corpus((WALTZ, MARCH), ("a", "a"), (), CARD))
    assert facts["pieces"] == "2 in 1 groups that share music"
    assert facts["notes"] == "4 (1 to 3, median 2 a piece)"
    assert facts["quarter notes"] == "3 to 4, median 3.5"
    assert facts["metres"] == "3/4 (1), 4/4 (1)"
    assert facts["ranges"] == "violin C4 to C5, bass G4 to G4"
    assert facts["with chords"] == "1"


def test_pieces_without_notes_or_bars() -> None:
    facts = music_facts(Corpus((EMPTY,), ("a",), (), CARD))
    assert facts["ranges"] == ""
    assert opening_metre(EMPTY) == "none"


def test_muspys_statistics() -> None:
    # The three notes of a triad, and one note: log2 3 and 0 bits.
    told = muspy_statistics([WALTZ, MARCH, EMPTY])
    half = math.log2(3) / 2
    assert told["pitch class entropy (2 pieces)"] == f"{half:.2f} ± {half:.2f}"
    assert told["scale consistency (2 pieces)"] == "1.00 ± 0.00"
    assert told["polyphony (2 pieces)"] == "1.00 ± 0.00"
    assert muspy_statistics([EMPTY]) == {}


@pytest.mark.parametrize(
    ("values", "text"), [([], "none"), ([3], "3 to 3, median 3"), ([1, 2, 4], "1 to 4, median 2")]
)
def test_quantiles(values: list[float], text: str) -> None:
    assert quantiles(values) == text


def test_commonest_counts_the_others() -> None:
    assert commonest(Counter("aaabbc"), shown=2) == "a (3), b (2), others (1)"
    assert commonest(Counter("ab"), shown=2) == "a (1), b (1)"
