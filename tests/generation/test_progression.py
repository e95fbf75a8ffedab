"""Chords as a user writes them: read, taken for triads, and refused in one sentence with a nearby one."""

from __future__ import annotations

import pytest

from partimento.chords import Triad, parse_chord
from partimento.errors import UserError
from partimento.generation.progression import nearest_chord, read_progression


@pytest.mark.parametrize(
    "written",
    ["C G Am F#m", "C | G | Am | F#m", "C,G,Am,F#m", " C\tG\nAm, F#m |", ["C", "G", "Am", "F#m"]],
)
def test_the_same_progression_however_it_is_written(written):
    found = read_progression(written)
    assert found.symbols == ("C", "G", "Am", "F#m")
    assert found.triads == (Triad(0, False), Triad(7, False), Triad(9, True), Triad(6, True))
    assert found.messages == ()


def test_chords_of_four_notes_stand_for_their_triads():
    found = read_progression("C7(b9,#11) Bb D/F# Bdim G7 G7")
    assert [triad.symbol for triad in found.triads] == ["C", "Bb", "D", "Bm", "G", "G"]
    assert [message.split(":")[0] for message in found.messages] == [
        "C7(b9,#11) is taken as C", "Bdim is taken as Bm", "G7 is taken as G",
    ]  # fmt: skip
    assert found.symbols[0] == "C7(b9,#11)"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("Hm", "Bm"), ("am", "Am"), ("f#m", "F#m"), ("F#mm", "F#m"), ("Cmajj", "Cmaj7"), ("c", "C"),
     ("h", "B"), ("Bbb7x", "Bb7"), ("?", None)],
)  # fmt: skip
def test_the_nearest_chord_is_one_that_can_be_read(wrong, right):
    found = nearest_chord(wrong)
    assert parse_chord(found).triad is not None
    if right is not None:
        assert found == right
    with pytest.raises(UserError) as error:
        read_progression(f"C {wrong} G")
    sentence = str(error.value)
    assert sentence.startswith(f"The chord '{wrong}' cannot be read: ")
    assert sentence.endswith(f"; did you mean '{found}'?")


@pytest.mark.parametrize(
    ("chord", "right"),
    [("Gsus4", "G or Gm"), ("F#5", "F# or F#m"), ("N.C.", "a chord such as C")],
)
def test_a_chord_without_a_third(chord, right):
    with pytest.raises(UserError) as error:
        read_progression(f"C {chord}")
    assert str(error.value) == (
        f"The chord '{chord}' is no major or minor one, as the model knows them: write {right}."
    )


@pytest.mark.parametrize("nothing", ["", " | ", []])
def test_no_chord_at_all(nothing):
    with pytest.raises(UserError, match=r"^chords names no chord: write some, one to the bar"):
        read_progression(nothing)
