"""MidiNet's bars: cells that can be read, conditions, what is lost, round trips of real melodies."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from omegaconf import OmegaConf

from partimento.chords import Triad, chord_vector
from partimento.data.module import MusicDataModule, examples_of
from partimento.datasets.chorale_leadsheets import ChoraleLeadsheets, lead_sheet
from partimento.datasets.chorales import Chorales
from partimento.distributions import Bernoulli, Distribution
from partimento.errors import UserError
from partimento.music import Bar, Chord, Key, Piece, lay_bars
from partimento.representations.bar_chords import longest_triad, single_triad, triads_between
from partimento.representations.bars import Bars
from partimento.representations.grid import full_bars

CONF = Path(__file__).parents[2] / "conf" / "representation" / "bars.yaml"
MIDINET = {"rest": False, "two_octaves": True}


@pytest.fixture(scope="module")
def chorales(cache: Path) -> tuple[Piece, ...]:
    return Chorales().prepare(str(cache)).pieces


@pytest.fixture(scope="module")
def sheets(chorales) -> list[Piece]:
    return [lead_sheet(piece) for piece in chorales]


def tune(rows, *, resolution=4, bars=None, end=None, chords=(), **fields) -> Piece:
    """Make a melody from rows (onset, duration, pitch), in bars of 4/4 with sixteenths as ticks."""
    table = np.array(rows, dtype=int).reshape(-1, 3)
    onset, duration, pitch = table.T
    end = int((onset + duration).max()) if end is None else end
    bars = lay_bars([(0, 4, 4)], end, resolution) if bars is None else bars
    fields = {"part": np.zeros(len(table), int), "parts": ("melody",)} | fields
    return Piece(
        "tune", resolution, onset, duration, pitch, bars=bars, end=end, chords=chords, **fields
    )


def cells(x: np.ndarray) -> list[int]:
    return x.reshape(-1).tolist()


# --- cells -------------------------------------------------------------------------------------

# C D D, a silence, E over the bar line and G; the second D is struck again.
SMALL = tune(
    [(0, 4, 60), (4, 2, 62), (6, 2, 62), (12, 8, 64), (20, 12, 67)],
    chords=[Chord(0, 16, "C"), Chord(16, 4, "Am7"), Chord(20, 12, "G/B")],
    keys=[Key(0, 0)],
)


def test_cells_of_a_small_tune():
    plain = [60] * 4 + [62] * 4 + [128] * 4 + [64] * 8 + [67] * 12
    assert cells(Bars().encode(SMALL)) == plain
    filled = [60] * 4 + [62] * 8 + [64] * 8 + [67] * 12
    assert cells(Bars(rest=False).encode(SMALL)) == filled
    held = [60, 128, 128, 128, 62, 128, 62, 128, *[129] * 4, 64, *[128] * 7, 67, *[128] * 11]
    assert cells(Bars(hold=True).encode(SMALL)) == held
    both = [60, 128, 128, 128, 62, 128, 62, *[128] * 5, 64, *[128] * 7, 67, *[128] * 11]
    assert cells(Bars(hold=True, rest=False).encode(SMALL)) == both
    for representation in (Bars(), Bars(**MIDINET)):
        assert representation.encode(SMALL).dtype == np.uint8
        assert representation.encode(SMALL).shape == (32, 1)


def test_losses_of_a_small_tune():
    assert Bars().loss_of(SMALL) == {"repeated notes joined": 1}
    assert Bars(hold=True).loss_of(SMALL) == {}
    assert Bars(rest=False).loss_of(SMALL) == {"repeated notes joined": 1, "silent steps": 4}
    assert Bars(hold=True, rest=False).loss_of(SMALL) == {"silent steps": 4}
    assert Bars(hold=True).decode(Bars(hold=True).encode(SMALL), SMALL.frame()) == SMALL
    joined = Bars().decode(Bars().encode(SMALL), SMALL.frame())
    assert joined.onset.tolist() == [0, 4, 12, 20]
    assert joined.duration.tolist() == [4, 4, 8, 12]


def test_silence_at_the_beginning_without_rest():
    late = tune([(6, 2, 60), (10, 6, 62)])
    assert cells(Bars(rest=False).encode(late)) == [60] * 10 + [62] * 6
    held = [60, *[128] * 9, 62, *[128] * 5]
    assert cells(Bars(rest=False, hold=True).encode(late)) == held
    assert Bars(rest=False).loss_of(late) == {"silent steps": 8}
    with pytest.raises(UserError, match="'tune' has no note in the part of the melody"):
        Bars(rest=False).encode(tune([], end=16))
    assert cells(Bars().encode(tune([], end=16))) == [128] * 16


def test_bars_with_their_conditions():
    examples = Bars().windows(SMALL, stride=1)
    first = [60] * 4 + [62] * 4 + [128] * 4 + [64] * 4
    second = [64] * 4 + [67] * 12
    assert [cells(x) for x in examples.x] == [first, second]
    assert [cells(x) for x in examples.condition["previous"]] == [[128] * 16, first]
    expected = [chord_vector(Triad(0, False)), chord_vector(Triad(7, False))]
    assert examples.condition["chord"].tolist() == [list(vector) for vector in expected]
    held = Bars(hold=True, previous=2).windows(SMALL, stride=1)
    # The bar that opens inside E restates it.
    assert cells(held.x[1])[:5] == [64, 128, 128, 128, 67]
    assert cells(held.condition["previous"][1])[:20] == [*[129] * 16, 60, 128, 128, 128]
    relative = Bars(minor_at="relative").windows(SMALL.transposed(-3), stride=1)
    assert relative.condition["chord"][0].tolist() == [0] * 9 + [1, 0, 0, 0]


def test_without_conditions():
    bars = Bars(previous=0, chord="none")
    assert bars.conditions == {}
    assert bars.windows(SMALL, stride=1).condition == {}
    silent = tune([(0, 16, 60)])
    assert len(bars.windows(silent, stride=1)) == 1
    with pytest.raises(
        UserError, match="'tune' has no chord symbols, .* representation.chord=none"
    ):
        Bars().windows(silent, stride=1)


def test_which_bars_have_a_triad():
    chords = [
        Chord(0, 16, "Csus4"), Chord(16, 16, "F"), Chord(32, 8, "G"), Chord(40, 8, "Am"),
        Chord(48, 10, "N.C."), Chord(58, 6, "Dm7"), Chord(80, 16, "C(?)"),
    ]  # fmt: skip
    piece = tune([(t, 16, 60 + t // 16) for t in range(0, 96, 16)], chords=chords)

    def found(rule):
        examples = Bars(chord=rule).windows(piece, stride=1)
        return [
            (int(x[0, 0]) - 60, tuple(np.flatnonzero(y).tolist()))
            for x, y in zip(examples.x, examples.condition["chord"], strict=True)
        ]

    # Of G and Am, equally long, the first; Dm although the bar is mostly without a chord.
    assert found("longest") == [(1, (5,)), (2, (7,)), (3, (2, 12))]
    assert found("single") == [(1, (5,))]
    # A bar left out as an example is still the bar before the next one.
    before = Bars().windows(piece, stride=1).condition["previous"]
    assert before[:, 0, 0].tolist() == [60, 61, 62]
    assert triads_between(piece, 32, 64) == {
        Triad(7, False): 8, Triad(9, True): 8, None: 10, Triad(2, True): 6,
    }  # fmt: skip
    assert longest_triad({}) is longest_triad({None: 3}) is single_triad({}) is None


def test_only_full_bars_and_silence_before_a_new_run():
    # A pick-up, two bars, a bar of 3/4, one more bar.
    marks = [Bar(0, 4, 4), Bar(4, 4, 4), Bar(20, 4, 4), Bar(36, 3, 4), Bar(48, 4, 4)]
    rows = [(0, 4, 60), (4, 16, 62), (20, 16, 64), (36, 12, 65), (48, 16, 67)]
    piece = tune(rows, bars=marks, chords=[Chord(0, 64, "C")])
    examples = Bars().windows(piece, stride=1)
    assert [cells(x)[0] for x in examples.x] == [62, 64, 67]
    assert [cells(x)[0] for x in examples.condition["previous"]] == [128, 62, 128]
    assert [cells(x)[0] for x in Bars().windows(piece, stride=2).x] == [62, 67]
    assert len(Bars().windows(tune([(0, 12, 60)], chords=[Chord(0, 9, "C")]), stride=1)) == 0
    with pytest.raises(UserError, match="stride of windows must be 1 bar or more, not 0"):
        Bars().windows(SMALL, stride=0)


def test_alphabets():
    assert Bars().distribution.feature_shape == (16, 129)
    assert Bars(**MIDINET).distribution.feature_shape == (16, 128)
    assert Bars(hold=True).distribution.symbols[0][-2:] == ("hold", "rest")
    # The bar before may be silence even where no bar has a rest.
    assert Bars(**MIDINET).conditions["previous"].symbols[0][-1] == "rest"
    assert Bars(previous=3).conditions["previous"].shape == (48, 1)
    assert Bars().conditions["chord"] == Bernoulli((13,))
    for options in ({}, MIDINET, {"hold": True, "previous": 2}):
        distribution = Bars(**options).distribution
        assert Distribution.from_state(distribution.state()) == distribution


def test_features_are_midinets_matrix():
    bars = Bars(rest=False)
    x = torch.from_numpy(bars.windows(SMALL, stride=1).x)
    matrix = bars.distribution.features(x)
    assert matrix.shape == (2, 16, 128)
    assert (matrix.sum(-1) == 1).all()
    assert matrix[0, :4, 60].tolist() == [1] * 4
    assert torch.equal(bars.distribution.from_features(matrix), x.long())
    chord = torch.from_numpy(bars.windows(SMALL, stride=1).condition["chord"])
    assert bars.conditions["chord"].features(chord).shape == (2, 13)


# --- one melody of many notes ------------------------------------------------------------------


def test_the_highest_notes_of_one_part():
    piece = tune(
        # A third, of which the upper stays; a low note under the long G; C cuts the low E short.
        [(0, 4, 60), (0, 4, 64), (4, 8, 67), (6, 2, 55), (12, 4, 52), (14, 2, 72), (0, 16, 90)],
        part=[0, 0, 0, 0, 0, 0, 1],
        parts=("melody", "other"),
    )
    assert cells(Bars().encode(piece)) == [64] * 4 + [67] * 8 + [52] * 2 + [72] * 2
    assert Bars().loss_of(piece) == {
        "notes of other parts": 1,
        "notes under a higher one": 2,
        "notes cut short by a higher one": 1,
    }
    assert cells(Bars(part=1).encode(piece)) == [90] * 16
    with pytest.raises(UserError, match=r"'tune' has 2 part\(s\), so none at index 2, which rep"):
        Bars(part=2).encode(piece)
    assert Bars(part=2).loss_of(piece) == {"pieces without the part": 1}
    assert Bars(part=2).transpositions(piece) == (0,)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 12), st.integers(55, 70)),
        min_size=1,
        max_size=12,
        unique_by=lambda row: (row[0], row[2]),
    )
)
def test_top_line_against_its_definition(rows):
    """At each onset the sounding note is the last begun that none cut or hid."""
    line = []
    for onset in sorted({row[0] for row in rows}):
        now = max((row for row in rows if row[0] == onset), key=lambda row: row[2])
        if line and line[-1][1] > onset:
            if now[2] < line[-1][2]:
                continue
            line[-1] = (line[-1][0], onset, line[-1][2])
        line.append((onset, onset + now[1], now[2]))
    expected = [128] * 48
    for start, stop, pitch in line:
        expected[start:stop] = [pitch] * (stop - start)
    assert cells(Bars(chord="none").encode(tune(rows, end=48))) == expected


# --- key and register --------------------------------------------------------------------------


@pytest.mark.parametrize("fifths", range(-7, 8))
def test_music_moves_to_c_and_back(fifths):
    tonic = (7 * fifths) % 12
    scale = [(4 * i, 4, 60 + tonic + step) for i, step in enumerate((0, 2, 4, 5))]
    piece = tune(scale, keys=[Key(0, fifths)], chords=[Chord(0, 16, Triad(tonic, False).symbol)])
    bars = Bars(in_c=True, hold=True)
    pitch = bars.encode(piece)[::4, 0]
    assert (pitch % 12).tolist() == [0, 2, 4, 5]
    assert abs(int(pitch[0]) - 60 - tonic) <= 6
    assert bars.windows(piece, stride=1).condition["chord"][0, 0] == 1
    assert bars.transpositions(piece) == (0,)
    assert bars.loss_of(piece) == {}
    assert bars.decode(bars.encode(piece), piece.frame()) == piece
    assert bars.decode(bars.encode(piece)).pitch[0] % 12 == 0


def test_a_key_is_needed_to_move_to_c():
    keyless = tune([(0, 16, 60)])
    with pytest.raises(UserError, match="'tune' has no key signature, which representation.in_c"):
        Bars(in_c=True).encode(keyless)
    assert Bars(in_c=True).loss_of(keyless) == {"pieces without a key": 1}


def test_samples_at_the_edge_stay_in_the_midi_range():
    frame = tune([], end=16, keys=[Key(0, 1)])  # G: from C five semitones down
    symbols = np.array([[0], [4], [5], [127]], np.uint8)
    bars = Bars(in_c=True)
    assert bars.decode(symbols, frame).pitch.tolist() == [7, 11, 0, 122]
    frame = tune([], end=16, keys=[Key(0, -1)])  # F: from C five semitones up
    assert bars.decode(symbols, frame).pitch.tolist() == [5, 9, 10, 120]


def test_melodies_move_into_two_octaves():
    low = tune([(0, 4, 40), (4, 4, 47), (8, 4, 59), (12, 4, 60)])
    assert cells(Bars(two_octaves=True).encode(low))[::4] == [64, 71, 83, 72]
    assert Bars(two_octaves=True).loss_of(low) == {"notes moved by octaves": 4}
    inside = tune([(0, 8, 60), (8, 8, 83)])
    assert cells(Bars(two_octaves=True).encode(inside))[::8] == [60, 83]
    assert Bars(two_octaves=True).loss_of(inside) == {}


@given(st.lists(st.integers(0, 127), min_size=1, max_size=20))
def test_folded_melodies_keep_their_pitch_classes(pitches):
    piece = tune([(4 * i, 4, pitch) for i, pitch in enumerate(pitches)])
    moved = Bars(two_octaves=True, hold=True).encode(piece)[::4, 0].astype(int)
    assert ((moved >= 60) & (moved <= 83)).all()
    assert ((moved - pitches) % 12 == 0).all()
    if max(pitches) - min(pitches) <= 12:
        # A melody of an octave fits wherever it is, so it keeps its shape.
        assert np.array_equal(np.diff(moved), np.diff(pitches))


def test_every_key_once():
    assert Bars().transpositions(SMALL) == tuple(range(-5, 7))
    assert Bars().transpositions(tune([(0, 16, 2)])) == tuple(range(-2, 7))
    assert Bars().transpositions(tune([(0, 8, 124), (8, 8, 0)])) == (0, 1, 2, 3)
    assert Bars().transpositions(tune([], end=16)) == (0,)
    found = examples_of([SMALL], Bars(), stride=1, transpose=True)
    roots = [int(examples.condition["chord"][0].argmax()) for examples in found]
    assert sorted(roots) == list(range(12))
    for examples, semitones in zip(found, range(-5, 7), strict=True):
        assert int(examples.x[0, 0, 0]) == 60 + semitones
        assert roots[semitones + 5] == semitones % 12


# --- round trips -------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 129), max_size=40), st.booleans(), st.booleans())
def test_any_symbols_decode(symbols, rest, hold):
    bars = Bars(rest=rest, hold=hold)
    top = bars.distribution.sizes[0]
    x = np.array([symbol % top for symbol in symbols], np.uint8).reshape(-1, 1)
    piece = bars.decode(x)
    assert piece.end == len(x)
    if hold or not len(piece) or not rest:
        return
    # Without holds symbols say what sounds, so they come back as they were.
    assert np.array_equal(bars.encode(piece), x)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.integers(0, 127), st.booleans()), min_size=1, max_size=20
    ),
    st.sampled_from([4, 8, 24]),
)
def test_what_is_not_counted_as_lost_comes_back(notes, resolution):
    step, place, rows = resolution // 4, 0, []
    for length, pitch, silent in notes:
        if not silent:
            rows.append((place * step, length * step, pitch))
        place += length
    piece = tune(rows, resolution=resolution, end=place * step)
    for bars in (Bars(), Bars(hold=True)):
        back = bars.decode(bars.encode(piece), piece.frame())
        assert (back == piece) == (not bars.loss_of(piece))
    assert not Bars(hold=True).loss_of(piece)


def test_chorale_melodies_come_back_whole(sheets):
    lossy = Counter()
    for piece in sheets:
        for bars in (Bars(), Bars(hold=True)):
            back = bars.decode(bars.encode(piece), piece.frame())
            losses = bars.loss_of(piece)
            assert (back == piece) == (not losses), piece.id
            lossy[bars.has_hold] += bool(losses)
    # Of 365 sopranos almost all repeat a note; three have a few thirty-seconds.
    assert lossy == {False: 363, True: 3}


def test_bars_of_all_chorale_melodies(sheets):
    total = sum(len(run) for piece in sheets for run in full_bars(piece))
    plain = Bars(chord="none")
    examples = [plain.windows(piece, stride=1) for piece in sheets]
    assert sum(map(len, examples)) == total
    with_chord = sum(len(Bars().windows(piece, stride=1)) for piece in sheets)
    assert 0 <= total - with_chord <= 20
    for piece, found in zip(sheets[::40], examples[::40], strict=True):
        # Stitched together, bars are the piece between its bar lines.
        x, place = plain.encode(piece), 0
        for run in full_bars(piece):
            start = run[0] * 4 // piece.resolution
            part = found.x[place : place + len(run)]
            assert np.array_equal(part.reshape(-1), x[start : start + 16 * len(run), 0])
            before = found.condition["previous"][place : place + len(run)]
            assert np.array_equal(before[1:], part[:-1])
            assert (before[0] == plain.rest_symbol).all()
            place += len(run)


def test_the_melody_of_a_chorale_in_four_parts(chorales, sheets):
    chorale, sheet = chorales[0], sheets[0]
    lower = int((chorale.part > 0).sum())
    assert Bars(hold=True).loss_of(chorale) == {"notes of other parts": lower}
    assert np.array_equal(Bars().encode(chorale), Bars().encode(sheet))


def test_the_data_module_serves_bars_with_conditions(cache):
    bars = Bars(**MIDINET)
    data = MusicDataModule(ChoraleLeadsheets(span="bar"), bars, cache=str(cache))
    batch = data.examples("train")
    pieces = data.pieces("train")
    assert len(batch) == 12 * sum(len(bars.windows(piece, stride=1)) for piece in pieces)
    assert batch.x.shape[1:] == batch.condition["previous"].shape[1:] == (16, 1)
    assert batch.condition["chord"].shape == (len(batch), 13)
    for name, distribution in bars.conditions.items():
        features = distribution.features(batch.condition[name][:50])
        assert features.shape[1:] == distribution.feature_shape
    # All keys are there equally often.
    assert len(set(batch.condition["chord"][:, :12].sum(0).tolist())) == 1
    assert data.lost()["repeated notes joined"] > 1000
    with pytest.raises(UserError, match="No piece of the train split gives a window"):
        MusicDataModule(Chorales(), bars, cache=str(cache)).examples("train")


# --- mistakes and rebuilding -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"previous": -1}, "representation.previous must be 0 or more, not -1."),
        ({"part": -2}, "representation.part must be 0 or more, not -2."),
        ({"chord": "first"}, "representation.chord is one of longest, single, none, not first."),
        ({"minor_at": "third"}, "representation.minor_at is one of root, relative, not third."),
    ],
)
def test_senseless_arguments_are_refused(arguments, message):
    with pytest.raises(UserError) as raised:
        Bars(**arguments)
    assert str(raised.value) == message


@pytest.mark.parametrize("x", [np.full((16, 1), 129), np.full((16, 1), -1), np.zeros((16, 2), int)])
def test_arrays_that_are_no_bars_are_refused(x):
    with pytest.raises(ValueError, match=r"bars hold symbols from 0 to 128|shape \(steps, 1\)"):
        Bars().decode(x)


def test_arguments_rebuild_the_representation():
    bars = Bars(2, "single", "relative", False, True, True, True, 1)
    again = Bars(**bars.arguments())
    assert again.arguments() == bars.arguments()
    assert again.distribution == bars.distribution
    assert again.conditions == bars.conditions


def test_the_config_gives_the_constructors_defaults():
    config = OmegaConf.to_container(OmegaConf.load(CONF))
    assert config.pop("name") == "bars"
    assert config.pop("_target_") == f"{Bars.__module__}.{Bars.__qualname__}"
    parameters = inspect.signature(Bars).parameters
    assert config == {name: parameter.default for name, parameter in parameters.items()}


def test_metrics_know_the_symbols():
    x = torch.from_numpy(Bars().windows(SMALL, stride=1).x).long()
    metric = Bars().metrics()["grid"]
    metric.update(x, x, torch.ones_like(x, dtype=torch.bool))
    # Of 32 cells none is a hold, and four are rests.
    assert metric.total.sum(1).tolist() == [32, 32, 28]
    without = Bars(rest=False).metrics()["grid"]
    x = torch.from_numpy(Bars(rest=False).windows(SMALL, stride=1).x).long()
    without.update(x, x, torch.ones_like(x, dtype=torch.bool))
    assert without.total.sum(1).tolist() == [32, 32, 32]


# --- pitch classes -----------------------------------------------------------------------------


@given(st.data(), st.booleans(), st.booleans())
def test_chroma_is_what_the_notes_of_decode_say(data, rest, hold):
    bars = Bars(rest=rest, hold=hold)
    symbols = st.integers(0, bars.distribution.sizes[0] - 1)
    x = np.array(data.draw(st.lists(symbols, min_size=16, max_size=16)), np.uint8).reshape(16, 1)
    expected = np.zeros((16, 12))
    piece = bars.decode(x)
    for onset, duration, pitch in zip(piece.onset, piece.duration, piece.pitch, strict=True):
        expected[onset : onset + duration, pitch % 12] += 1
    assert np.array_equal(bars.chroma(x[None])[0], expected)
