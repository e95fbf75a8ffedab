"""The multi-voice grid: hand-made pieces with known cells, random music, and all chorales."""

from __future__ import annotations

import inspect
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from omegaconf import OmegaConf

from partimento.datasets.chorales import Chorales
from partimento.distributions import Distribution
from partimento.errors import UserError
from partimento.music import Bar, Chord, Key, Piece, Tempo, lay_bars
from partimento.representations.grid import full_bars, rescaled
from partimento.representations.multivoice import MultiVoice

SATB = ("soprano", "alto", "tenor", "bass")
RANGES = ((57, 81), (53, 74), (48, 69), (36, 64))
CONF = Path(__file__).parents[2] / "conf" / "representation" / "multivoice.yaml"

# Two voices of small range, so that symbols can be read: high 60..71, hold 12, rest 13;
# low 48..59, hold 12, rest 13.
DUO = MultiVoice(("high", "low"), ((60, 71), (48, 59)), bars=1)
H, R = 12, 13


@pytest.fixture(scope="module")
def chorales() -> tuple[Piece, ...]:
    return Chorales().prepare(cache=None).pieces


@pytest.fixture(scope="module")
def satb() -> MultiVoice:
    return MultiVoice(Chorales.parts, Chorales.ranges)


def piece_of(rows, *, resolution=4, parts=("high", "low"), **fields) -> Piece:
    """Make a piece from rows (onset, duration, pitch, part)."""
    table = np.array(rows, dtype=int).reshape(-1, 4)
    columns = dict(zip(("onset", "duration", "pitch", "part"), table.T, strict=True))
    return Piece("test", resolution, **columns, parts=parts, **fields)


def slow_encode(representation: MultiVoice, piece: Piece) -> np.ndarray:
    """Encode an on-grid piece cell by cell, straight from the definition of the grid."""
    ticks = piece.resolution / representation.steps_per_quarter
    grid = np.full((int(np.ceil(piece.end / ticks)), representation.voices), -1)
    for voice, (low, high) in enumerate(representation.ranges):
        notes = piece.notes(voice)
        rows = list(zip(notes["onset"], notes["duration"], notes["pitch"], strict=True))
        for step in range(len(grid)):
            at = step * ticks
            sounding = [row for row in rows if row[0] <= at < row[0] + row[1]]
            if not sounding:
                grid[step, voice] = high - low + 2
            elif sounding[0][0] == at:
                grid[step, voice] = sounding[0][2] - low
            else:
                grid[step, voice] = high - low + 1
    return grid


# --- a grid that can be read -------------------------------------------------------------------


def test_cells_of_a_small_piece():
    piece = piece_of(
        [(0, 2, 60, 0), (2, 1, 60, 0), (4, 4, 71, 0), (2, 6, 48, 1)], end=9, resolution=4
    )
    expected = [
        [0, R],
        [H, R],
        [0, 0],  # the repeated note is an onset, not a hold
        [R, H],
        [11, H],
        [H, H],
        [H, H],
        [H, H],
        [R, R],
    ]
    x = DUO.encode(piece)
    assert x.dtype == np.uint8
    assert x.tolist() == expected
    assert DUO.decode(x, piece.frame()) == piece


def test_alphabet_and_distribution():
    assert DUO.steps == 16
    assert DUO.voices == 2
    assert DUO.hold == (12, 12)
    assert DUO.rest == (13, 13)
    assert DUO.distribution.shape == (16, 2)
    assert DUO.distribution.sizes == (14, 14)
    assert DUO.distribution.names == ("high", "low")
    assert DUO.distribution.symbols[1] == (*range(48, 60), "hold", "rest")
    assert DUO.conditions == {}
    assert Distribution.from_state(DUO.distribution.state()) == DUO.distribution


def test_grid_becomes_one_hot_features_and_back(chorales, satb):
    x = torch.from_numpy(satb.grids(chorales[0], stride=1))
    features = satb.distribution.features(x)
    assert features.shape == (len(x), 64, 25 + 22 + 22 + 29 + 8)
    assert (features.sum(-1) == 4).all()
    assert torch.equal(satb.distribution.from_features(features), x.long())


def test_the_whole_midi_range_fits_the_storage():
    wide = MultiVoice(("all",), ((0, 127),))
    piece = piece_of([(0, 4, 127, 0), (4, 4, 0, 0)], parts=("all",), end=12)
    assert wide.encode(piece)[[0, 1, 4, 8], 0].tolist() == [127, 128, 0, 129]
    assert wide.decode(wide.encode(piece), piece.frame()) == piece


# --- off the grid ------------------------------------------------------------------------------


def test_off_grid_notes_go_to_the_nearest_step_and_are_counted():
    # 8 ticks to the quarter, 2 to the step: onset 3 lies between steps 1 and 2 and goes up.
    piece = piece_of([(0, 3, 60, 0), (3, 5, 62, 0)], resolution=8, end=8)
    assert DUO.encode(piece)[:, 0].tolist() == [0, H, 2, H]
    assert DUO.loss_of(piece) == {"off-grid onsets": 1, "off-grid ends": 1}


def test_of_two_notes_on_a_step_the_one_on_the_grid_stays():
    # A sixteenth divided in two, then a note on the next step that must not be displaced.
    piece = piece_of([(0, 1, 60, 0), (1, 1, 62, 0), (2, 2, 64, 0)], resolution=8, end=4)
    assert DUO.encode(piece)[:, 0].tolist() == [0, 4]
    losses = DUO.loss_of(piece)
    assert losses == {"off-grid onsets": 1, "off-grid ends": 1, "vanished notes": 1}


def test_notes_without_length_and_in_the_last_half_step_get_a_step():
    piece = piece_of([(0, 0, 60, 0), (7, 0, 62, 0)], resolution=8, end=7)
    assert DUO.encode(piece)[:, 0].tolist() == [0, R, R, 2]
    assert DUO.loss_of(piece)["off-grid ends"] == 2


def test_a_note_that_lasts_to_the_end_of_the_piece_fills_the_last_step():
    # 8 steps to two quarters of 5 ticks: the end, tick 9, is nearest to step 7 but needs 8.
    piece = piece_of([(0, 9, 60, 0)], resolution=5, end=9)
    assert DUO.encode(piece)[:, 0].tolist() == [0] + [H] * 7
    assert DUO.loss_of(piece) == {}
    assert DUO.decode(DUO.encode(piece), piece.frame()) == piece


def test_a_small_overlap_is_cut_and_counted():
    piece = piece_of([(0, 9, 60, 0), (8, 8, 62, 0)], resolution=16, end=16)
    assert DUO.encode(piece)[:, 0].tolist() == [0, H, 2, H]
    assert DUO.loss_of(piece) == {"off-grid ends": 1, "simultaneous notes": 1}


def test_velocities_are_a_loss():
    piece = piece_of([(0, 4, 60, 0), (4, 4, 60, 0)], velocity=[64, 80], end=8)
    assert DUO.loss_of(piece) == {"velocities": 1}


@st.composite
def small_pieces(draw) -> Piece:
    """Pieces of two monophonic voices, on and off the grid, in several resolutions."""
    resolution = draw(st.sampled_from([1, 2, 3, 4, 6, 8, 16]))
    rows = []
    for part, low in enumerate((60, 48)):
        onset = 0
        for gap, duration, pitch in draw(
            st.lists(
                st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(0, 11)), max_size=6
            )
        ):
            onset += gap
            rows.append((onset, duration, low + pitch, part))
            onset += duration
    last = max((row[0] + row[1] for row in rows), default=0)
    end = last + draw(st.integers(0, 7))
    bars = lay_bars([(0, 3, 4)], end, resolution) if end else ()
    return piece_of(rows, resolution=resolution, end=end, bars=bars, keys=(Key(0, 2),))


@settings(max_examples=200, deadline=None)
@given(small_pieces())
def test_no_loss_is_counted_exactly_when_the_piece_comes_back(piece):
    x = DUO.encode(piece)
    back = DUO.decode(x, piece.frame())
    if back.resolution != piece.resolution:
        assert back.resolution % piece.resolution == 0
        assert DUO.loss_of(piece)
    assert (back == piece) == (not DUO.loss_of(piece))
    # Whatever was lost, the grid itself comes back.
    assert np.array_equal(DUO.encode(back), x)


@settings(max_examples=100, deadline=None)
@given(small_pieces())
def test_on_grid_pieces_agree_with_the_definition(piece):
    if not DUO.loss_of(piece):
        assert np.array_equal(DUO.encode(piece), slow_encode(DUO, piece))


# --- decoding anything -------------------------------------------------------------------------


def canonical(column: list[int]) -> list[int]:
    """Write every hold that has no note before it as a rest."""
    out: list[int] = []
    for symbol in column:
        silent = not out or out[-1] == R
        out.append(R if symbol == H and silent else symbol)
    return out


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, R), st.integers(0, R)), max_size=40))
def test_any_symbols_decode(cells):
    x = np.array(cells, dtype=np.uint8).reshape(-1, 2)
    piece = DUO.decode(x)
    expected = np.array([canonical(column) for column in x.T.tolist()]).T.reshape(-1, 2)
    assert np.array_equal(DUO.encode(piece), expected)
    assert piece.end == len(x)
    assert piece.parts == ("high", "low")


def test_without_a_frame_bars_are_four_four():
    piece = DUO.decode(np.full((36, 2), R))
    assert piece.resolution == 4
    assert piece.bars == (Bar(0, 4, 4), Bar(16, 4, 4), Bar(32, 4, 4))
    assert len(piece) == 0


def test_the_frame_supplies_what_the_grid_does_not_hold():
    x = DUO.encode(piece_of([(0, 4, 60, 0), (6, 6, 50, 1)], end=12))
    frame = piece_of(
        [],
        resolution=8,
        end=24,
        bars=(Bar(0, 3, 4),),
        keys=(Key(0, -3, "minor"),),
        tempos=(Tempo(0, 72.0),),
        chords=(Chord(0, 8, "Cm"),),
        parts=("melody", "ground"),
        metadata={"title": "Aria"},
    )
    back = DUO.decode(x, frame)
    assert back.frame() == frame
    assert back.metadata["title"] == "Aria"
    assert back.onset.tolist() == [0, 12]
    assert back.duration.tolist() == [8, 12]
    assert back.pitch.tolist() == [60, 50]


def test_a_frame_with_too_coarse_ticks_is_refined():
    x = DUO.encode(piece_of([(0, 1, 60, 0), (1, 3, 62, 0)], end=4))
    frame = piece_of([], resolution=2, end=2, bars=(Bar(0, 1, 4),), chords=(Chord(0, 2, "C"),))
    back = DUO.decode(x, frame)
    assert back.resolution == 4
    assert (back.end, back.bars, back.chords) == (4, (Bar(0, 1, 4),), (Chord(0, 4, "C"),))
    assert back.onset.tolist() == [0, 1]
    assert rescaled(frame, 2) == back.frame()


def test_a_frame_of_one_part_gets_the_voices_of_the_grid():
    frame = piece_of([], parts=("melody",), end=4)
    assert DUO.decode(np.full((4, 2), R), frame).parts == ("high", "low")


def test_the_piece_ends_within_the_last_step_or_with_a_longer_grid():
    x = np.array([[0, R], [H, R], [H, R]])
    within = DUO.decode(x, piece_of([], resolution=8, end=5))
    assert (within.end, within.duration.tolist()) == (5, [5])
    longer = DUO.decode(x, piece_of([], resolution=8, end=4))
    assert (longer.end, longer.duration.tolist()) == (6, [6])
    shorter = DUO.decode(x, piece_of([], resolution=8, end=20))
    assert (shorter.end, shorter.duration.tolist()) == (20, [6])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((4, 3), int), r"shape \(steps, 2\), not \(4, 3\)"),
        (np.zeros(4, int), r"shape \(steps, 2\), not \(4,\)"),
        (np.full((4, 2), 14), "not in its voice's alphabet"),
        (np.full((4, 2), -1), "not in its voice's alphabet"),
    ],
)
def test_arrays_that_are_no_grid_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        DUO.decode(x)


# --- what sounds, cutting, windows -------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, R), st.integers(0, R)), min_size=1, max_size=20),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_cut_restates_what_sounds(cells, first, second):
    x = np.array(cells, dtype=np.uint8)
    sounds = []
    for column in x.T.tolist():
        now, line = R, []
        for symbol in column:
            now = now if symbol == H else symbol
            line.append(now)
        sounds.append(line)
    assert DUO.sounding(x).T.tolist() == sounds
    assert DUO.sounding(np.stack([x, x]))[1].T.tolist() == sounds

    start, stop = sorted((min(first, len(x)), min(second, len(x))))
    part = DUO.cut(x, start, stop)
    assert part.shape == (stop - start, 2)
    if start < stop:
        assert np.array_equal(part[1:], x[start + 1 : stop])
        assert part[0].tolist() == [line[start] for line in sounds]
        assert np.array_equal(DUO.sounding(part), DUO.sounding(x)[start:stop])


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (0, 5), (3, 2)])
def test_cut_outside_the_grid_is_refused(start, stop):
    with pytest.raises(ValueError, match=f"steps {start} to {stop} are not in a grid of 4 steps"):
        DUO.cut(np.full((4, 2), R), start, stop)


def bars_of(*lengths: int, metre: tuple[int, int] = (4, 4)) -> tuple[tuple[Bar, ...], int]:
    """Return bar lines with these lengths in quarters, at one tick each, and the end."""
    edges = np.cumsum([0, *lengths]).tolist()
    return tuple(Bar(edge, *metre) for edge in edges[:-1]), edges[-1]


@pytest.mark.parametrize(
    ("lengths", "runs"),
    [
        ((4, 4, 4), [[0, 4, 8]]),
        ((1, 4, 4, 3), [[1, 5]]),  # a pick-up, and the bar that makes up for it
        ((1, 4, 3, 1, 4, 3), [[1, 5, 9]]),  # a bar divided by a repeat sign
        ((4, 3, 4, 4), [[0], [7, 11]]),  # a bar that is too short
        ((4, 6, 4), [[0], [10]]),  # a bar that is too long
        ((1, 3, 4), [[4]]),  # a pick-up is never completed
        ((2,), []),
    ],
)
def test_full_bars(lengths, runs):
    bars, end = bars_of(*lengths)
    assert full_bars(piece_of([], resolution=1, bars=bars, end=end)) == runs


def test_full_bars_of_changing_and_unknown_metre():
    changing = (Bar(0, 4, 4), Bar(4, 3, 4), Bar(7, 4, 4), Bar(11, 2, 2))
    assert full_bars(piece_of([], resolution=1, bars=changing, end=15)) == [[0], [7]]
    assert full_bars(piece_of([], resolution=1, bars=changing, end=15), 3, 4) == [[4]]
    assert full_bars(piece_of([], resolution=1, end=9)) == [[0, 4]]
    # A bar line at the right distance, but another metre in between.
    mixed = (Bar(0, 4, 4), Bar(4, 4, 4), Bar(7, 1, 4), Bar(8, 4, 4))
    assert full_bars(piece_of([], resolution=1, bars=mixed, end=12)) == [[0], [8]]
    # A bar of 7/32 is no whole number of ticks, at one tick to the quarter.
    assert full_bars(piece_of([], resolution=1, bars=(Bar(0, 7, 32),), end=2), 7, 32) == []


def test_windows_of_a_small_piece_leave_the_pickup_and_restate():
    # One beat of pick-up, then three bars; the low voice holds one note from the pick-up on.
    bars, end = bars_of(1, 4, 4, 4)
    piece = piece_of(
        [(0, end, 50, 1), *((t, 1, 60 + t % 12, 0) for t in range(end))],
        resolution=1,
        bars=bars,
        end=end,
    )
    windows = DUO.grids(piece, stride=1)
    assert windows.shape == (3, 16, 2)
    assert windows[:, 0].tolist() == [[1, 2], [5, 2], [9, 2]]
    assert (windows[:, 1:, 1] == H).all()
    assert np.array_equal(DUO.grids(piece, stride=2), windows[::2])
    assert len(DUO.grids(piece, stride=3)) == 1


def test_windows_need_four_four():
    piece = piece_of([(0, 12, 60, 0)], resolution=1, end=12, bars=lay_bars([(0, 3, 4)], 12, 1))
    assert DUO.grids(piece, stride=1).shape == (0, 16, 2)
    assert len(DUO.encode(piece)) == 48
    assert DUO.decode(DUO.encode(piece), piece.frame()) == piece


def test_a_coarser_grid():
    eighths = MultiVoice(("high", "low"), ((60, 71), (48, 59)), bars=2, steps_per_bar=8)
    piece = piece_of([(0, 2, 60, 0), (2, 6, 61, 0)], end=8)
    assert eighths.steps == 16
    assert eighths.encode(piece)[:, 0].tolist() == [0, 1, H, H]
    assert eighths.decode(eighths.encode(piece), piece.frame()) == piece
    assert eighths.decode(np.full((4, 2), R)).resolution == 2


# --- transposition -----------------------------------------------------------------------------


def test_transpositions_stay_in_every_range():
    piece = piece_of([(0, 4, 62, 0), (4, 4, 65, 0), (0, 8, 55, 1)], end=8)
    assert list(DUO.transpositions(piece)) == [-2, -1, 0, 1, 2, 3, 4]
    assert list(DUO.transpositions(piece.frame())) == [0]
    for semitones in (-3, 7):
        message = f"{semitones} semitones take a pitch out of its voice's range"
        with pytest.raises(ValueError, match=message):
            DUO.transpose_grid(DUO.encode(piece), semitones)


def test_transposing_the_grid_equals_transposing_the_piece(chorales, satb):
    for piece in chorales[::12]:
        x = satb.encode(piece)
        shifts = satb.transpositions(piece)
        assert 0 in shifts
        for semitones in shifts:
            moved = satb.transpose_grid(x, semitones)
            assert moved.dtype == x.dtype
            assert np.array_equal(moved, satb.encode(piece.transposed(semitones)))
        for semitones in (shifts[0] - 1, shifts[-1] + 1):
            with pytest.raises(UserError, match="out of range"):
                satb.encode(piece.transposed(semitones))


# --- an alphabet without rest ------------------------------------------------------------------


def test_without_rest_a_silence_prolongs_the_note():
    duo = MultiVoice(("high", "low"), ((60, 71), (48, 59)), bars=1, rest=False)
    assert duo.rest == duo.hold == (12, 12)
    assert duo.distribution.symbols[0] == (*range(60, 72), "hold")
    piece = piece_of([(2, 2, 60, 0), (6, 2, 62, 0), (0, 7, 50, 1)], end=8)
    x = duo.encode(piece)
    assert x[:, 0].tolist() == [H, H, 0, H, H, H, 2, H]
    assert duo.loss_of(piece) == {"silent steps": 3}
    back = duo.decode(x, piece.frame())
    assert back.onset.tolist() == [0, 2, 6]
    assert back.duration.tolist() == [8, 4, 2]
    assert duo.sounding(x)[:3, 0].tolist() == [H, H, 0]


# --- mistakes ----------------------------------------------------------------------------------


def test_pieces_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match=r"'test' has 1 part\(s\), but .* needs 2: high, low"):
        DUO.encode(piece_of([(0, 4, 60, 0)], parts=("one",)))
    with pytest.raises(UserError, match="MIDI number 72 in high, where 60 to 71 is allowed"):
        DUO.encode(piece_of([(0, 4, 72, 0)]))
    with pytest.raises(UserError, match=r"note at once in high, at quarter note 1\.5"):
        DUO.encode(piece_of([(6, 4, 60, 0), (6, 4, 64, 0)]))
    with pytest.raises(UserError, match="more than one note at once in low, at quarter note 0"):
        DUO.encode(piece_of([(0, 8, 50, 1), (4, 4, 52, 1)]))
    with pytest.raises(UserError, match="stride of windows must be 1 bar or more, not 0"):
        DUO.grids(piece_of([(0, 4, 60, 0)]), stride=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parts": (), "ranges": ()}, "needs a dataset with fixed parts and ranges"),
        ({"ranges": ((60, 71),)}, "not 1 ranges for 2 parts"),
        ({"parts": ("high", "high")}, "parts of different names, not high, high"),
        ({"ranges": ((60, 71), (59, 48))}, "range of low, 59 to 48, must go from"),
        ({"ranges": ((60, 128), (48, 59))}, "range of high, 60 to 128, must go from"),
        ({"bars": 0}, "bars must be 1 or more, not 0"),
        ({"steps_per_bar": 6}, "steps_per_bar must be a multiple of 4 .* not 6"),
        ({"steps_per_bar": 0}, "steps_per_bar must be a multiple of 4 .* not 0"),
    ],
)
def test_senseless_arguments_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        MultiVoice(**({"parts": ("high", "low"), "ranges": ((60, 71), (48, 59))} | arguments))


def test_arguments_rebuild_the_representation(satb):
    again = MultiVoice(**satb.arguments())
    assert again.arguments() == satb.arguments()
    assert again.distribution == satb.distribution


def test_the_config_gives_the_constructors_defaults():
    config = OmegaConf.to_container(OmegaConf.load(CONF))
    assert config.pop("name") == "multivoice"
    assert config.pop("_target_") == f"{MultiVoice.__module__}.{MultiVoice.__qualname__}"
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(MultiVoice).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    assert config == defaults


def test_metrics_know_the_voices_and_symbols():
    x = torch.from_numpy(DUO.encode(piece_of([(0, 4, 60, 0), (8, 8, 50, 1)], end=16))).unsqueeze(0)
    metric = DUO.metrics()["grid"]
    metric.update(x.long(), x.long(), torch.ones_like(x, dtype=torch.bool))
    assert {name: value.item() for name, value in metric.compute().items()}["accuracy"] == 1
    # Of 32 cells 3 + 7 are holds, 12 + 8 rests and two onsets.
    assert metric.total.sum(1).tolist() == [32, 22, 2]


# --- all chorales ------------------------------------------------------------------------------


def test_every_chorale_on_the_grid_comes_back_whole(chorales, satb):
    lossy = {}
    for piece in chorales:
        losses = satb.loss_of(piece)
        back = satb.decode(satb.encode(piece), piece.frame())
        assert (back.difference(piece) is None) == (not losses), piece.id
        if losses:
            lossy[piece.id] = losses
    # Three chorales have a few thirty-second notes.
    assert lossy == {
        "bwv248.64-s": {"off-grid onsets": 2, "off-grid ends": 2, "vanished notes": 2},
        "bwv36.4-2": {"off-grid onsets": 1, "off-grid ends": 1, "vanished notes": 1},
        "bwv432": {"off-grid onsets": 2, "off-grid ends": 2, "vanished notes": 2},
    }
    assert len(chorales) == 365


def test_chorale_cells_agree_with_the_definition(chorales, satb):
    for piece in chorales[5::40]:
        assert not satb.loss_of(piece)
        assert np.array_equal(satb.encode(piece), slow_encode(satb, piece))


def test_windows_of_all_chorales(chorales, satb):
    common = [p for p in chorales if {(b.beats, b.beat_type) for b in p.bars} == {(4, 4)}]
    assert len(common) == 326
    # 898 and 3,126 fit on a regular grid from the first full bar; a few pieces have a bar that is
    # too long or too short, and no window may contain it.
    assert sum(len(satb.grids(piece, stride=4)) for piece in common) == 896
    assert sum(len(satb.grids(piece, stride=1)) for piece in common) == 3105
    others = [p for p in chorales if all((b.beats, b.beat_type) != (4, 4) for b in p.bars)]
    assert sum(len(satb.grids(piece, stride=1)) for piece in others) == 0


def test_every_window_is_cut_at_bar_lines(chorales, satb):
    for piece in chorales[::10]:
        x = satb.encode(piece)
        lines = {bar.onset * 4 // piece.resolution for bar in piece.bars}
        lines.add(piece.end * 4 // piece.resolution)
        starts = [t * 4 // piece.resolution for run in full_bars(piece) for t in run]
        fitting = [
            t for t in starts if all(u in starts for u in range(t, t + 64, 16)) and t + 64 in lines
        ]
        windows = satb.grids(piece, stride=1)
        assert len(windows) == len(fitting)
        for window, start in zip(windows, fitting, strict=True):
            assert np.array_equal(window, satb.cut(x, start, start + 64))
            assert (window[0] != satb.hold).all()
