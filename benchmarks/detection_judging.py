"""The judges of the study of detection: the shipped monitor over kept samples, and its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import detection_material as material
import numpy as np
import torch
from detection_rule import (
    VISITED,
    WARM_UP,
)
from detection_runs import (
    COUNT,
    EVERY,
    World,
)
from detection_worlds import features, real_features
from torch import Tensor

from partimento.diagnostics.alarm import BAD_SIDE, badness
from partimento.diagnostics.monitor import Monitor
from partimento.metrics.diversity import BANDWIDTH, vendi
from partimento.studies.detection import (
    Labels,
    labels_of,
)

# Which way a value that people look at today speaks of collapse, and the ones of the monitor that
# its alarm does not listen to.
LOOKED_AT = {
    "loss_ratio": -1,
    "discriminator_accuracy": 1,
    "unique_share": -1,
    "mean_distance": -1,
    "vendi": -1,
    "sensitivity": -1,
    "nearest_ratio": 1,
    "left_out": 1,
    "mode_left": 1,
    "reach": -1,
    "energy": 1,
    "coverage": -1,
    "precision": -1,
    "bin_jsd": 1,
    "ndb": 1,
    "spread_ratio": -1,
    "rke_ratio": -1,
    "repeated": 1,
    "one_place": 1,
    "copied_gap": 1,
    "distance_ratio": -1,
    "authenticity_gap": -1,
}


@dataclass(frozen=True)
class Judged:
    """What was said of a run, and what is true, at each evaluation after the warm-up.

    Attributes:
        world: Where it was trained.
        name: Its recipe.
        seed: Its seed.
        labels: What is true.
        scores: What speaks of collapse, larger where it does, by name, `(evaluations,)` each.
        alarm: Whether the alarm stood.
        said: Failures that were named.
    """

    world: World
    name: str
    seed: int
    labels: Labels
    scores: dict[str, np.ndarray]
    alarm: np.ndarray
    said: tuple[tuple[str, ...], ...]

    @property
    def run(self) -> str:
        """Its name among all runs."""
        return f"{self.world}/{self.name}/{self.seed}"


# -- the monitor's features ---------------------------------------------------------------------


@cache
def _calibrated(world: World) -> Monitor:
    return Monitor.calibrated(*real_features(world), count=COUNT, warm_up=WARM_UP)


def monitor_of(world: World) -> Monitor:
    """Return a fresh monitor of a world, calibrated once for all runs."""
    return Monitor(*real_features(world), _calibrated(world).calibrations, warm_up=WARM_UP)


# -- a run --------------------------------------------------------------------------------------


def judge_run(folder: Path, world: World, name: str, seed: int) -> Judged:
    """Let the monitor see a run's samples, and put the truth beside what it says."""
    with np.load(material.path_of(folder, world, name, seed)) as file:
        kept = dict(file)
    monitor = monitor_of(world)
    scores: dict[str, list[float]] = {}
    alarm, said = [], []
    for place, x in enumerate(kept["x"]):
        fake = features(world, x)
        seen = monitor.observe((place + 1) * EVERY, fake)
        bad = badness(monitor.intervals(), seen.values)
        values = {**seen.values, **_looked_at(monitor, x, fake, kept, place)}
        row = {key: side * values[key] for key, side in {**LOOKED_AT, **BAD_SIDE}.items()
               if key in values}  # fmt: skip
        for key, value in {**row, "alarm": max(bad.values())}.items():
            scores.setdefault(key, []).append(value)
        alarm.append(seen.state != "healthy")
        said.append(seen.failures)
    labels = labels_of(kept["counts"], kept["spread"], kept["quality"], VISITED)
    return _after_warm_up(world, name, seed, labels, scores, alarm, said)


def _after_warm_up(
    world: World,
    name: str,
    seed: int,
    labels: Labels,
    scores: Mapping[str, Sequence[float]],
    alarm: Sequence[bool],
    said: Sequence[tuple[str, ...]],
) -> Judged:
    first = WARM_UP // EVERY - 1
    series = {name: x[first:] for name, x in labels._asdict().items() if name != "modes"}
    cut = Labels(modes=labels.modes, **series)
    arrays = {key: np.array(values, dtype=float)[first:] for key, values in scores.items()}
    return Judged(world, name, seed, cut, arrays, np.array(alarm)[first:], tuple(said[first:]))


def _looked_at(
    monitor: Monitor, x: np.ndarray, fake: Tensor, kept: Mapping[str, np.ndarray], place: int
) -> dict[str, float]:
    """Return what people look at today."""
    accuracies = (float(kept[f"accuracy_{kind}"][place]) for kind in ("real", "fake"))
    reals = monitor.reals()
    return {
        "loss_ratio": float(kept["discriminator_loss"][place] / kept["generator_loss"][place]),
        "discriminator_accuracy": sum(accuracies) / 2,
        "unique_share": len(np.unique(x.reshape(len(x), -1), axis=0)) / len(x),
        "mean_distance": monitor_distance(fake),
        "vendi": vendi(fake, BANDWIDTH * reals.apart),
        "sensitivity": float(kept["sensitivity"][place]),
    }


def monitor_distance(fake: Tensor) -> float:
    """Return the mean distance between samples."""
    return float(torch.pdist(fake).mean())


def judge_all(
    folder: Path, wanted: Iterable[tuple[World, str, int]], tell: Callable[[str], None]
) -> list[Judged]:
    """Judge runs, and say how far it is."""
    runs, found = list(wanted), []
    for count, run in enumerate(runs, 1):
        found.append(judge_run(folder, *run))
        if count % 20 == 0 or count == len(runs):
            tell(f"judged {count} of {len(runs)} runs")
    return found
