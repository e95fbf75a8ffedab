"""The stacked chorale: motifs that cannot be confused, exact mode and likelihood, the null."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partimento.config import DataConfig
from partimento.data.module import MusicDataModule
from partimento.datasets.stacked_chorale import (
    ENTROPY,
    MODES,
    MOTIFS,
    PARTS,
    StackedChorale,
    StackedLaw,
    digits,
    pitch_of,
    ranges,
    step_of,
)
from partimento.errors import UserError
from partimento.metrics.oracles import judge, mode_counts, modes_covered, reverse_kl
from partimento.music import Piece
from partimento.representations.multivoice import MultiVoice

DATASET = StackedChorale(samples=100)
LAW = StackedLaw()


def true_modes(pieces) -> np.ndarray:
    return np.array([int(piece.metadata["mode"]) for piece in pieces])


@pytest.fixture(scope="module")
def each() -> list[Piece]:
    """One piece of each mode, in order."""
    rng = np.random.default_rng(0)
    return [DATASET.draw(1, rng, np.eye(MODES)[mode])[0] for mode in range(MODES)]


def test_motifs_differ_in_two_of_their_three_steps():
    for one, other in itertools.combinations(MOTIFS.values(), 2):
        assert sum(a != b for a, b in zip(one, other, strict=True)) >= 2
    assert len(MOTIFS) == 10
    assert all(motif[0] == 0 and len(motif) == 4 for motif in MOTIFS.values())


def test_steps_are_the_white_keys():
    white = [pitch for pitch in range(128) if pitch % 12 in (0, 2, 4, 5, 7, 9, 11)]
    assert pitch_of(np.arange(len(white))).tolist() == white
    assert step_of(np.array(white)).tolist() == list(range(len(white)))
    others = np.setdiff1d(np.arange(-3, 128), white)
    assert (step_of(others) < -100).all()


def test_the_decoder_knows_all_1000_modes(each):
    labels = LAW.assign(each)
    assert labels.mode.tolist() == list(range(MODES)) == true_modes(each).tolist()
    assert labels.good.all()
    assert (LAW.log_prob(each) == -ENTROPY).all()
    assert (
        each[137].metadata["title"] == LAW.name(137) == "rise / triad up and back / pendulum of "
        "fifths"
    )


def test_every_piece_of_a_mode_is_as_likely_and_they_are_as_many():
    """54 beginnings of a bar, all different, make exp(entropy) = 1,000 x 54^4 pieces."""
    mode = np.full(20_000, 404)
    pitch = LAW.draw(mode, np.random.default_rng(0))
    bars = pitch.reshape(-1, 4 * 3)
    distinct, counts = np.unique(bars, axis=0, return_counts=True)
    assert len(distinct) == 54
    chance = counts / counts.sum()
    assert np.abs(chance - 1 / 54).max() < 4 * math.sqrt(1 / 54 / len(bars))
    assert math.exp(ENTROPY) == pytest.approx(1000 * 54**4)


def test_bars_begin_with_a_triad_over_its_root(each):
    for piece in each[::7]:
        for beat in (0, 4, 8, 12):
            at = piece.onset == beat * piece.resolution
            soprano, alto, bass = step_of(piece.pitch[at])
            assert {(soprano - bass) % 7, (alto - bass) % 7} <= {0, 2, 4}
            assert bass % 7 < 6


def test_pieces_lie_in_the_declared_ranges_and_the_grid_holds_them(each):
    lowest = [min(piece.notes(part)["pitch"].min() for piece in each) for part in range(3)]
    highest = [max(piece.notes(part)["pitch"].max() for piece in each) for part in range(3)]
    assert tuple(zip(lowest, highest, strict=True)) == ranges()
    grid = MultiVoice(PARTS, ranges())
    for piece in each[::50]:
        assert not grid.loss_of(piece)
        assert grid.decode(grid.encode(piece), piece.frame()) == piece
    data = MusicDataModule(DATASET, grid, DataConfig(transpose=True))
    assert {s: len(data.examples(s)) for s in ("train", "valid", "test")} == {
        "train": 80,
        "valid": 10,
        "test": 10,
    }
    decoded = [grid.decode(x) for x in data.examples("train").x.numpy()]
    np.testing.assert_array_equal(LAW.assign(decoded).mode, true_modes(data.pieces("train")))
    assert data.corpus.card.title.startswith("Synthetic: ")


@given(
    mode=st.integers(0, MODES - 1),
    seed=st.integers(0, 2**32 - 1),
    note=st.integers(0, 47),
    shift=st.integers(-12, 12).filter(bool),
)
def test_one_wrong_note_costs_the_quality_but_not_the_mode(mode, seed, note, shift):
    """Of the twelve steps of a voice, three hang on a bar's first note and one on any other."""
    (piece,) = DATASET.draw(1, np.random.default_rng(seed), np.eye(MODES)[mode])
    pitch = piece.pitch.copy()
    pitch[note] += shift
    labels = LAW.assign([piece.with_notes(pitch=pitch)])
    assert labels.mode[0] == mode
    assert not labels.good[0]


def test_held_notes_are_heard_alike(each):
    """A pedal whose repeated notes were merged, as in a piano roll, keeps its mode."""
    mode = 555 - 55 * 10  # pedal / pedal / turn from above
    assert digits(np.array(mode)).tolist() == [0, 0, 5]
    piece = each[mode]
    merged = MultiVoice(PARTS, ranges())
    x = merged.encode(piece)
    held = merged.sounding(x)
    x[1:] = np.where(held[1:] == held[:-1], merged.hold, x[1:])
    joined = merged.decode(x.astype(np.uint8), piece.frame())
    assert len(joined) < len(piece)
    labels = LAW.assign([joined])
    assert labels.mode[0] == mode
    assert labels.good[0]
    assert LAW.log_prob([joined])[0] == -math.inf


def test_what_the_law_cannot_draw_has_no_likelihood(each):
    piece = each[321]
    assert LAW.log_prob([piece.transposed(12)])[0] == -math.inf
    assert LAW.assign([piece.transposed(12)]).good[0]
    assert not LAW.assign([piece.transposed(1)]).good[0]
    late = piece.with_notes(onset=piece.onset + 1)
    assert not LAW.assign([late]).good[0]
    with pytest.raises(
        UserError, match=r"^The oracle of stacked_chorale hears 3 voices apart, but "
    ):
        LAW.assign([Piece("solo", 4, [0], [4], [60], [0])])


def test_a_lost_motif_has_the_divergence_that_follows():
    """Without one of ten motifs in one voice, 900 modes are left: ln(10/9), and the floor."""
    weights = np.where(np.arange(MODES) % 10 == 3, 0, 1 / 900)
    pieces = DATASET.draw(2700, np.random.default_rng(3), weights)
    labels = LAW.assign(pieces)
    counts = mode_counts(labels, MODES)
    rng = np.random.default_rng(4)
    null = [
        reverse_kl(np.bincount(rng.integers(900, size=2700), minlength=1000)) for _ in range(40)
    ]
    assert abs(reverse_kl(counts) - np.mean(null)) < 4.5 * np.std(null)
    assert modes_covered(counts.reshape(100, 10)[:, 3]) == 0
    assert modes_covered(counts.reshape(-1, 10).sum(axis=0)) == 9


@pytest.mark.full
def test_26000_pieces_cover_1000_modes():
    said = judge(LAW, StackedChorale().prepare(None).pieces)
    assert said["modes"] == 1000
    assert said["high_quality"] == 1
    assert said["reverse_kl"] == pytest.approx(0.0197, abs=0.001)


def test_arguments():
    assert len({StackedChorale().fingerprint(), StackedChorale(seed=1).fingerprint()}) == 2
    assert DATASET.fingerprint() == StackedChorale(samples=100).fingerprint()
    with pytest.raises(UserError, match=r"^stacked_chorale: samples must be a number above 0"):
        StackedChorale(samples=0)
