"""Chords that sound: what is voiced, when it sounds, and that the melody stays as it is."""

from __future__ import annotations

import pytest

from partimento.formats.files import read_piece
from partimento.music import Chord, Piece
from partimento.reports.accompaniment import voiced, with_chords
from partimento.reports.midi import write_midi

PIECE = Piece(
    "sheet", 4, [0, 8], [8, 8], [72, 71], [0, 0], parts=("melody",), end=32,
    chords=(Chord(0, 16, "C"), Chord(16, 8, "G/B"), Chord(24, 8, "?")),
)  # fmt: skip


@pytest.mark.parametrize(
    ("symbol", "pitches"),
    [
        ("C", [48, 52, 55]),
        ("G/B", [59, 62, 67]),
        ("F#m", [54, 57, 61]),
        ("Am7", [57, 60, 64, 67]),
        ("D/C", [48, 50, 54, 57]),
        ("N.C.", []),
        ("?", []),
    ],
)
def test_close_position_over_the_bass(symbol, pitches):
    assert voiced(symbol) == pitches


def test_chords_last_as_long_as_they_are_written_under_the_same_melody(tmp_path):
    found = with_chords(PIECE)
    assert found.parts == ("melody", "chords")
    assert found.notes(0)["pitch"].tolist() == [72, 71]
    chords = found.notes(1)
    assert list(zip(*(chords[k].tolist() for k in ("onset", "duration", "pitch")), strict=True)) == [
        (0, 16, 48), (0, 16, 52), (0, 16, 55), (16, 8, 59), (16, 8, 62), (16, 8, 67),
    ]  # fmt: skip
    assert found.end == 32
    read = read_piece(write_midi(found, tmp_path / "sheet.mid"))
    assert read.pitch.tolist() == found.pitch.tolist()


def test_without_chords_the_part_is_empty():
    plain = Piece("plain", 4, [0], [4], [60], [0], parts=("melody",))
    assert with_chords(plain).pitch.tolist() == [60]
