"""Fidelity and variety of a style-based generator over truncation, and what its layers decide; resumable.

What it is to show, fixed before it was run:

- Runs: experiment=style_gan_chorales_small, seeds 1, 2, 3, on the CPU; averaged weights of the last
  checkpoint. Hyperparameters were chosen on seed 0.
- Truncation: psi from 0 to 1.2, all layers, noise on. Figures: the values of the watch for mode
  collapse in its thorough tier, in pitch classes of the parts of an example, against the test
  split; means over 10 sets of samples (256, or as many as the test split supports), and beside them
  the interval of a perfect model.
- Truncation buys fidelity when precision at psi 0.5 is above that at 1 by more than 0.02 in all
  seeds, and costs variety when coverage at 0.5 is below that at 1 by more than 0.02 in all seeds. It
  trades the one for the other when it does both; it is refuted when neither holds in any seed; else
  the outcome is mixed.
- Layers: of 200 pairs of codes, the share of cells that differ after the styles of the two layers
  of one resolution are replaced by the other code's. Coarse layers decide more when the share of the
  coarsest resolution is above that of the finest in all seeds. (The paper's pictures say that
  coarse styles bring high-level aspects, fine ones colour and detail.)
- Inversion: share of the cells that the found style gives back, of the first windows of the test
  split's first 20 pieces, with one style to each layer and with one for all.

The same command again goes on where it was. `--smoke` makes one seed with few updates elsewhere and
writes no result; `--page` writes only docs/style.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
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

from partimento.apps.composition import compose_request
from partimento.building import build_dataset
from partimento.config.schema import data_config
from partimento.data.module import MusicDataModule
from partimento.datasets.chorales import read_bach
from partimento.generation.inversion import invert, music_of_styles
from partimento.generation.styles import Truncation, mixed_styles, style_network
from partimento.loading import Trained
from partimento.reports.midi import write_midi
from partimento.reports.pianoroll import draw_sheet

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, RESULT = DOCS / "style.md", RESULTS / "style.json"
SEEDS = (1, 2, 3)
PSIS = (0.0, 0.3, 0.5, 0.7, 0.85, 1.0, 1.2)
COUNT, SETS, PAIRS, INVERTED = 256, 10, 200, 20
MARGIN = 0.02
"""By which figures of two settings must differ to count."""
CHORALES = ("253", "254")
"""Whose styles are mixed in the page's picture."""


def over_truncation(model: Trained, judge: Judge) -> dict[str, Values]:
    """Return the figures of each psi."""
    found = {}
    for psi in PSIS:

        def draw(count: int, stream: torch.Generator, psi: float = psi) -> Tensor:
            return Truncation(psi).generate(model.model, n=count, generator=stream)

        values = measured(judge, draw, SETS)
        found[str(psi)] = {name: values[name] for name in SHOWN}
    return found


@torch.no_grad()
def decided(model: Trained) -> list[float]:
    """Return for each resolution, coarse first, the share of cells that its styles change."""
    network = style_network(model.model)
    codes = [model.codes(PAIRS, seed=seed) for seed in (1, 2)]
    own, other = (network.per_layer(network.styles(z)) for z in codes)
    before = music_of_styles(model.model, own)
    shares = []
    for layer in range(0, network.layers, 2):
        after = music_of_styles(model.model, mixed_styles(own, other, [layer, layer + 1]))
        shares.append(round(float((after != before).double().mean()), 4))
    return shares


def inverted(model: Trained, x: Tensor) -> Values:
    """Return how much of real windows comes back from styles found for them."""
    kinds = {"one_style": False, "each_layer": True}
    return {
        name: round(float(invert(model.model, x, per_layer=each).agreement.mean()), 4)
        for name, each in kinds.items()
    }


def windows(model: Trained, overrides: list[str], split: str, count: int) -> Tensor:
    """Return the first window of the first pieces of a split."""
    resolved = compose_request(overrides, "train").resolved
    cache = resolved["paths"]["cache"]
    data = MusicDataModule(
        build_dataset(resolved), model.representation, data_config(resolved), cache=cache
    )
    first = [model.representation.windows(piece, stride=2).x[:1] for piece in data.pieces(split)]
    return torch.cat([torch.from_numpy(x) for x in first if len(x)])[:count]


def verdict(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the rules say."""
    gains = {
        name: [run["truncation"]["0.5"][name] - run["truncation"]["1.0"][name] for run in runs]
        for name in ("precision", "coverage")
    }
    buys, costs = min(gains["precision"]) > MARGIN, max(gains["coverage"]) < -MARGIN
    never = max(gains["precision"]) <= MARGIN and min(gains["coverage"]) >= -MARGIN
    return {
        "buys_fidelity": buys,
        "costs_variety": costs,
        "truncation": "trades" if buys and costs else "refuted" if never else "mixed",
        "coarse_layers_decide_more": all(run["layers"][0] > run["layers"][-1] for run in runs),
    }


def show(model: Trained) -> None:
    """Write pictures and MIDI: samples of one code over psi, and two chorales' styles mixed."""
    folder = DOCS / "style"
    folder.mkdir(exist_ok=True)
    z = model.codes(2, seed=1)
    rows = [model.sample(z=z, strategy=Truncation(psi, noise=False)) for psi in (0.0, 0.5, 1.0)]
    pieces = [piece for pair in rows for piece in pair]
    titles = [f"psi {psi}, code {code}" for psi in (0.0, 0.5, 1.0) for code in (1, 2)]
    draw_sheet(pieces, folder / "truncation.png", titles=titles, dpi=70)
    network = style_network(model.model)
    x = [model.representation.windows(read_bach(n), stride=1).x[:1] for n in CHORALES]
    first, second = (invert(model.model, torch.from_numpy(window)).styles for window in x)
    count = network.layers
    styles = [mixed_styles(first, second, list(range(count - k, count))) for k in range(count + 1)]
    mixed = music_of_styles(model.model, torch.cat(styles)).numpy()
    pieces = [model.representation.decode(row) for row in mixed]
    titles = [f"{k} layers of BWV {CHORALES[1]}" for k in range(count + 1)]
    draw_sheet(pieces, folder / "mixing.png", titles=titles, dpi=70)
    write_midi(pieces[count // 2], folder / "mixing.mid")


def draw_curve(found: dict[str, Any]) -> None:
    """Draw precision over coverage along psi, a line for each seed, beside a perfect model's place."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    for seed, run in zip(SEEDS, found["runs"], strict=False):
        points = [(row["coverage"], row["precision"]) for row in run["truncation"].values()]
        axes.plot(*zip(*points, strict=True), marker="o", label=f"seed {seed}")
    for (coverage, precision), psi in zip(points, run["truncation"], strict=True):
        axes.annotate(psi, (coverage, precision), textcoords="offset points", xytext=(4, 4))
    low, high = (found["perfect"][name] for name in ("coverage", "precision"))
    errors = [[[e[1] - e[0]], [e[2] - e[1]]] for e in (low, high)]
    axes.errorbar(low[1], high[1], xerr=errors[0], yerr=errors[1], color="black", label="perfect")
    axes.set(xlabel="coverage of held-out windows", ylabel="precision of samples")
    axes.legend()
    figure.savefig(DOCS / "style" / "curve.png", dpi=100)


def study(
    outputs: str, seeds: tuple[int, ...], more: tuple[str, ...], docs: bool
) -> dict[str, Any]:
    """Train and judge all runs; return the figures."""
    first = chosen("style_gan_chorales_small", 0, outputs, *more)
    judge, runs = judge_of(first, COUNT), []
    for seed in seeds:
        model, folder = trained(chosen("style_gan_chorales_small", seed, outputs, *more))
        key = {"updates": model.model.counters["updates"], "psis": list(PSIS), "sets": SETS}

        def find(model: Trained = model) -> dict[str, Any]:
            return {
                "truncation": over_truncation(model, judge),
                "layers": decided(model),
                "inversion": inverted(model, windows(model, first, "test", INVERTED)),
            }

        runs.append(kept(folder / "study.json", key, find))
        print(seed, runs[-1], flush=True)
        if docs and seed == seeds[0]:
            show(model)
    return {"runs": runs, "perfect": interval_cells(judge.monitor), "verdict": verdict(runs)}


def page(found: dict[str, Any]) -> None:
    """Write tables and verdict into the page."""
    runs = found["runs"]
    over = {
        f"psi = {psi}": [run["truncation"][psi] for run in runs] for psi in runs[0]["truncation"]
    }
    shares = [statistics.mean(of) for of in zip(*(run["layers"] for run in runs), strict=True)]
    told = [
        "- cells changed by the styles of one resolution, coarse to fine: "
        + ", ".join(f"{share:.3f}" for share in shares),
        *(
            f"- cells of held-out windows given back, {name.replace('_', ' ')}: "
            + ", ".join(f"{run['inversion'][name]:.3f}" for run in runs)
            for name in runs[0]["inversion"]
        ),
        *(f"- {name}: {value}" for name, value in found["verdict"].items()),
    ]
    made = table(over, found["perfect"]) + "\n\n" + "\n".join(told)
    PAGE.write_text(paged(PAGE.read_text(), "style", made))


def main() -> None:
    """Run what is left of the study and write result, pictures and page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", default="outputs/study-style")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--page", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.smoke:
        few = ("trainer.max_updates=20", "trainer.log_every=5", "diagnostics=none")
        print(study(f"{arguments.outputs}-smoke", SEEDS[:1], few, docs=False))
        return
    if not arguments.page:
        write("style", study(arguments.outputs, SEEDS, (), docs=True))
    found = json.loads(RESULT.read_text())["figures"]
    draw_curve(found)
    page(found)


if __name__ == "__main__":
    main()
