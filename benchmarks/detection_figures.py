"""The figures of the study of detection, of judged runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from detection_judging import Judged
from detection_rule import ONSET, PARTS, collapsed, healthy, kinds, names, part_of
from detection_runs import EVERY, RECIPES, WORLDS

from partimento.studies.detection import (
    Delay,
    auroc,
    clustered,
    delays,
    f1,
    false_alarms,
    median_delay,
)

KINDS = (
    "any",
    "gross",
    "near_miss",
    "near_miss_modes",
    "near_miss_imbalance",
    "near_miss_shrinkage",
)


def figures_of(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return all figures of judged runs; the study's are those of other objectives, if any."""
    parts = {part: [j for j in judged if part_of(j.name, j.seed) == part] for part in PARTS}
    study = parts["objectives"] or parts["tuning"]
    unseen = [*parts["objectives"], *parts["seeds"]] or study
    found = {name: ranks(study, name) for name in sorted({key for j in study for key in j.scores})}
    alarm = {**found.pop("alarm"), **told(study)}
    alarm["auroc_low"] = alarm["any"][1]
    alarm["near_miss_auroc_low"] = alarm["near_miss"][1]
    alarm |= {
        key: value
        for key, value in told(unseen).items()
        if key in ("false_alarms", "healthy_updates")
    }
    return {
        "alarm": alarm,
        "attribution": attribution(study),
        **found,
        "by_world": {w: _summary([j for j in study if j.world == w]) for w in WORLDS},
        "by_part": {part: _summary(own) for part, own in parts.items() if own},
        "by_recipe": _by_recipe(judged),
        "leave_one_objective_out": left_out(judged, lambda j: RECIPES[j.world][j.name].objective),
        "leave_one_benchmark_out": left_out(judged, lambda j: j.world),
        "runs": {
            "all": len(judged),
            "updates": sum(EVERY * len(j.alarm) for j in judged),
            **{part: len(own) for part, own in parts.items()},
        },
    }  # fmt: skip


def _joined(judged: Sequence[Judged], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a score over all runs, and the run of each row; runs without it are left out."""
    own = [j for j in judged if name in j.scores]
    run = np.concatenate([np.full(len(j.alarm), j.run) for j in own] or [np.zeros(0, str)])
    return np.concatenate([j.scores[name] for j in own] or [np.zeros(0)]), run


def ranks(judged: Sequence[Judged], name: str) -> dict[str, list[float | None]]:
    """Return the AUROC of a score against each kind of collapse, with bootstrap intervals.

    Scores without a number (a discriminator's, where there is none) are left out.
    """
    own = [j for j in judged if name in j.scores]
    score, run = _joined(own, name)
    good = np.concatenate([healthy(j.labels) for j in own] or [np.zeros(0, bool)])
    found = {}
    for kind in KINDS:
        bad = np.concatenate(
            [collapsed(j.labels) if kind == "any" else kinds(j.world, j.labels)[kind] for j in own]
            or [np.zeros(0, bool)]
        )
        rows = np.flatnonzero((good | bad) & ~np.isnan(score))
        part, positive = score[rows], bad[rows]

        def statistic(
            index: np.ndarray, part: np.ndarray = part, positive: np.ndarray = positive
        ) -> float:
            return auroc(part[index], positive[index])

        found[kind] = clustered(statistic, run[rows], resamples=500).rounded()
    return found


def told(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return how soon the alarm came, and how often for nothing."""
    late: list[Delay] = []
    false = good = standing = 0
    for j in judged:
        bad, well = collapsed(j.labels), healthy(j.labels)
        late += delays(bad, well, j.alarm, ONSET)
        false += false_alarms(well, j.alarm)
        good += int(well.sum())
        standing += int((well & j.alarm).sum())
    median = median_delay(late) * EVERY
    return {
        "median_delay_updates": None if math.isnan(median) else median,
        "collapses": len(late),
        "told": sum(delay.told for delay in late),
        "told_within_200_updates": sum(d.told and d.evaluations * EVERY <= 200 for d in late),
        "false_alarms": false,
        "healthy_updates": good * EVERY,
        "healthy_updates_under_alarm": standing * EVERY,
    }


def attribution(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return how well failures are named at evaluations, all runs joined."""
    present: dict[str, list[np.ndarray]] = {}
    absent: dict[str, list[np.ndarray]] = {}
    said: dict[str, list[np.ndarray]] = {}
    for j in judged:
        for name, truth in names(j.world, j.labels).items():
            present.setdefault(name, []).append(truth.present)
            absent.setdefault(name, []).append(truth.absent)
            said.setdefault(name, []).append(np.array([name in told for told in j.said]))
    found = {}
    for name in present:
        own = [np.concatenate(rows[name]) for rows in (present, absent, said)]
        if own[0].any():
            found[name] = {"f1": round(f1(*own), 4), "evaluations": int(own[0].sum())}
    values = [row["f1"] for row in found.values()]
    macro = round(float(np.mean(values)), 4) if values else None
    return {"macro_f1": macro, **found}


def _summary(judged: Sequence[Judged]) -> dict[str, Any]:
    found = ranks(judged, "alarm")
    return {
        **found,
        **told(judged),
        "macro_f1": attribution(judged)["macro_f1"],
        "runs": len(judged),
    }


def _by_recipe(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return, for each recipe, how often it is collapsed and healthy, and what the alarm does."""
    found: dict[str, Any] = {}
    for world, name in dict.fromkeys((j.world, j.name) for j in judged):
        own = [j for j in judged if (j.world, j.name) == (world, name)]
        bad = np.concatenate([collapsed(j.labels) for j in own])
        good = np.concatenate([healthy(j.labels) for j in own])
        alarm = np.concatenate([j.alarm for j in own])
        found[f"{world}/{name}"] = {
            "cause": RECIPES[world][name].cause,
            "part": "tuning, seeds" if part_of(name, 10**6) == "seeds" else "objectives",
            "runs": len(own),
            "collapsed": round(float(bad.mean()), 3),
            "healthy": round(float(good.mean()), 3),
            "alarm_when_collapsed": round(float(alarm[bad].mean()), 3) if bad.any() else None,
            "alarm_when_healthy": round(float(alarm[good].mean()), 3) if good.any() else None,
        }
    return found


def left_out(judged: Sequence[Judged], group: Callable[[Judged], str]) -> dict[str, Any]:
    """Return what a threshold on the alarm's score gives that all other groups chose.

    It is the one at which their shares of collapsed and of healthy evaluations above and below it
    have the largest sum (Youden's).
    """
    found: dict[str, Any] = {}
    groups = list(dict.fromkeys(map(group, judged)))
    for name in groups if len(groups) > 1 else []:
        inside = [j for j in judged if group(j) == name]
        threshold = _threshold([j for j in judged if group(j) != name])
        score, bad, good = _decided(inside)
        hit = float((score[bad] > threshold).mean()) if bad.any() else math.nan
        passed = float((score[good] <= threshold).mean()) if good.any() else math.nan
        value = auroc(score[bad | good], bad[bad | good])
        row = {"threshold": threshold, "sensitivity": hit, "specificity": passed, "auroc": value}
        found[name] = {k: None if math.isnan(v) else round(v, 4) for k, v in row.items()}
    return found


def _decided(judged: Sequence[Judged]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    score = np.concatenate([j.scores["alarm"] for j in judged])
    bad = np.concatenate([collapsed(j.labels) for j in judged])
    return score, bad, np.concatenate([healthy(j.labels) for j in judged])


def _threshold(judged: Sequence[Judged]) -> float:
    score, bad, good = _decided(judged)
    grid = np.quantile(score[np.isfinite(score)], np.linspace(0, 1, 501))
    sums = [(score[bad] > t).mean() + (score[good] <= t).mean() for t in grid]
    return float(grid[int(np.argmax(sums))])
