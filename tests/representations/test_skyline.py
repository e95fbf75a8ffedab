"""The melody on top: the highest part, and what sounds highest, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from made_pieces import piece_of, polyphony

from partimento.errors import UserError
from partimento.representations.skyline import highest_parts, part_named, skyline
from partimento.representations.table import note_table


def kept(piece, steps_per_quarter=4):
    return skyline(note_table([piece], steps_per_quarter), steps_per_quarter).tolist()


def slow_skyline(piece, steps_per_quarter):
    """Ask every pair of notes, straight from what `skyline` promises."""
    notes = list(zip(piece.onset, piece.onset + piece.duration, piece.pitch, strict=True))
    answer = []
    for i, (onset, _, pitch) in enumerate(notes):
        under = False
        for j, (other, end, height) in enumerate(notes):
            long = (end - onset) * steps_per_quarter >= piece.resolution
            if i == j:
                continue
            if other == onset:
                under |= bool(height > pitch or (height == pitch and j < i))
            elif other < onset:
                under |= bool(height > pitch and end > onset and long)
        answer.append(not under)
    return answer


@settings(max_examples=200, deadline=None)
@given(polyphony(parts=2, max_notes=12))
def test_skylines_agree_with_the_definition(piece):
    for steps_per_quarter in (1, 4):
        assert kept(piece, steps_per_quarter) == slow_skyline(piece, steps_per_quarter)


def test_of_a_chord_the_highest_stays():
    assert kept(piece_of([(0, 4, 60), (0, 4, 64), (0, 4, 67)])) == [False, False, True]
    assert kept(piece_of([(0, 4, 60, 0), (0, 4, 60, 1)], parts=("a", "b"))) == [True, False]


def test_a_note_under_a_higher_one_is_left_out_and_a_higher_one_cuts():
    # A long G with an E and then a B below and above it.
    assert kept(piece_of([(0, 8, 67), (2, 2, 64), (4, 4, 71)])) == [True, False, True]


def test_what_overlaps_by_less_than_a_step_is_legato():
    falling = [(0, 9, 67), (8, 8, 64)]
    assert kept(piece_of(falling, resolution=16)) == [True, True]
    assert kept(piece_of([(0, 12, 67), (8, 8, 64)], resolution=16)) == [True, False]


def test_pieces_do_not_look_into_each_other():
    long = piece_of([(0, 400, 80)])
    short = piece_of([(0, 4, 60), (4, 4, 55)])
    assert skyline(note_table([long, short], 4), 4).all()


def test_the_highest_part_is_so_on_average():
    crossing = piece_of([(0, 4, 60), (4, 4, 62), (0, 4, 70, 1), (4, 4, 40, 1)], parts=("a", "b"))
    silent_top = piece_of([(0, 4, 50, 1)], parts=("a", "b", "c"))
    same = piece_of([(0, 4, 50, 0), (0, 4, 50, 1)], parts=("a", "b"))
    pieces = [crossing, silent_top, same, piece_of([])]
    counts = [len(piece.parts) for piece in pieces]
    assert highest_parts(note_table(pieces), counts).tolist() == [0, 1, 0, 0]


def test_parts_by_name_and_number():
    piece = piece_of([], parts=("Violin", "Bass "))
    assert part_named(piece, "violin") == 0
    assert part_named(piece, "BASS") == 1
    assert part_named(piece, 1) == 1
    with pytest.raises(UserError, match="no part named 'violine'. Did you mean 'Violin'?"):
        part_named(piece, "violine")
    for number in (2, -1):
        with pytest.raises(UserError, match=rf"has 2 part\(s\), so representation.voice={number}"):
            part_named(piece, number)


def test_no_notes_have_no_skyline():
    assert skyline(note_table([]), 4).shape == (0,)
    assert kept(piece_of([])) == []
    assert np.array_equal(skyline(note_table([piece_of([]), piece_of([(0, 1, 60)])]), 4), [True])
