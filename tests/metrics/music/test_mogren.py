"""C-RNN-GAN's statistics: by hand, against plain loops, and where the released code is wrong."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from made_pieces import piece_of, polyphony

from partimento.datasets.chorales import read_bach
from partimento.metrics.music.mogren import (
    LENGTHS,
    SCALES,
    best_scale,
    intensity_span,
    joint_onsets,
    mogren_statistics,
    repetitions,
)
from partimento.music import Piece


def line(*pitches: int) -> Piece:
    return piece_of([(index, 1, pitch) for index, pitch in enumerate(pitches)])


def scale_on(tonic: int, kind: str) -> Piece:
    return line(*(60 + tonic + tone for tone in SCALES[kind]))


def without_remainder(piece: Piece) -> float:
    """The best share as the released code takes it: no remainder of the difference by 12."""
    return max(
        sum(pitch % 12 - tonic in tones for pitch in piece.pitch.tolist()) / len(piece)
        for tonic in range(12)
        for tones in SCALES.values()
    )


@pytest.mark.parametrize("kind", SCALES)
@pytest.mark.parametrize("tonic", range(12))
def test_every_note_of_a_scale_is_in_it(tonic: int, kind: str) -> None:
    piece = scale_on(tonic, kind)
    found = best_scale(piece)
    assert found.share == 1
    tones = {(found.tonic + tone) % 12 for tone in SCALES[found.kind]}
    assert tones == {(tonic + tone) % 12 for tone in SCALES[kind]}


def test_the_released_code_leaves_out_notes_below_the_tonic() -> None:
    assert without_remainder(scale_on(0, "major")) == 1
    # A major holds C sharp, D, E, F sharp and G sharp below A: 1 - 9 is -8, which is in no scale,
    # and F sharp minor, the same notes, has three below its tonic.
    a_major = scale_on(9, "major")
    assert best_scale(a_major)[::2] == (6, 1)
    assert without_remainder(a_major) < 0.9
    chorale = read_bach("253")  # in A
    assert best_scale(chorale).share > without_remainder(chorale) + 0.05


def test_only_harmonic_minor_has_the_raised_seventh() -> None:
    assert best_scale(scale_on(9, "harmonic minor"))[:2] == (9, "harmonic minor")
    assert math.isnan(best_scale(line()).share)


def test_onsets_at_which_several_notes_begin() -> None:
    # A chord of three, a single note, a note that begins while another sounds, a chord of two.
    rows = [(0, 4, 60), (0, 4, 64), (0, 4, 67), (4, 4, 60), (6, 4, 65), (10, 1, 60), (10, 1, 62)]
    assert joint_onsets(piece_of(rows)) == 2 / 4
    assert joint_onsets(line(60, 62)) == 0
    assert math.isnan(joint_onsets(line()))


def test_repetitions_by_hand() -> None:
    assert repetitions(line(60, 62, 64, 60, 62, 64), 3) == 1
    assert repetitions(line(60, 62, 64, 60, 62, 64), 2) == 2
    assert repetitions(line(60, 60, 60, 60), 2) == 1  # others of the three would share a note
    assert repetitions(line(60, 62, 64), 2) == 0
    # Timing is left aside, and within an onset the highest comes first.
    rows = [(0, 1, 60), (0, 1, 67), (5, 9, 67), (6, 1, 60)]
    assert repetitions(piece_of(rows), 2) == 1


@settings(max_examples=60)
@given(polyphony(max_notes=14, low=60, high=62))
def test_repetitions_are_those_of_a_plain_loop(piece: Piece) -> None:
    notes = sorted(zip(piece.onset.tolist(), (-piece.pitch).tolist(), strict=True))
    for length in LENGTHS:
        runs = [tuple(p for _, p in notes[i : i + length]) for i in range(len(notes) - length + 1)]
        expected = sum(
            runs[i] == runs[j]
            for i, j in itertools.combinations(range(len(runs)), 2)
            if j - i >= length
        )
        assert repetitions(piece, length) == expected


def test_transposition_changes_nothing() -> None:
    chorale = read_bach("254")
    higher = dataclasses.replace(chorale, pitch=chorale.pitch + 3)
    assert mogren_statistics(higher) == mogren_statistics(chorale)
    assert mogren_statistics(chorale)["repetitions"] > 0


def test_a_chorale_is_nearly_all_joint_onsets_in_one_intensity() -> None:
    found = mogren_statistics(read_bach("253"))
    assert found["joint_onsets"] > 0.6  # chords in quarters, passing quavers between
    assert found["intensity_span"] == 0
    louder = np.where(np.arange(4) == 2, 90, 50)
    assert intensity_span(dataclasses.replace(line(60, 61, 62, 63), velocity=louder)) == 40
