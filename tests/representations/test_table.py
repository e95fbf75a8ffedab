"""The table of many pieces' notes: against plain Python on random pieces, and every encoder at once."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from made_pieces import lines, piece_of, polyphony

from partimento.errors import UserError
from partimento.representations.frames import Frames
from partimento.representations.grid import grid_steps
from partimento.representations.melody import Melody
from partimento.representations.multivoice import MultiVoice
from partimento.representations.note_tuples import NoteTuples
from partimento.representations.pianoroll import PianoRoll
from partimento.representations.table import note_table, place, silences, spread


@settings(max_examples=60, deadline=None)
@given(st.lists(polyphony(parts=2), max_size=4), st.sampled_from([1, 4, 6]))
def test_the_table_holds_each_piece_in_turn(pieces, steps_per_quarter):
    table = note_table(pieces, steps_per_quarter)
    assert table.steps.tolist() == [grid_steps(piece, steps_per_quarter) for piece in pieces]
    assert table.first.tolist() == [int(table.steps[:i].sum()) for i in range(len(pieces))]
    for index, piece in enumerate(pieces):
        own = table.only(table.piece == index)
        assert own.onset.tolist() == piece.onset.tolist()
        assert own.end.tolist() == (piece.onset + piece.duration).tolist()
        assert own.pitch.tolist() == piece.pitch.tolist()
        assert own.part.tolist() == piece.part.tolist()
        assert (own.final == piece.end).all()
        assert (own.resolution == piece.resolution).all()


def slow_place(piece, lane, spq):
    """Place notes one by one, straight from what `place` promises: {lane: {start: (stop, index)}}."""
    steps = grid_steps(piece, spq)
    lanes: dict[int, dict[int, tuple[int, int]]] = {}
    for index in range(len(piece)):
        onset = int(piece.onset[index])
        end = onset + int(piece.duration[index])
        start = min(int(np.floor(onset * spq / piece.resolution + 0.5)), steps - 1)
        stop = steps if end >= piece.end else int(np.floor(end * spq / piece.resolution + 0.5))
        mine = lanes.setdefault(int(lane[index]), {})
        error = abs(onset * spq - start * piece.resolution)
        other = mine.get(start)
        if other and abs(int(piece.onset[other[1]]) * spq - start * piece.resolution) <= error:
            continue
        mine[start] = (max(stop, start + 1), index)
    for mine in lanes.values():
        starts = sorted(mine)
        for start, following in zip(starts, [*starts[1:], steps], strict=True):
            mine[start] = (min(mine[start][0], following), mine[start][1])
    return lanes


@settings(max_examples=150, deadline=None)
@given(st.lists(polyphony(parts=2), min_size=1, max_size=3), st.sampled_from([1, 4]))
def test_places_agree_with_the_definition(pieces, spq):
    table = note_table(pieces, spq)
    lane = table.piece * 2 + table.part
    notes = place(table, lane, spq)
    ordered, lane = table.only(notes.order), lane[notes.order]
    offset = np.cumsum([0] + [len(piece) for piece in pieces])
    for number, piece in enumerate(pieces):
        expected = slow_place(piece, piece.part, spq)
        mine = np.flatnonzero((ordered.piece == number) & notes.kept)
        found: dict[int, dict[int, tuple[int, int]]] = {}
        for i in mine.tolist():
            index = int(notes.order[i]) - int(offset[number])
            where = (int(notes.stop[i]), index)
            found.setdefault(int(lane[i]) - 2 * number, {})[int(notes.start[i])] = where
        assert found == expected


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6)), max_size=8), st.integers(1, 5))
def test_spread_lists_the_cells_of_every_note(notes, stride):
    first = np.array([begin for begin, _ in notes], dtype=np.int64)
    length = np.array([count for _, count in notes], dtype=np.int64)
    expected = [begin + i * stride for begin, count in notes for i in range(count)]
    assert spread(first, length, stride).tolist() == expected


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=4), max_size=4),
    st.integers(0, 5),
)
def test_silences_and_notes_fill_every_lane_once(lanes, rest):
    rows, steps = [], []
    for number, gaps in enumerate(lanes):
        at = 0
        for gap, length in gaps:
            rows.append((number, at + gap, at + gap + length))
            at += gap + length
        steps.append(at + rest)
    lane, start, stop = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    silent, begin, length = silences(lane, start, stop, np.array(steps, dtype=np.int64))
    assert (length > 0).all()
    covered = [(n, s) for n, a, b in rows for s in range(a, b)]
    for n, a, count in zip(silent.tolist(), begin.tolist(), length.tolist(), strict=True):
        covered += [(n, s) for s in range(a, a + count)]
    assert sorted(covered) == [(n, s) for n, count in enumerate(steps) for s in range(count)]


ENCODERS = {
    "pianoroll": PianoRoll(),
    "plain roll": PianoRoll(onsets=False, low=60, high=62, outside="drop"),
    "melody": Melody(),
    "skyline": Melody("skyline", low=60, high=63, outside="drop"),
    "second part": Melody(1),
    "frames": Frames(),
    "note_tuples": NoteTuples(),
    "three tones in hertz": NoteTuples(tones=3, pitch="hertz"),
}


@pytest.mark.parametrize("name", ENCODERS)
@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(polyphony(parts=2), max_size=4))
def test_all_at_once_is_one_by_one(name, pieces):
    encoder = ENCODERS[name]
    together = encoder.encode_all(pieces)
    assert len(together) == len(pieces)
    for x, piece in zip(together, pieces, strict=True):
        alone = encoder.encode(piece)
        assert x.dtype == alone.dtype
        assert np.array_equal(x, alone)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(lines(), lines(low=48, high=55)), max_size=4))
def test_all_grids_at_once_are_the_grids_one_by_one(pairs):
    duo = MultiVoice(("high", "low"), ((58, 66), (48, 55)))
    pieces = []
    for high, low in pairs:
        scale = 48 // high.resolution, 48 // low.resolution
        rows = [
            (n[0] * by, n[1] * by, n[2], part)
            for part, (line, by) in enumerate(zip((high, low), scale, strict=True))
            for n in zip(line.onset, line.duration, line.pitch, strict=True)
        ]
        pieces.append(piece_of(rows, resolution=48, parts=("high", "low")))
    for x, piece in zip(duo.encode_all(pieces), pieces, strict=True):
        assert np.array_equal(x, duo.encode(piece))


def test_the_piece_that_does_not_fit_is_named():
    fits = piece_of([(0, 4, 60), (0, 4, 50, 1)], parts=("high", "low"))
    high = piece_of([(0, 4, 60), (0, 4, 70, 1)], parts=("high", "low"))
    both = piece_of([(0, 4, 60), (0, 4, 62)], parts=("high", "low"))
    duo = MultiVoice(("high", "low"), ((58, 66), (48, 55)))
    with pytest.raises(UserError, match="MIDI number 70 in low, where 48 to 55 is allowed"):
        duo.encode_all([fits, high, both])
    with pytest.raises(UserError, match="more than one note at once in high, at quarter note 0"):
        duo.encode_all([fits, both, high])
    with pytest.raises(UserError, match="MIDI number 70, where 21 to 65 is allowed"):
        PianoRoll(high=65).encode_all([fits, high])
