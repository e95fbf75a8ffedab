"""Windows to one grid: which window a step is taken from, and what happens at a seam."""

from __future__ import annotations

import numpy as np
import pytest

from partimento.generation.stitching import owners, seam, stitch, window_starts
from partimento.representations.multivoice import MultiVoice

HOLD, REST = 3, 4


@pytest.mark.parametrize(
    ("steps", "starts"),
    [(1, [0]), (63, [0]), (64, [0]), (65, [0, 32]), (96, [0, 32]), (97, [0, 32, 64])],
)
def test_windows_cover_the_piece_and_no_more(steps: int, starts: list[int]) -> None:
    assert window_starts(steps, 64, 32) == starts


def test_a_step_belongs_to_the_window_in_which_it_is_most_central() -> None:
    owner = owners([0, 4, 8], 8, 16)
    assert owner.tolist() == [0] * 6 + [1] * 4 + [2] * 6
    assert owners([0], 8, 8).tolist() == [0] * 8
    assert owners([0, 8], 8, 16).tolist() == [0] * 8 + [1] * 8


@pytest.mark.parametrize(
    ("symbol", "sounds", "before", "opens", "given_onset", "expected"),
    [
        (HOLD, 1, 1, False, False, HOLD),  # the same pitch goes on
        (HOLD, 1, 2, False, False, 1),  # another pitch sounded: it is restated
        (HOLD, 1, REST, False, True, 1),  # silence before
        (HOLD, REST, 1, False, False, REST),  # a hold of nothing is silence
        (1, 1, 1, False, False, 1),  # a repeated note inside the window is meant
        (1, 1, 1, True, False, HOLD),  # the opening of a window only restates
        (1, 1, 1, True, True, 1),  # unless the given voice begins a note there
        (1, 1, 2, True, False, 1),
        (REST, REST, REST, True, False, REST),
    ],
)
def test_the_seam(
    symbol: int, sounds: int, before: int, opens: bool, given_onset: bool, expected: int
) -> None:
    assert seam(symbol, sounds, before, HOLD, opens=opens, given_onset=given_onset) == expected


def voice(*symbols: int) -> np.ndarray:
    return np.array(symbols, dtype=np.int64)[:, None]


def stitched(windows: list[np.ndarray], starts: list[int], onsets: set[int] = frozenset()) -> list:
    representation = MultiVoice(["alto"], [(60, 62)], bars=1, steps_per_bar=4)
    steps = starts[-1] + len(windows[0])
    given_onset = np.isin(np.arange(steps), list(onsets))
    return stitch(representation, np.stack(windows), starts, given_onset)[:, 0].tolist()


def test_overlapping_windows_that_agree_give_the_one_line() -> None:
    line = voice(0, HOLD, 1, HOLD, HOLD, HOLD, 2, HOLD)
    second = line[2:6].copy()
    third = line[4:8].copy()
    third[0] = 1  # restated
    found = stitched([line[0:4], second, third], [0, 2, 4])
    assert found == line[:, 0].tolist()


def test_a_disagreement_at_a_seam_begins_a_note() -> None:
    first = voice(0, HOLD, HOLD, HOLD)
    second = voice(1, HOLD, HOLD, HOLD)
    # Step 3 is the first of the second window: it holds 1 where 0 sounded.
    assert stitched([first, second], [0, 2]) == [0, HOLD, HOLD, 1, HOLD, HOLD]


def test_windows_that_do_not_overlap_are_joined_by_holds() -> None:
    first = voice(0, HOLD, 1, HOLD)
    second = voice(1, HOLD, 2, HOLD)
    assert stitched([first, second], [0, 4]) == [0, HOLD, 1, HOLD, HOLD, HOLD, 2, HOLD]
    assert stitched([first, second], [0, 4], onsets={4}) == [0, HOLD, 1, HOLD, 1, HOLD, 2, HOLD]
