"""Pictures and tables of docs/collapse.md, from what benchmarks/collapse.py found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from partimento.datasets.mixtures import GaussianMixture, grid_centres, ring_centres
from partimento.reports.collapse import Scene, draw_dependence, draw_plane, draw_scenes

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
RESULT = ROOT / "benchmarks" / "results" / "collapse.json"
CENTRES = {"ring": ring_centres(8, 1.0), "grid": grid_centres(5, 2.0)}
FIRST_SEED = 10
CASES = {
    "ring": "ring",
    "grid": "grid",
    "modes": "chorales",
    "taught": "ring, taught D (k=5)",
}


# -- pictures -------------------------------------------------------------------------------------


def draw(found: Mapping[str, Any], window: tuple[int, int]) -> None:
    """Draw all pictures of the page into docs/collapse."""
    folder = DOCS / "collapse"
    curves = {}
    for case, title in CASES.items():
        seeds = seeds_of(found, f"frozen-{case}")
        if case != "modes":
            shown = next((cell for cell in seeds if cell["hill"]["inside"]), seeds[0])
            draw_scenes(_frozen_scenes(shown, case), folder / f"frozen-{case}.png")
        curves[title] = (
            [row["iteration"] for row in seeds[0]["curve"]],
            [[row["latent_spread"] for row in cell["curve"]] for cell in seeds],
        )
    draw_dependence(curves, window, folder / "dependence.png")
    _draw_music(seeds_of(found, "frozen-modes")[0], folder)
    draw_scenes(_arrow_scenes(seeds_of(found, "arrows")[0]), folder / "arrows.png")
    draw_plane(_planes(found, "equal_work"), GaussianMixture.ceiling, folder / "plane.png")


def _frozen_scenes(cell: Mapping[str, Any], case: str) -> list[Scene]:
    best, scenes = cell["hill"], []
    titles = ("D is frozen", "G trained on", "D trained again")
    for (mark, shot), title in zip(cell["picture"].items(), titles, strict=True):
        depends = next(r["latent_spread"] for r in cell["curve"] if r["iteration"] == int(mark))
        scenes.append(
            Scene(
                title=f"iteration {mark}: {title}; z explains {depends:.2g}",
                half=shot["half"],
                samples=np.array(shot["samples"]),
                centres=CENTRES["grid" if case == "grid" else "ring"],
                surface=np.array(shot["surface"]),
                highest=np.array(best["point"]) if title != titles[2] else None,
            )
        )
    return scenes


def _arrow_scenes(cell: Mapping[str, Any]) -> list[Scene]:
    shot = cell["picture"]
    (free, slopes), (bound, steps) = (np.array(shot[name]) for name in ("gan", "imle"))
    length = np.linalg.norm(slopes, axis=1)
    common = {"half": shot["half"], "centres": CENTRES["ring"]}
    return [
        Scene(
            "GAN after 600 iterations: each sample climbs D",
            samples=free,
            steps=slopes * 0.3 / max(float(np.quantile(length, 0.95)), 1e-12),
            surface=np.array(shot["surface"]),
            **common,
        ),
        Scene(
            "IMLE after 10 updates: each real point draws a sample",
            samples=bound,
            steps=steps / 2,  # the gradient of the square is twice the way
            real=np.array(shot["real"]),
            **common,
        ),
    ]


def _draw_music(cell: Mapping[str, Any], folder: Path) -> None:
    from partimento.apps.composition import compose_request
    from partimento.building import build
    from partimento.reports.pianoroll import draw_sheet

    request = compose_request(["experiment=modes", "accelerator=cpu"], "train")
    parts = build(request.resolved)
    shots = list(cell["picture"].items())[:2]
    pieces = [
        parts.representation.decode(np.array(x)) for _, shot in shots for x in shot["music"][:3]
    ]
    oracle: Any = parts.dataset.oracle
    places = [f"iteration {mark}, code {index + 1}" for mark, _ in shots for index in range(3)]
    modes = [oracle.name(int(mode)) for mode in oracle.assign(pieces).mode]
    titles = [f"{place}: {mode}" for place, mode in zip(places, modes, strict=True)]
    draw_sheet(pieces, folder / "chorales.png", titles=titles, columns=3, quarters=16, dpi=70)


def _planes(found: Mapping[str, Any], when: str) -> dict[str, dict[str, tuple[Any, Any]]]:
    planes: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for dataset, names in ratios_of(found).items():
        planes[dataset] = {}
        for name in names:
            cells = seeds_of(found, f"ratio-{dataset}-{name.replace(':', 'to')}")
            planes[dataset][name] = (
                [cell[when]["diversity"] for cell in cells],
                [cell[when]["high_quality"] for cell in cells],
            )
    return planes


# -- what the rule says -----------------------------------------------------------------------------


def seeds_of(figures: Mapping[str, Any], name: str) -> list[Any]:
    """Return the cells of a name, in the order of their seeds."""
    return [figures[key] for key in sorted(figures) if re.fullmatch(rf"{re.escape(name)}-\d+", key)]


def ratios_of(figures: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the ratios of each dataset, from few updates of D to many."""
    found: dict[str, set[str]] = {}
    for key in figures:
        if match := re.fullmatch(r"ratio-(\w+)-(\d+)to(\d+)-\d+", key):
            found.setdefault(match[1], set()).add(f"{match[2]}:{match[3]}")
    return {name: sorted(got, key=_quotient) for name, got in found.items()}


def _quotient(name: str) -> float:
    left, right = map(int, name.split(":"))
    return left / right


def frozen_verdict(cell: Mapping[str, Any], freeze: int = 500, thaw: int = 1300) -> dict[str, Any]:
    """Return what the rule of part (a) looks at in one seed."""
    rows = {row["iteration"]: row for row in cell["curve"]}
    before, after, end = rows[freeze], rows[thaw], cell["curve"][-1]
    way = (after["score"] - before["score"]) / (cell["highest"]["score"] - before["score"])
    return {
        "before": before,
        "after": after,
        "end": end,
        "way": way,
        "collapsed": after["latent_spread"] <= 0.05 and way >= 0.9,
        "back": end["latent_spread"] >= 10 * after["latent_spread"],
    }


def end_verdict(left: Sequence[float], right: Sequence[float]) -> str:
    """Say whether the left values are below the right ones in every seed, in none, or neither."""
    below = [a < b for a, b in zip(left, right, strict=True)]
    above = [a > b for a, b in zip(left, right, strict=True)]
    return "appears" if all(below) else "reversed" if all(above) else "undecided"


# -- tables -----------------------------------------------------------------------------------------


def frozen_table(figures: Mapping[str, Any]) -> str:
    """Return the table of part (a)."""
    lines = [
        "| case | seed | z explains at 500 | at 1300 (D frozen) | end | way to D(x\\*) | "
        "distinct samples at 1300 | modes 500 → 1300 → end | high quality at 1300 | collapsed | back |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case, title in CASES.items():
        for seed, cell in enumerate(seeds_of(figures, f"frozen-{case}"), FIRST_SEED):
            said = frozen_verdict(cell)
            one, two, three = said["before"], said["after"], said["end"]
            spread = " | ".join(f"{row['latent_spread']:.2g}" for row in (one, two, three))
            modes = " → ".join(f"{row['modes_any_quality']:.0f}" for row in (one, two, three))
            lines.append(
                f"| {title} | {seed} | {spread} | {said['way']:.0%} | {two['unique']} | {modes} | "
                f"{two['high_quality']:.0%} | {_word(said['collapsed'])} | {_word(said['back'])} |"
            )
    return "\n".join(lines)


def hills_table(figures: Mapping[str, Any]) -> str:
    """Return where D is highest, which hill the samples stand on, and how near to its top."""
    lines = [
        "| case | seed | D is highest at | its score | hill of the samples | its score | "
        "median distance of samples to its top |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in ("ring", "grid", "taught"):
        for seed, cell in enumerate(seeds_of(figures, f"frozen-{case}"), FIRST_SEED):
            best, hill = cell["highest"], cell["hill"]
            lines.append(
                f"| {CASES[case]} | {seed} | {_place(best)} | {best['score']:.2f} | {_place(hill)} "
                f"| {hill['score']:.2f} | {hill['median_distance_of_samples']:.2f} |"
            )
    return "\n".join(lines)


def _place(top: Mapping[str, Any]) -> str:
    place = ", ".join(f"{value:.1f}" for value in top["point"])
    return f"({place})" if top["inside"] else f"the square's edge ({place})"


def arrows_table(figures: Mapping[str, Any]) -> str:
    """Return the table of part (b)."""
    lines = [
        "| seed | model | modes aimed at | cosine | modes visited | high quality |",
        "|---|---|---|---|---|---|",
    ]
    for seed, cell in enumerate(seeds_of(figures, "arrows"), FIRST_SEED):
        kinds = (("gan", "median_cosine_to_boundary"), ("imle", "median_cosine_to_real_point"))
        for kind, key in kinds:
            said = cell[kind]
            cosine = "none below" if said[key] is None else f"{said[key]:.2f}"
            lines.append(
                f"| {seed} | {kind.upper()} | {said['modes_aimed_at']} of 8 | {cosine} | "
                f"{said['modes_any_quality']:.0f} | {said['high_quality']:.1%} |"
            )
    return "\n".join(lines)


def ratio_table(figures: Mapping[str, Any]) -> str:
    """Return the table of part (c)."""
    lines = [
        "| dataset | D : G | fidelity | diversity | modes with a good sample | "
        "after 300 updates of G: fidelity | diversity |",
        "|---|---|---|---|---|---|---|",
    ]

    def told(cells: Sequence[Any], when: str, key: str, form: str) -> str:
        return ", ".join(format(cell[when][key], form) for cell in cells)

    for dataset, names in ratios_of(figures).items():
        for name in names:
            cells = seeds_of(figures, f"ratio-{dataset}-{name.replace(':', 'to')}")
            lines.append(
                f"| {dataset} | {name} | {told(cells, 'equal_work', 'high_quality', '.3f')} | "
                f"{told(cells, 'equal_work', 'diversity', '.2f')} | "
                f"{told(cells, 'equal_work', 'modes', '.0f')} | "
                f"{told(cells, 'equal_generator', 'high_quality', '.3f')} | "
                f"{told(cells, 'equal_generator', 'diversity', '.2f')} |"
            )
    return "\n".join(lines)


def ends_table(figures: Mapping[str, Any]) -> str:
    """Return what the rule of part (c) says of the plane's two ends."""
    lines = [
        "| dataset | compared at | G ahead is less diverse | G ahead is more faithful |",
        "|---|---|---|---|",
    ]
    whens = {"equal_work": "equal work", "equal_generator": "300 updates of G"}
    for when, title in whens.items():
        for dataset, ratios in _planes(figures, when).items():
            first, last = ratios["1:5"], ratios["5:1"]
            if len(first[0]) != len(last[0]):
                continue  # a run that was broken off; the table of figures tells what there is
            diverse = end_verdict(first[0], last[0])
            faithful = end_verdict(last[1], first[1])
            lines.append(f"| {dataset} | {title} | {diverse} | {faithful} |")
    return "\n".join(lines)


def _word(value: bool) -> str:
    return "yes" if value else "no"


TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "frozen": frozen_table,
    "hills": hills_table,
    "arrows": arrows_table,
    "ratio": ratio_table,
    "ends": ends_table,
}


def with_tables(text: str, figures: Mapping[str, Any]) -> str:
    """Return a page with each table between its marks written anew."""
    for name, table in TABLES.items():
        head, mark, rest = text.partition(f"<!-- table {name} -->")
        if mark:
            text = (
                f"{head}{mark}\n{table(figures)}\n<!-- end -->" + rest.partition("<!-- end -->")[2]
            )
    return text


def document() -> None:
    """Write the tables of docs/collapse.md from the result file."""
    figures = json.loads(RESULT.read_text())["figures"]
    page = DOCS / "collapse.md"
    page.write_text(with_tables(page.read_text(), figures))
