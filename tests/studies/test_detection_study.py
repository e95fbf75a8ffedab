"""The study of detection: its runs can be made again, its rule, and its page."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from partimento.studies.detection import Labels

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "detection.json"


@pytest.fixture(scope="module")
def study() -> Iterator[SimpleNamespace]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import detection_figures
        import detection_judging
        import detection_loop
        import detection_material
        import detection_rule
        import detection_runs
        import detection_table

        yield SimpleNamespace(
            figures=detection_figures, judging=detection_judging, loop=detection_loop,
            material=detection_material, rule=detection_rule, runs=detection_runs,
            table=detection_table,
        )  # fmt: skip
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture
def short(study: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The study with runs of 100 updates, judged on fewer samples."""
    torch.set_num_threads(1)
    for world in study.runs.WORLDS:
        monkeypatch.setitem(study.runs.UPDATES, world, 100)
        monkeypatch.setitem(study.runs.ORACLE, world, 120)
    return study


@pytest.fixture
def result() -> dict[str, Any]:
    if not RESULT.exists():
        pytest.skip("the study has not been run")
    return json.loads(RESULT.read_text())


def test_there_are_as_many_runs_as_are_asked_for(study):
    runs = study.runs.runs()
    assert len(runs) == len(set(runs)) >= 60
    for world in study.runs.WORLDS:
        plain = [n for n, r in study.runs.RECIPES[world].items() if r.cause is None]
        assert len(plain) >= 8
        assert all(sum(r[:2] == (world, name) for r in runs) >= 4 for name in plain)


def test_what_was_tuned_on_is_not_judged_as_held_out(study):
    parts = {run: study.rule.part_of(*run[1:]) for run in study.runs.runs()}
    assert set(parts.values()) == set(study.rule.PARTS)
    tuned = {name for (_, name, _), part in parts.items() if part == "tuning"}
    held_out = {name for (_, name, _), part in parts.items() if part == "objectives"}
    assert not tuned & held_out
    assert {seed for (*_, seed), part in parts.items() if part == "tuning"} == {0, 1}


@pytest.mark.parametrize(
    ("world", "name", "seeds"),
    [("ring", "hinge_sn", (0, 3)), ("ring", "imle2", (1,)), ("modes", "imle2", (0,))],
)
def test_a_run_trained_again_is_the_same(short, tmp_path, world, name, seeds):
    first, second = (short.material.train_group(world, name, seeds) for _ in range(2))
    for seed in seeds:
        path = short.material.path_of(tmp_path, world, name, seed)
        short.material.keep(path, first[seed])
        kept = np.load(path)
        assert kept["x"].shape[:2] == (2, short.runs.COUNT)
        assert kept["counts"].sum(axis=1).tolist() == [120, 120]
        for key in kept.files:
            again = np.stack([row[key] for row in second[seed]])
            np.testing.assert_array_equal(kept[key], again)
    if len(seeds) > 1:
        assert not np.array_equal(first[seeds[0]][0]["x"], first[seeds[1]][0]["x"])


def test_runs_that_are_kept_are_not_trained_again(short, tmp_path, monkeypatch):
    one = [("ring", "imle2", (0,)), ("ring", "imle10", (0,))]
    monkeypatch.setattr(short.material, "groups", lambda: one)
    told: list[str] = []
    short.material.make_material(tmp_path, told.append)
    short.material.path_of(tmp_path, *one[1][:2], 0).unlink()
    short.material.make_material(tmp_path, told.append)
    assert [line.split()[1] for line in told] == ["imle2", "imle10", "imle10"]


def test_a_fork_left_alone_goes_the_way_of_its_run(short, monkeypatch):
    monkeypatch.setattr(short.loop, "LOOP_UPDATES", 150)
    run = short.loop.Run("slow_discriminator_ns", 0)
    run.evaluate()
    fork, acted = run.fork(), run.fork()
    short.loop.act(acted.stack)
    assert run.finish() == fork.finish()
    acted.finish()
    np.testing.assert_array_equal(run.counts, fork.counts)
    assert acted.stack.discriminator_updates == 50 + 3 * 100
    assert run.stack.discriminator_updates == 150
    assert not np.array_equal(run.counts, acted.counts)


def labels(**changes: Any) -> Labels:
    """One evaluation of eight modes that is healthy but for the changes."""
    one = {"visited": 8, "uneven": 0.0, "spread": 1.0, "quality": 0.95, "drift": 0.0, **changes}
    return Labels(modes=8, **{name: np.array([value]) for name, value in one.items()})


@pytest.mark.parametrize(
    ("changes", "kind", "name"),
    [
        ({"visited": 7}, "near_miss_modes", "dropped_modes"),
        ({"visited": 4}, "gross", "few_modes"),
        ({"visited": 1, "spread": 0.05}, "gross", "point_collapse"),
        ({"visited": 3, "drift": 0.3}, "gross", "rotation"),
        ({"uneven": 0.1}, "near_miss_imbalance", "imbalance"),
        ({"spread": 0.4}, "near_miss_shrinkage", "intra_mode"),
    ],
)
def test_the_rule_of_what_is_true(study, changes, kind, name):
    found = labels(**changes)
    assert study.rule.collapsed(found)
    assert not study.rule.healthy(found)
    assert study.rule.kinds("ring", found)[kind]
    there = [n for n, truth in study.rule.names("ring", found).items() if truth.present]
    assert there == [name]


def test_health_and_what_is_too_slight_to_say(study):
    assert study.rule.healthy(labels())
    assert not study.rule.collapsed(labels())
    assert not any(truth.present for truth in study.rule.names("ring", labels()).values())
    for slight in ({"uneven": 0.05}, {"spread": 0.6}):
        assert not study.rule.healthy(labels(**slight))
        assert not study.rule.collapsed(labels(**slight))
    blurred = labels(quality=0.1, spread=4.0)
    assert study.rule.healthy(blurred)  # off the data, which is no collapse
    assert study.rule.names("ring", blurred)["off_manifold"].present


def made_run(study: SimpleNamespace, seed: int, right: bool) -> Any:
    """A run of the ring that collapses half-way, and an alarm that says so, or always the opposite."""
    bad = np.arange(20) >= 10
    truth = Labels(
        np.where(bad, 7, 8), np.zeros(20), np.ones(20), np.full(20, 0.9), 8, np.zeros(20)
    )
    alarm = bad if right else ~bad
    said = tuple(("dropped_modes",) if there else () for there in alarm)
    scores = {"alarm": alarm.astype(float), "vendi": np.zeros(20)}
    return study.judging.Judged("ring", "hinge_sn", seed, truth, scores, alarm, said)


def test_figures_of_an_alarm_that_is_right_and_of_one_that_is_wrong(study):
    right = study.figures.figures_of([made_run(study, seed, True) for seed in range(4)])
    assert right["alarm"]["auroc_low"] == right["alarm"]["near_miss_auroc_low"] == 1
    assert right["alarm"]["median_delay_updates"] == 0
    assert right["alarm"]["false_alarms"] == 0
    assert right["alarm"]["healthy_updates"] == 4 * 10 * study.runs.EVERY
    assert right["attribution"]["macro_f1"] == 1
    assert right["vendi"]["any"] == [0.5, 0.5, 0.5]
    wrong = study.figures.figures_of([made_run(study, seed, False) for seed in range(4)])
    assert wrong["alarm"]["auroc_low"] == 0
    assert wrong["alarm"]["median_delay_updates"] is None
    assert wrong["alarm"]["told"] == 0
    assert wrong["attribution"]["macro_f1"] == 0


def test_a_share_has_its_exact_interval(study):
    """Clopper and Pearson 1934: of ten out of ten the lower end is 0.025^(1/10)."""
    assert study.loop.share([True] * 10)["interval"] == [round(0.025**0.1, 3), 1.0]
    assert study.loop.share([False] * 4)["interval"][0] == 0


def test_the_page_is_that_of_the_figures(study, result):
    assert study.table.PAGE.read_text() == study.table.document(result)


def test_the_figures_are_of_all_runs(study, result):
    figures = result["figures"]
    assert figures["runs"]["all"] == len(study.runs.runs())
    assert figures["alarm"]["auroc_low"] == figures["alarm"]["any"][1]
    (loop,) = figures["closed_loop"].values()
    assert loop["seeds"] == len(study.rule.LOOP_SEEDS)
    fallen = [row for row in loop["rows"].values() if row["collapsed"]]
    shares = {arm: np.mean([row[arm]["recovered"] for row in fallen]) for arm in study.loop.ARMS}
    for arm, share in shares.items():
        assert loop[arm]["share"] == pytest.approx(share, abs=1e-3)
