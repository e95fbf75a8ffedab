"""MGEval's features, counted by hand, of silence, of real chorales; distances of planted failures."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from made_pieces import piece_of, polyphony

from partimento.datasets.chorales import PARTS, RANGES, read_bach
from partimento.errors import UserError
from partimento.metrics.music.distances import FeatureDistances, between, compared, within
from partimento.metrics.music.mgeval import (
    LENGTHS,
    feature_sizes,
    length_classes,
    mgeval_features,
    mgeval_vectors,
)
from partimento.music import Piece, lay_bars
from partimento.representations.multivoice import MultiVoice

# C4 (quarter) E4 (half) G4 (eighth) C4 (eighth), then a bar with one whole note, in ticks of 1/4.
ROWS = [(0, 4, 60), (4, 8, 64), (12, 2, 67), (14, 2, 60), (16, 16, 72)]
TUNE = piece_of(ROWS, bars=lay_bars([(0, 4, 4)], 32, 4))


def test_features_counted_by_hand() -> None:
    found = mgeval_features(TUNE, bars=3)
    assert {name: len(values) for name, values in found.items()} == feature_sizes(3)
    assert found["pitch_count"] == [4]
    assert found["note_count"] == [5]
    assert found["bar_pitch_count"].tolist() == [3, 1, 0]
    assert found["bar_note_count"].tolist() == [4, 1, 0]
    assert found["pitch_range"] == [12]
    assert found["mean_pitch_shift"] == [pytest.approx((4 + 3 + 7 + 12) / 4)]
    assert found["mean_onset_interval"] == [pytest.approx((4 + 8 + 2 + 2) / 4 / 4)]
    shares = found["pitch_class_histogram"]
    assert shares[[0, 4, 7]].tolist() == pytest.approx([22 / 32, 8 / 32, 2 / 32])
    bars = found["bar_pitch_class_histogram"].reshape(3, 12)
    assert bars[0, [0, 4, 7]].tolist() == pytest.approx([6 / 16, 8 / 16, 2 / 16])
    assert bars[1, 0] == 1
    assert not bars[2].any()
    moves = found["pitch_class_transitions"].reshape(12, 12)
    assert {(int(a), int(b)) for a, b in np.argwhere(moves)} == {(0, 4), (4, 7), (7, 0), (0, 0)}


def test_lengths_are_musical_whatever_the_metre() -> None:
    """A unit of a 96th of the bar, as published, would take a quarter of 3/4 for a triplet half."""
    waltz = piece_of(ROWS, bars=lay_bars([(0, 3, 4)], 32, 4))
    for piece in (TUNE, waltz):
        found = mgeval_features(piece, bars=2)
        named = dict(zip(LENGTHS, found["note_length_histogram"], strict=True))
        assert {k: v for k, v in named.items() if v} == {96: 0.2, 48: 0.2, 24: 0.2, 12: 0.4}
        moves = found["note_length_transitions"].reshape(12, 12)
        assert moves.sum() == 4
        assert moves[LENGTHS.index(12), LENGTHS.index(12)] == 1


def test_the_nearest_of_twelve_lengths() -> None:
    ticks = np.array([96, 72, 24, 16, 8, 5, 7, 1, 500, 10])
    assert [LENGTHS[i] for i in length_classes(ticks, 24)] == [96, 72, 24, 16, 8, 6, 6, 6, 96, 9]


def test_parts_do_not_follow_each_other() -> None:
    rows = [(0, 4, 60, 0), (0, 4, 48, 1), (4, 4, 62, 0), (4, 4, 47, 1)]
    found = mgeval_features(piece_of(rows, parts=("a", "b")), bars=1)
    assert found["mean_pitch_shift"] == [1.5]
    moves = found["pitch_class_transitions"].reshape(12, 12)
    assert moves[0, 2] == moves[0, 11] == 1
    assert moves.sum() == 2


@given(polyphony(parts=2))
def test_any_music_has_finite_features_and_silence_has_none(piece: Piece) -> None:
    vector = mgeval_vectors([piece], bars=2)
    assert vector.shape == (1, sum(feature_sizes(2).values()))
    assert np.isfinite(vector).all()
    silence = mgeval_vectors([piece.frame()], bars=2)
    assert not silence.any()


GRID = MultiVoice(PARTS, RANGES, bars=2)


@pytest.fixture(scope="module")
def windows() -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors of two-bar windows of ten chorales, and of ten others."""
    found = []
    for numbers in (range(253, 273), range(280, 300)):
        pieces = []
        for number in numbers:
            try:
                grids = GRID.grids(read_bach(str(number)), stride=2)
            except UserError:  # not every number is a chorale in four parts
                continue
            pieces += [GRID.decode(grid) for grid in grids]
        order = np.random.default_rng(0).permutation(len(pieces))
        found.append(torch.from_numpy(mgeval_vectors([pieces[i] for i in order], bars=2)))
    return found[0], found[1]


def distances(real: torch.Tensor, fake: torch.Tensor) -> dict[str, float]:
    metric = FeatureDistances(bars=2)
    # In two batches of each: what is compared is all of them.
    for x, kind in ((real, True), (fake, False)):
        metric.update(x[: len(x) // 2], real=kind)
        metric.update(x[len(x) // 2 :], real=kind)
    return metric.compute()


def test_real_music_of_other_tunes_overlaps(windows) -> None:
    found = distances(*windows)
    assert set(found) == {
        f"{kind}/{name}"
        for kind in ("overlap", "divergence", "spread")
        for name in feature_sizes(2)
    }
    for name in feature_sizes(2):
        assert found[f"overlap/{name}"] > 0.8, name
        assert 0.6 < found[f"spread/{name}"] < 1.6, name


def test_a_point_collapse_overlaps_with_nothing(windows) -> None:
    real, other = windows
    found = distances(real, other[:1].repeat(30, 1))
    for name in feature_sizes(2):
        assert found[f"overlap/{name}"] == 0, name
        assert found[f"divergence/{name}"] == math.inf, name
        assert found[f"spread/{name}"] == 0, name


def test_two_windows_alone_are_no_variety(windows) -> None:
    real, other = windows
    found = distances(real, other[:2].repeat(20, 1))
    spread = [found[f"spread/{name}"] for name in feature_sizes(2)]
    assert np.median(spread) < 0.7
    assert np.median([found[f"overlap/{name}"] for name in feature_sizes(2)]) < 0.6


def test_all_pairs_are_counted_once() -> None:
    x, y = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[1.0], [5.0]])
    assert sorted(within(x)) == [1, 2, 3]
    assert sorted(between(x, y)) == [0, 1, 2, 2, 4, 5]
    assert compared(x, x)["spread"] == 1
    same = torch.zeros(3, 1)
    assert compared(same, same) == {"overlap": 1, "divergence": 0, "spread": 1}
    assert compared(same, x)["spread"] == math.inf
    with pytest.raises(ValueError, match="no distances among 1 real and 3 generated"):
        compared(x[:1], x)
