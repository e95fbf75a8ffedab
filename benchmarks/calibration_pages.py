"""docs/diagnostics.md and its heat map, from what benchmarks/calibration.py found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calibration_rule import ALARM, HEALTHY_TURNS, SEVERITIES, WORLDS

from partimento.atomic import write_atomically
from partimento.studies.planted import FAILURES

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "diagnostics.md"
PICTURE = ROOT / "docs" / "diagnostics" / "heatmap.png"
RESULT = ROOT / "benchmarks" / "results" / "calibration.json"
TITLES = {
    "ring": "ring-8",
    "grid": "grid-25",
    "chorale_modes": "ChoraleModes-24",
    "stacked_chorale": "Stacked-Chorale-1000",
}
FIRST = (
    "left_out", "energy", "rke_ratio", "spread_ratio", "repeated", "one_place", "authenticity_gap",
    "copied_gap", "same_answers", "drift", "precision",
)  # fmt: skip
"""Values that decide the alarm or the name of a failure, which come first."""
NOTHING = "–"


def document() -> None:
    """Draw the picture and write the tables of the page anew, its words as they are.

    The result file is laid out anew too, so that its changes can be read.
    """
    result = json.loads(RESULT.read_text())
    figures = result["figures"]
    text = json.dumps(result, indent=1)  # with lists on one line each
    flat = re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text)
    write_atomically(RESULT, flat + "\n")
    PICTURE.parent.mkdir(exist_ok=True)
    draw(figures, PICTURE)
    write_atomically(PAGE, with_tables(PAGE.read_text(), figures))


def with_tables(text: str, figures: Mapping[str, Any]) -> str:
    """Return the page with each table between its marks as the figures have it."""
    for name, make in TABLES.items():
        head, end = f"<!-- table {name} -->\n", "\n<!-- end -->"
        if text.count(head) != 1:
            raise ValueError(f"{PAGE.name} has {text.count(head)} places for the table '{name}'")
        before, after = text.split(head)
        text = before + head + make(figures) + after[after.index(end) :]
    return text


def names_of(figures: Mapping[str, Any]) -> list[str]:
    """Return the diagnostics, those that decide first."""
    every = {name for world in WORLDS if world in figures for name in figures[world]["diagnostics"]}
    return [name for name in FIRST if name in every] + sorted(every - set(FIRST))


def worlds_of(figures: Mapping[str, Any]) -> list[str]:
    """Return the worlds that there are figures of."""
    return [name for name in WORLDS if name in figures]


# -- tables ---------------------------------------------------------------------------------------


def rows_of(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def percent(rate: Mapping[str, Any]) -> str:
    """Return a share with its interval in per cent."""
    low, high = (100 * end for end in rate["interval"])
    return f"{100 * rate['rate']:.1f} ({low:.1f}–{high:.1f})"


def severity(smallest: float | None) -> str:
    """Return a smallest severity, or that there is none."""
    return NOTHING if smallest is None else f"{smallest:g}"


def false_positives(figures: Mapping[str, Any]) -> str:
    """Return how often each value is outside its interval for a perfect generator."""
    worlds = worlds_of(figures)
    rows = [
        [f"`{name}`"]
        + [percent(figures[w]["diagnostics"][name]["false_positives"]) for w in worlds]
        for name in names_of(figures)
    ]
    for title, key in (("collapse", "false_alarms"), ("fidelity", "false_alarms_of_fidelity")):
        rates = [percent(figures[w][ALARM][key]) for w in worlds]
        rows.append([f"**alarm of {title}** within {HEALTHY_TURNS} evaluations", *rates])
    return rows_of(["false positives, %", *(TITLES[w] for w in worlds)], rows)


def smallest(figures: Mapping[str, Any]) -> str:
    """Return the smallest severity of each failure that each value tells, a figure for each world."""
    worlds = worlds_of(figures)
    rows = []
    for name in names_of(figures):
        cells = [
            _joined(
                figures[w]["diagnostics"][name]["failures"].get(failure, {}).get("smallest")
                for w in worlds
            )
            for failure in FAILURES
        ]
        rows.append([f"`{name}`", *cells])
    told = [
        _joined(figures[w][ALARM]["failures"][failure]["smallest"] for w in worlds)
        for failure in FAILURES
    ]
    rows.append(["**alarm**", *told])
    return rows_of(["", *(words(failure) for failure in FAILURES)], rows)


def _joined(values: Any) -> str:
    cells = [severity(value).lstrip("0") or "0" for value in values]
    return NOTHING if set(cells) == {NOTHING} else " ".join(cells)


def monotone(figures: Mapping[str, Any]) -> str:
    """Return the rank correlation of what the alarm and its best value say with the severity."""
    rows = []
    for failure in FAILURES:
        cells = []
        for world in worlds_of(figures):
            found = {
                name: row["failures"][failure]
                for name, row in figures[world]["diagnostics"].items()
                if failure in row["failures"]
            }
            best = max(found, key=lambda name: (found[name]["auroc"], found[name]["monotone"]))
            cells.append(f"`{best}` {found[best]['auroc']:.2f}, {found[best]['monotone']:.2f}")
        rows.append([words(failure), *cells])
    return rows_of(["", *(TITLES[w] for w in worlds_of(figures))], rows)


def quiet(figures: Mapping[str, Any]) -> str:
    """Return which values must stay quiet on which failures, and the most that they say."""
    rows = []
    for name in names_of(figures):
        by_world = []
        for world in worlds_of(figures):
            failures = figures[world]["diagnostics"][name]["failures"]
            found = {f: r["must_be_quiet"] for f, r in failures.items() if "must_be_quiet" in r}
            loud = [
                f"{words(f)} {100 * row['rate']:.0f} %"
                for f, row in found.items()
                if row["interval"][0] > 0.05
            ]
            by_world.append((", ".join(loud) or "quiet") if found else NOTHING)
        if set(by_world) != {NOTHING}:
            rows.append([f"`{name}`", *by_world])
    return rows_of(["", *(TITLES[w] for w in worlds_of(figures))], rows)


def confusion(figures: Mapping[str, Any]) -> str:
    """Return what the monitor names first, the mean over worlds, in per cent."""
    worlds = worlds_of(figures)
    tables = [figures[w]["attribution"]["confusion"] for w in worlds]
    truths = list(tables[0])
    said = [*truths, "unnamed"]
    among = [figures[w]["attribution"]["among_the_names"] for w in worlds]
    rows = []
    for truth in truths:
        shares = [sum(t[truth].get(name, 0.0) for t in tables) / len(tables) for name in said]
        anywhere = [a[truth] for a in among if truth in a]
        mean = _share(sum(anywhere) / len(anywhere)) if anywhere else ""
        rows.append([words(truth), *(_share(share) for share in shares), mean])
    head = ["planted \\ named first", *(words(name) for name in said), "among the names"]
    return rows_of(head, rows)


def _share(value: float) -> str:
    return f"{100 * value:.0f}" if value >= 0.005 else ""


def attribution(figures: Mapping[str, Any]) -> str:
    """Return how well failures are named, by world and by severity."""
    rows = [
        [TITLES[w], f"**{figures[w]['attribution']['macro_f1']:.2f}**"]
        + [f"{value:.2f}" for value in figures[w]["attribution"]["macro_f1_by_severity"]]
        for w in worlds_of(figures)
    ]
    return rows_of(["macro-F1", "where told", *(f"{s:g}" for s in SEVERITIES)], rows)


def words(name: str) -> str:
    """Return the name of a failure in words."""
    return {"z_independence": "z-independence", "off_manifold": "off-manifold"}.get(
        name, name.replace("_", " ")
    )


def size(figures: Mapping[str, Any]) -> str:
    """Return how large the study was."""
    found = figures["size"]
    rows = [
        ["perfect generators", str(found["healthy"])],
        ["generators of each failure and severity", str(found["repeats"])],
        ["independent sets of intervals", str(found["calibrations"])],
    ]
    return rows_of(["in each world", ""], rows)


TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "false positives": false_positives,
    "smallest": smallest,
    "monotone": monotone,
    "quiet": quiet,
    "confusion": confusion,
    "attribution": attribution,
    "size": size,
}


# -- the picture ----------------------------------------------------------------------------------


def draw(figures: Mapping[str, Any], path: Path) -> None:
    """Draw for each world how well each value tells each failure: colour AUROC, number s*."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    worlds = worlds_of(figures)
    names = names_of(figures)
    figure = Figure(figsize=(13, 0.32 * len(names) * 2 + 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(2, 2, squeeze=False)
    image: Any = None
    for place, (axis, world) in enumerate(zip(axes.flat, worlds, strict=False)):
        found = figures[world]
        image = _panel(axis, found, names)
        axis.set_title(TITLES[world], fontsize=11)
        axis.tick_params(labelleft=place % 2 == 0)
    for axis in axes.flat[len(worlds) :]:
        axis.set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.5, pad=0.01)
    bar.set_label("AUROC over all severities against perfect generators")
    figure.suptitle(
        "What tells which planted failure (number: smallest severity told in 95 % of cells)",
        fontsize=12,
    )
    figure.savefig(path, dpi=75)


def _panel(axis: Any, found: Mapping[str, Any], names: Sequence[str]) -> Any:
    values = [[float("nan")] * len(FAILURES) for _ in (*names, ALARM)]
    for row, name in enumerate((*names, ALARM)):
        source = found[ALARM] if name == ALARM else found["diagnostics"].get(name)
        for column, failure in enumerate(FAILURES):
            cell = (source or {"failures": {}})["failures"].get(failure)
            if cell is None:
                continue
            value = cell.get("auroc", 0.5 + sum(cell["told_by_severity"]) / 16)
            values[row][column] = value
            axis.text(
                column, row, severity(cell["smallest"]).lstrip("0"), ha="center", va="center",
                fontsize=8, color="white" if value > 0.8 else "black",
            )  # fmt: skip
    image = axis.imshow(values, vmin=0.5, vmax=1.0, cmap="viridis_r", aspect="auto")
    axis.set_yticks(range(len(names) + 1), [*names, "the alarm"], fontsize=8)
    axis.set_xticks(
        range(len(FAILURES)), [words(f) for f in FAILURES], fontsize=8, rotation=30, ha="right"
    )
    axis.axhline(len(names) - 0.5, color="white", linewidth=2)
    return image
