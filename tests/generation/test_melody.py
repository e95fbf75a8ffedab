"""From a piece to a line that a model can take: part, single notes, grid, range, first full bar."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partimento.datasets.chorales import corpus_folder
from partimento.errors import UserError
from partimento.formats.musicxml import read_musicxml
from partimento.generation.melody import (
    Line,
    choose_part,
    fitting_shift,
    lead_in,
    line_of,
    single_line,
)
from partimento.music import Bar, Piece, lay_bars

VOICES = ("soprano", "alto", "tenor", "bass")


def piece(parts: dict[str, list[int]], **more) -> Piece:
    rows = [(t, p, i) for i, pitches in enumerate(parts.values()) for t, p in enumerate(pitches)]
    onset, pitch, part = zip(*rows, strict=True) if rows else ((), (), ())
    return Piece("song", 1, onset, [1] * len(rows), pitch, part, parts=tuple(parts), **more)


def line(*notes: tuple[int, int, int]) -> Line:
    return Line(*np.array(notes, dtype=np.int64).reshape(-1, 3).T)


def rows(found: Line) -> list[tuple[int, int, int]]:
    columns = (found.start, found.stop, found.pitch)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_the_part_of_the_voice_s_name_is_taken_in_any_case() -> None:
    song = piece({"Violin": [80], "SOPRANO ": [70], "Bass": [40]})
    assert choose_part(song, "soprano", VOICES) == 1
    assert choose_part(song, "bass", VOICES) == 2


def test_without_names_the_highest_and_lowest_parts_are_taken() -> None:
    song = piece({"left": [50, 52], "right": [72, 74], "middle": [60]})
    assert choose_part(song, "soprano", VOICES) == 1
    assert choose_part(song, "bass", VOICES) == 0


def test_the_only_part_with_notes_is_any_voice() -> None:
    song = piece({"soprano": [], "piano": [60]})
    assert [choose_part(song, voice, VOICES) for voice in VOICES] == [1, 1, 1, 1]


def test_inner_voices_are_found_by_place_or_not_at_all() -> None:
    four = piece({"I": [72], "II": [67], "III": [60], "IV": [48]})
    assert choose_part(four, "tenor", VOICES) == 2
    two = piece({"up": [72], "down": [48]})
    with pytest.raises(
        UserError, match="'song' has no part named 'alto' with notes, only 'up', 'down'"
    ):
        choose_part(two, "alto", VOICES)


def test_a_piece_without_notes_is_refused() -> None:
    with pytest.raises(UserError, match="'song' has no notes to harmonise"):
        choose_part(piece({"soprano": []}), "soprano", VOICES)


@pytest.mark.parametrize(
    ("notes", "highest", "lowest"),
    [
        # A chord: one note stays.
        ([(0, 4, 60), (0, 4, 64)], [(0, 4, 64)], [(0, 4, 60)]),
        # A melody over a long bass note.
        ([(0, 8, 48), (0, 4, 72), (4, 8, 74)], [(0, 4, 72), (4, 8, 74)], [(0, 8, 48)]),
        # A higher note cuts off what sounds; a lower one waits in vain.
        ([(0, 8, 60), (4, 8, 72)], [(0, 4, 60), (4, 8, 72)], [(0, 8, 60)]),
        # A slur: the first note is cut, whichever is higher.
        ([(0, 5, 72), (4, 8, 70)], [(0, 4, 72), (4, 8, 70)], [(0, 4, 72), (4, 8, 70)]),
        # The same note twice.
        ([(0, 4, 60), (0, 4, 60)], [(0, 4, 60)], [(0, 4, 60)]),
        ([], [], []),
    ],
)
def test_one_note_at_a_time(notes, highest, lowest) -> None:
    columns = [np.array([note[i] for note in notes], dtype=int) for i in range(3)]
    assert rows(single_line(*columns)) == highest
    assert rows(single_line(*columns, highest=False)) == lowest


NOTES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 9), st.integers(40, 80)), min_size=1, max_size=20
)


@given(NOTES, st.booleans())
def test_lines_never_overlap_and_count_what_they_lose(notes, highest: bool) -> None:
    start, length, pitch = (np.array(column) for column in zip(*notes, strict=True))
    found = single_line(start, start + length, pitch, highest=highest)
    assert (found.stop > found.start).all()
    assert (found.start[1:] >= found.stop[:-1]).all()
    assert len(found.start) + found.dropped == len(notes)
    originals = {(int(s), int(p)) for s, p in zip(start, pitch, strict=True)}
    assert {(s, p) for s, _, p in rows(found)} <= originals
    first = start == start.min()
    best = pitch[first].max() if highest else pitch[first].min()
    assert found.pitch[0] == best


def test_a_line_that_is_one_already_stays_as_it_is() -> None:
    chorale = read_musicxml(corpus_folder() / "bwv66.6.mxl")
    notes = chorale.notes(0)
    found = line_of(chorale, 0, 4)
    scale = 4 // chorale.resolution
    assert found.start.tolist() == (notes["onset"] * scale).tolist()
    assert (found.stop - found.start).tolist() == (notes["duration"] * scale).tolist()
    assert found.pitch.tolist() == notes["pitch"].tolist()
    assert (found.off_grid, found.dropped, found.shortened) == (0, 0, 0)


def test_times_between_the_steps_are_rounded_and_counted() -> None:
    song = Piece("song", 12, [0, 4, 8, 12], [4, 4, 4, 1], [60, 62, 64, 65], [0] * 4)
    found = line_of(song, 0, 4)  # triplets against sixteenths: 0, 1⅓, 2⅔, 4 steps
    assert found.start.tolist() == [0, 1, 3, 4]
    assert found.stop.tolist() == [1, 3, 4, 5]
    assert found.off_grid == 4


@pytest.mark.parametrize(
    ("low", "high", "shift"),
    [(60, 72, 0), (57, 81, 0), (50, 60, 7), (70, 90, -9), (56, 60, 1), (33, 45, 24)],
)
def test_the_smallest_shift_into_the_range(low: int, high: int, shift: int) -> None:
    assert fitting_shift([line((0, 1, low), (1, 2, high))], ["soprano"], [(57, 81)]) == shift


def test_two_lines_move_together() -> None:
    lines = [line((0, 1, 84)), line((0, 1, 50))]
    assert fitting_shift(lines, ["soprano", "bass"], [(57, 81), (36, 64)]) == -3
    far = [line((0, 1, 84)), line((0, 1, 36))]
    with pytest.raises(
        UserError, match="No transposition takes soprano and bass into their ranges"
    ):
        fitting_shift(far, ["soprano", "bass"], [(57, 81), (36, 64)])


def test_a_melody_wider_than_the_range_is_refused_with_both() -> None:
    with pytest.raises(UserError, match=r"from MIDI number 50 to 80, 30 semitones.* 57 to 81"):
        fitting_shift([line((0, 1, 50), (1, 2, 80))], ["soprano"], [(57, 81)])


def test_the_lead_in_is_what_comes_before_the_first_full_bar() -> None:
    def song(*onsets: int, beats: int = 4, end: int) -> Piece:
        bars = [Bar(onset, beats, 4) for onset in onsets]
        return Piece("x", 1, [0], [1], [60], [0], bars=bars, end=end)

    assert lead_in(song(0, 1, 5, end=9), 4) == 4  # a pick-up of a quarter note
    assert lead_in(song(0, 4, end=8), 4) == 0
    assert lead_in(song(0, 1, 4, 7, beats=3, end=10), 4) == 4  # in 3/4 as well
    assert lead_in(song(0, end=2), 4) == 0  # a single bar, cut short, is no pick-up
    assert lead_in(Piece("x", 1, [0], [1], [60], [0]), 4) == 0  # no bar lines known
    midi = Piece("x", 1, [0], [1], [60], [0], bars=(Bar(0, 1, 4), Bar(1, 4, 4)), end=9)
    assert lead_in(midi, 4) == 4  # as a MIDI file writes it


@pytest.mark.parametrize(("name", "quarters"), [("bwv66.6", 1), ("bwv9.7", 1), ("bwv253", 1)])
def test_the_lead_in_of_chorales(name: str, quarters: int) -> None:
    chorale = read_musicxml(corpus_folder() / f"{name}.mxl")
    assert lead_in(chorale, 4) == 4 * quarters


def test_bars_without_pickup_have_no_lead_in() -> None:
    bars = lay_bars([(0, 4, 4)], 16, 1)
    assert lead_in(Piece("x", 1, [0], [16], [60], [0], bars=bars), 4) == 0
