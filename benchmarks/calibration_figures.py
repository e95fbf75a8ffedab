"""The figures of the study of calibration, from its cells."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from calibration_rule import ALARM, DETECTED, LEVEL, QUIET, SEVERITIES
from calibration_statistics import (
    auroc,
    clopper_pearson,
    macro_f1,
    smallest_detected,
    spearman,
)

from partimento.diagnostics import thresholds
from partimento.diagnostics.alarm import (
    BAD_SIDE,
    FIDELITY_SIDE,
    NAMING_SIDE,
    Alarm,
    attribute,
    badness,
)
from partimento.diagnostics.calibration import Interval
from partimento.diagnostics.monitor import Tier
from partimento.studies.planted import FAILURES

Cells = Sequence[Mapping[str, Any]]
LABELS = ("healthy", *FAILURES)


def judged(
    row: Mapping[str, Any], intervals: Mapping[Tier, Mapping[str, Interval]]
) -> dict[str, Any]:
    """Return what the monitor says of a cell: its alarm and its names, turn by turn.

    Values are kept and judged afterwards, so that a change of the rule needs no new samples; that
    it is what `Monitor.observe` says is tested.
    """
    alarm, fidelity = Alarm(), Alarm()
    states, faithful, failures = [], [], []
    for values in row["turns"]:
        alarm.update(badness(intervals["alarm"], values))
        fidelity.update(badness(intervals["alarm"], values, FIDELITY_SIDE))
        states.append(alarm.state)
        faithful.append(fidelity.state)
        failures.append(list(attribute(intervals["alarm"], values)))
    last = {**row["thorough"], **row["turns"][-1]}
    every = {**intervals["thorough"], **intervals["alarm"]}
    return {
        "failure": row["failure"], "severity": row["severity"], "repeat": row["repeat"],
        "states": states, "fidelity": faithful, "failures": failures,
        "excess": {name: every[name].excess(value) for name, value in last.items()},
    }  # fmt: skip


def score(name: str, excess: float) -> float:
    """Return how bad a value is: on its bad side if it is watched, else on either side."""
    if math.isnan(excess):
        return math.inf
    sides = {**BAD_SIDE, **NAMING_SIDE, **FIDELITY_SIDE}
    return sides[name] * excess if name in sides else abs(excess)


def scores(cells: Cells, name: str) -> list[float]:
    """Return how bad a value is in each cell that has it."""
    return [score(name, cell["excess"][name]) for cell in cells if name in cell["excess"]]


def of(cells: Cells, failure: str | None, severity: float | None = None) -> Cells:
    """Return the cells of a failure, at all severities or at one."""
    return [
        cell
        for cell in cells
        if cell["failure"] == failure and (severity is None or cell["severity"] == severity)
    ]


def figures_of(worlds: Mapping[str, Cells]) -> dict[str, Any]:
    """Return all figures, by world, and what they come to."""
    by_world = {name: world_figures(cells) for name, cells in worlds.items() if cells}
    return {"summary": summary(by_world), **by_world}


def world_figures(cells: Cells) -> dict[str, Any]:
    """Return the figures of a world."""
    healthy = of(cells, None)
    names = sorted({name for cell in cells for name in cell["excess"]})
    return {
        "cells": len(cells),
        "diagnostics": {name: diagnostic(cells, healthy, name) for name in names},
        ALARM: alarm(cells, healthy),
        "attribution": attribution(cells, healthy),
    }


def rate(hits: int, total: int) -> dict[str, Any]:
    """Return a share with its exact 95 % interval."""
    interval = clopper_pearson(hits, total)
    return {
        "hits": hits, "of": total, "rate": round(hits / total, 4),
        "interval": [round(end, 4) for end in interval],
    }  # fmt: skip


def diagnostic(cells: Cells, healthy: Cells, name: str) -> dict[str, Any]:
    """Return what a value does: on perfect generators, and on each failure."""
    null = scores(healthy, name)
    outside = sum(s > thresholds.OUTSIDE for s in null)
    found: dict[str, Any] = {"false_positives": rate(outside, len(null)), "failures": {}}
    for failure in FAILURES:
        at = {s: scores(of(cells, failure, s), name) for s in SEVERITIES}
        if not all(at.values()):
            continue  # it is not measured of such generators
        rates = {s: float(np.mean(np.array(x) > thresholds.OUTSIDE)) for s, x in at.items()}
        medians = [float(np.median(null)), *(float(np.median(x)) for x in at.values())]
        smallest = smallest_detected(rates, DETECTED)
        row = {
            "auroc": round(auroc(null, [x for values in at.values() for x in values]), 4),
            "auroc_by_severity": [round(auroc(null, x), 4) for x in at.values()],
            "told_by_severity": [round(r, 4) for r in rates.values()],
            "smallest": smallest,
            "monotone": round(spearman([0.0, *SEVERITIES], medians), 4),
        }
        if failure in QUIET.get(name, ()):
            worst = max(at, key=lambda s: rates[s])
            hits = sum(x > thresholds.OUTSIDE for x in at[worst])
            row["must_be_quiet"] = {"severity": worst, **rate(hits, len(at[worst]))}
        found["failures"][failure] = row
    return found


def alarm(cells: Cells, healthy: Cells) -> dict[str, Any]:
    """Return what the shipped alarm does: raised for perfect generators, and for failing ones.

    For failing ones the alarm of fidelity counts too, which is what samples off the data raise.
    """
    raised = sum(any(state != "healthy" for state in cell["states"]) for cell in healthy)
    unfaithful = sum(any(state != "healthy" for state in cell["fidelity"]) for cell in healthy)
    evaluations = sum(len(cell["states"]) for cell in healthy)
    found: dict[str, Any] = {
        "false_alarms": rate(raised, len(healthy)),
        "false_alarms_of_fidelity": rate(unfaithful, len(healthy)),
        "healthy_evaluations": evaluations,
        "failures": {},
    }
    for failure in FAILURES:
        at = {s: of(cells, failure, s) for s in SEVERITIES}
        rates = {s: float(np.mean([_raised(cell) for cell in x])) for s, x in at.items() if x}
        found["failures"][failure] = {
            "told_by_severity": [round(r, 4) for r in rates.values()],
            "smallest": smallest_detected(rates, DETECTED),
            "monotone": round(spearman([0.0, *rates], [0.0, *rates.values()]), 4),
        }
    return found


def _raised(cell: Mapping[str, Any]) -> bool:
    """Return whether the last evaluation left the alarm of collapse, or that of fidelity, raised."""
    return bool(cell["states"][-1] != "healthy" or cell["fidelity"][-1] != "healthy")


def attribution(cells: Cells, healthy: Cells) -> dict[str, Any]:
    """Return which failure the monitor names first, for each that is planted and at each severity.

    `confusion` and `macro_f1` are over the severities at which the alarm tells nearly all of a
    failure's generators; failures that it tells at none have their row at full severity.
    """
    told = alarm(cells, healthy)["failures"]
    confusion = {"healthy": said(healthy)}
    exact, among = {}, {}
    for failure in FAILURES:
        smallest = told[failure]["smallest"]
        chosen = [c for c in of(cells, failure) if c["severity"] >= (smallest or 1.0)]
        confusion[failure] = said(chosen)
        among[failure] = round(float(np.mean([failure in c["failures"][-1] for c in chosen])), 4)
        exact[failure] = round(float(np.mean([c["failures"][-1] == [failure] for c in chosen])), 4)
    return {
        "macro_f1": round(macro_f1(confusion), 4),
        "confusion": confusion,
        "among_the_names": among,
        "nothing_else_named": exact,
        "right_by_severity": {
            failure: [round(said(of(cells, failure, s)).get(failure, 0.0), 4) for s in SEVERITIES]
            for failure in FAILURES
        },
        "macro_f1_by_severity": [
            round(
                macro_f1(
                    {"healthy": confusion["healthy"]} | {f: said(of(cells, f, s)) for f in FAILURES}
                ),
                4,
            )
            for s in SEVERITIES
        ],
    }


def said(cells: Cells) -> dict[str, float]:
    """Return the shares of what the monitor says of cells, the first name of each that it gives."""
    words = Counter(word(cell) for cell in cells)
    return {name: round(count / len(cells), 4) for name, count in words.most_common()}


def word(cell: Mapping[str, Any]) -> str:
    """Return what is said of a generator at its last evaluation."""
    if not _raised(cell):
        return "healthy"
    return str(next(iter(cell["failures"][-1]), "unnamed"))


def summary(worlds: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the figures come to over all worlds."""
    rates = {
        f"{world}: {name}": row["false_positives"]
        for world, figures in worlds.items()
        for name, row in figures["diagnostics"].items()
    }
    quiet = {
        f"{world}: {name}, {failure}": row["must_be_quiet"]
        for world, figures in worlds.items()
        for name, of_failures in figures["diagnostics"].items()
        for failure, row in of_failures["failures"].items()
        if "must_be_quiet" in row
    }
    return {
        "highest_false_positive_rate": max(row["rate"] for row in rates.values()),
        "above_level": [name for name, row in rates.items() if row["interval"][0] > LEVEL],
        "rate_above_level": [name for name, row in rates.items() if row["rate"] > LEVEL],
        "not_quiet": [name for name, row in quiet.items() if row["interval"][0] > LEVEL],
        "false_alarms": {world: row[ALARM]["false_alarms"] for world, row in worlds.items()},
        "smallest_alarmed": {
            world: {name: row["smallest"] for name, row in figures[ALARM]["failures"].items()}
            for world, figures in worlds.items()
        },
        "macro_f1": {world: row["attribution"]["macro_f1"] for world, row in worlds.items()},
    }
