"""The rule of the study of MidiNet's conditions, and the table of its page; see `midinet.py`.

Committed before the study was run.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

from partimento.metrics.chord_following import resampled_following

SEEDS = (1, 2, 3)
CLAIM = "1d-2d-all"
"""Bar before as a vector, chord as a matrix, both in all layers."""
POINTS = tuple(
    f"{previous}-{chord}-{at}"
    for previous in ("1d", "2d")
    for chord in ("1d", "2d")
    for at in ("one", "all")
)
MODELS = ("stable", "creative")
"""Of the paper, beside the rule."""
DRAWS = 2000
COPYING = 0.05
FIGURES = ("in_chord", "shuffled", "following", "copied_bars", "copied_pairs", "unique")


def compared(runs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return what the rule says of sums by piece `(seeds, pieces, 3)` of each point."""
    drawn = {point: resampled_following(sums, DRAWS) for point, sums in runs.items()}
    values = {point: _following(sums) for point, sums in runs.items()}
    against = {}
    for point in runs:
        if point not in (CLAIM, *MODELS):
            low, high = interval(drawn[CLAIM] - drawn[point])
            gains = values[CLAIM] - values[point]
            more, less = low > 0 and (gains > 0).all(), high < 0 and (gains < 0).all()
            against[point] = {
                "difference": round(float(gains.mean()), 5),
                "interval": [low, high],
                "outcome": "more" if more else "less" if less else "no difference shown",
            }
    outcomes = {row["outcome"] for row in against.values()}
    holds = "holds" if outcomes == {"more"} else "not shown"
    return {
        "claim": "contradicted" if "less" in outcomes else holds,
        "against": against,
        "intervals": {point: list(interval(values)) for point, values in drawn.items()},
    }


def _following(sums: np.ndarray) -> np.ndarray:
    """Return the figure of each seed, `(seeds,)`."""
    inside, shuffled, notes = np.moveaxis(sums.sum(axis=1), -1, 0)
    return (inside - shuffled) / np.maximum(notes, 1)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the interval from 2.5 % to 97.5 %."""
    low, high = np.quantile(values, [0.025, 0.975])
    return round(float(low), 5), round(float(high), 5)


def table(found: Mapping[str, Any]) -> str:
    """Return the table of the page: one line for each point, means and each seed."""
    lines = [
        "| bar before | chord | layers | following | interval | in the chord | shuffled | "
        "copied bars | copied pairs | different bars | the claim's follows |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    rule = found["rule"] or {"intervals": {}, "against": {}}
    for point, row in found["points"].items():
        mean = {name: statistics.mean(values) for name, values in row.items()}
        seeds = ", ".join(f"{value:.3f}" for value in row["following"])
        low, high = rule["intervals"].get(point, (float("nan"),) * 2)
        told = rule["against"].get(point, {}).get("outcome", "")
        place = [f"*{point}*", "", ""] if point in MODELS else point.split("-")
        cells = [*place, f"{mean['following']:.3f} ({seeds})", f"{low:.3f} to {high:.3f}"]
        cells += [f"{mean[n]:.3f}" for n in FIGURES if n != "following"]
        lines.append(f"| {' | '.join([*cells, told])} |")
    real = found["real"]
    low, high = real["interval"]
    cells = ["held-out music", "", "", f"{real['following']:.3f}", f"{low:.3f} to {high:.3f}"]
    cells += [f"{real[n]:.3f}" for n in FIGURES if n != "following"]
    return "\n".join([*lines, f"| {' | '.join([*cells, ''])} |"])


def paged(text: str, found: Mapping[str, Any]) -> str:
    """Return the page's text with the table made anew."""
    start, stop = "<!-- table: midinet -->\n", "<!-- end -->"
    before, _, rest = text.partition(start)
    return f"{before}{start}{table(found)}\n{stop}{rest.partition(stop)[2]}"
