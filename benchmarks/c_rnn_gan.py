"""C-RNN-GAN's statistics through training, beside its likelihood-only baseline and real music.

What it is to show, fixed in `c_rnn_gan_rule.py` before it was run: the textual claims of Mogren 2016,
each of which holds or does not. Models: experiment=c_rnn_gan_small and c_rnn_gan_3_small, and the
first with all of its epochs in pre-training; seeds 0, 1, 2; on the CPU, statistics of 64 samples and
of 64 validation windows after every epoch.

The same command again goes on where it was. `--draw` only draws the figure and writes the tables of
docs/c_rnn_gan.md from the runs that there are; `--smoke` takes one seed and three epochs and writes
no result.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from c_rnn_gan_rule import CLAIMS, MODELS, NAMES, SEEDS, Run, Runs, verdict
from measure import RESULTS, write

import partimento
from partimento.apps.composition import compose_request
from partimento.loggers.csv import read_metrics
from partimento.reports.curves import Curve, draw_curves
from partimento.reports.midi import write_midi
from partimento.reports.pianoroll import draw_sheet

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, RESULT = DOCS / "c_rnn_gan.md", RESULTS / "c_rnn_gan.json"
EXPERIMENTS = {
    "c_rnn_gan": "c_rnn_gan_small",
    "c_rnn_gan_3": "c_rnn_gan_3_small",
    "baseline": "c_rnn_gan_small",
}
HEADINGS = {"c_rnn_gan": "C-RNN-GAN", "c_rnn_gan_3": "C-RNN-GAN-3", "baseline": "Baseline"}
SMOKE = ("trainer.max_epochs=3", "trainer.limit_train_batches=3", "model.pretraining.epochs=1")
PERCENT = ("mode_consistency", "joint_onsets")


def overrides(model: str, seed: int, outputs: str, smoke: bool = False) -> list[str]:
    """Return the overrides of one run."""
    chosen = [
        f"experiment={EXPERIMENTS[model]}",
        f"seed={seed}",
        "accelerator=cpu",
        "accelerator.threads=1",
        "logger=csv",
        "trainer.progress_bar=false",
        f"paths.outputs={outputs}",
        *(SMOKE if smoke else ()),
    ]
    if model != "baseline":
        return chosen
    epochs = compose_request(chosen, "train").resolved["trainer"]["max_epochs"]
    return [*[c for c in chosen if "pretraining" not in c], f"model.pretraining.epochs={epochs}"]


def run_of(folder: Path, before: int) -> Run:
    """Return the curves of a run folder, one value per epoch from its metrics.csv."""
    values: dict[str, dict[int, float]] = {}
    for row in read_metrics(folder / "metrics.csv"):
        name = row["name"].removeprefix("music/")
        if name != row["name"]:
            values.setdefault(name, {})[row["epoch"]] = row["value"]
    epochs = sorted(values["pitches_used"])
    # A statistic of notes has no value for samples that have none: they use 0 pitches then.
    curves = {name: [values[name].get(epoch, 0.0) for epoch in epochs] for name in NAMES}
    real = {name: values[f"{name}_held_out"][epochs[-1]] for name in NAMES}
    return Run(curves, real, before)


def trained(outputs: str, seeds: tuple[int, ...], smoke: bool) -> list[dict[str, Run]]:
    """Train what is left, and return the curves of each seed by model."""
    found: list[dict[str, Run]] = [{} for _ in seeds]
    for index, seed in enumerate(seeds):
        for model in MODELS:
            chosen = overrides(model, seed, outputs, smoke)
            request = compose_request(chosen, "train")
            partimento.train(chosen)
            before = request.resolved["model"]["pretraining"]["epochs"]
            found[index][model] = run_of(request.folder.path, before)
            print(f"{model} seed {seed}: done", flush=True)
    return found


def draw(found: list[dict[str, Run]], path: Path) -> None:
    """Draw a panel per model like the paper's figure 3."""
    panels = {}
    for model in MODELS:
        runs = [seed[model] for seed in found]
        factors = {name: 100 if name in PERCENT else 1 for name in NAMES}
        panels[HEADINGS[model]] = [
            Curve(
                legend,
                range(len(runs[0].curves[name])),
                [[factors[name] * value for value in run.curves[name]] for run in runs],
                factors[name] * runs[0].real[name],
            )
            for name, legend in NAMES.items()
        ]
    draw_curves(panels, path, begin=found[0]["c_rnn_gan"].before, top=120)


def figures_of(found: list[dict[str, Run]]) -> dict[str, Any]:
    """Return the late values of each seed, real music's, and what became of each claim."""
    seeds: list[Runs] = list(found)
    return {
        "late": {
            model: {name: [round(runs[model].late(name), 4) for runs in seeds] for name in NAMES}
            for model in MODELS
        },
        "real": {
            model: {name: round(seeds[0][model].real[name], 4) for name in NAMES}
            for model in ("c_rnn_gan", "c_rnn_gan_3")
        },
        "claims": {name: verdict(claim, seeds) for name, claim in CLAIMS.items()},
        "seeds": {name: [claim.holds(runs) for runs in seeds] for name, claim in CLAIMS.items()},
    }


def tables(figures: dict[str, Any] | None) -> str:
    """Return the page's tables: late values by model, and the claims; None: the rules alone."""
    lines = []
    if figures is not None:
        lines = [f"| | {' | '.join(NAMES.values())} |", "|---|" + "---:|" * len(NAMES)]
        for model in MODELS:
            cells = [_cell(name, figures["late"][model][name]) for name in NAMES]
            lines.append(f"| {HEADINGS[model]} | {' | '.join(cells)} |")
        for model, row in figures["real"].items():
            cells = [_cell(name, [row[name]]) for name in NAMES]
            lines.append(f"| real music, as {HEADINGS[model]} has it | {' | '.join(cells)} |")
        lines += ["", *(f"![{HEADINGS[model]}]({model}.png)" for model in MODELS), ""]
        lines += ["![Statistics through training](c_rnn_gan_curves.png)", ""]
    lines += ["| what the paper says | the rule | |", "|---|---|---|"]
    for name, claim in CLAIMS.items():
        found = "" if figures is None else figures["claims"][name]
        lines.append(f"| {claim.text} | {claim.rule} | {found} |")
    return "\n".join(lines)


def _cell(name: str, values: list[float]) -> str:
    factor = 100 if name in PERCENT else 1
    shown = [f"{factor * value:.1f}" for value in values]
    mean = f"{factor * statistics.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({', '.join(shown)})"


def paged(text: str, figures: dict[str, Any] | None) -> str:
    """Return the page's text with the tables made anew."""
    start, stop = "<!-- table: c_rnn_gan -->\n", "<!-- end -->"
    before, _, rest = text.partition(start)
    return f"{before}{start}{tables(figures)}\n{stop}{rest.partition(stop)[2]}"


def show(outputs: str) -> None:
    """Write picture and MIDI of samples of the first seed's models into the docs."""
    for model in MODELS:
        trained = partimento.load(
            compose_request(overrides(model, SEEDS[0], outputs), "train").folder.path
        )
        pieces = trained.sample(4, seed=0)
        draw_sheet(pieces, DOCS / f"{model}.png", titles=[str(i + 1) for i in range(4)], dpi=70)
        write_midi(pieces[0], DOCS / f"{model}.mid")


def main() -> None:
    """Run what is left of the study; write the result file, pictures, MIDI and tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", default="outputs/study-c-rnn-gan")
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    found = trained(arguments.outputs, SEEDS[:1] if arguments.smoke else SEEDS, arguments.smoke)
    if arguments.smoke:
        draw(found, Path(arguments.outputs) / "c_rnn_gan_curves.png")
        print(tables(figures_of(found)))
        return
    if not arguments.draw:
        write("c_rnn_gan", figures_of(found))
    show(arguments.outputs)
    draw(found, DOCS / "c_rnn_gan_curves.png")
    PAGE.write_text(paged(PAGE.read_text(), json.loads(RESULT.read_text())["figures"]))


if __name__ == "__main__":
    main()
