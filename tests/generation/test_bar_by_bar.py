"""Bar by bar: what each bar is made under, priming, the music that comes out, and one-sentence refusals."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from partimento.chords import vector_triad
from partimento.errors import Mismatch, UserError
from partimento.formats.files import read_piece
from partimento.generation.bar_by_bar import bar_by_bar, before, continue_bars
from partimento.generation.strategies import SingleStep, Strategy
from partimento.loading import Trained
from partimento.models.adversarial import Adversarial
from partimento.music import Bar, Chord, Key, Piece, lay_bars
from partimento.networks.midinet import BarDiscriminator, BarGenerator
from partimento.reports.score import write_all
from partimento.representations.bars import Bars
from partimento.representations.multivoice import MultiVoice

REST = 128


def game(representation: Bars, seed: int = 0) -> Adversarial:
    torch.manual_seed(seed)
    return Adversarial(
        representation.distribution,
        representation.conditions,
        generator=partial(BarGenerator, hidden=[8], channels=4, init_scale=0.5),
        discriminator=partial(BarDiscriminator, hidden=[8]),
        latent=5,
    ).eval()


class Follower(Strategy):
    """Plays the root of the chord; its first step is a semitone above the last step before."""

    def __init__(self) -> None:
        self.asked: list[dict[str, np.ndarray]] = []

    def generate(self, model: Any, *, condition: Any = None, n: Any = None, **options: Any):
        self.asked.append({name: value.numpy() for name, value in condition.items()})
        rows = []
        for row in range(n or len(condition["chord"])):
            chord = vector_triad(tuple(condition["chord"][row].tolist()))
            bar = np.full((16, 1), 60 + chord.root)
            if "previous" in condition:
                last = int(condition["previous"][row, -1, 0])
                bar[0] = 60 if last == REST else last + 1
            rows.append(bar)
        return torch.from_numpy(np.stack(rows))


def tune(bars: int = 4, pickup: int = 0, **more: Any) -> Piece:
    """Quarter notes that rise by a semitone each, over C, after a pick-up."""
    notes = 4 * bars + (pickup > 0)
    onset = pickup + 4 * np.arange(4 * bars)
    onset = np.concatenate([[0], onset]) if pickup else onset
    duration = np.full(notes, 4)
    duration[:1] = pickup or 4
    end = 16 * bars + pickup
    lines = lay_bars([(pickup, 4, 4)], end, 4)
    lines = (Bar(0, 4, 4), *lines) if pickup else lines
    pitch = 60 + np.arange(notes) - (pickup > 0)
    return Piece("tune", 4, onset, duration, pitch, np.zeros(notes), parts=("melody",),
                 end=end, bars=lines, chords=(Chord(0, end, "C"),), **more)  # fmt: skip


# -- the loop ---------------------------------------------------------------------------------------


def test_each_bar_is_made_under_its_chord_and_the_bar_before():
    strategy, bars = Follower(), Bars()
    done = bar_by_bar(game(bars), bars, strategy, chords="C G Am", bars=5)
    roots = [vector_triad(tuple(a["chord"][0].tolist())) for a in strategy.asked]
    assert [t.symbol for t in roots] == ["C", "G", "Am", "C", "G"]
    assert all(a["previous"].shape == (1, 16, 1) for a in strategy.asked)
    assert (strategy.asked[0]["previous"] == REST).all()
    # C4; then C sharp and 15 steps of G; A flat and A; B flat and C; D flat and G.
    expected = [[60] * 16, [61] + [67] * 15, [68] + [69] * 15, [70] + [60] * 15, [61] + [67] * 15]
    for asked, bar in zip(strategy.asked[1:], expected, strict=False):
        assert asked["previous"][0, :, 0].tolist() == bar
    piece = done.piece
    assert piece.end == 5 * 16
    assert [(c.onset, c.duration, c.symbol) for c in piece.chords] == [
        (0, 16, "C"), (16, 16, "G"), (32, 16, "Am"), (48, 16, "C"), (64, 16, "G"),
    ]  # fmt: skip
    assert bars.encode(piece)[:, 0].tolist() == sum(expected, [])


def test_several_bars_before():
    strategy, bars = Follower(), Bars(previous=3)
    bar_by_bar(game(bars), bars, strategy, chords="C G Am F", priming=tune(), priming_bar=2)
    heard = [a["previous"][0, ::16, 0].tolist() for a in strategy.asked]
    # Bars 2, 3 and 4 of the tune begin with 64, 68 and 72; the last ends with 75.
    assert heard == [[64, 68, 72], [68, 72, 76], [72, 76, 61], [76, 61, 68]]


def test_many_melodies_at_once_are_what_each_is_alone():
    strategy, draw = Follower(), np.random.default_rng(0)
    roots = draw.integers(0, 12, (6, 3))
    chords = torch.zeros(6, 3, 13, dtype=torch.uint8)
    chords[torch.arange(6)[:, None], torch.arange(3), torch.from_numpy(roots)] = 1
    previous = torch.from_numpy(draw.integers(50, 60, (6, 16, 1)))
    model = game(Bars())
    both = continue_bars(model, strategy, bars=3, previous=previous, chords=chords)
    assert both.shape == (6, 3, 16, 1)
    for row in range(6):
        alone = continue_bars(
            model, strategy, bars=3, previous=previous[row : row + 1], chords=chords[row : row + 1]
        )
        assert torch.equal(alone[0], both[row])


def test_a_model_without_chords_and_one_that_looks_at_nothing():
    for options in (
        {"chord": "none"},
        {"chord": "none", "previous": 0},
        {"chord": "none", "previous": 2},
    ):
        bars = Bars(**options)
        done = bar_by_bar(game(bars), bars, SingleStep(), bars=7)
        assert done.piece.end == 7 * 16
        assert done.piece.chords == ()
    bars = Bars(previous=0)
    done = bar_by_bar(game(bars), bars, SingleStep(), chords=["C", "F"])
    assert [chord.symbol for chord in done.piece.chords] == ["C", "F"]


def test_a_network_hears_the_bar_before_and_its_chord(tmp_path):
    """With one and the same code, other bars before and other chords give other music."""
    bars = Bars()
    model = game(bars)
    trained = Trained(model, bars, {}, Path())

    def made(chords: str, seed: int = 0, **priming: Any) -> list[int]:
        piece = trained.bar_by_bar(chords, 4, seed=seed, **priming).piece
        return bars.encode(piece)[-64:, 0].tolist()

    plain = made("C G")
    assert plain == made("C G")
    assert plain != made("C G", seed=1)
    assert plain[:16] == made("C F")[:16]
    assert plain[16:32] != made("C F")[16:32]
    assert plain != made("C G", priming=tune(), priming_bar=1)


# -- priming ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pickup", [0, 4])
def test_the_priming_bar_comes_first_with_its_chord(pickup):
    strategy, bars = Follower(), Bars()
    priming = tune(pickup=pickup)
    done = bar_by_bar(
        game(bars), bars, strategy, chords="G", bars=2, priming=priming, priming_bar=3
    )
    assert strategy.asked[0]["previous"][0, ::4, 0].tolist() == [68, 69, 70, 71]
    assert [chord.symbol for chord in done.piece.chords] == ["C", "G", "G"]
    assert done.piece.pitch.tolist() == [68, 69, 70, 71, 72, 67, 68, 67]
    assert done.messages == []


def test_a_priming_bar_moves_to_where_the_model_has_its_music():
    bars = Bars(two_octaves=True, rest=False)
    low = tune().transposed(-24)
    done = bar_by_bar(game(bars), bars, Follower(), chords="G", priming=low)
    assert done.piece.pitch[:4].tolist() == [60, 61, 62, 63]
    assert done.messages == ["16 notes of 'tune' are moved, as the model has its music."]
    in_c = Bars(in_c=True)
    tonal = tune(keys=(Key(0, 2, "major"),))
    done = bar_by_bar(game(in_c), in_c, Follower(), chords="G", priming=tonal)
    assert done.piece.pitch[:4].tolist() == [58, 59, 60, 61]
    assert done.piece.chords[0].symbol == "Bb"


def test_silence_before_the_first_bar_is_in_the_condition_of_any_alphabet():
    bars = Bars(rest=False, previous=2)
    found = before(bars, np.full((1, 16, 1), 60))
    assert found.shape == (1, 32, 1)
    assert found[0, :, 0].tolist() == [bars.rest_symbol] * 16 + [60] * 16
    assert bars.conditions["previous"].features(torch.from_numpy(found)).shape == (1, 32, 129)


# -- files ------------------------------------------------------------------------------------------


def test_midi_musicxml_and_picture_have_the_music_and_the_chords(tmp_path):
    from mido import MidiFile
    from music21 import converter, harmony

    bars = Bars()
    done = bar_by_bar(game(bars), bars, Follower(), chords="C G Am F#m", bars=4)
    files = write_all(done.piece, tmp_path / "melody")
    read = read_piece(files["midi"])
    assert read.pitch.tolist() == done.piece.pitch.tolist()
    markers = [m.text for m in MidiFile(files["midi"]).tracks[0] if m.type == "marker"]
    assert markers == ["C", "G", "Am", "F#m"]
    score = converter.parse(files["musicxml"])
    figures = [chord.figure for chord in score.recurse().getElementsByClass(harmony.ChordSymbol)]
    assert figures == ["C", "G", "Am", "F#m"]
    assert files["png"].stat().st_size > 5000


# -- one sentence -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "asked", "sentence"),
    [
        ({}, {}, "^This model makes each bar for a chord: give some, one to the bar, such as chords="),
        ({"chord": "none"}, {"chords": "C"}, r"^This model knows no chords .*: leave chords out"),
        ({"chord": "none"}, {}, "^bars must be the number of bars to make, 1 or more, not None"),
        ({}, {"chords": "C", "bars": 0}, "^bars must be the number of bars to make, 1 or more"),
        ({}, {"chords": "C Hm"}, "^The chord 'Hm' cannot be read: .* did you mean 'Bm'"),
        ({}, {"chords": "C", "priming": tune(), "priming_bar": 5},
         "^priming_bar=5 asks for bar 5 of 'tune', which has bars 1 to 4"),
        ({"previous": 3}, {"chords": "C", "priming": tune(), "priming_bar": 3},
         "^priming_bar=3 asks for bars 3 to 5 of 'tune', which has bars 1 to 4"),
        ({}, {"chords": "C", "priming": tune(pickup=4), "priming_bar": 0}, "^priming_bar=0 asks for"),
        ({"previous": 0}, {"chords": "C", "priming": tune()}, "^This model looks at no bar before"),
        ({"part": 2}, {"chords": "C", "priming": tune()}, "part"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(options, asked, sentence):
    bars = Bars(**options)
    with pytest.raises(UserError, match=sentence) as error:
        bar_by_bar(game(bars), bars, SingleStep(), **asked)
    assert str(error.value).count("\n") == 0


def test_a_priming_bar_in_another_metre():
    bars = Bars()
    waltz = dataclasses.replace(tune(), bars=lay_bars([(0, 4, 4), (16, 3, 4)], 64, 4))
    assert bar_by_bar(game(bars), bars, Follower(), chords="C", priming=waltz).piece.end == 32
    with pytest.raises(
        UserError, match="^Bar 3 of 'tune' is in 3/4, and this model goes on from ful"
    ):
        bar_by_bar(game(bars), bars, Follower(), chords="C", priming=waltz, priming_bar=3)
    short = dataclasses.replace(tune(), end=60)
    with pytest.raises(UserError, match="^Bar 4 of 'tune' is no full one, and this model goes on"):
        bar_by_bar(game(bars), bars, Follower(), chords="C", priming=short, priming_bar=4)


def test_a_model_of_something_else():
    grid = MultiVoice(("melody",), ((60, 80),), bars=1)
    with pytest.raises(Mismatch, match=r"models of single bars, .* this one has MultiVoice\.$"):
        bar_by_bar(game(Bars()), grid, SingleStep(), chords="C")
    with pytest.raises(Mismatch, match="^The model was trained on other bars than these"):
        bar_by_bar(game(Bars()), Bars(rest=False), SingleStep(), chords="C")


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ({"previous": torch.zeros(1, 16, 1), "chord": torch.zeros(1, 12)},
         r"^Condition 'chord' must have the shape \(n, 13\) for this model, not \(1, 12\)\.$"),
        ({"previous": torch.zeros(1, 32, 1), "chord": torch.zeros(1, 13)},
         r"^Condition 'previous' must have the shape \(n, 16, 1\) for this model, not \(1, 32, 1\)"),
        ({"previous": torch.zeros(1, 16, 1), "chord": torch.zeros(1, 13), "mood": torch.zeros(1)},
         "^This model has no condition 'mood'; its conditions are: previous, chord"),
    ],
)  # fmt: skip
def test_a_condition_of_the_wrong_length(condition, sentence):
    with pytest.raises(UserError, match=sentence):
        SingleStep().generate(game(Bars()), condition=condition)


def test_fewer_chords_than_bars():
    with pytest.raises(UserError, match="^There are chords for 2 bars where 3 are to be made"):
        continue_bars(game(Bars()), SingleStep(), bars=3, chords=torch.zeros(1, 2, 13))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (np.zeros((1, 12, 1)), r"^Bars have the shape \(bars, 16, 1\), not \(1, 12, 1\)"),
        (np.full((1, 16, 1), 129), "^Bars hold symbols from 0 to 128, not 129 to 129"),
        (np.full((1, 16, 1), -1), "^Bars hold symbols from 0 to 128, not -1 to -1"),
    ],
)
def test_bars_that_are_none(wrong, sentence):
    with pytest.raises(UserError, match=sentence):
        before(Bars(), wrong)
