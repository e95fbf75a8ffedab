"""What the studies of BEGAN and of styles share: fidelity and variety of samples beside real music."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

import partimento
from partimento.apps.composition import compose_request
from partimento.atomic import write_atomically
from partimento.building import build_dataset, build_representation
from partimento.config.schema import data_config
from partimento.data.module import MusicDataModule
from partimento.data.reference import reference
from partimento.diagnostics.monitor import Monitor
from partimento.loading import Trained
from partimento.spaces.fixed import FeatureSpace, PitchClasses

MOST = 10_000
SHOWN = ("precision", "density", "coverage", "recall", "distance_ratio", "vendi_ratio")
"""Fidelity, twice, and variety, four times; see docs/diagnostics.md for what each is."""
Values = dict[str, float]


class Judge(NamedTuple):
    """What compares samples with the test split, and the space in which it does."""

    monitor: Monitor
    space: FeatureSpace


def chosen(experiment: str, seed: int, outputs: str, *more: str) -> list[str]:
    """Return the overrides of one run."""
    return [
        f"experiment={experiment}", f"seed={seed}", "accelerator=cpu", "accelerator.threads=1",
        "logger=csv", "trainer.progress_bar=false", f"paths.outputs={outputs}", *more,
    ]  # fmt: skip


def trained(overrides: Sequence[str]) -> tuple[Trained, Path]:
    """Train what is left of a run and return it with its folder: the last weights, not the best."""
    folder = compose_request(list(overrides), "train").folder.path
    partimento.train(list(overrides))
    return partimento.load(folder / "checkpoints" / "last.ckpt"), folder


def judge_of(overrides: Sequence[str], count: int) -> Judge:
    """Return what compares samples with the test split.

    Args:
        overrides: Of a run whose data are meant.
        count: Samples of a set, at most.
    """
    resolved = compose_request(list(overrides), "train").resolved
    dataset = build_dataset(resolved)
    representation = build_representation(resolved, dataset)
    cache = resolved["paths"]["cache"]
    data = MusicDataModule(dataset, representation, data_config(resolved), cache=cache)
    space = PitchClasses(representation, parts=4)
    sides = [reference(data, split, MOST) for split in ("train", "test")]
    features = [space(side.x, side.lengths) for side in sides]
    groups = (2 * sides[0].group.astype(np.int64), 2 * sides[1].group.astype(np.int64) + 1)
    train, held_out = features
    monitor = Monitor.calibrated(train, held_out, groups, count=count, thorough_count=count)
    return Judge(monitor, space)


def measured(judge: Judge, draw: Callable[[int, torch.Generator], Tensor], sets: int) -> Values:
    """Return the means of all values over sets of samples.

    Args:
        judge: What compares samples with real music.
        draw: Makes as many samples, from a stream of random numbers.
        sets: Number of sets.
    """
    count = judge.monitor.count("thorough")
    drawn = (draw(count, torch.Generator().manual_seed(index)) for index in range(sets))
    rows = [judge.monitor.observe(0, judge.space(x), tier="thorough").values for x in drawn]
    return {name: round(statistics.mean(row[name] for row in rows), 5) for name in rows[0]}


def kept(path: Path, key: Mapping[str, Any], find: Callable[[], Any]) -> Any:
    """Return what was found before under the same key, or find it and keep it."""
    if path.exists():
        content = json.loads(path.read_text())
        if content["key"] == dict(key):
            return content["found"]
    found = find()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"key": dict(key), "found": found}, indent=2) + "\n")
    return found


def interval_cells(monitor: Monitor) -> dict[str, list[float]]:
    """Return [low, middle, high] of each shown value of a perfect model."""
    intervals = monitor.intervals("thorough")
    return {
        name: [round(end, 5) for end in (i.low, i.middle, i.high)]
        for name, i in intervals.items()
        if name in SHOWN
    }


def table(rows: Mapping[str, Sequence[Values]], perfect: Mapping[str, Sequence[float]]) -> str:
    """Return a table: for each setting the mean over seeds, and each seed's, then a perfect model's."""
    names = list(next(iter(rows.values()))[0])
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for setting, seeds in rows.items():
        cells = []
        for name in names:
            values = [seed[name] for seed in seeds]
            each = ", ".join(f"{value:.3f}" for value in values)
            cells.append(f"{statistics.mean(values):.3f} ({each})")
        lines.append(f"| {setting} | " + " | ".join(cells) + " |")
    ends = [perfect.get(name) for name in names]
    cells = ["" if e is None else f"{e[1]:.3f} [{e[0]:.3f}, {e[2]:.3f}]" for e in ends]
    return "\n".join([*lines, "| a perfect model | " + " | ".join(cells) + " |"])


def paged(text: str, name: str, made: str) -> str:
    """Return a page with what stands between its marks `<!-- table: NAME -->` and `<!-- end -->` anew."""
    start, stop = f"<!-- table: {name} -->\n", "<!-- end -->"
    before, _, rest = text.partition(start)
    return f"{before}{start}{made}\n{stop}{rest.partition(stop)[2]}"
