"""Windows: where they begin in a metre, in any metre, and whole pieces."""

from __future__ import annotations

import numpy as np
import pytest
from made_pieces import piece_of

from partimento.errors import UserError
from partimento.music import Bar, lay_bars
from partimento.representations.windows import Windows, bar_onsets, parse_metre

# A pick-up of one eighth, three bars of 6/8, two of 4/4, at two ticks to the quarter.
MIXED = piece_of(
    [],
    resolution=2,
    bars=(
        Bar(0, 6, 8),
        Bar(1, 6, 8),
        Bar(7, 6, 8),
        Bar(13, 6, 8),
        Bar(19, 4, 4),
        Bar(27, 4, 4),
    ),
    end=35,
)


def test_a_bar_of_each_metre_has_its_steps():
    assert Windows(4, 16, "4/4").steps == 64
    assert Windows(2, 16, "6/8").steps == 24
    assert Windows(1, 48, "3/2").steps == 72
    assert Windows(2, 16, "any").steps == 32
    assert Windows(None, 16, "any").steps is None
    assert Windows(1, 24, "4/4").steps_per_quarter == 6


def test_windows_begin_at_full_bars_of_their_metre():
    assert Windows(1, 16, "6/8").starts(MIXED, 1).tolist() == [2, 14, 26]
    assert Windows(2, 16, "6/8").starts(MIXED, 1).tolist() == [2, 14]
    assert Windows(1, 16, "6/8").starts(MIXED, 2).tolist() == [2, 26]
    assert Windows(2, 16, "4/4").starts(MIXED, 1).tolist() == [38]
    assert Windows(1, 16, "3/4").starts(MIXED, 1).tolist() == []


def test_windows_of_any_metre_begin_at_every_bar_and_end_with_the_piece():
    # A bar of 4/4 is 16 steps; the piece has 70, and its pick-up begins no window.
    assert Windows(1, 16, "any").starts(MIXED, 1).tolist() == [2, 14, 26, 38, 54]
    assert Windows(2, 16, "any").starts(MIXED, 1).tolist() == [2, 14, 26, 38]
    assert Windows(1, 16, "any").starts(MIXED, 2).tolist() == [2, 26, 54]
    assert Windows(5, 16, "any").starts(MIXED, 1).tolist() == []


def test_whole_pieces_are_one_window():
    whole = Windows(None, 16, "4/4")
    assert whole.starts(MIXED, 3).tolist() == [0]
    assert whole.starts(piece_of([]), 1).tolist() == []
    x = np.arange(70)
    windows = whole.cut(x, whole.starts(MIXED, 1))
    assert windows.tolist() == [x.tolist()]
    assert whole.lengths(windows).tolist() == [70]


def test_windows_are_copies_of_fixed_length():
    some = Windows(1, 8, "4/4")
    x = np.arange(20)
    windows = some.cut(x, np.array([2, 12]))
    assert windows.tolist() == [list(range(2, 10)), list(range(12, 20))]
    assert some.lengths(windows) is None
    windows[:] = 0
    assert x[2] == 2


def test_bars_where_a_piece_has_none():
    assert bar_onsets(piece_of([], resolution=2, end=17)) == [0, 8, 16]
    assert bar_onsets(MIXED) == [1, 7, 13, 19, 27]


def test_a_bar_line_between_the_steps_begins_no_window():
    bars = lay_bars([(0, 3, 8)], 18, 4)
    assert [bar.onset for bar in bars] == [0, 6, 12]
    piece = piece_of([], bars=bars, end=18)
    assert Windows(1, 8, "3/8").starts(piece, 1).tolist() == [0, 3, 6]
    assert Windows(1, 4, "any").starts(piece, 1).tolist() == [0]


@pytest.mark.parametrize("metre", ["4", "0/4", "4/3", "4/4 ", "x", "", "123/4"])
def test_what_is_no_metre_is_refused(metre):
    with pytest.raises(UserError, match=f"'{metre}' is no metre; write one such as 4/4 or 6/8"):
        parse_metre(metre)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 16, "4/4"), "bars must be 1 or more, not 0"),
        ((1, 6, "4/4"), "steps_per_bar must be a multiple of 4 .* not 6"),
        ((1, 4, "3/8"), r"bar of 3/8 has no whole number of steps.*steps_per_bar=32 would do"),
    ],
)
def test_windows_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        Windows(*arguments)


def test_a_stride_of_nothing_is_refused():
    with pytest.raises(UserError, match="stride of windows must be 1 bar or more, not 0"):
        Windows(1, 16, "any").starts(MIXED, 0)
