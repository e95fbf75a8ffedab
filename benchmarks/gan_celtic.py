"""A GAN on Celtic jigs after 500 and 5000 epochs of the same run, against held-out tunes.

What it is to show, fixed before it was run:

- Models: experiment=gan_celtic, epochs 500 and 5000 of one run; experiment=imle_celtic, with the same
  data and generator, epochs 20 and 200. Seeds 1, 2, 3, on the CPU. Hyperparameters were chosen on
  seed 0 with another division of the tunes (data.split.seed=0 there, 1 here).
- Data: phrases of four bars; each phrase of a tune counts once, although repeats are written out. n
  is the number of held-out phrases (the test split). Every set that is judged has n phrases; the
  figures of a model are means over 20 such sets of samples, hard ones, from the raw weights.
- Figures: Jensen-Shannon divergence (nats, 0 to ln 2) of the histograms of pitch classes, melodic
  intervals and durations (in eighths) to those of the held-out phrases; coverage of the held-out
  phrases (k = 5 nearest neighbours by one-hot tokens, borders included); share of samples that are
  phrases of the training split to the note (copies), and in all but at most 2 of 24 tokens (near
  copies); share of two-bar halves that are halves of training phrases (copied halves); share of
  different samples (unique).
- Beside them: n training phrases in place of samples, 200 times, whole groups of tunes drawn at
  random without replacement until there are n: median and the interval from 2.5 % to 97.5 %. The
  rates of copying are those of held-out phrases, their groups drawn with replacement.
- Rules. The later epoch is better in a figure when it is in all three seeds, and better as a whole
  when it is in coverage and at least two of the three divergences; worse likewise; else the outcome
  is mixed. It has collapsed when mean coverage is below half of the earlier epoch's or the mean
  unique share below 0.5. It copies when the mean rate of copies is above 0.01 plus the upper end of
  the held-out interval, and nearly copies with the same of near copies and 0.05. It is as good as
  real music in a figure when its mean is inside the interval or on the better side.

The same command again goes on where it was. `--page` writes only the table of docs/gan_celtic.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from measure import RESULTS, write

import partimento
from partimento.apps.composition import compose_request
from partimento.atomic import write_atomically
from partimento.building import build_dataset, build_representation
from partimento.config.schema import data_config
from partimento.data.module import MusicDataModule
from partimento.loading import Trained
from partimento.metrics.copies import copy_rate, near_copy_rate
from partimento.metrics.duplicates import unique_share
from partimento.metrics.histograms import durations, intervals, jensen_shannon, pitch_classes
from partimento.metrics.manifold import coverage
from partimento.reports.midi import write_midi
from partimento.reports.pianoroll import draw_sheet
from partimento.representations.base import Representation

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, RESULT = DOCS / "gan_celtic.md", RESULTS / "gan_celtic.json"
SEEDS = (1, 2, 3)
EPOCHS = {"gan": (500, 5000), "imle": (20, 200)}
DRAWS, RESAMPLES = 20, 200
NEAR = 2
DIVERGENCES = ("pitch_class", "interval", "duration")
FIGURES = {  # name → heading, and whether more is better (None: neither)
    "pitch_class": ("pitch classes", False),
    "interval": ("intervals", False),
    "duration": ("durations", False),
    "coverage": ("coverage", True),
    "copies": ("copies", None),
    "near_copies": ("near copies", None),
    "copied_halves": ("copied halves", None),
    "unique": ("unique", None),
}


class Phrases(NamedTuple):
    """Phrases of one split, each once per tune: tokens `(n, steps)` and the group of each."""

    tokens: np.ndarray
    group: np.ndarray


def overrides(kind: str, seed: int, outputs: str) -> list[str]:
    """Return the overrides of one run."""
    return [
        f"experiment={kind}_celtic",
        f"seed={seed}",
        "data.split.seed=1",
        "accelerator=cpu",
        "accelerator.threads=1",
        "logger=csv",
        "trainer.progress_bar=false",
        f"paths.outputs={outputs}",
    ]


def real_phrases(resolved: dict[str, Any]) -> tuple[Representation, Phrases, Phrases]:
    """Return the representation, and the phrases of the training and the test split."""
    dataset, cache = build_dataset(resolved), resolved["paths"]["cache"]
    representation = build_representation(resolved, dataset)
    data = MusicDataModule(dataset, representation, data_config(resolved), cache=cache)
    ids = [piece.id for piece in data.corpus.pieces]
    group_of = dict(zip(ids, data.corpus.groups, strict=True))

    def of(split: str) -> Phrases:
        rows, groups = [], []
        for piece in data.pieces(split):
            windows = representation.windows(piece, stride=data.config.stride).x
            if len(windows):
                rows.append(np.unique(spelled(representation, windows), axis=0))
                groups += [group_of[piece.id]] * len(rows[-1])
        return Phrases(np.concatenate(rows), np.array(groups))

    return representation, of("train"), of("test")


def spelled(representation: Representation, tokens: np.ndarray) -> np.ndarray:
    """Return tokens as the representation writes their music, so that equal music is equal."""
    return np.stack(representation.encode_all([representation.decode(row) for row in tokens]))


def figures(
    representation: Representation, tokens: np.ndarray, train: Phrases, held_out: Phrases
) -> dict[str, float]:
    """Return all figures of a set of phrases against the held-out ones."""
    pieces = [representation.decode(row) for row in tokens]
    others = [representation.decode(row) for row in held_out.tokens]
    histograms = {
        "pitch_class": pitch_classes,
        "interval": intervals,
        "duration": lambda some: durations(some, per_quarter=2, longest=12),
    }

    def points(some: np.ndarray) -> torch.Tensor:
        return representation.distribution.features(torch.as_tensor(some).long()).flatten(1)

    return {
        **{name: jensen_shannon(of(pieces), of(others)) for name, of in histograms.items()},
        "coverage": coverage(points(held_out.tokens), points(tokens)),
        **copying(tokens, train),
        "unique": unique_share(torch.as_tensor(tokens).long()),
    }


def copying(tokens: np.ndarray, train: Phrases) -> dict[str, float]:
    """Return the three rates of copying from the training phrases."""
    half = tokens.shape[1] // 2
    return {
        "copies": copy_rate(tokens, train.tokens),
        "near_copies": near_copy_rate(tokens, train.tokens, NEAR),
        "copied_halves": copy_rate(tokens.reshape(-1, half), train.tokens.reshape(-1, half)),
    }


def real_figures(
    representation: Representation, train: Phrases, held_out: Phrases
) -> dict[str, list[float]]:
    """Return [2.5 %, median, 97.5 %] of every figure over resampled real phrases."""
    draw = np.random.default_rng(0)
    n, rows = len(held_out.tokens), []
    for _ in range(RESAMPLES):
        order = draw.permutation(np.unique(train.group))
        chosen = np.concatenate([np.flatnonzero(train.group == group) for group in order])[:n]
        row = figures(representation, train.tokens[chosen], train, held_out)
        again = draw.choice(groups := np.unique(held_out.group), len(groups))
        places = np.concatenate([np.flatnonzero(held_out.group == group) for group in again])
        rows.append({**row, **copying(held_out.tokens[places], train)})
    ends = {f: np.quantile([row[f] for row in rows], (0.025, 0.5, 0.975)) for f in FIGURES}
    return {name: values.round(5).tolist() for name, values in ends.items()}


def sampled(trained: Trained, n: int, seed: int) -> np.ndarray:
    """Return n hard samples of the raw weights, `(n, steps)`."""
    pieces = trained.sample(n, seed=seed, weights="raw")
    return np.stack(trained.representation.encode_all(pieces))


def evaluated(folder: Path, epoch: int, train: Phrases, held_out: Phrases) -> dict[str, float]:
    """Return the mean figures of one checkpoint, from its file where it was evaluated before."""
    path = folder / "study" / f"epoch-{epoch:04d}.json"
    if path.exists():
        return json.loads(path.read_text())
    trained = partimento.load(folder / "checkpoints" / f"epoch-{epoch:04d}.ckpt")
    sets = [sampled(trained, len(held_out.tokens), draw) for draw in range(DRAWS)]
    rows = [figures(trained.representation, tokens, train, held_out) for tokens in sets]
    means = {name: round(statistics.mean(row[name] for row in rows), 5) for name in FIGURES}
    write_atomically(path, json.dumps(means, indent=2) + "\n")
    return means


def verdict(
    epochs: dict[str, dict[str, list[float]]], real: dict[str, list[float]]
) -> dict[str, Any]:
    """Return what the rules say of the later epoch."""
    earlier, later = epochs.values()
    gains = {
        name: [
            (b - a) * (1 if more else -1) for a, b in zip(earlier[name], later[name], strict=True)
        ]
        for name, (_, more) in FIGURES.items()
        if more is not None
    }
    mean = {name: statistics.mean(values) for name, values in later.items()}
    wins = {name for name, seeds in gains.items() if min(seeds) > 0}
    losses = {name for name, seeds in gains.items() if max(seeds) < 0}

    def whole(names: set[str]) -> bool:
        return "coverage" in names and len(names & set(DIVERGENCES)) >= 2

    as_real = {name: mean[name] <= real[name][2] for name in DIVERGENCES}
    return {
        "outcome": "better" if whole(wins) else "worse" if whole(losses) else "mixed",
        "seeds_better": {name: sum(gain > 0 for gain in seeds) for name, seeds in gains.items()},
        "collapsed": mean["coverage"] < statistics.mean(earlier["coverage"]) / 2
        or mean["unique"] < 0.5,
        "copies": mean["copies"] > real["copies"][2] + 0.01,
        "nearly_copies": mean["near_copies"] > real["near_copies"][2] + 0.05,
        "as_real": {**as_real, "coverage": mean["coverage"] >= real["coverage"][0]},
    }


def show(folder: Path, kind: str, epoch: int) -> None:
    """Write picture and MIDI of eight samples of one checkpoint into the docs."""
    trained = partimento.load(folder / "checkpoints" / f"epoch-{epoch:04d}.ckpt")
    tokens = sampled(trained, 8, seed=0)
    stem = f"{kind}_celtic_{epoch:04d}"
    pieces = [trained.representation.decode(row) for row in tokens]
    draw_sheet(pieces, DOCS / f"{stem}.png", titles=[str(i + 1) for i in range(8)], dpi=70)
    write_midi(trained.representation.decode(tokens.reshape(-1)), DOCS / f"{stem}.mid")


def table(found: dict[str, Any]) -> str:
    """Return the table of the page: one line per model and epoch, means and each seed."""
    digits = {name: 4 if name in DIVERGENCES else 3 for name in FIGURES}
    head = " | ".join(heading for heading, _ in FIGURES.values())
    lines = [f"| | {head} |", "|---|" + "---:|" * len(FIGURES)]
    for kind, epochs in found["models"].items():
        for epoch, rows in epochs.items():
            cells = [
                f"{statistics.mean(rows[n]):.{d}f} ({', '.join(f'{v:.{d}f}' for v in rows[n])})"
                for n, d in digits.items()
            ]
            lines.append(f"| {kind.upper()}, epoch {int(epoch)} | " + " | ".join(cells) + " |")
    real = [(*found["real"][n], d) for n, d in digits.items()]
    cells = [f"{mid:.{d}f} [{low:.{d}f}, {high:.{d}f}]" for low, mid, high, d in real]
    return "\n".join([*lines, f"| real music | {' | '.join(cells)} |"])


def paged(text: str, found: dict[str, Any]) -> str:
    """Return the page's text with the table made anew."""
    start, stop = "<!-- table: gan_celtic -->\n", "<!-- end -->"
    before, _, rest = text.partition(start)
    return f"{before}{start}{table(found)}\n{stop}{rest.partition(stop)[2]}"


def main() -> None:
    """Run what is left of the study; write the result file, pictures, MIDI and table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", default="outputs/study-gan-celtic")
    parser.add_argument("--kinds", nargs="+", default=list(EPOCHS), choices=list(EPOCHS))
    parser.add_argument("--page", action="store_true")
    arguments = parser.parse_args()
    if not arguments.page:
        study(arguments.kinds, arguments.outputs)
    PAGE.write_text(paged(PAGE.read_text(), json.loads(RESULT.read_text())["figures"]))


def study(kinds: list[str], outputs: str) -> None:
    """Train and evaluate all runs, and write the result file."""
    resolved = compose_request(overrides("gan", SEEDS[0], outputs), "train").resolved
    representation, train, held_out = real_phrases(resolved)
    models: dict[str, Any] = {kind: {} for kind in kinds}
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for kind in kinds:
        for seed in SEEDS:
            chosen = overrides(kind, seed, outputs)
            folder = compose_request(chosen, "train").folder.path
            seconds[kind].append(partimento.train(chosen)["fit_s"])
            for epoch in EPOCHS[kind]:
                rows = models[kind].setdefault(f"{epoch:04d}", {name: [] for name in FIGURES})
                for name, value in evaluated(folder, epoch, train, held_out).items():
                    rows[name].append(value)
                if seed == SEEDS[0]:
                    show(folder, kind, epoch)
    real = real_figures(representation, train, held_out)
    write(
        "gan_celtic",
        {
            "phrases": {"train": len(train.tokens), "held_out": len(held_out.tokens)},
            "models": models,
            "real": real,
            "verdict": {kind: verdict(models[kind], real) for kind in kinds},
            "fit_s": seconds,
        },
    )


if __name__ == "__main__":
    main()
