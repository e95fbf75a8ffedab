"""Fidelity and variety of BEGAN against gamma, and whether its M tells them; resumable.

What it is to show, fixed before it was run:

- Runs: experiment=began_chorales_small with gamma 0.3, 0.5 and 0.7, seeds 1, 2, 3, on the CPU, each
  with the same number of updates; the weights are the last ones. Other hyperparameters were chosen
  on seed 0 at gamma 0.5.
- Figures: the values of the watch for mode collapse in its thorough tier, in pitch classes of the
  parts of an example, against the test split; means over 10 sets of samples (256, or as many as the
  test split supports), and beside them the interval of a perfect model. M is the mean of the logged
  ones over the last tenth of the updates.
- gamma sets variety when mean coverage rises from 0.3 over 0.5 to 0.7 and is at 0.7 higher than at
  0.3 by more than 0.02 in all seeds; it costs fidelity when mean precision falls and is at 0.7 lower
  than at 0.3 by more than 0.02 in all seeds. The paper's claim ("lower values of gamma lead to lower
  image diversity", quoted by memory) holds when it sets variety, and is refuted when coverage is at
  0.7 lower than at 0.3 by more than 0.02 in all seeds; else it is open.
- Of all pairs of the nine runs, the share in which the run of lower M has the lower coverage: from
  0.5 on M is no sign of variety, at 0.25 or less it is one, between it is a weak one.

The same command again goes on where it was. `--smoke` makes one seed with few updates elsewhere and
writes no result; `--page` writes only docs/began.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import torch
from fidelity import (
    SHOWN,
    Judge,
    Values,
    chosen,
    interval_cells,
    judge_of,
    kept,
    measured,
    paged,
    table,
    trained,
)
from measure import RESULTS, write
from torch import Tensor

from partimento.loading import Trained
from partimento.loggers.csv import read_metrics
from partimento.reports.midi import write_midi
from partimento.reports.pianoroll import draw_sheet

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, RESULT = DOCS / "began.md", RESULTS / "began.json"
GAMMAS, SEEDS = (0.3, 0.5, 0.7), (1, 2, 3)
COUNT, SETS = 256, 10
MARGIN = 0.02
"""By which figures of two settings must differ to count."""
STEPS = 9
"""Of the way between two codes that is shown."""


def last_m(folder: Path) -> float:
    """Return the mean of M over the last tenth of a run's updates."""
    rows = [
        (int(row["updates"]), float(row["value"]))
        for row in read_metrics(folder / "metrics.csv")
        if row["name"] == "train/began_convergence"
    ]
    end = max(update for update, _ in rows)
    return round(statistics.mean(value for update, value in rows if update > 0.9 * end), 6)


def figures_of(model: Trained, folder: Path, judge: Judge) -> Values:
    """Return a run's figures, M among them."""

    def draw(count: int, stream: torch.Generator) -> Tensor:
        return model.model.sample(count, temperature=0, generator=stream)

    values = measured(judge, draw, SETS)
    return {**{name: values[name] for name in SHOWN}, "M": last_m(folder)}


def verdict(rows: dict[str, list[Values]]) -> dict[str, Any]:
    """Return what the rules say."""
    mean = {
        name: [statistics.mean(row[name] for row in seeds) for seeds in rows.values()]
        for name in ("coverage", "precision")
    }
    first, *_, last = rows.values()
    ups = {
        name: [b[name] - a[name] for a, b in zip(first, last, strict=True)]
        for name in ("coverage", "precision")
    }
    varies = mean["coverage"] == sorted(mean["coverage"]) and min(ups["coverage"]) > MARGIN
    runs = [row for seeds in rows.values() for row in seeds]
    pairs = list(itertools.combinations(runs, 2))
    wrong = [(a["M"] - b["M"]) * (a["coverage"] - b["coverage"]) > 0 for a, b in pairs]
    share = sum(wrong) / len(pairs)
    return {
        "sets_variety": varies,
        "costs_fidelity": mean["precision"] == sorted(mean["precision"], reverse=True)
        and max(ups["precision"]) < -MARGIN,
        "papers_claim": "holds"
        if varies
        else "refuted"
        if max(ups["coverage"]) < -MARGIN
        else "open",
        "lower_m_lower_coverage": round(share, 3),
        "m": "no sign" if share >= 0.5 else "a sign" if share <= 0.25 else "a weak sign",
    }


def show(model: Trained, gamma: float) -> None:
    """Write picture and MIDI of the way between two codes; theirs fill a cube, so it is straight."""
    first, last = (model.codes(seed=seed)[0] for seed in (1, 2))
    way = model.interpolate(first, last, STEPS, method="linear", temperature=0)
    stem = DOCS / "began" / f"gamma-{gamma}"
    stem.parent.mkdir(exist_ok=True)
    titles = [str(step) for step in range(1, STEPS + 1)]
    draw_sheet(way, stem.parent / f"{stem.name}.png", titles=titles, dpi=70)
    write_midi(way[0], stem.parent / f"{stem.name}.mid")


def study(
    outputs: str, seeds: tuple[int, ...], more: tuple[str, ...], docs: bool
) -> dict[str, Any]:
    """Train and judge all runs; return the figures."""
    judge = judge_of(chosen("began_chorales_small", 0, outputs, *more), COUNT)
    rows: dict[str, list[Values]] = {}
    for gamma, seed in itertools.product(GAMMAS, seeds):
        own = chosen("began_chorales_small", seed, outputs, f"model.objective.gamma={gamma}", *more)
        model, folder = trained(own)
        key = {"updates": model.model.counters["updates"], "sets": SETS, "count": COUNT}
        found = kept(folder / "study.json", key, partial(figures_of, model, folder, judge))
        rows.setdefault(str(gamma), []).append(found)
        print(gamma, seed, found, flush=True)
        if docs and seed == seeds[0]:
            show(model, gamma)
    return {"runs": rows, "perfect": interval_cells(judge.monitor), "verdict": verdict(rows)}


def page(found: dict[str, Any]) -> None:
    """Write the table and the verdict into the page."""
    rows = {f"gamma = {gamma}": seeds for gamma, seeds in found["runs"].items()}
    said = "\n".join(f"- {name}: {value}" for name, value in found["verdict"].items())
    made = f"{table(rows, found['perfect'])}\n\n{said}"
    PAGE.write_text(paged(PAGE.read_text(), "began", made))


def main() -> None:
    """Run what is left of the study and write result, pictures and page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", default="outputs/study-began")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--page", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.smoke:
        few = ("trainer.max_updates=20", "trainer.log_every=5", "diagnostics=none")
        print(study(f"{arguments.outputs}-smoke", SEEDS[:1], few, docs=False))
        return
    if not arguments.page:
        write("began", study(arguments.outputs, SEEDS, (), docs=True))
    page(json.loads(RESULT.read_text())["figures"])


if __name__ == "__main__":
    main()
