"""ChoraleModes: the theory it is made by, its oracle's confusion and likelihood, planted failures."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from partimento.config import DataConfig
from partimento.data.module import MusicDataModule
from partimento.datasets.chorale_law import (
    HARMONIES,
    PARTS,
    RANGES,
    RHYTHMS,
    ChoraleLaw,
    neighbour,
    triad,
    voicings,
)
from partimento.datasets.chorale_modes import ChoraleModes
from partimento.errors import UserError
from partimento.metrics.oracles import judge, reverse_kl_floor
from partimento.music import Piece
from partimento.representations.multivoice import MultiVoice

MODES = (24, 192)
HALF = np.repeat([1 / 12, 0], 12)


def drawn(modes: int, count: int, seed: int = 5) -> list[Piece]:
    return ChoraleModes(modes).draw(count, np.random.default_rng(seed))


def true_modes(pieces) -> np.ndarray:
    return np.array([int(piece.metadata["mode"]) for piece in pieces])


# -- theory ---------------------------------------------------------------------------------------


def test_triads_of_d_major():
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    found = {
        degree: " ".join(names[pc] for pc in triad(2, number))
        for number, degree in enumerate(("I", "ii", "iii", "IV", "V", "vi"))
    }
    assert found == {
        "I": "D F# A",
        "ii": "E G B",
        "iii": "F# A C#",
        "IV": "G B D",
        "V": "A C# E",
        "vi": "B D F#",
    }


def test_neighbours_in_d_major():
    scale = [p for p in range(40, 90) if p % 12 in {2, 4, 6, 7, 9, 11, 1}]
    for below, pitch, above in zip(scale, scale[1:], scale[2:], strict=False):
        moved = neighbour(np.array([pitch] * 3), np.array(2), np.array([-1, 0, 1]))
        assert moved.tolist() == [below, pitch, above]


def test_voicings_keep_the_rules():
    for chord in {chord for row in ChoraleLaw().chords for chord in row}:
        table = voicings(chord)
        assert len({tuple(row) for row in table}) == len(table) >= 10
        s, a, t, b = table.T
        for upper, lower in ((s, a), (a, t), (t, b)):
            assert (upper > lower).all()
        assert max((s - a).max(), (a - t).max()) <= 12
        assert (b % 12 == chord[0]).all()
        assert all({*(row[:3] % 12)} == set(chord) for row in table)


def test_no_two_harmonies_share_more_than_two_thirds_of_their_tones():
    chords = ChoraleLaw().chords
    shared = [
        sum(len(set(a) & set(b)) for a, b in zip(one, other, strict=True)) / 12
        for one, other in itertools.combinations(chords, 2)
    ]
    assert len(HARMONIES) == 24
    assert max(shared) == pytest.approx(2 / 3)


# -- what is drawn --------------------------------------------------------------------------------


@pytest.mark.parametrize("modes", MODES)
def test_pieces_are_four_voices_in_four_bars(modes):
    pieces = drawn(modes, 300)
    assert {piece.parts for piece in pieces} == {PARTS}
    assert {piece.end // piece.resolution for piece in pieces} == {16}
    assert {tuple(bar.onset // piece.resolution for bar in piece.bars) for piece in pieces} == {
        (0, 4, 8, 12)
    }
    for part, (low, high) in enumerate(RANGES):
        pitch = np.concatenate([piece.notes(part)["pitch"] for piece in pieces])
        assert ((low <= pitch) & (pitch <= high)).all()
    strokes = {tuple(sorted({o // p.resolution % 4 for o in p.onset.tolist()})) for p in pieces}
    assert len(strokes) == modes // 24
    assert pieces[0].metadata["title"] == ChoraleLaw(modes).name(true_modes(pieces)[0])


def test_every_key_signature_has_the_notes():
    """A piece's notes are in the major scale of its signature, for each mode."""
    dataset = ChoraleModes(24)
    pitch, struck = dataset.oracle.draw(np.arange(24), np.random.default_rng(0))
    for mode in range(24):
        signature = dataset.oracle.fifths(mode)
        tonic = 7 * signature % 12
        scale = {(tonic + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)}
        assert {*(pitch[mode] % 12).ravel().tolist()} <= scale
        assert dataset.oracle.name(mode).startswith(f"{'FCGDAE'[signature + 1]} major ")
    assert struck.all()


@pytest.mark.parametrize("modes", MODES)
def test_the_grid_of_a_piece_holds_all_of_it(modes):
    grid = MultiVoice(PARTS, RANGES)
    for piece in drawn(modes, 50):
        assert not grid.loss_of(piece)
        x = grid.encode(piece)
        assert x.shape == (64, 4)
        assert grid.decode(x, piece.frame()) == piece
    coarse = MultiVoice(PARTS, RANGES, steps_per_bar=4)
    for piece in drawn(modes, 20):
        assert coarse.encode(piece).shape == (16, 4)
        assert coarse.decode(coarse.encode(piece), piece.frame()) == piece


def test_the_same_arguments_give_the_same_pieces_and_others_others():
    def notes(dataset):
        return [piece.pitch.tolist() for piece in dataset.prepare(None).pieces]

    few = ChoraleModes(samples=20)
    assert notes(few) == notes(ChoraleModes(samples=20))
    assert notes(few) != notes(ChoraleModes(samples=20, seed=1))
    datasets = (few, ChoraleModes(), ChoraleModes(192), ChoraleModes(ornament=0.1))
    assert len({dataset.fingerprint() for dataset in datasets}) == 4


def test_pieces_go_through_the_data_module_and_stay_in_their_key():
    grid = MultiVoice(PARTS, RANGES)
    data = MusicDataModule(ChoraleModes(samples=200), grid, DataConfig(transpose=True))
    sizes = {split: len(data.examples(split)) for split in ("train", "valid", "test")}
    assert sizes == {"train": 160, "valid": 20, "test": 20}
    assert data.lost() == {}
    pieces = [grid.decode(x) for x in data.examples("train").x.numpy()]
    assert data.dataset.oracle.assign(pieces).good.all()
    card = data.corpus.card
    assert card.title.startswith("Synthetic: ")
    assert "Synthetic music, not by any composer." in card.notes
    assert card.counts == {"pieces": 200, "notes": 200 * 64, "modes": 24}


# -- the oracle -----------------------------------------------------------------------------------


@pytest.mark.parametrize("modes", MODES)
def test_the_oracle_knows_the_mode_of_what_is_drawn(modes):
    """The templates' confusion of the law's own draws: none seen in 2,000 (in 20,000: full tier)."""
    law, pieces = ChoraleLaw(modes), drawn(modes, 2000)
    labels = law.assign(pieces)
    assert (labels.mode == true_modes(pieces)).all()
    expected = law.ceiling
    assert abs(labels.good.mean() - expected) < 4 * math.sqrt(expected * (1 - expected) / 2000)


@pytest.mark.full
@pytest.mark.parametrize("modes", MODES)
def test_the_rate_of_confusion_and_the_divergence_of_a_perfect_model(modes):
    law, pieces = ChoraleLaw(modes), drawn(modes, 20_000)
    assert (law.assign(pieces).mode != true_modes(pieces)).mean() < 0.0005
    said = judge(law, pieces)
    assert said["modes"] == modes
    assert said["high_quality"] == pytest.approx(law.ceiling, abs=0.003)
    floor = reverse_kl_floor(modes, 20_000)
    assert abs(said["reverse_kl"] - floor) < 4 * math.sqrt((modes - 1) / 2) / 20_000


def test_the_ceiling_is_a_binomial_tail():
    """36 notes may be ornaments with all quarters struck, and 12 of 64 still leave 80 %."""
    from scipy.stats import binom

    assert ChoraleLaw(24).ceiling == pytest.approx(binom.cdf(12, 36, 0.15), abs=1e-12)
    assert ChoraleLaw(24, ornament=0.0).ceiling == 1
    law = ChoraleLaw(192)
    by_rhythm = dict(zip(RHYTHMS, map(law._ceiling, RHYTHMS), strict=True))
    assert by_rhythm[True, False, False, False] == 1
    # Twelve notes of three quarters each, of which four are 12 quarters, and five are too many.
    assert by_rhythm[True, True, False, False] == pytest.approx(binom.cdf(4, 12, 0.15))
    assert law.ceiling == pytest.approx(np.mean(list(by_rhythm.values())))


@pytest.mark.parametrize(("modes", "ornament"), [(24, 0.15), (192, 0.15), (24, 0.0), (192, 1.0)])
def test_the_entropy_is_the_mean_surprise(modes, ornament):
    dataset = ChoraleModes(modes, ornament=ornament)
    surprise = -dataset.oracle.log_prob(dataset.draw(1000, np.random.default_rng(2)))
    error = surprise.std() / math.sqrt(len(surprise))
    assert abs(surprise.mean() - dataset.oracle.entropy) < 4 * error + 1e-9


def test_probabilities_of_one_mode_sum_to_one():
    """All voicings of a mode without ornaments, and all ornaments of one stroke."""
    law = ChoraleLaw(24, ornament=0.0)
    per_bar = [len(voicings(chord)) for chord in law.chords[7]]
    (piece,) = ChoraleModes(24, ornament=0.0).draw(1, np.random.default_rng(0), np.eye(24)[7])
    assert law.log_prob([piece])[0] == pytest.approx(-math.log(24 * math.prod(per_bar)))
    law = ChoraleLaw(24, ornament=0.2)
    note = 4 * 4 + 1  # alto of the second bar's first beat
    at = np.flatnonzero((piece.onset == piece.resolution * 5) & (piece.part == 1))
    tonic = np.array(law.tonics[7])
    chances = []
    for step in (-1, 0, 1):
        pitch = piece.pitch.copy()
        pitch[at] = neighbour(piece.pitch[note], tonic, np.array(step))
        chances.append(math.exp(law.log_prob([piece.with_notes(pitch=pitch)])[0]))
    assert np.array(chances) / sum(chances) == pytest.approx([0.1, 0.8, 0.1])
    assert sum(chances) == pytest.approx(0.8**35 / 24 / math.prod(per_bar))


def test_what_the_law_cannot_draw_has_no_likelihood():
    law = ChoraleLaw(192)
    mode = 24 * RHYTHMS.index((True, False, True, False)) + 3
    (piece,) = ChoraleModes(192).draw(1, np.random.default_rng(0), np.eye(192)[mode])
    assert math.isfinite(law.log_prob([piece])[0])

    def changed(**columns):
        return law.log_prob([piece.with_notes(**columns)])[0]

    for note in range(len(piece)):  # no note can be a tritone off
        assert changed(pitch=piece.pitch + 6 * (np.arange(len(piece)) == note)) == -math.inf
    late = piece.onset + (np.arange(len(piece)) == 0)
    assert changed(onset=late, duration=piece.duration - (np.arange(len(piece)) == 0)) == -math.inf
    short = np.where(np.arange(len(piece)) == len(piece) - 1, 4, piece.duration)
    assert changed(duration=short, end=piece.end) == -math.inf
    assert law.log_prob([piece.transposed(1)])[0] == -math.inf
    with pytest.raises(UserError, match=r"^The oracle of chorale_modes hears 4 voices apart, but "):
        law.log_prob([Piece("solo", 4, [0], [4], [60], [0])])


def test_planted_failures_have_the_values_that_follow():
    dataset, rng = ChoraleModes(24), np.random.default_rng(1)
    law = dataset.oracle
    half = judge(law, dataset.draw(1500, rng, HALF))
    assert half["modes"] == 12
    assert half["reverse_kl"] == pytest.approx(math.log(2) + 11 / 3000, abs=0.005)
    one = judge(law, dataset.draw(100, rng, np.eye(24)[4]))
    assert one["modes"] == 1
    assert one["reverse_kl"] == pytest.approx(math.log(24))
    pieces = dataset.draw(400, rng)
    noisy = [
        piece.with_notes(
            pitch=np.where(rng.random(64) < 0.5, rng.integers(40, 80, 64), piece.pitch)
        )
        for piece in pieces
    ]
    assert law.assign(noisy).good.mean() < 0.05
    assert (law.assign(noisy).mode == true_modes(pieces)).mean() > 0.9


def test_any_parts_and_ticks_are_judged_alike():
    """A piano reduction in other ticks has the same modes; a silent or short piece is not good."""
    for modes in MODES:
        law, pieces = ChoraleLaw(modes), drawn(modes, 60)
        reduced = [
            Piece(
                "piano",
                3 * piece.resolution,
                3 * piece.onset,
                3 * piece.duration,
                piece.pitch,
                0 * piece.part,
            )
            for piece in pieces
        ]
        for one, other in zip(law.assign(pieces), law.assign(reduced), strict=True):
            np.testing.assert_array_equal(one, other)
    piece = pieces[0]
    silent = piece.frame()
    early = piece.onset < 8 * piece.resolution
    columns = ("onset", "duration", "pitch", "part", "velocity")
    half = piece.with_notes(**{name: getattr(piece, name)[early] for name in columns})
    assert not law.assign([silent, half]).good.any()


def test_rhythms_off_the_beat_are_not_good_where_rhythm_is_a_mode():
    law, pieces = ChoraleLaw(192), drawn(192, 40)
    late = [piece.with_notes(onset=piece.onset + 1) for piece in pieces]
    assert not law.assign(late).good.any()


def test_wrong_arguments_are_told():
    with pytest.raises(UserError, match=r"^chorale_modes: modes must be 24 or 192, not 25\.$"):
        ChoraleModes(25)
    with pytest.raises(UserError, match=r"^chorale_modes: ornament is a probability, not 1\.5\.$"):
        ChoraleModes(ornament=1.5)
    with pytest.raises(UserError, match=r"^chorale_modes: samples must be a number above 0, not 0"):
        ChoraleModes(samples=0)
