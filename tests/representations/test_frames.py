"""Frames: exact both ways on the sets, every loss counted on other music, a contract as all have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rolls import SET, published, roll, write_set

from partimento.building import build_representation
from partimento.datasets.chorales import Chorales, read_bach
from partimento.datasets.pianoroll_sets import PianoRollSet, piece_of_roll
from partimento.distributions import Bernoulli
from partimento.errors import UserError
from partimento.formats.pianoroll_files import read_rolls
from partimento.metrics.frames import FrameAccuracy
from partimento.music import Piece
from partimento.representations.frames import Frames

NODE = {
    "representation": {
        "_target_": "partimento.representations.frames.Frames",
        "steps_per_quarter": None,
    }
}


@st.composite
def pieces(draw, resolution: int = 12) -> Piece:
    """Music of any kind: chords, unisons between parts, off the grid, off the keyboard."""
    notes = draw(
        st.lists(
            st.tuples(
                st.integers(0, 40), st.integers(0, 20), st.integers(15, 115), st.integers(0, 1)
            ),
            max_size=12,
        )
    )
    onset, duration, pitch, part = np.array(notes, dtype=np.int64).reshape(-1, 4).T
    rest = draw(st.integers(0, 10))
    end = int((onset + duration).max(initial=0)) + rest
    parts = ("high", "low") if (part > 0).any() else ("piano",)
    velocity = np.full(len(onset), draw(st.sampled_from([64, 64, 90])))
    return Piece("x", resolution, onset, duration, pitch, part, velocity, parts, end=end)


def sounding(piece: Piece, spq: int) -> np.ndarray:
    """Return the frames of a piece that is on the grid, note by note."""
    per_step = piece.resolution // spq
    frames = np.zeros((-(-piece.end // per_step), 88), np.uint8)
    for onset, duration, pitch in zip(piece.onset, piece.duration, piece.pitch, strict=True):
        frames[onset // per_step : (onset + duration) // per_step, pitch - 21] = 1
    return frames


@pytest.mark.parametrize("split", list(SET))
def test_the_sets_come_back_cell_by_cell_and_note_by_note(tmp_path, split):
    dataset = PianoRollSet("jsb_chorales", str(write_set(tmp_path / "set.mat")))
    corpus, frames = dataset.prepare(None), Frames(2)
    pieces = [piece for piece in corpus.pieces if piece.id in corpus.splits[split]]
    for piece, table in zip(pieces, SET[split], strict=True):
        np.testing.assert_array_equal(frames.encode(piece), roll(table))
        assert frames.decode(frames.encode(piece), piece.frame()) == piece
        assert frames.loss_of(piece) == {}


@pytest.mark.parametrize("name", ["JSB_Chorales.mat", "Nottingham.mat", "Jsb16thSeparated.json"])
def test_the_published_sets_come_back(name):
    frames = Frames(2)
    tables = read_rolls(published(name))
    for split in tables:
        for table in tables[split][:60]:
            piece = piece_of_roll(table, "x", 2)
            np.testing.assert_array_equal(frames.encode(piece), table)
            assert frames.decode(table, piece.frame()) == piece
            assert not frames.loss_of(piece)


def test_a_chorale_in_frames():
    """By an independent way from notes to frames; four parts become one."""
    piece = read_bach("253")
    frames = Frames(piece.resolution)
    x = frames.encode(piece)
    np.testing.assert_array_equal(x, sounding(piece, piece.resolution))
    np.testing.assert_array_equal(Frames(4).encode(piece), np.repeat(x, 4 // piece.resolution, 0))
    assert frames.decode(x, piece.frame()).parts == ("piano",)
    losses = frames.loss_of(piece)
    assert set(losses) == {"notes whose part is forgotten", "repeated or doubled notes"}
    assert losses["notes whose part is forgotten"] == len(piece)
    assert len(frames.decode(x)) == len(piece) - losses["repeated or doubled notes"]


@given(pieces())
def test_what_loses_nothing_comes_back(piece):
    frames = Frames(4)
    back = frames.decode(frames.encode(piece), piece.frame())
    if not frames.loss_of(piece):
        assert back == piece
    # And once in frames, nothing more is ever lost.
    again = frames.encode(back)
    np.testing.assert_array_equal(again, frames.encode(piece))
    assert frames.decode(again, piece.frame()) == back


@given(pieces())
def test_what_does_not_come_back_was_counted(piece):
    frames = Frames(4)
    if frames.decode(frames.encode(piece), piece.frame()) != piece:
        assert sum(frames.loss_of(piece).values()) > 0


def test_a_step_is_one_where_any_note_sounds():
    """In sixteenths of 3 ticks: onsets 1 and 2 ticks off, a note of no length, one to the end."""
    onset, duration, pitch = [0, 4, 4, 8, 9, 9], [3, 4, 1, 0, 7, 1], [60, 61, 61, 62, 63, 20]
    x = Frames().encode(Piece("x", 12, onset, duration, pitch, [0] * 6, end=16))
    expected = np.zeros((6, 88), np.uint8)  # 16 ticks reach into the sixth step
    for start, stop, key in [(0, 1, 60), (1, 3, 61), (3, 4, 62), (3, 6, 63)]:
        expected[start:stop, key - 21] = 1
    np.testing.assert_array_equal(x, expected)


def test_each_loss_is_counted_by_itself():
    def piece(onset, duration, pitch, **more) -> Piece:
        count = len(onset)
        return Piece("x", 4, onset, duration, pitch, more.pop("part", [0] * count), **more)

    frames = Frames(1)
    cases = {
        "repeated or doubled notes": piece([0, 4], [4, 4], [60, 60]),
        "notes outside the 88 keys": piece([0, 4, 8], [4, 4, 4], [60, 20, 109]),
        "off-grid onsets": piece([0, 6], [4, 6], [60, 62]),
        "off-grid ends": piece([0, 8], [6, 4], [60, 62]),
        "velocities": piece([0], [4], [60], velocity=[80]),
        "notes whose part is forgotten": piece(
            [0, 4], [4, 4], [60, 62], part=[0, 1], parts=("a", "b")
        ),
    }
    counts = {reason: frames.loss_of(case) for reason, case in cases.items()}
    assert counts == {
        "repeated or doubled notes": {"repeated or doubled notes": 1},
        "notes outside the 88 keys": {"notes outside the 88 keys": 2},
        "off-grid onsets": {"off-grid onsets": 1},
        "off-grid ends": {"off-grid ends": 1},
        "velocities": {"velocities": 1},
        "notes whose part is forgotten": {"notes whose part is forgotten": 2},
    }


def test_whole_pieces_with_their_lengths_whatever_the_stride():
    frames = Frames(1)
    piece = piece_of_roll(roll(SET["train"][0]), "x", 1)
    for stride in (1, 4):
        examples = frames.windows(piece, stride=stride)
        assert examples.x.shape == (1, 6, 88)
        assert examples.lengths.tolist() == [6]
    empty = piece_of_roll(roll([]), "x", 1)
    assert len(frames.windows(empty, stride=1)) == 0


def test_every_key_once_and_never_off_the_keyboard():
    frames = Frames(1)
    middle = piece_of_roll(roll([[60, 64]]), "x", 1)
    low = piece_of_roll(roll([[21, 100]]), "x", 1)
    assert list(frames.transpositions(middle)) == list(range(-5, 7))
    assert list(frames.transpositions(low)) == list(range(7))
    assert list(frames.transpositions(low.transposed(8))) == [-5, -4, -3, -2, -1, 0]
    assert list(frames.transpositions(piece_of_roll(roll([[]]), "x", 1))) == [0]


def test_the_dataset_says_how_many_steps_a_quarter_has():
    """What the config says wins; a checkpoint keeps what it came to."""
    rolls = PianoRollSet("jsb_chorales", steps_per_quarter=1)
    for dataset, steps in ((rolls, 1), (Chorales(), 4)):
        built = build_representation(NODE, dataset)
        assert built.arguments() == {"steps_per_quarter": steps}
        assert Frames(**built.arguments()).distribution == Bernoulli((None, 88))
    said = {"representation": {**NODE["representation"], "steps_per_quarter": 8}}
    assert build_representation(said, rolls).arguments() == {"steps_per_quarter": 8}
    with pytest.raises(UserError, match="must be 1 or more, not 0"):
        Frames(0)


def test_what_is_no_frames_is_refused():
    with pytest.raises(ValueError, match=r"\(steps, 88\), not \(3, 4\)"):
        Frames().decode(np.zeros((3, 4)))


def test_its_metric_is_the_frame_accuracy():
    assert isinstance(Frames().metrics()["frames"], FrameAccuracy)
