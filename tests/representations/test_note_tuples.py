"""Note tuples: numbers that can be read, random music, chorales, and anything that a network says."""

from __future__ import annotations

import inspect
import math
from pathlib import Path

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from made_pieces import piece_of, polyphony, voice_of
from omegaconf import OmegaConf

from partimento.datasets.chorales import Chorales
from partimento.distributions import Distribution, Normal
from partimento.errors import UserError
from partimento.music import Bar, Piece
from partimento.representations.note_tuples import LOC, SCALE, NoteTuples
from partimento.representations.quadruplets import frequency, moments, nearest_pitch

CONF = Path(__file__).parents[2] / "conf" / "representation" / "note_tuples.yaml"

ONE = NoteTuples()
THREE = NoteTuples(tones=3)
HERTZ = NoteTuples(pitch="hertz")


@pytest.fixture(scope="module")
def chorales(cache) -> tuple[Piece, ...]:
    return Chorales().prepare(str(cache)).pieces


CHORD = piece_of(
    [(2, 4, 60), (2, 2, 64), (2, 2, 67), (2, 6, 72), (8, 3, 62)],
    velocity=[10, 20, 30, 40, 50],
    end=14,
)


# --- numbers -----------------------------------------------------------------------------------


def test_numbers_of_a_small_piece():
    x = ONE.encode(CHORD)
    assert x.dtype == np.float32
    # Duration, pitch, intensity, quarters since the note before; a chord from the highest down.
    assert x.tolist() == [
        [1.5, 72, 40, 0.5],
        [0.5, 67, 30, 0],
        [0.5, 64, 20, 0],
        [1, 60, 10, 0],
        [0.75, 62, 50, 1.5],
    ]
    assert ONE.loss_of(CHORD) == {}
    assert ONE.decode(x, CHORD.frame()) == CHORD


def test_three_tones_to_a_step():
    x = THREE.encode(CHORD).reshape(-1, 3, 4)
    assert x.tolist() == [
        [[1.5, 72, 40, 0.5], [0.5, 67, 30, 0], [0.5, 64, 20, 0]],
        [[1, 60, 10, 0], [0, 60, 0, 0], [0, 60, 0, 0]],  # absent tones have no intensity
        [[0.75, 62, 50, 1.5], [0, 62, 0, 0], [0, 62, 0, 0]],
    ]
    assert THREE.decode(THREE.encode(CHORD), CHORD.frame()) == CHORD


def test_frequencies():
    hertz = HERTZ.encode(piece_of([(0, 4, 69), (4, 4, 81), (8, 4, 60)]))[:, 1]
    assert hertz.tolist() == pytest.approx([440, 880, 261.6256], rel=1e-6)
    every = np.arange(128)
    assert nearest_pitch(frequency(every).astype(np.float32)).tolist() == every.tolist()
    assert nearest_pitch(np.array([-5.0, 0.0, 1e9])).tolist() == [0, 0, 127]


def test_the_distribution_is_standardised():
    assert ONE.distribution == Normal((100, 4), list(SCALE["midi"]), list(LOC["midi"]))
    assert THREE.distribution.shape == (100, 12)
    assert NoteTuples(steps=None).distribution.shape == (None, 4)
    assert ONE.conditions == {}
    assert ONE.metrics() == {}
    assert Distribution.from_state(THREE.distribution.state()) == THREE.distribution


@pytest.mark.parametrize("pitch", ["midi", "hertz"])
def test_the_constants_are_the_moments_of_the_chorales(chorales, pitch):
    loc, scale = moments(chorales, hertz=pitch == "hertz")
    assert LOC[pitch] == pytest.approx(loc, rel=2e-3)
    assert SCALE[pitch] == pytest.approx(scale, rel=2e-3)
    representation = NoteTuples(steps=None, pitch=pitch)
    x = np.concatenate(representation.encode_all(chorales))
    features = representation.distribution.features(torch.from_numpy(x)).double()
    assert features.mean(0).tolist() == pytest.approx([0] * 4, abs=0.01)
    assert features.std(0).tolist() == pytest.approx([1, 1, 0, 1], abs=0.01)


def test_moments_by_hand():
    loc, scale = moments([piece_of([(0, 4, 60), (4, 8, 64)])])
    assert loc == (1.5, 62.0, 64.0, 0.5)
    assert scale == (0.5, 2.0, 32.0, 0.5)
    assert moments([piece_of([(0, 4, 60)])])[1] == (1.0, 1.0, 32.0, 1.0)
    with pytest.raises(ValueError, match="no notes to take the mean of"):
        moments([piece_of([])])


# --- round trips -------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(polyphony(max_notes=12), st.sampled_from([ONE, THREE, HERTZ]))
def test_no_loss_is_counted_exactly_when_the_piece_comes_back(piece, representation):
    x = representation.encode(piece)
    back = representation.decode(x, piece.frame())
    assert (back == piece) == (not representation.loss_of(piece))
    if (piece.duration > 0).all():
        assert np.array_equal(representation.encode(back), x)


@settings(max_examples=50, deadline=None)
@given(polyphony(parts=3))
def test_parts_are_merged(piece):
    back = ONE.decode(ONE.encode(piece), piece.frame())
    assert ONE.loss_of(piece)["parts merged into one"] == 3
    assert back.parts == ("piano",)
    if (piece.duration > 0).all():
        rows = np.stack([piece.onset, piece.duration, piece.pitch, piece.velocity], 1).tolist()
        again = np.stack([back.onset, back.duration, back.pitch, back.velocity], 1).tolist()
        assert sorted(rows) == sorted(again)


def test_losses_are_counted():
    beyond = piece_of([(0, 4, 60)], end=3)
    assert ONE.loss_of(beyond) == {"notes after the end": 1}
    silent = piece_of([(0, 4, 60), (4, 4, 62)], velocity=[0, 64])
    assert ONE.loss_of(silent) == {"notes of velocity 0": 1}
    assert ONE.decode(ONE.encode(silent), silent.frame()).onset.tolist() == [4]
    grace = piece_of([(0, 0, 60), (0, 4, 62)])
    assert ONE.loss_of(grace) == {"notes shorter than a tick": 1}
    # A day of silence in ticks of a thousandth: more than a float of 24 bits tells apart.
    late = piece_of([(0, 1, 60), (2**28 + 1, 1, 60)], resolution=1000)
    assert ONE.loss_of(late) == {"inexact times": 1}
    assert ONE.decode(ONE.encode(late), late.frame()).onset[1] != 2**28 + 1


def test_ticks_stay_exact_over_long_pieces():
    rng = np.random.default_rng(0)
    onset = np.cumsum(rng.integers(1, 5000, 20_000))
    rows = [(t, d, 60) for t, d in zip(onset, rng.integers(1, 5000, 20_000), strict=True)]
    piece = piece_of(rows, resolution=10_080)
    assert ONE.decode(ONE.encode(piece), piece.frame()) == piece


def test_without_a_frame_there_are_ticks_of_its_own():
    piece = ONE.decode(np.array([[1, 60, 64, 0.5], [2, 62, 80, 4]]))
    assert piece.resolution == 384
    assert piece.onset.tolist() == [192, 192 + 4 * 384]
    assert piece.duration.tolist() == [384, 768]
    assert piece.end == 192 + 6 * 384
    assert piece.bars == (Bar(0, 4, 4), Bar(4 * 384, 4, 4))
    assert len(ONE.decode(np.zeros((0, 4)))) == 0


def test_what_a_diverging_network_says_is_cut_to_a_length_that_can_be_heard():
    piece = ONE.decode(np.array([[1e30, 60, 64, 1e9], [math.inf, 62, 64, 40]]))
    assert piece.onset.tolist() == [32 * 384, 64 * 384]
    assert piece.duration.tolist() == [32 * 384, 32 * 384]
    long = piece_of([(100, 400, 60)], resolution=1)
    assert ONE.decode(ONE.encode(long), long.frame()) == long


def test_a_frame_that_is_too_short_is_prolonged():
    back = ONE.decode(np.array([[4, 60, 64, 0]]), piece_of([], end=5))
    assert (back.end, back.parts) == (16, ("one",))


anything = st.one_of(
    st.floats(-1e3, 1e3, width=32), st.sampled_from([math.nan, math.inf, -math.inf, 3e38, -3e38])
)


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 8), st.just(12)), elements=anything))
def test_any_numbers_decode(x):
    piece = THREE.decode(x)
    assert (piece.onset >= 0).all()
    assert (piece.duration >= 1).all()
    assert ((piece.pitch >= 0) & (piece.pitch <= 127)).all()
    assert ((piece.velocity >= 1) & (piece.velocity <= 127)).all()
    assert piece.end <= 384 * 64 * max(1, 3 * len(x))
    assert THREE.decode(x, CHORD.frame()).end < 2**31
    assert len(HERTZ.decode(x.reshape(-1, 4))) <= 3 * len(x)


def test_the_time_of_an_absent_tone_passes():
    piece = ONE.decode(np.array([[1, 60, 64, 0], [1, 60, 0.4, 2], [1, 60, 64, 1]]))
    assert piece.onset.tolist() == [0, 3 * 384]


def test_arrays_of_another_shape_are_refused():
    for x in (np.zeros((3, 12)), np.zeros(4)):
        with pytest.raises(ValueError, match=r"shape \(steps, 4\), not"):
            ONE.decode(x)


# --- windows and keys --------------------------------------------------------------------------

# A note a quarter, in four bars of 4/4 at one tick to the quarter, and a rest of a bar in the third.
TUNE = piece_of([(t, 1, 60) for t in range(16) if t not in (8, 9, 10, 11)], resolution=1, end=16)


def test_windows_begin_at_bar_lines():
    windows = NoteTuples(steps=4).windows(TUNE, stride=1)
    assert windows.lengths is None
    assert windows.x.shape == (3, 4, 4)
    # Of the third and fourth bar line, which the same note follows, the fourth counts.
    assert windows.x[:, :, 3].tolist() == [[0, 1, 1, 1]] * 3
    # Every other bar line: the third, after which four quarters pass.
    assert NoteTuples(steps=4).windows(TUNE, stride=2).x[:, 0, 3].tolist() == [0, 4]
    assert len(NoteTuples(steps=13).windows(TUNE, stride=1)) == 0
    with pytest.raises(UserError, match="stride of windows must be 1 bar or more, not 0"):
        ONE.windows(TUNE, stride=0)


def test_windows_are_the_music_from_a_bar_line_on(chorales):
    representation = NoteTuples(steps=20, tones=3)
    piece = chorales[3]
    windows = representation.windows(piece, stride=1).x
    assert len(windows) > 5
    lines = [bar.onset for bar in piece.bars]
    found = 0
    for x in windows:
        part = representation.decode(x, piece.frame())
        notes = list(zip(part.onset.tolist(), part.pitch.tolist(), strict=True))
        for line in lines:
            later = {(t - line, p) for t, p in zip(piece.onset, piece.pitch, strict=True)}
            if set(notes) <= later:
                found += 1
                break
    assert found == len(windows)


def test_whole_pieces():
    whole = NoteTuples(steps=None).windows(TUNE, stride=1)
    assert (whole.x.shape, whole.lengths.tolist()) == ((1, 12, 4), [12])
    assert len(NoteTuples(steps=None).windows(piece_of([]), stride=1)) == 0
    assert len(ONE.windows(piece_of([]), stride=1)) == 0
    pickup = piece_of([(0, 1, 60)], resolution=1, bars=(Bar(0, 4, 4),), end=1)
    assert len(NoteTuples(steps=1).windows(pickup, stride=1)) == 0


def test_every_key_once():
    assert ONE.transpositions(TUNE) == tuple(range(-5, 7))
    assert ONE.transpositions(piece_of([(0, 1, 126), (0, 1, 3)])) == (-3, -2, -1, 0, 1)


# --- chorales ----------------------------------------------------------------------------------


def check_chorale(piece: Piece) -> None:
    for representation in (ONE, THREE, HERTZ):
        back = representation.decode(representation.encode(piece), piece.frame())
        assert representation.loss_of(piece) == {"parts merged into one": 4}
        rows = np.stack([piece.onset, piece.duration, piece.pitch], 1).tolist()
        assert sorted(rows) == sorted(np.stack([back.onset, back.duration, back.pitch], 1).tolist())
    for part in range(4):
        voice = voice_of(piece, part)
        assert ONE.loss_of(voice) == {}
        assert ONE.decode(ONE.encode(voice), voice.frame()) == voice


def test_chorales_come_back(chorales):
    for piece in chorales[::6]:
        check_chorale(piece)


@pytest.mark.full
def test_all_chorales_come_back(chorales):
    for piece in chorales:
        check_chorale(piece)
    assert len(chorales) == 365


# --- construction ------------------------------------------------------------------------------


def test_arguments_rebuild_the_representation():
    own = NoteTuples(
        None, 2, "hertz", loc=[1, 2, 3, 4], scale=[1, 2, 3, 4], resolution=480, longest=8
    )
    for representation in (ONE, THREE, own):
        again = NoteTuples(**representation.arguments())
        assert again.arguments() == representation.arguments()
        assert again.distribution == representation.distribution
    # A checkpoint says the numbers themselves, whatever the constants become.
    assert ONE.arguments()["loc"] == list(LOC["midi"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "representation.steps must be 1 or more, not 0"),
        ({"tones": 0}, "representation.tones must be 1 or more, not 0"),
        ({"resolution": 0}, "representation.resolution must be 1 or more, not 0"),
        ({"longest": 0}, "representation.longest must be above 0, not 0"),
        ({"loc": [1, 2]}, r"loc must be four numbers, one each for duration, .* not \[1, 2\]"),
        ({"scale": [1, 2, 3, math.nan]}, "scale must be four numbers"),
        ({"scale": [1, 2, 3, 0]}, r"scale must be above 0, not \[1.0, 2.0, 3.0, 0.0\]"),
    ],
)
def test_senseless_arguments_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        NoteTuples(**arguments)


def test_the_config_gives_the_constructors_defaults():
    config = OmegaConf.to_container(OmegaConf.load(CONF))
    assert config.pop("name") == "note_tuples"
    assert config.pop("_target_") == f"{NoteTuples.__module__}.{NoteTuples.__qualname__}"
    parameters = inspect.signature(NoteTuples).parameters
    assert config == {name: parameter.default for name, parameter in parameters.items()}
