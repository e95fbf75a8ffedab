"""The study of MidiNet's conditions: its rule on made-up sums, its judge on known songs, its table."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from partimento.chords import Triad, chord_vector
from partimento.representations.bars import Bars

ROOT = Path(__file__).resolve().parents[1]
PIECES, NOTES = 40, 100.0


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("midinet")


def sums(following: list[float], spread: float = 0.02) -> np.ndarray:
    """Return sums `(seeds, pieces, 3)` of pieces whose figure is about this in each seed."""
    draw = np.random.default_rng(0).normal(0, spread, PIECES)
    rows = [
        np.stack(
            [NOTES * (0.3 + seed + draw), np.full(PIECES, NOTES * 0.3), np.full(PIECES, NOTES)], -1
        )
        for seed in following
    ]
    return np.stack(rows)


def ruled(study: ModuleType, claim: list[float], **others: list[float]) -> dict[str, Any]:
    runs = {point: sums([0.05] * 3) for point in study.POINTS}
    named = {point.replace("_", "-").removeprefix("p"): sums(v) for point, v in others.items()}
    return study.compared(runs | named | {study.CLAIM: sums(claim)})


def test_the_grid_has_eight_points_and_the_claim_is_one(study: ModuleType) -> None:
    assert len(set(study.POINTS)) == 8
    assert study.CLAIM in study.POINTS
    first = study.overrides(study.CLAIM, 2, "out", 5)
    assert "model.generator.conditions.previous.form=1d" in first
    assert "model.generator.conditions.chord.form=2d" in first
    assert {"seed=2", "trainer.max_updates=5"} <= set(first)
    assert not any("max_updates" in text for text in study.overrides(study.CLAIM, 2, "out", None))


def test_more_than_every_other_holds(study: ModuleType) -> None:
    found = ruled(study, [0.1, 0.09, 0.11])
    assert found["claim"] == "holds"
    row = found["against"]["2d-2d-one"]
    assert row["difference"] == pytest.approx(0.05, abs=1e-4)
    assert row["outcome"] == "more"
    low, high = found["intervals"][study.CLAIM]
    assert low < 0.1 < high


def test_one_seed_that_says_otherwise_leaves_it_open(study: ModuleType) -> None:
    found = ruled(study, [0.2, 0.2, 0.04])
    assert found["against"]["1d-1d-all"]["outcome"] == "no difference shown"
    assert found["claim"] == "not shown"


def test_less_than_one_contradicts(study: ModuleType) -> None:
    found = ruled(study, [0.1, 0.1, 0.1], p2d_1d_all=[0.2, 0.2, 0.2])
    assert found["against"]["2d-1d-all"]["outcome"] == "less"
    assert found["against"]["1d-1d-one"]["outcome"] == "more"
    assert found["claim"] == "contradicted"


def test_the_papers_models_are_beside_the_rule(study: ModuleType) -> None:
    found = ruled(study, [0.1, 0.09, 0.11], stable=[0.3, 0.3, 0.3])
    assert found["claim"] == "holds"
    assert "stable" not in found["against"]
    assert found["intervals"]["stable"][0] > 0.25
    assert study.overrides("creative", 1, "out", None)[0] == "experiment=midinet_creative_small"


def test_equal_points_differ_nowhere(study: ModuleType) -> None:
    found = ruled(study, [0.05, 0.05, 0.05])
    assert {row["outcome"] for row in found["against"].values()} == {"no difference shown"}
    assert found["claim"] == "not shown"


def judge(study: ModuleType) -> Any:
    """A judge of two songs over C and G, and a training set that has one of their bars."""
    triads = [Triad(0, False), Triad(7, False)]
    chords = np.array([chord_vector(triad) for triad in triads], dtype=np.uint8)
    bars = np.repeat([[60], [67]], 16, axis=1)
    before = np.full((1, 16, 1), 128)
    song = study.Song(bars, chords, before)
    known = study.Material([song, song], bars[:1], bars.reshape(1, 32))
    return study.Judge(Bars(rest=False), known)


def test_roots_alone_follow_their_chords(study: ModuleType) -> None:
    """C over C and G over G: all in the chord; with chords changed, G alone is in C's."""
    judged = judge(study)
    figures, rows = judged([song.bars for song in judged.known.songs])
    assert figures == {
        "in_chord": 1.0,
        "shuffled": 0.75,
        "following": 0.25,
        "copied_bars": 0.5,
        "copied_pairs": 1.0,
        "unique": 0.5,
    }
    assert rows.tolist() == [[2, 1.5, 2]] * 2


def test_what_a_strategy_makes_of_each_song(study: ModuleType) -> None:
    """Melodies over several songs' chords at once: as long as each, and each as if alone."""
    import torch

    from partimento.generation.strategies import Strategy
    from partimento.loading import Trained

    class Roots(Strategy):
        def generate(self, model: Any, *, condition: Any = None, **options: Any) -> torch.Tensor:
            root = condition["chord"][:, :12].argmax(1)
            return (60 + root)[:, None, None].expand(-1, 16, 1)

    songs = judge(study).known.songs
    longer = study.Song(songs[0].bars[[0, 1, 1]], songs[0].chords[[1, 0, 1]], songs[0].before)
    study.build_strategy, kept = lambda config: Roots(), study.build_strategy
    try:
        trained = Trained(torch.nn.Identity(), Bars(rest=False), {}, Path())  # type: ignore[arg-type]
        made = study.melodies(trained, [songs[0], longer], 0)
    finally:
        study.build_strategy = kept
    assert [bars[:, 0].tolist() for bars in made] == [[60, 67], [67, 60, 67]]


def test_the_table_is_written_into_the_page(study: ModuleType) -> None:
    every = (*study.POINTS, *study.MODELS)
    runs = {point: sums([0.05] * 3) for point in every} | {study.CLAIM: sums([0.1] * 3)}
    cells = {
        point: [
            {"figures": dict.fromkeys(study.FIGURES, 0.25), "sums": s.tolist(), "updates": 7}
            for s in rows
        ]
        for point, rows in runs.items()
    }
    found = json.loads(json.dumps(study.figures_of(cells, judge(study))))
    assert found["updates"] == [7]
    assert found["rule"]["claim"] == "holds"
    assert not any(found["copies"].values())
    page = "before\n<!-- table: midinet -->\nold\n<!-- end -->\nafter\n"
    once = study.paged(page, found)
    assert once == study.paged(once, found)
    assert once.startswith("before\n")
    assert once.endswith("<!-- end -->\nafter\n")
    lines = [line for line in once.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 8 + 2 + 1
    assert sum(line.endswith("| more |") for line in lines) == 7
    assert any(line.startswith("| 1d | 2d | all | 0.250 (0.250, 0.250, 0.250) |") for line in lines)
    assert lines[-1].startswith("| held-out music |")
    assert len({line.count("|") for line in lines}) == 1


def test_the_page_has_a_place_for_the_table() -> None:
    page = (ROOT / "docs" / "midinet.md").read_text()
    assert page.count("<!-- table: midinet -->\n") == 1
    assert page.count("<!-- end -->") == 1
