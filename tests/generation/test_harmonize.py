"""Harmonising: given voices are kept exactly, at any length, in any range, under any windows."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from partimento.data.batch import Given
from partimento.datasets.chorales import PARTS, RANGES, corpus_folder
from partimento.distributions import Bernoulli
from partimento.errors import Mismatch, UserError
from partimento.formats.musicxml import read_musicxml
from partimento.generation.harmonize import harmonize
from partimento.generation.strategies import SingleStep
from partimento.models.feedforward import Feedforward
from partimento.music import Bar, Key, Piece, Tempo, lay_bars
from partimento.representations.multivoice import MultiVoice

GRID = MultiVoice(PARTS, RANGES)


class Parallel:
    """A model of one rule: every other voice moves with the given one, each in its own range."""

    training = False

    def __init__(self, representation: MultiVoice, voice: str = "soprano") -> None:
        self.representation = representation
        self.distribution = representation.distribution
        self.given_voices = (voice,)
        self.asked: list[Given] = []

    def eval(self) -> None: ...

    def train(self, mode: bool) -> None: ...

    def sample(self, n: int, *, given: Given, **_) -> torch.Tensor:
        self.asked.append(given)
        assert n == len(given.x)
        grid = self.representation
        index = grid.parts.index(self.given_voices[0])
        assert given.mask[..., index].all()
        assert given.mask.sum() == given.mask[..., index].sum()
        x = given.x.clone()
        lead = x[..., index]
        for voice in range(grid.voices):
            pitch = lead % grid.hold[voice]
            x[..., voice] = torch.where(lead < grid.hold[index], pitch, lead)
            x[..., voice][lead == grid.hold[index]] = grid.hold[voice]
            x[..., voice][lead == grid.rest[index]] = grid.rest[voice]
        return torch.where(given.mask, given.x, x)


def run(melody: Piece, representation: MultiVoice = GRID, voice: str = "soprano"):
    model = Parallel(representation, voice)
    return harmonize(model, representation, melody, SingleStep()), model


def melody_of(rows: list[tuple[int, int, int]], sixteenths: int, *, pickup: int = 0) -> Piece:
    """A melody of (start, length, pitch) in sixteenths, in 4/4, after a pick-up."""
    bars = [Bar(0, 4, 4)] if pickup else []
    bars += [Bar(onset, 4, 4) for onset in range(pickup, sixteenths, 16)]
    columns = [[row[i] for row in rows] for i in range(3)]
    return Piece(
        "melody",
        4,
        *columns,
        [0] * len(rows),
        parts=("tune",),
        end=sixteenths,
        bars=bars,
        keys=(Key(0, 2, "major"),),
        tempos=(Tempo(0, 72),),
        metadata={"title": "A tune"},
    )


def scale(sixteenths: int, length: int = 6, *, pickup: int = 0) -> Piece:
    """Notes of `length` sixteenths: they cross beats, bars and windows."""
    rows = [
        (start, min(length, sixteenths - start), 62 + index % 12)
        for index, start in enumerate(range(0, sixteenths, length))
    ]
    return melody_of(rows, sixteenths, pickup=pickup)


def same_notes(piece: Piece, part: int, melody: Piece, melody_part: int = 0) -> bool:
    ours, theirs = piece.notes(part), melody.notes(melody_part)
    return all(
        np.array_equal(ours[name] * scale_to, theirs[name])
        for name, scale_to in (
            ("onset", melody.resolution / piece.resolution),
            ("duration", melody.resolution / piece.resolution),
            ("pitch", 1),
        )
    )


# Shorter than, equal to and longer than a window of four bars; not a whole number of bars.
@pytest.mark.parametrize("bars", [0.25, 1, 3.5, 4, 4.25, 6, 9.5, 33])
@pytest.mark.parametrize("pickup", [0, 4, 6])
def test_every_voice_goes_on_over_the_seams_as_if_there_were_none(bars, pickup) -> None:
    melody = scale(int(16 * bars) + pickup, pickup=pickup)
    (piece, _), model = run(melody)
    assert same_notes(piece, 0, melody)
    onsets = melody.onset.tolist()
    for voice in (1, 2, 3):
        notes = piece.notes(voice)
        assert notes["onset"].tolist() == onsets
        assert notes["duration"].tolist() == melody.duration.tolist()
    assert piece.end == melody.end
    assert model.asked[0].x.shape[1:] == (64, 4)


def test_no_window_opens_with_a_hold() -> None:
    melody = melody_of([(0, 150, 60)], 150)
    (piece, _), model = run(melody)
    windows = model.asked[0].x[..., 0]
    assert windows.shape == (4, 64)
    assert (windows[:, 0] == 60 - RANGES[0][0]).all()
    assert piece.notes(1)["duration"].tolist() == [150]


class Stubborn(Parallel):
    """A model that holds one pitch in all voices, another in each window, whatever is given."""

    def sample(self, n: int, *, given: Given, **_) -> torch.Tensor:
        x = torch.tensor(self.representation.hold).repeat(n, given.x.shape[1], 1)
        x[:, 0] = torch.arange(n)[:, None]
        return x


def test_windows_that_disagree_begin_a_new_note_where_the_next_one_takes_over() -> None:
    melody = scale(128)
    piece = harmonize(Stubborn(GRID), GRID, melody, SingleStep()).piece
    bass = piece.notes(3)
    # Windows at 0, 32 and 64; each is followed from a quarter of it to three quarters.
    assert bass["onset"].tolist() == [0, 48, 80]
    assert bass["duration"].tolist() == [48, 32, 48]
    assert (bass["pitch"] - RANGES[3][0]).tolist() == [0, 1, 2]


def test_the_melody_survives_a_model_that_does_not_keep_it() -> None:
    melody = scale(100, pickup=4)
    assert same_notes(harmonize(Stubborn(GRID), GRID, melody, SingleStep()).piece, 0, melody)


@pytest.mark.parametrize("bars", [1, 2, 3])
@pytest.mark.parametrize("rest", [True, False])
def test_windows_of_any_length_leave_no_trace(bars: int, rest: bool) -> None:
    grid = MultiVoice(PARTS, RANGES, bars=bars, rest=rest)
    melody = scale(100, length=7)
    (piece, _), _ = run(melody, grid)
    assert same_notes(piece, 0, melody)
    assert piece.notes(2)["onset"].tolist() == melody.onset.tolist()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 24), st.integers(57, 81)), min_size=1),
    st.integers(0, 15),
    st.integers(0, 20),
)
def test_the_given_voice_is_kept_exactly(steps, pickup: int, tail: int) -> None:
    rows, now = [], 0
    for gap, length, pitch in steps:
        rows.append((now + gap, length, pitch))
        now += gap + length
    melody = melody_of(rows, now + tail, pickup=pickup if pickup < now + tail else 0)
    (piece, messages), _ = run(melody)
    assert same_notes(piece, 0, melody)
    assert not any("Transposed" in message for message in messages)


@pytest.mark.parametrize("name", ["bwv66.6", "bwv9.7", "bwv253", "bwv119.9", "bwv269"])
def test_real_sopranos_are_kept_and_framed(name: str) -> None:
    chorale = read_musicxml(corpus_folder() / f"{name}.mxl")
    torch.manual_seed(0)
    model = Feedforward(GRID.distribution)
    piece, messages = harmonize(model, GRID, chorale, SingleStep())
    assert piece.parts == PARTS
    assert same_notes(piece, 0, chorale)
    assert (piece.id, piece.metadata) == (chorale.id, chorale.metadata)
    # The grid may need finer ticks than the chorale has.
    factor = piece.resolution // chorale.resolution
    for name in ("bars", "keys", "tempos"):
        marks = [mark._replace(onset=mark.onset * factor) for mark in getattr(chorale, name)]
        assert list(getattr(piece, name)) == marks
    assert messages[0] == "The soprano is taken from part 1 ('Soprano')."
    low, high = np.array(RANGES).T
    assert (piece.pitch >= low[piece.part]).all()
    assert (piece.pitch <= high[piece.part]).all()


def test_a_bass_can_be_given() -> None:
    chorale = read_musicxml(corpus_folder() / "bwv66.6.mxl")
    torch.manual_seed(0)
    model = Feedforward(GRID.distribution, given=("bass",))
    piece, messages = harmonize(model, GRID, chorale, SingleStep())
    assert same_notes(piece, 3, chorale, 3)
    assert messages[0] == "The bass is taken from part 4 ('Bass')."


def test_several_voices_can_be_given() -> None:
    chorale = read_musicxml(corpus_folder() / "bwv66.6.mxl")
    model = Feedforward(GRID.distribution, given=("bass", "soprano"))
    piece, _ = harmonize(model, GRID, chorale, SingleStep())
    assert same_notes(piece, 0, chorale, 0)
    assert same_notes(piece, 3, chorale, 3)


@pytest.mark.parametrize(("semitones", "shift"), [(-24, 19), (24, -16), (12, -4), (-1, 0)])
def test_a_melody_out_of_range_is_moved_and_moved_back(semitones: int, shift: int) -> None:
    melody = scale(80)  # MIDI numbers 62 to 73
    moved = melody.with_notes(pitch=melody.pitch + semitones)
    (piece, messages), model = run(moved)
    assert same_notes(piece, 0, moved)
    assert piece.keys == moved.keys
    first = model.asked[0].x[0, 0, 0].item() + RANGES[0][0]
    assert first == 62 + semitones + shift
    said = [message for message in messages if message.startswith("Transposed")]
    if shift:
        assert said == [
            f"Transposed by {shift:+d} semitone(s) into range (MIDI numbers of soprano 57 to 81) "
            "for the model, and back afterwards."
        ]
        assert piece.notes(1)["pitch"][0] < RANGES[1][0] or shift < 0
    else:
        assert said == []


def test_a_pickup_stands_at_the_end_of_a_padded_bar() -> None:
    (_, messages), model = run(scale(70, pickup=6))
    windows = model.asked[0].x[..., 0]
    rest, hold = GRID.rest[0], GRID.hold[0]
    assert windows[0, :10].tolist() == [rest] * 10
    assert windows[0, 10] < hold
    assert len(windows) == 2
    assert any("padded with rests" in message for message in messages)


def test_the_last_window_is_padded_with_rests_that_are_cut_off() -> None:
    (piece, _), model = run(scale(72))
    windows = model.asked[0].x[..., 0]
    assert windows.shape == (2, 64)
    assert (windows[1, 40:] == GRID.rest[0]).all()
    assert (piece.onset + piece.duration).max() == 72


def test_what_is_rounded_and_left_out_is_told() -> None:
    melody = Piece("m", 12, [0, 4, 8, 12, 12], [4, 4, 4, 12, 12], [60, 62, 64, 65, 60], [0] * 5)
    (piece, messages), _ = run(melody)
    assert piece.notes(0)["pitch"].tolist() == [60, 62, 64, 65]
    assert messages[0].startswith("3 note(s) of the soprano begin or end between the steps")
    assert messages[1].endswith("the highest is kept (1 left out, 0 shortened).")


def test_another_metre_is_harmonised_and_told() -> None:
    melody = scale(60)
    waltz = dataclasses.replace(melody, bars=lay_bars([(0, 3, 4)], 60, 4))
    (piece, messages), _ = run(waltz)
    assert same_notes(piece, 0, waltz)
    assert piece.bars == waltz.bars
    assert [m for m in messages if "3/4" in m] == [
        "The melody has bars of 3/4; the model knows 4/4 and is asked for windows of that length, "
        "whatever the metre."
    ]


def test_a_plain_melody_needs_no_message() -> None:
    assert run(scale(64))[0].messages == []


def test_a_silence_that_the_grid_cannot_hold_is_told() -> None:
    melody = melody_of([(0, 4, 60), (8, 8, 62)], 16)
    (piece, messages), _ = run(melody, MultiVoice(PARTS, RANGES, rest=False))
    assert piece.notes(0)["duration"].tolist() == [8, 8]
    assert messages == ["This grid has no rest: where the melody is silent its last note goes on."]


def test_drawing_follows_the_generator() -> None:
    model = Feedforward(GRID.distribution)
    melody = scale(40)

    def draw(seed: int) -> Piece:
        generator = torch.Generator().manual_seed(seed)
        return harmonize(model, GRID, melody, SingleStep(1.0), generator).piece

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_what_cannot_be_harmonised_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match="'e' has no notes to harmonise"):
        run(Piece("e", 4, [], [], [], []))
    with pytest.raises(UserError, match="wider than the 24 semitones of the soprano's range"):
        run(melody_of([(0, 4, 40), (4, 4, 80)], 8))
    model = Parallel(GRID)
    with pytest.raises(Mismatch, match="trained on another grid"):
        harmonize(model, MultiVoice(PARTS, RANGES, bars=2), scale(16), SingleStep())
    with pytest.raises(Mismatch, match="takes no given voices"):
        harmonize(SimpleNamespace(), GRID, scale(16), SingleStep())
    other = SimpleNamespace(distribution=Bernoulli((4, 88)))
    with pytest.raises(Mismatch, match="needs a multi-voice grid, and this is a SimpleNamespace"):
        harmonize(model, other, scale(16), SingleStep())
