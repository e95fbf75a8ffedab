"""Piano rolls: where systems break, what is drawn where, and that odd pieces can be drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.image import imread

from partimento.datasets.chorales import corpus_folder
from partimento.formats.musicxml import read_musicxml
from partimento.music import Bar, Piece, lay_bars
from partimento.reports.pianoroll import (
    COLOURS,
    bars_of,
    draw_pianoroll,
    draw_sheet,
    note_heights,
    note_name,
    pitch_span,
    systems,
)

EMPTY = Piece("empty", 4, [], [], [], [])


@pytest.fixture(scope="module")
def chorale() -> Piece:
    return read_musicxml(corpus_folder() / "bwv66.6.mxl")


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def pixels_of(path, colour: str) -> int:
    picture = imread(path)[..., :3]
    return int((np.abs(picture - rgb(colour)).max(axis=-1) < 0.01).sum())


@pytest.mark.parametrize(
    ("pitch", "name"), [(60, "C4"), (69, "A4"), (61, "C♯4"), (0, "C-1"), (127, "G9")]
)
def test_note_names(pitch: int, name: str) -> None:
    assert note_name(pitch) == name


def test_systems_break_at_bar_lines_and_cover_the_piece(chorale: Piece) -> None:
    rows = systems(chorale, quarters=16)
    onsets = {bar.onset for bar in chorale.bars}
    assert rows[0][0] == 0
    assert rows[-1][1] == chorale.end
    assert [stop for _, stop in rows[:-1]] == [start for start, _ in rows[1:]]
    assert {start for start, _ in rows} <= onsets
    assert max(stop - start for start, stop in rows) <= 16 * chorale.resolution


def test_a_bar_longer_than_a_system_has_one_of_its_own() -> None:
    bars = (Bar(0, 4, 4), Bar(4, 40, 4), Bar(44, 4, 4))
    piece = Piece("long bar", 1, [0], [48], [60], [0], bars=bars)
    assert systems(piece, quarters=8) == [(0, 4), (4, 44), (44, 48)]


def test_a_very_long_piece_gets_longer_systems_rather_than_more() -> None:
    piece = Piece("long", 4, [0], [40_000], [60], [0], bars=lay_bars([(0, 4, 4)], 40_000, 4))
    assert len(systems(piece, quarters=32)) <= 26


def test_bars_of_begin_at_zero() -> None:
    assert [bar.onset for bar in bars_of(Piece("x", 1, [0], [6], [60], [0]))] == [0, 4]
    late = Piece("x", 1, [0], [6], [60], [0], bars=(Bar(2, 3, 4), Bar(5, 3, 4)))
    assert bars_of(late) == (Bar(0, 3, 4), Bar(2, 3, 4), Bar(5, 3, 4))


def test_pitch_span_shows_an_octave_at_least_and_all_pieces() -> None:
    one = Piece("one", 1, [0], [1], [60], [0])
    low, high = pitch_span([one])
    assert low <= 58
    assert high >= 62
    assert high - low >= 12
    other = Piece("other", 1, [0], [1], [90], [0])
    assert pitch_span([one, other]) == (58, 92)
    assert pitch_span([]) == pitch_span([EMPTY])


def test_unisons_between_parts_are_drawn_inside_each_other() -> None:
    piece = Piece(
        "unison", 1, [0, 0, 2, 4], [2, 2, 2, 1], [60, 60, 60, 60], [0, 1, 1, 0], parts=("a", "b")
    )
    heights = note_heights(piece)
    assert heights[1] < heights[0]
    assert heights[2] == heights[0]
    assert heights[3] == heights[0]


def test_every_part_is_seen_in_its_colour(chorale: Piece, tmp_path) -> None:
    path = tmp_path / "nested" / "roll.png"
    draw_pianoroll(chorale, path)
    without = tmp_path / "frame.png"
    draw_pianoroll(chorale.frame(), without)
    for colour in COLOURS[:4]:
        # The legend alone has a few hundred pixels of it.
        assert pixels_of(path, colour) > 2 * pixels_of(without, colour) > 0


def test_the_axes_say_bars_and_pitches(chorale: Piece) -> None:
    figure = draw_pianoroll(chorale)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels[:3] == ["0", "1", "2"]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert {"C4", "G4", "C5"} <= set(names)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["Soprano", "Alto", "Tenor", "Bass"]
    assert figure.texts[0].get_text() == "bwv66.6"


def test_repeated_notes_are_drawn_apart() -> None:
    piece = Piece("repeat", 4, [0, 4], [4, 4], [60, 60], [0, 0])
    boxes = [
        path.get_extents()
        for collection in draw_pianoroll(piece).axes[0].collections
        if collection.get_zorder() == 2
        for path in collection.get_paths()
    ]
    assert len(boxes) == 2
    assert boxes[0].x1 < boxes[1].x0 == 4


def test_a_note_over_a_system_break_is_drawn_in_both() -> None:
    piece = Piece("tie", 1, [2], [6], [60], [0], bars=lay_bars([(0, 4, 4)], 8, 1))
    figure = draw_pianoroll(piece, quarters=4)
    extents = []
    for axes in figure.axes:
        (notes,) = (c for c in axes.collections if c.get_zorder() == 2)
        onsets = next((c for c in axes.collections if c.get_zorder() == 3), None)
        extents.append((notes.get_paths()[0].get_extents().x0, len(onsets.get_segments())))
    assert extents == [(2, 1), (4, 0)]


def test_empty_and_strangely_named_pieces_are_drawn(tmp_path) -> None:
    strange = Piece(
        "$x_1$ 日本",
        4,
        [0, 2, 3],
        [2, 1, 1],
        [60, 64, 67],
        [0, 1, 2],
        parts=("_hidden", "", "$y$"),
    )
    for index, piece in enumerate([EMPTY, strange]):
        path = tmp_path / f"{index}.png"
        figure = draw_pianoroll(piece, path)
        assert path.stat().st_size > 1000
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "_hidden",
        "part 2",
        "$y$",
    ]


def test_a_long_piece_makes_a_picture_that_viewers_open(tmp_path) -> None:
    random = np.random.default_rng(0)
    notes = 3000
    piece = Piece(
        "long",
        4,
        random.integers(0, 12_000, notes),
        random.integers(1, 8, notes),
        random.integers(40, 80, notes),
        random.integers(0, 8, notes),
        parts=tuple(f"part {i}" for i in range(8)),
    )
    draw_pianoroll(piece, tmp_path / "long.png", dpi=50)
    height, width, _ = imread(tmp_path / "long.png").shape
    assert width == 600
    assert height < 2**15


def test_a_sheet_shows_all_pieces_on_one_pitch_axis(chorale: Piece, tmp_path) -> None:
    pieces = [chorale, chorale.transposed(-5), EMPTY]
    path = tmp_path / "sheet.png"
    figure = draw_sheet(pieces, path, heading="Samples", titles=["a", "b", "c"])
    assert path.stat().st_size > 1000
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="right") for axes in shown] == ["a", "b", "c"]
    assert len({axes.get_ylim() for axes in shown}) == 1
    assert draw_sheet([]).axes


def test_drawing_leaves_no_global_figure_behind(chorale: Piece) -> None:
    from matplotlib import _pylab_helpers

    draw_pianoroll(chorale)
    assert not _pylab_helpers.Gcf.get_all_fig_managers()


def test_chord_symbols_stand_over_their_bars_while_there_is_room():
    """One to the bar all are written; one to the sixteenth most give way, and none overlaps the next."""
    symbols = ("C", "F#m7", "Bb", "G")
    for length, count in ((16, 16), (1, 256)):
        chords = [(place * length, length, symbols[place % 4]) for place in range(count)]
        piece = Piece("sheet", 4, [0], [4], [60], [0], parts=("melody",), end=256, chords=chords)
        figure = draw_pianoroll(piece)
        texts = [t for axes in figure.axes for t in axes.texts if t.get_text() in symbols]
        figure.canvas.draw()
        boxes = [(t.axes, t.get_window_extent()) for t in texts]
        for (axes, one), (other, two) in itertools.pairwise(boxes):
            assert axes is not other or one.x1 <= two.x0
        assert len(texts) == count if length == 16 else 20 < len(texts) < count
