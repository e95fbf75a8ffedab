"""The view of windows as chords, and its counts, by hand and against plain loops."""

import numpy as np
import pytest

from partimento.distributions import Categorical
from partimento.evaluation.chords import chord_shape, chord_view, context_count, count_chords
from partimento.evaluation.layout import GridLayout

SYMBOLS = [[60, 62, "hold", "rest"], [50, 52, "hold", "rest"], [40, 42, "hold"]]
GRID = Categorical((4, 3), [4, 4, 3], ["top", "mid", "low"], SYMBOLS)
LAYOUT = GridLayout.of(GRID, ["top"])
X = np.array([[[0, 1, 0], [2, 2, 1], [1, 3, 2], [3, 2, 1]]])


def test_chord_view_by_hand() -> None:
    view = chord_view(X, LAYOUT, steps_per_bar=2)
    assert chord_shape(LAYOUT) == (3, 3)
    # mid sounds 1, 1, silence, silence; low sounds 0, 1, 1, 1.
    assert view.chord.tolist() == [[3, 4, 7, 7]]
    # Bit 0: mid begins; bit 1: low begins.
    assert view.begins.tolist() == [[3, 2, 1, 2]]
    assert view.held_silence[0].tolist() == [[-1, -1], [-1, -1], [-1, -1], [1, -1]]
    assert view.given[0, :, 0].tolist() == [0, -1, 1, 2]
    # position * 4 + begins * 2 + begins at the step after (at the end: as there).
    assert view.context.tolist() == [[2, 4 + 1, 2 + 1, 4 + 2 + 1]]
    assert context_count(LAYOUT, 2) == 8


def test_windows_that_differ_differ_in_their_view(tiny) -> None:
    layout = GridLayout.of(tiny.distribution, ["top"])
    view = chord_view(tiny.harmonies([0, 2, 1]).numpy(), layout, 16)
    together = np.concatenate(
        [view.chord, view.begins, view.held_silence.reshape(len(view.chord), -1)], axis=1
    )
    assert len(np.unique(together, axis=0)) == (4 * 3) ** 3


def test_counts_by_hand() -> None:
    counts = count_chords(chord_view(X, LAYOUT, 2), LAYOUT, 2)
    assert np.flatnonzero(counts.first).tolist() == [3]
    assert {c: counts.chords[c] for c in np.flatnonzero(counts.chords)} == {4: 1, 7: 2}
    assert counts.moves[0].tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert counts.moves[1].tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert counts.transitions[0].shape == (3, 0)
    assert counts.transitions[1].T.tolist() == [[4, 7, 1]]
    assert counts.transitions[2].T.tolist() == [[3, 4, 1], [7, 7, 1]]
    assert np.argwhere(counts.emissions[0]).tolist() == [[3, 0], [7, 1], [7, 2]]
    assert counts.held_silence.tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize("given", [["soprano"], ["bass"], ["soprano", "bass"]])
def test_totals_on_real_chorales(chorales, given) -> None:
    layout = GridLayout.of(chorales.distribution, given)
    view = chord_view(chorales.train.numpy(), layout, 16)
    counts = count_chords(view, layout, 16)
    windows, steps = view.chord.shape
    moving = int((view.begins[:, 1:] > 0).sum())
    assert counts.first.sum() == windows
    assert counts.masks.sum() == windows * (steps - 1)
    assert counts.chords.sum() == moving
    assert sum(table[2].sum() for table in counts.transitions[1:]) == moving
    pitches = np.array(layout.pitches)
    onsets = (chorales.train.numpy() < pitches).sum(axis=(0, 1))
    for index, voice in enumerate(layout.given):
        assert counts.emissions[index][:, :-1].sum() == onsets[voice]
    # Where a voice goes on, its pitch is the same; chord numbers hide nothing.
    states = np.stack(np.unravel_index(view.chord, chord_shape(layout)), axis=-1)
    for bit in range(len(layout.predicted)):
        goes_on = (view.begins[:, 1:] >> bit & 1) == 0
        same = states[:, 1:, bit] == states[:, :-1, bit]
        assert same[goes_on].all()
