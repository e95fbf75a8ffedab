"""The tables of an evaluation of samples: Markdown that reads as plain text, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence

from partimento.evaluation.music_report import Section
from partimento.evaluation.table import aligned
from partimento.metrics.music.statistics import STATISTICS

Report = Mapping[str, Section]

TITLES = {
    "music": (
        "Music",
        "Mean of a set and its 95 % bootstrap interval by group of tunes. ≠: the intervals of "
        "samples and held-out music do not meet.",
    ),
    "distances": (
        "Distances (MGEval)",
        "Overlap (1: alike) and divergence (nats) of the distances among a set and to held-out "
        "pieces; spread: mean distance among the set over that among held-out pieces (a collapsed "
        "model's is far below 1). What training pieces score stands beside it.",
    ),
    "collapse": (
        "Mode collapse",
        "Each value beside the interval in which a perfect model's is in 99 % of draws; excess: "
        "distance from its middle in half-widths (beyond 1: outside).",
    ),
    "copies": ("Copies", "Shares of examples that are in the training set, or recur."),
    "copied_windows": (
        "Copied windows",
        "Shares of windows of so many quarter notes that stand in a training piece; longest: of the "
        "moments from which the longest such window is so long.",
    ),
    "oracle": ("The true law", "perfect: what as many draws from the law score."),
}


def markdown(report: Report, title: str) -> str:
    """Return all sections under their headings."""
    counts = report["about"]["examples"]
    told = ", ".join(f"{int(n):,} {side.replace('_', '-')}" for side, n in counts.items())
    lines = [f"# {title}", "", f"Examples: {told}.", ""]
    for name, (heading, what) in TITLES.items():
        if name in report:
            cells = _MADE.get(name, _plain)(report[name])
            lines += [f"## {heading}", "", what, "", aligned(cells), ""]
        if name == "collapse" and "failures" in report:
            found = ", ".join(report["failures"]) or "no failure that has a name"
            lines += [f"The pattern speaks of: {found}.", ""]
    return "\n".join(lines)


def csv_of(report: Report) -> str:
    """Return one line for each number: section, name, column, value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("section", "name", "column", "value"))
    for section, rows in report.items():
        for name, row in rows.items():
            writer.writerows((section, name, column, value) for column, value in row.items())
    return text.getvalue()


def json_of(report: Report) -> str:
    """Return the report as JSON, in which infinity is null; what is undefined is not in it."""

    def plain(value: float) -> float | None:
        return value if math.isfinite(value) else None

    rows = {
        section: {name: {c: plain(v) for c, v in row.items()} for name, row in table.items()}
        for section, table in report.items()
    }
    return json.dumps(rows, indent=2)


def number(value: float | None) -> str:
    """Return a number as a cell: four digits, "–" for none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _music(section: Section) -> list[list[str]]:
    sides = [s for s in ("samples", "held_out", "train") if any(s in r for r in section.values())]
    cells = [["", *(side.replace("_", "-") for side in sides), "", "what it is"]]
    for name in [n for n in STATISTICS if n in section]:
        row = section[name]
        values = [_interval(row, side) for side in sides]
        cells.append([name, *values, "≠" if _apart(row) else "", STATISTICS[name]])
    return cells


def _interval(row: Mapping[str, float], side: str) -> str:
    value = number(row.get(side))
    if f"{side}_low" not in row:
        return value
    return f"{value} ({number(row[f'{side}_low'])} to {number(row[f'{side}_high'])})"


def _apart(row: Mapping[str, float]) -> bool:
    ends = ("samples_low", "samples_high", "held_out_low", "held_out_high")
    if not all(end in row for end in ends):
        return False
    low, high, other_low, other_high = (row[end] for end in ends)
    return low > other_high or high < other_low


def _distances(section: Section) -> list[list[str]]:
    kinds = ("overlap", "divergence", "spread")
    columns = [f"{prefix}{kind}" for kind in kinds for prefix in ("", "train_")]
    head = ["", *(c.replace("train_", "of train: ") for c in columns)]
    return [
        head,
        *([name, *(number(row.get(c)) for c in columns)] for name, row in section.items()),
    ]


def _collapse(section: Section) -> list[list[str]]:
    cells = [["", "value", "perfect model", "excess"]]
    for name, row in section.items():
        inside = f"{number(row['low'])} to {number(row['high'])}" if "low" in row else ""
        excess = number(row["excess"]) if "excess" in row else ""
        cells.append([name, number(row.get("value")), inside, excess])
    return cells


def _windows(section: Section) -> list[list[str]]:
    columns = ("samples", "held_out", "samples_longest", "held_out_longest")
    head = ["quarters", "samples", "held-out", "longest: samples", "longest: held-out"]
    return [
        head,
        *([name, *(number(row.get(c)) for c in columns)] for name, row in section.items()),
    ]


def _plain(section: Section) -> list[list[str]]:
    columns = list(dict.fromkeys(column for row in section.values() for column in row))
    head = ["", *(column.replace("held_out", "held-out").replace("_", " ") for column in columns)]
    rows: Sequence[list[str]] = [
        [name, *(number(row.get(column)) for column in columns)] for name, row in section.items()
    ]
    return [head, *rows]


_MADE = {
    "music": _music,
    "distances": _distances,
    "collapse": _collapse,
    "copied_windows": _windows,
}
