"""Layout in notation: spelling, note values, voices, ties and bar numbers, by closed forms."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partimento.music import Bar, Key, Piece, Tempo
from partimento.reports.notation import (
    NOTATION_GRID,
    VALUES,
    Segment,
    note_values,
    on_notation_grid,
    segments,
    spans,
    spell,
    voices_of,
)

Q = NOTATION_GRID
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SIGNS = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}


def name(pitch: int, fifths: int) -> str:
    step, alter, octave = spell(pitch, fifths)
    return f"{step}{SIGNS[alter]}{octave}"


@pytest.mark.parametrize(
    ("pitch", "fifths", "expected"),
    [
        (60, 0, "C4"),
        (61, 0, "C#4"),
        (63, 0, "Eb4"),
        (66, 0, "F#4"),
        (68, 0, "G#4"),  # leading note of A minor
        (70, 0, "Bb4"),
        (66, -1, "F#4"),  # leading note of G minor is written so even in one flat
        (61, -4, "Db4"),
        (59, -7, "Cb4"),  # Cb4 is B3 on the keyboard
        (60, 7, "B#3"),
        (77, 6, "E#5"),
        (71, 4, "B4"),
    ],
)
def test_spelling_follows_the_key(pitch: int, fifths: int, expected: str) -> None:
    assert name(pitch, fifths) == expected


@given(st.integers(0, 127), st.integers(-7, 7))
def test_a_spelling_sounds_as_its_midi_number(pitch: int, fifths: int) -> None:
    step, alter, octave = spell(pitch, fifths)
    assert 12 * (octave + 1) + SEMITONES[step] + alter == pitch
    assert abs(alter) <= 2


@pytest.mark.parametrize("fifths", range(-7, 8))
def test_the_notes_of_the_key_need_no_accidental(fifths: int) -> None:
    sharps, flats = "FCGDAEB"[: max(0, fifths)], "BEADGCF"[: max(0, -fifths)]
    tonic = 60 + 7 * fifths % 12
    for interval in (0, 2, 4, 5, 7, 9, 11):
        step, alter, _ = spell(tonic + interval, fifths)
        assert alter == (step in sharps) - (step in flats)


@pytest.mark.parametrize(
    ("start", "stop", "lengths"),
    [
        (0, 4 * Q, [4 * Q]),
        (0, 5 * Q // 2, [2 * Q, Q // 2]),  # two beats and a half: half note and quaver
        (Q // 2, 3 * Q, [Q // 2, 2 * Q]),  # off the beat: to the beat first
        (Q // 2, 2 * Q, [3 * Q // 2]),  # a dotted quarter is one sign
        (0, Q // 3, [Q // 3]),  # a triplet quaver is one sign
        (0, 5, [4, 1]),
    ],
)
def test_note_values(start: int, stop: int, lengths: list[int]) -> None:
    assert [b - a for a, b in note_values(start, stop)] == lengths


@given(st.integers(0, 6 * Q), st.integers(1, 6 * Q))
def test_note_values_cover_the_time_with_single_signs(start: int, length: int) -> None:
    found = note_values(start, start + length)
    assert found[0][0] == start
    assert found[-1][1] == start + length
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
    assert {b - a for a, b in found} <= VALUES


def test_notes_together_are_chords_and_overlaps_are_voices() -> None:
    piece = Piece("x", 1, [0, 0, 1, 2, 2], [2, 2, 2, 1, 2], [60, 64, 67, 62, 65], [0] * 5)
    assert voices_of(piece, 0) == [
        [(0, 2, (60, 64)), (2, 3, (62,))],
        [(1, 3, (67,))],
        [(2, 4, (65,))],
    ]


def test_segments_are_tied_over_bar_lines_and_gaps_are_rests() -> None:
    voice = [(Q, 6 * Q, (60,)), (7 * Q, 8 * Q, (62,))]
    assert segments(voice, 0, 4 * Q) == [
        Segment(0, Q, ()),
        Segment(Q, 4 * Q, (60,), False, True),
    ]
    assert segments(voice, 4 * Q, 8 * Q) == [
        Segment(0, 2 * Q, (60,), True, False),
        Segment(2 * Q, 3 * Q, ()),
        Segment(3 * Q, 4 * Q, (62,)),
    ]
    assert segments(voice, 8 * Q, 12 * Q) == [Segment(0, 4 * Q, ())]


def test_a_pickup_is_bar_zero() -> None:
    full = Piece("x", 1, [], [], [], [], end=8, bars=(Bar(0, 4, 4), Bar(4, 4, 4)))
    assert [number for number, _, _ in spans(full)] == [1, 2]
    upbeat = Piece("x", 1, [], [], [], [], end=5, bars=(Bar(0, 4, 4), Bar(1, 4, 4)))
    assert [(number, bar.onset, stop) for number, bar, stop in spans(upbeat)] == [
        (0, 0, 1),
        (1, 1, 5),
    ]


def test_sixteenths_and_triplets_stay_and_what_fits_neither_is_rounded() -> None:
    piece = Piece(
        "x",
        960,
        [0, 240, 320, 961],
        [240, 80, 641, 1],
        [60] * 4,
        [0] * 4,
        end=1000,
        keys=(Key(960, 1),),
        tempos=(Tempo(480, 90),),
    )
    snapped = on_notation_grid(piece)
    assert snapped.resolution == Q
    assert snapped.onset.tolist() == [0, 12, 16, 48]
    assert snapped.duration.tolist() == [12, 4, 32, 1]
    assert snapped.end == 50
    assert snapped.keys == (Key(48, 1),)
    assert snapped.tempos == (Tempo(24, 90),)
    assert snapped.bars == (Bar(0, 4, 4),)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 9)), max_size=8), st.integers(1, 99))
def test_rounding_moves_no_time_by_more_than_half_a_grid_step(notes, resolution: int) -> None:
    onset, duration = ([note[i] for note in notes] for i in (0, 1))
    count = len(notes)
    piece = Piece("x", resolution, onset, duration, [60] * count, [0] * count)
    snapped = on_notation_grid(piece)
    half = Fraction(1, 2 * Q)
    before = sorted(Fraction(int(t), resolution) for t in piece.onset)
    after = sorted(Fraction(int(t), Q) for t in snapped.onset)
    assert all(abs(a - b) <= half for a, b in zip(before, after, strict=True))
    assert (snapped.duration >= 1).all()
