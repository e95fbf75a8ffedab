"""Pieces written together: in a row each keeps its notes and bars, and every file can be read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from partimento.datasets.chorales import read_bach
from partimento.formats.files import read_piece
from partimento.music import Bar, Chord, Key, Piece, Tempo
from partimento.reports import album
from partimento.reports.album import in_a_row, write_album
from partimento.reports.pianoroll import draw_sheet


def scale(low: int, count: int = 4, end: int = 0) -> Piece:
    """A scale of quarter notes in one bar of 4/4, or longer with rests at its end."""
    return Piece(
        f"from {low}", 4, 4 * np.arange(count), np.full(count, 4), low + np.arange(count),
        np.zeros(count), parts=("flute",), end=max(end, 4 * count), bars=(Bar(0, 4, 4),),
        keys=(Key(0, 1, "major"),), tempos=(Tempo(0, 90.0),), chords=(Chord(0, 4, "G"),),
    )  # fmt: skip


def test_a_row_plays_one_after_the_other():
    row = in_a_row([scale(60), scale(70, end=24), scale(50, count=0, end=16), scale(40)], "all")
    assert row.onset.tolist() == [0, 4, 8, 12, 16, 20, 24, 28, 56, 60, 64, 68]
    assert row.pitch.tolist() == [60, 61, 62, 63, 70, 71, 72, 73, 40, 41, 42, 43]
    assert row.end == 16 + 24 + 16 + 16
    assert [bar.onset for bar in row.bars] == [0, 16, 40, 56]
    assert [key.onset for key in row.keys] == [0, 16, 40, 56]
    assert [chord.onset for chord in row.chords] == [0, 16, 40, 56]
    assert [tempo.onset for tempo in row.tempos] == [0, 16, 40, 56]
    assert row.parts == ("flute",)
    assert row.metadata["title"] == row.id == "all"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(30, 90), st.integers(0, 6), st.integers(0, 40)), min_size=1))
def test_every_piece_can_be_cut_out_again(rows):
    pieces = [scale(low, count, end) for low, count, end in rows]
    row, start = in_a_row(pieces), 0
    for piece in pieces:
        inside = (row.onset >= start) & (row.onset < start + piece.end)
        assert (row.onset[inside] - start).tolist() == piece.onset.tolist()
        assert row.pitch[inside].tolist() == piece.pitch.tolist()
        start += piece.end
    assert row.end == start


def test_four_parts_and_no_bar_lines():
    """A grid that knows no bars is played in bars of 4/4; parts stay apart."""
    chorale = read_bach("253")
    bare = Piece(
        "bare", chorale.resolution, chorale.onset, chorale.duration, chorale.pitch, chorale.part,
        parts=chorale.parts,
    )  # fmt: skip
    row = in_a_row([bare, bare])
    assert row.parts == chorale.parts
    for part in range(4):
        one, two = bare.notes(part), row.notes(part)
        assert two["pitch"].tolist() == 2 * one["pitch"].tolist()
    assert row.bars[0] == (0, 4, 4)
    assert len(row.bars) >= 2 * (bare.end // (4 * bare.resolution))


def test_what_makes_no_row():
    other = Piece("fine", 8, [0], [8], [60], [0])
    for pieces in ([], [scale(60), other]):
        with pytest.raises(ValueError, match="one resolution"):
            in_a_row(pieces)


def test_an_album_can_be_seen_and_heard(tmp_path):
    pieces = [scale(60 + number) for number in range(3)]
    files = write_album(
        pieces, tmp_path / "deep", name="step", titles=["a", "$b", "c"], heading="three"
    )
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == [
        "row.mid", "sheet.png", "step-01.mid", "step-02.mid", "step-03.mid"
    ]  # fmt: skip
    for number, piece in enumerate(pieces, start=1):
        read = read_piece(tmp_path / "deep" / f"step-{number:02d}.mid")
        assert read.pitch.tolist() == piece.pitch.tolist()
    row = read_piece(files["row"])
    assert row.pitch.tolist() == [p for piece in pieces for p in piece.pitch.tolist()]
    assert (row.onset / row.resolution).tolist() == list(range(12))
    assert imread(files["sheet"]).std() > 0.01


def test_files_sort_as_they_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(album, "draw_sheet", lambda *_, **__: None)
    write_album([scale(60)] * 101, tmp_path, name="step", titles=[""] * 101)
    names = sorted(path.stem for path in tmp_path.glob("step-*.mid"))
    assert names == [f"step-{number:03d}" for number in range(1, 102)]


def test_sheets_of_one_span_have_one_size():
    figures = [draw_sheet([scale(low)], span=(40, 90)) for low in (45, 80)]
    assert figures[0].get_figheight() == figures[1].get_figheight()
    assert {figure.axes[0].get_ylim() for figure in figures} == {(39.5, 90.5)}
