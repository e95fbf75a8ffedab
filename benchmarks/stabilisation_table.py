"""The page of the study of stabilisation, written from its results."""

from __future__ import annotations

import statistics
from typing import Any

from stabilisation_rule import (
    BATCH,
    BETAS,
    EMA,
    HIDDEN,
    HOLD,
    LATENT,
    RECIPES,
    SAMPLES,
    SEEDS,
    WANTED,
    WANTED_QUALITY,
    Recipe,
)

NAMES = {
    "non_saturating": "non-saturating, k = 1",
    "non_saturating_k5": "non-saturating, k = 5",
    "lsgan": "LSGAN",
    "hinge_sn": "hinge, spectral norm",
    "wgan_gp_k5": "WGAN-GP, k = 5",
    "pacgan2": "PacGAN2",
    "r3gan": "R3GAN's loss (R1, R2)",
    "unrolled5": "unrolled, 5 steps",
    "began": "BEGAN",
    "imle": "IMLE",
}
MODES = {"ring": 8, "grid": 25}
TITLES = {"ring": "The ring: 8 modes, sigma 0.01", "grid": "The grid: 25 modes, sigma 0.05"}
PLAIN = Recipe("")


def document(result: dict[str, Any]) -> str:
    """Return the page in Markdown."""
    figures = result["figures"]
    tables = [_dataset(name, figures) for name in MODES]
    parts = [_head(), *tables, _reading(figures), _settings(), _foot(result)]
    return "\n\n".join(parts) + "\n"


def _head() -> str:
    ring, grid = (" x ".join(map(str, HIDDEN[name])) for name in ("ring", "grid"))
    return f"""# Ten ways against mode collapse

<!-- Written by `python benchmarks/stabilisation.py --document` from its result file. -->

Each method is a config of `Adversarial` (or of `ImplicitMaximumLikelihood`), and every seed is a run
of it: the seeds of a method are trained as one stacked model on one processor core, and a test holds
each of them to the weights of a run by itself (`tests/studies/test_stacked.py`). What is no method's
own is common to all: generator and discriminator of {ring} units ({grid} on the grid), codes of
{LATENT} normal numbers, batches of {BATCH}, Adam with betas {BETAS[0]} and {BETAS[1]}, an average of
the generator's weights with decay {EMA}, which is what is judged, and learning rates that fall along
a line to 0 from {HOLD:.0%} of the updates on (the study's doing: the models themselves keep theirs).
Learning rates and the methods' own settings were tuned on seeds from 1000 on, with a few runs each;
the rule (`benchmarks/stabilisation_rule.py`) was committed before the seeds below were run.

How to read it. {SAMPLES:,} samples of each seed go to the oracle. *All modes*: seeds in which every
mode has a sample of high quality, one within 3 sigma of its centre; a single lucky one is enough, so
that the evenness belongs to it. *High quality*: share of such samples; of the law's own draws it is
98.89 %, and a model that has more makes its modes too narrow. *Reverse KL*: how unevenly the modes are
visited, in nats; even draws have (K - 1) / 2N on average, the floor. *Cost*: passes per generator
update, where a forward pass of one network over a minibatch is 1 and a backward pass 2, so that a
gradient evaluation is 3; discriminator updates, penalties, steps looked ahead and IMLE's pool are in
it, but not IMLE's search for neighbours. IMLE stays below the equal evaluations."""


def _dataset(name: str, figures: dict[str, Any]) -> str:
    rule, rows = figures["rule"][name], figures.get(name, {})
    stable = "; ".join(NAMES[method] for method in NAMES if method in rule["stable"]) or "none"
    reached = "reached" if len(rule["stable"]) >= rule["wanted"] else "not reached"
    quality = f" with a median high quality of at least {WANTED_QUALITY[name]:.2f}"
    condition = quality if WANTED_QUALITY[name] else ", of whatever quality"
    lines = [
        f"## {TITLES[name]}",
        "",
        f"Equal generator updates: {rule['updates']:,} of every method, {len(rule['seeds'])} seeds; "
        f"floor of the reverse KL {rule['reverse_kl_floor']:.4f}.",
        "",
        *_table(name, rows, equal_evaluations=False),
        "",
        f"Aim: at least {rule['wanted']} method(s) with all {MODES[name]} modes in at least "
        f"{WANTED[name]} of {len(rule['seeds'])} seeds{condition}. Those that have it: {stable}. "
        f"The aim is {reached}.",
        "",
        f"Equal gradient evaluations: {rule['evaluations']:,} passes of every method, those of the "
        "plain game's whole run, read off the same trajectories. A method whose update costs more is "
        "read earlier, before its learning rates have fallen: the comparison is the harder on it.",
        "",
        *_table(name, rows, equal_evaluations=True),
    ]
    return "\n".join(lines)


def _quality(figures: dict[str, Any], dataset: str, method: str) -> str:
    return f"{statistics.median(figures[dataset][method]['high_quality']):.2f}"


def _reading(figures: dict[str, Any]) -> str:
    row = figures["ring"]["began"]
    pairs = zip(row["modes"], row["high_quality"], strict=True)
    one = sum(modes == 1 and share > 0.5 for modes, share in pairs)
    imle, began = (_quality(figures, "ring", method) for method in ("imle", "began"))
    return f"""## What to see in it

- **High quality alone says nothing.** BEGAN's median on the ring is {began}, and {one} of its
  {len(SEEDS["ring"])} seeds have most samples within a single mode, which is the course's picture of
  collapse; the others reach a few modes, or none. In the plane its autoencoder has little to fail
  at, so that its error tells little of where the data lie; narrower codes, other ratios and other
  rates did not save it.
- **IMLE is at the other end.** No seed loses a mode on either dataset, as its argument says: every
  real example has a sample to draw. But nothing pushes samples away from where there are no data, and
  its high quality on the ring is {imle}. Games have the clean samples, matching has all the modes.
- **The plain game hardly collapses here**, unlike in the tables of VEEGAN (1 of 8 modes) and PacGAN
  (6.3 of 8). Tuned like its rivals (at fifteen times DCGAN's rate, which falls to 0) it has all of the
  ring's modes in nearly every seed. A stabilised method that is compared with an untuned plain game
  shows the tuning. On the grid the difference is there: WGAN-GP and IMLE reach all 25 modes in every
  seed, WGAN-GP nearly as evenly as the law itself; k = 5 and unrolling make cleaner samples at the
  price of modes, as the course's plane of fidelity and diversity has it.
- **The price is real.** At equal gradient evaluations WGAN-GP and unrolling have made a fraction of
  the others' updates, and are behind: LSGAN, at the cost of the plain game, is the best bargain on the
  ring, and no game has all modes of the grid in most seeds.
- **Settings travel badly.** Spectral normalisation bounds the slope of the discriminator, and so what
  it can tell apart: with points in their own units it failed on the ring, with points in tenths of them
  it is stable, and on the grid no scale that was tried helped. PacGAN2 is stable on the ring and
  slow on the grid within these updates.
- What was not tried: larger networks, longer runs, other codes; a method that fails here fails in
  this setting."""


def _table(dataset: str, rows: dict[str, Any], *, equal_evaluations: bool) -> list[str]:
    last = "updates" if equal_evaluations else "stable"
    lines = [
        f"| method | cost | all modes | median modes | high quality: median (least, most) "
        f"| reverse KL: median | {last} |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for method in [name for name in NAMES if name in rows]:
        row = rows[method]
        found = row["equal_evaluations"] if equal_evaluations else row
        every = sum(modes == MODES[dataset] for modes in found["modes"])
        end = f"{row['updates_within_evaluations']:,}"
        if not equal_evaluations:
            end = "yes" if row["stable"] else "**no**"
        quality = found["high_quality"]
        lines.append(
            f"| {NAMES[method]} | {row['passes_per_update']} | {every} of {len(found['modes'])} "
            f"| {statistics.median(found['modes']):g} | {statistics.median(quality):.3f} "
            f"({min(quality):.3f}, {max(quality):.3f}) | {_median(found['reverse_kl'])} | {end} |"
        )
    return lines


def _median(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "none reached"
    note = f" (of {len(known)})" if len(known) < len(values) else ""
    return f"{statistics.median(known):.3f}{note}"


def _settings() -> str:
    lines = [
        "## Settings that are not common to all",
        "",
        "Tried on seeds 1000 to 1003, two to four at a time: rates of 0.001 and 0.003 (0.002 on the "
        "grid), chosen by PacGAN2 and R3GAN's loss, whose rate most others then had; two layers of 64 "
        "or 128 units and three of 64; averages with decay 0.99 and 0.999; R1 and R2 of 0.02 and 0.1; "
        "with spectral normalisation points divided by 1, 0.5, 0.2, 0.1 and 0.03; BEGAN with gamma "
        "0.5, 0.7 and 0.9, codes of 1, 2 and 16 and rates from 0.0005 to 0.003; pools of 2, 5 and 10 "
        "for IMLE. Unrolling and WGAN-GP were tried once.",
        "",
    ]
    for name, recipes in RECIPES.items():
        lines += [f"{TITLES[name].split(':')[0]}:", ""]
        for method in NAMES:
            recipe = recipes[method]
            own = {
                key: value
                for key, value in vars(recipe).items()
                if value != getattr(PLAIN, key) and key != "objective"
            }
            own = {"rate": recipe.rate, **own}
            lines.append(
                f"- {NAMES[method]}: " + ", ".join(f"`{key}={value}`" for key, value in own.items())
            )
        lines.append("")
    return "\n".join(lines).rstrip()


def _foot(result: dict[str, Any]) -> str:
    rows = [row for name in MODES for row in result["figures"].get(name, {}).values()]
    minutes = sum(row["cpu_seconds"] for row in rows) / 60
    return f"""## Run it again

`python benchmarks/stabilisation.py` ({minutes:.0f} minutes of one core of
{result["machine"]["cpu"]}; the same command goes on where it was), `--check` to train a random 5 %
of the cells anew and compare, `--document` to write this page. Every seed's figures, and the
trajectories, are in `benchmarks/results/stabilisation.json`."""
