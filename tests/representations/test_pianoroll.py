"""The piano roll: cells that can be read, random music, chorales, and muspy's roll beside ours."""

from __future__ import annotations

import inspect
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from made_pieces import lines, piece_of, polyphony, voice_of
from omegaconf import OmegaConf

from partimento.datasets.chorales import Chorales
from partimento.distributions import Bernoulli, Distribution
from partimento.errors import UserError
from partimento.music import Bar, Piece, lay_bars, to_muspy
from partimento.representations.multivoice import MultiVoice
from partimento.representations.pianoroll import PianoRoll

CONF = Path(__file__).parents[2] / "conf" / "representation" / "pianoroll.yaml"

# Five keys, one bar: small enough to read.
SMALL = PianoRoll(low=60, high=64, bars=1)
PLAIN = PianoRoll(low=60, high=64, bars=1, onsets=False)
WIDE = PianoRoll(low=0, high=127)


@pytest.fixture(scope="module")
def chorales(cache) -> tuple[Piece, ...]:
    return Chorales().prepare(str(cache)).pieces


def slow_planes(piece: Piece, low: int, high: int, steps: int, spq: int):
    """Return what sounds and what is struck of an on-grid piece, cell by cell."""
    sounds = np.zeros((steps, high - low + 1), bool)
    struck = np.zeros_like(sounds)
    for onset, duration, pitch in zip(piece.onset, piece.duration, piece.pitch, strict=True):
        for step in range(steps):
            tick = step * piece.resolution / spq
            sounds[step, pitch - low] |= bool(onset <= tick < onset + duration)
            struck[step, pitch - low] |= bool(onset == tick)
    return sounds, struck


# --- cells -------------------------------------------------------------------------------------


def test_cells_of_a_small_piece():
    piece = piece_of([(0, 2, 60), (2, 1, 60), (1, 3, 63)], end=5)
    x = SMALL.encode(piece)
    assert x.dtype == np.uint8
    assert x.tolist() == [
        [1, 0, 0, 0, 0, 1, 0, 0, 0, 0],
        [1, 0, 0, 1, 0, 0, 0, 0, 1, 0],
        [1, 0, 0, 1, 0, 1, 0, 0, 0, 0],  # the repeated note is struck again
        [0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert PLAIN.encode(piece).tolist() == x[:, :5].tolist()
    assert SMALL.decode(x, piece.frame()) == piece


def test_the_distribution_is_one_frame_a_step():
    assert SMALL.distribution == Bernoulli((16, 10))
    assert PLAIN.distribution == Bernoulli((16, 5))
    assert PianoRoll().distribution.shape == (64, 176)
    assert PianoRoll(bars=None, onsets=False).distribution.shape == (None, 88)
    assert PianoRoll(metre="6/8", bars=2).steps == 24
    assert SMALL.conditions == {}
    assert SMALL.metrics() == {}
    assert Distribution.from_state(SMALL.distribution.state()) == SMALL.distribution


def test_parts_and_unisons_are_merged_and_counted():
    piece = piece_of([(0, 8, 62, 0), (2, 2, 62, 1), (4, 4, 60, 1)], parts=("high", "low"), end=8)
    assert SMALL.loss_of(piece) == {"unisons": 1, "parts merged into one": 2}
    back = SMALL.decode(SMALL.encode(piece), piece.frame())
    # The key goes on sounding for the longer note after it is struck again.
    assert back.onset.tolist() == [0, 2, 4]
    assert back.duration.tolist() == [2, 6, 4]
    assert back.parts == ("piano",)


def test_velocities_repeated_notes_and_times_off_the_grid_are_counted():
    piece = piece_of([(0, 4, 60), (4, 4, 60)], velocity=[64, 80])
    assert SMALL.loss_of(piece) == {"velocities": 1}
    assert PLAIN.loss_of(piece) == {"velocities": 1, "repeated notes": 1}
    assert PLAIN.decode(PLAIN.encode(piece), piece.frame()).duration.tolist() == [8]
    off = piece_of([(0, 3, 60), (3, 5, 62)], resolution=8, end=8)
    assert SMALL.loss_of(off) == {"off-grid onsets": 1, "off-grid ends": 1}


def test_notes_beyond_the_keys_are_refused_or_dropped():
    piece = piece_of([(0, 4, 60), (4, 4, 65)], end=8)
    with pytest.raises(UserError, match="MIDI number 65, where 60 to 64 is allowed; .*drop"):
        SMALL.encode(piece)
    drop = PianoRoll(low=60, high=64, outside="drop")
    assert drop.loss_of(piece) == SMALL.loss_of(piece) == {"notes out of range": 1}
    back = drop.decode(drop.encode(piece), piece.frame())
    assert (back.pitch.tolist(), back.end) == ([60], 8)


@settings(max_examples=150, deadline=None)
@given(polyphony())
def test_no_loss_is_counted_exactly_when_the_piece_comes_back(piece):
    for roll in (WIDE, PianoRoll(onsets=False), PianoRoll(low=60, high=62, outside="drop")):
        x = roll.encode(piece)
        back = roll.decode(x, piece.frame())
        assert (back == piece) == (not roll.loss_of(piece))
        assert np.array_equal(roll.encode(back), x)


@settings(max_examples=100, deadline=None)
@given(lines())
def test_a_voice_on_the_grid_comes_back_and_agrees_with_the_definition(piece):
    if not WIDE.loss_of(piece):
        x = WIDE.encode(piece)
        assert WIDE.decode(x, piece.frame()) == piece
        sounds, struck = slow_planes(piece, 0, 127, len(x), 4)
        assert np.array_equal(x, np.hstack([sounds, struck]))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 1023), max_size=20), st.booleans())
def test_any_zeros_and_ones_decode(rows, onsets):
    roll = SMALL if onsets else PLAIN
    bits = [[row >> i & 1 for i in range(roll.distribution.shape[1])] for row in rows]
    x = np.array(bits, dtype=np.uint8).reshape(-1, roll.distribution.shape[1])
    piece = roll.decode(x)
    assert piece.end == len(x)
    sounds, struck = roll.planes(x)
    expected = np.hstack([sounds, struck]) if onsets else sounds
    assert np.array_equal(roll.encode(piece), expected)
    # A key that is struck sounds; one that sounds was struck when it began.
    assert (sounds | ~struck).all()
    assert np.array_equal(sounds, x[:, :5] | x[:, 5:] if onsets else x)


def test_without_a_frame_bars_are_four_four():
    piece = SMALL.decode(np.eye(20, 10, dtype=np.uint8))
    assert piece.resolution == 4
    assert piece.bars == (Bar(0, 4, 4), Bar(16, 4, 4))
    assert piece.pitch.tolist() == [60, 61, 62, 63, 64, 60, 61, 62, 63, 64]


def test_arrays_that_are_no_roll_are_refused():
    for x in (np.zeros((4, 5)), np.zeros(10), np.zeros((1, 4, 10))):
        with pytest.raises(ValueError, match=r"shape \(steps, 10\), not"):
            SMALL.decode(x)


# --- windows and keys --------------------------------------------------------------------------


def test_a_window_that_opens_inside_a_note_strikes_it():
    piece = piece_of([(0, 40, 60), (16, 16, 62)], end=48)
    examples = SMALL.windows(piece, stride=1)
    assert examples.x.shape == (3, 16, 10)
    assert examples.lengths is None
    assert examples.x[:, 0, 5:].tolist() == [[1, 0, 0, 0, 0], [1, 0, 1, 0, 0], [1, 0, 0, 0, 0]]
    assert examples.x[1:, 1:, 5:].sum() == 0
    assert SMALL.encode(piece)[16, 5] == 0
    assert PLAIN.windows(piece, stride=1).x[:, 0].tolist() == [
        [1, 0, 0, 0, 0],
        [1, 0, 1, 0, 0],
        [1, 0, 0, 0, 0],
    ]


def test_windows_of_other_metres_and_whole_pieces():
    piece = piece_of([(0, 36, 60)], end=36, bars=lay_bars([(0, 6, 8)], 36, 4))
    assert len(SMALL.windows(piece, stride=1)) == 0
    assert PianoRoll(metre="6/8", bars=2).windows(piece, stride=1).x.shape == (2, 24, 176)
    assert PianoRoll(metre="any", bars=1).windows(piece, stride=1).x.shape == (2, 16, 176)
    whole = PianoRoll(bars=None).windows(piece, stride=1)
    assert whole.x.shape == (1, 36, 176)
    assert whole.lengths.tolist() == [36]
    assert len(PianoRoll(bars=None).windows(piece_of([]), stride=1)) == 0


def test_every_key_once():
    piece = piece_of([(0, 4, 61), (4, 4, 62)])
    assert SMALL.transpositions(piece) == (-1, 0, 1, 2)
    assert WIDE.transpositions(piece) == tuple(range(-5, 7))
    assert SMALL.transpositions(piece_of([])) == (0,)
    moved = SMALL.encode(piece.transposed(2))
    assert np.array_equal(moved[:, 2:5], SMALL.encode(piece)[:, :3])


# --- muspy's roll ------------------------------------------------------------------------------


def test_muspys_roll_is_a_step_too_long_and_merges_what_ours_keeps_apart():
    """Faults of muspy 0.5 (issue 84 of its repository; output of to_pianoroll_representation)."""
    import muspy

    piece = piece_of([(0, 4, 60), (4, 4, 60), (8, 4, 62)], end=16, parts=("piano",))
    theirs = muspy.to_pianoroll_representation(to_muspy(piece), encode_velocity=False)
    ours = WIDE.encode(piece)
    # Twelve steps of notes, four of rest: muspy adds one step to the notes and drops the rest.
    assert theirs.shape == (13, 128)
    assert not theirs[12].any()
    assert ours.shape == (16, 256)
    assert np.array_equal(theirs[:12], ours[:12, :128])
    back = muspy.from_pianoroll_representation(theirs, resolution=4, encode_velocity=False)
    notes = [(note.time, note.duration, note.pitch) for note in back.tracks[0].notes]
    assert notes == [(0, 8, 60), (8, 4, 62)]
    assert WIDE.decode(ours, piece.frame()) == piece


# --- chorales ----------------------------------------------------------------------------------


def check_chorale(piece: Piece) -> int:
    """Compare a chorale's roll with the definition, and its voices with what comes back."""
    lost = 0
    for part in range(4):
        voice = voice_of(piece, part)
        losses = WIDE.loss_of(voice)
        assert (WIDE.decode(WIDE.encode(voice), voice.frame()) == voice) == (not losses)
        lost += bool(losses)
    return lost


def test_voices_of_chorales_come_back(chorales):
    assert sum(check_chorale(piece) for piece in chorales[::6]) == 0


def test_chorale_cells_agree_with_the_definition(chorales):
    roll = PianoRoll()
    for piece in chorales[5::120]:
        x = roll.encode(piece)
        sounds, struck = slow_planes(piece, 21, 108, len(x), 4)
        assert np.array_equal(x, np.hstack([sounds, struck]))
        assert roll.loss_of(piece)["parts merged into one"] == 4


@pytest.mark.full
def test_voices_of_all_chorales_come_back(chorales):
    # Three chorales have a few thirty-second notes, all of them in the soprano.
    assert sum(check_chorale(piece) for piece in chorales) == 3
    assert len(chorales) == 365


def test_windows_of_all_chorales(chorales):
    roll, satb = PianoRoll(), MultiVoice(Chorales.parts, Chorales.ranges)
    count = 0
    for piece in chorales:
        windows = roll.windows(piece, stride=4).x
        grids = satb.windows(piece, stride=4).x
        assert len(windows) == len(grids)
        count += len(windows)
        # Of two notes of one voice on one step the grid drops one, the roll none.
        if len(grids) and not satb.loss_of(piece):
            assert np.array_equal(roll.encode(satb.decode(grids[0])), windows[0])
    assert count == 901


# --- construction ------------------------------------------------------------------------------


def test_arguments_rebuild_the_representation():
    for roll in (SMALL, PianoRoll(bars=None, metre="any", outside="drop")):
        again = PianoRoll(**roll.arguments())
        assert again.arguments() == roll.arguments()
        assert again.distribution == roll.distribution


def test_a_range_that_is_none_is_refused():
    with pytest.raises(UserError, match="range of a piano roll, 70 to 60, must go from a lower"):
        PianoRoll(low=70, high=60)


def test_the_config_gives_the_constructors_defaults():
    config = OmegaConf.to_container(OmegaConf.load(CONF))
    assert config.pop("name") == "pianoroll"
    assert config.pop("_target_") == f"{PianoRoll.__module__}.{PianoRoll.__qualname__}"
    parameters = inspect.signature(PianoRoll).parameters
    assert config == {name: parameter.default for name, parameter in parameters.items()}
