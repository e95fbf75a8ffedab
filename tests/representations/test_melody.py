"""The melody: tokens that can be read, random music, chorale sopranos, Celtic tunes."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from made_pieces import lines, piece_of, polyphony, voice_of
from omegaconf import OmegaConf

from partimento.datasets.chorales import Chorales
from partimento.distributions import Categorical, Distribution
from partimento.errors import UserError
from partimento.music import Bar, Piece, lay_bars
from partimento.representations.melody import Melody
from partimento.representations.multivoice import MultiVoice

CONF = Path(__file__).parents[2] / "conf" / "representation" / "melody.yaml"

# Pitches 60 to 66, then hold and rest: small enough to read.
SMALL = Melody(low=60, high=66, bars=1)
H, R = 7, 8


@pytest.fixture(scope="module")
def chorales(cache) -> tuple[Piece, ...]:
    return Chorales().prepare(str(cache)).pieces


# --- tokens ------------------------------------------------------------------------------------


def test_tokens_of_a_small_piece():
    piece = piece_of([(1, 2, 60), (3, 1, 60), (6, 2, 66)], end=9)
    x = SMALL.encode(piece)
    assert x.dtype == np.uint8
    assert x.tolist() == [R, 0, H, 0, R, R, 6, H, R]
    assert SMALL.loss_of(piece) == {}
    assert SMALL.decode(x, piece.frame()) == piece


def test_the_alphabet():
    assert (SMALL.hold, SMALL.rest) == (H, R)
    assert SMALL.distribution.shape == (16,)
    assert SMALL.distribution.sizes == (9,)
    assert SMALL.distribution.symbols == ((*range(60, 67), "hold", "rest"),)
    assert SMALL.conditions == {}
    assert Melody(bars=None).distribution.shape == (None,)
    assert Melody(metre="6/8", bars=2, steps_per_bar=48).distribution.shape == (72,)
    assert Distribution.from_state(SMALL.distribution.state()) == SMALL.distribution


def test_the_whole_midi_range_fits_the_storage():
    wide = Melody(low=0, high=127)
    piece = piece_of([(0, 4, 127), (4, 4, 0)], end=12)
    assert wide.encode(piece)[[0, 1, 4, 8]].tolist() == [127, 128, 0, 129]
    assert wide.decode(wide.encode(piece), piece.frame()) == piece


DUET = piece_of(
    [(0, 4, 62, 0), (4, 4, 63, 0), (0, 2, 60, 1), (2, 4, 66, 1), (6, 6, 61, 1)],
    parts=("flute", "harp"),
    end=12,
)


def test_the_voice_is_chosen():
    flute = [2, H, H, H, 3, H, H, H, R, R, R, R]
    harp = [0, H, 6, H, H, H, 1, H, H, H, H, H]
    for voice, expected in (("Flute", flute), (0, flute), ("harp", harp), (1, harp)):
        melody = Melody(voice, low=60, high=66)
        assert melody.encode(DUET).tolist() == expected
        assert melody.loss_of(DUET) == {"parts left out": 1}
    # 62.5 on average is the flute's, 62.33 the harp's.
    assert SMALL.encode(DUET).tolist() == flute
    with pytest.raises(UserError, match="'test' has no part named 'oboe'. There is: flute, harp."):
        Melody("oboe").encode(DUET)
    with pytest.raises(UserError, match="voice=2 names none of them"):
        Melody(2).transpositions(DUET)


def test_the_skyline_of_all_parts():
    top = Melody("skyline", low=60, high=66)
    # The harp's high note cuts the flute's first one; the flute's second begins under it, and the
    # harp's last under that one.
    assert top.encode(DUET).tolist() == [2, H, 6, H, H, H, R, R, R, R, R, R]
    assert top.loss_of(DUET) == {
        "notes cut by the next": 1,
        "parts left out": 1,
        "notes under the melody": 3,
    }
    back = top.decode(top.encode(DUET), DUET.frame())
    assert (back.parts, back.pitch.tolist()) == (("melody",), [62, 66])


def test_chords_in_one_part_give_their_highest_note():
    piece = piece_of([(0, 4, 60), (0, 4, 64), (4, 4, 62)], end=8)
    assert SMALL.encode(piece).tolist() == [4, H, H, H, 2, H, H, H]
    assert SMALL.loss_of(piece) == {"notes under the melody": 1}


def test_notes_beyond_the_range_are_refused_or_dropped():
    piece = piece_of([(0, 4, 60), (4, 4, 67)], end=8, parts=("pipe",))
    with pytest.raises(UserError, match="MIDI number 67, where 60 to 66 is allowed; .*drop"):
        SMALL.encode(piece)
    drop = Melody(low=60, high=66, outside="drop")
    assert drop.encode(piece).tolist() == [0, H, H, H, R, R, R, R]
    assert drop.loss_of(piece) == SMALL.loss_of(piece) == {"notes out of range": 1}
    # A part that is left out may have any notes.
    assert len(SMALL.encode(piece_of([(0, 4, 60), (0, 4, 40, 1)], parts=("a", "b")))) == 4


def test_of_two_notes_on_a_step_the_one_on_the_grid_stays():
    # An ornament before the beat must not displace the note on it, though it is higher.
    piece = piece_of([(0, 7, 60), (7, 1, 66), (8, 8, 62)], resolution=16, end=16)
    assert SMALL.encode(piece).tolist() == [0, H, 2, H]
    assert SMALL.loss_of(piece) == {
        "off-grid onsets": 1,
        "off-grid ends": 1,
        "vanished notes": 1,
    }


@settings(max_examples=100, deadline=None)
@given(st.one_of(polyphony(), polyphony(parts=2), lines()))
def test_no_loss_is_counted_exactly_when_the_piece_comes_back(piece):
    for melody in (
        Melody(),
        Melody("skyline", low=60, high=63, outside="drop"),
        Melody(0, steps_per_bar=48),
    ):
        x = melody.encode(piece)
        back = melody.decode(x, piece.frame())
        assert (back == piece) == (not melody.loss_of(piece))
        assert np.array_equal(melody.encode(back), x)


@settings(max_examples=100, deadline=None)
@given(lines())
def test_one_voice_is_a_grid_of_one_voice(piece):
    grid = MultiVoice(("one",), ((58, 66),))
    melody = Melody(low=58, high=66)
    assert melody.encode(piece).tolist() == grid.encode(piece)[:, 0].tolist()
    assert melody.loss_of(piece) == grid.loss_of(piece)


def canonical(tokens: list[int]) -> list[int]:
    """Write every hold that has no note before it as a rest."""
    out: list[int] = []
    for token in tokens:
        silent = not out or out[-1] == R
        out.append(R if token == H and silent else token)
    return out


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, R), max_size=40))
def test_any_tokens_decode(tokens):
    piece = SMALL.decode(np.array(tokens, dtype=np.uint8))
    assert piece.end == len(tokens)
    assert piece.parts == ("melody",)
    assert SMALL.encode(piece).tolist() == canonical(tokens)


def test_without_a_frame_bars_are_four_four():
    piece = SMALL.decode(np.full(20, R))
    assert piece.resolution == 4
    assert piece.bars == (Bar(0, 4, 4), Bar(16, 4, 4))


def test_without_a_frame_bars_are_of_the_windows_metre():
    jig = Melody(low=60, high=66, bars=2, metre="6/8")
    piece = jig.decode(np.array([0, H, H] * 8))
    assert piece.bars == (Bar(0, 6, 8), Bar(12, 6, 8))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((4, 1), int), r"shape \(steps,\), not \(4, 1\)"),
        (np.array([9]), "not in its alphabet"),
        (np.array([-1]), "not in its alphabet"),
    ],
)
def test_arrays_that_are_no_melody_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        SMALL.decode(x)


# --- windows, keys, features -------------------------------------------------------------------


def test_a_window_that_opens_inside_a_note_restates_it():
    piece = piece_of([(0, 20, 60), (24, 24, 62)], end=64)
    windows = SMALL.windows(piece, stride=1)
    assert windows.x.shape == (4, 16)
    assert windows.lengths is None
    assert windows.x[:, 0].tolist() == [0, 0, 2, R]
    assert SMALL.encode(piece)[[16, 32]].tolist() == [H, H]
    assert SMALL.windows(piece, stride=3).x[:, 0].tolist() == [0, R]


def test_windows_of_a_jig_and_whole_tunes():
    bars = lay_bars([(0, 6, 8)], 36, 4)
    piece = piece_of([(t, 2, 60 + t // 6) for t in range(0, 36, 2)], end=36, bars=bars)
    assert len(SMALL.windows(piece, stride=1)) == 0
    assert Melody(metre="6/8", bars=1).windows(piece, stride=1).x.shape == (3, 12)
    assert Melody(metre="any", bars=1).windows(piece, stride=1).x.shape == (2, 16)
    whole = Melody(bars=None).windows(piece, stride=1)
    assert (whole.x.shape, whole.lengths.tolist()) == ((1, 36), [36])
    assert len(Melody(bars=None).windows(piece_of([]), stride=1)) == 0


def test_tunes_of_different_lengths_make_one_batch():
    from partimento.data.collate import collate

    tunes = [piece_of([(0, n, 60)], end=n) for n in (4, 7)]
    batch = collate([Melody(bars=None).windows(tune, stride=1) for tune in tunes])
    assert tuple(batch.x.shape) == (2, 7)
    assert batch.lengths.tolist() == [4, 7]


def test_every_key_once():
    piece = piece_of([(0, 4, 61), (4, 4, 62), (0, 4, 20, 1)], parts=("a", "b"))
    assert SMALL.transpositions(piece) == (-1, 0, 1, 2, 3, 4)
    assert Melody().transpositions(piece) == tuple(range(-5, 7))
    assert SMALL.transpositions(piece_of([])) == (0,)
    for shift in SMALL.transpositions(piece):
        moved = SMALL.encode(piece.transposed(shift)).astype(int)
        assert np.array_equal(moved[moved < H] - shift, [1, 2])


def test_tokens_become_one_hot_features_and_back(chorales):
    melody = Melody()
    x = torch.from_numpy(melody.windows(chorales[0], stride=1).x)
    distribution = melody.distribution
    assert isinstance(distribution, Categorical)
    assert distribution.features(x).shape == (len(x), 64, 54)
    assert torch.equal(distribution.from_features(distribution.features(x)), x.long())


# --- real tunes --------------------------------------------------------------------------------


def check_sopranos(pieces) -> dict[str, dict[str, int]]:
    """Take the soprano off chorales; return what is lost of each that loses anything."""
    melody, lossy = Melody("soprano"), {}
    for piece in pieces:
        soprano = voice_of(piece, 0)
        x = melody.encode(piece)
        assert np.array_equal(x, Melody().encode(piece))
        losses = dict(melody.loss_of(soprano))
        assert melody.loss_of(piece) == losses | {"parts left out": 3}
        assert (melody.decode(x, soprano.frame()) == soprano) == (not losses)
        if losses:
            lossy[piece.id] = losses
    return lossy


def test_sopranos_of_chorales_come_back(chorales):
    assert check_sopranos(chorales[::6]) == {}


@pytest.mark.full
def test_all_sopranos_come_back(chorales):
    # Three have a few thirty-second notes.
    assert set(check_sopranos(chorales)) == {"bwv248.64-s", "bwv36.4-2", "bwv432"}


@pytest.mark.skipif(
    importlib.util.find_spec("partimento.datasets.celtic") is None,
    reason="there is no dataset of Celtic tunes",
)
def test_celtic_tunes_come_back(cache):
    celtic = importlib.import_module("partimento.datasets.celtic").Celtic()
    tunes = celtic.prepare(str(cache)).pieces
    melody = Melody(steps_per_bar=48, bars=None)
    some = tunes[:: max(1, len(tunes) // 200)]
    back = 0
    for tune in some:
        losses = melody.loss_of(tune)
        again = melody.decode(melody.encode(tune), tune.frame())
        assert (again == tune) == (not losses), tune.id
        assert melody.transpositions(tune) == tuple(range(-5, 7))
        back += not losses
    assert back > 0.9 * len(some) > 100


# --- construction ------------------------------------------------------------------------------


def test_arguments_rebuild_the_representation():
    for melody in (SMALL, Melody("alto", bars=None, metre="any", outside="drop"), Melody(2)):
        again = Melody(**melody.arguments())
        assert again.arguments() == melody.arguments()
        assert again.distribution == melody.distribution


def test_a_range_that_is_none_is_refused():
    with pytest.raises(UserError, match="range of a melody, 70 to 60, must go from a lower"):
        Melody(low=70, high=60)


def test_the_config_gives_the_constructors_defaults():
    config = OmegaConf.to_container(OmegaConf.load(CONF))
    assert config.pop("name") == "melody"
    assert config.pop("_target_") == f"{Melody.__module__}.{Melody.__qualname__}"
    parameters = inspect.signature(Melody).parameters
    assert config == {name: parameter.default for name, parameter in parameters.items()}


def test_the_metric_knows_the_tokens():
    x = torch.from_numpy(SMALL.encode(piece_of([(0, 4, 60), (8, 8, 62)], end=16))).long()[None]
    metric = SMALL.metrics()["melody"]
    wrong = x.clone()
    wrong[0, 0] = 5
    metric.update(wrong, x, torch.ones_like(x, dtype=torch.bool))
    # Sixteen tokens, ten of them holds, four rests, two onsets, of which one is missed.
    assert {name: value.item() for name, value in metric.compute().items()} == {
        "accuracy": pytest.approx(15 / 16),
        "accuracy_no_hold": pytest.approx(5 / 6),
        "accuracy_onset": pytest.approx(1 / 2),
    }
