"""Nine planted failures in four worlds: what the monitor's values and its alarm make of them.

What it is to show, fixed in `calibration_rule.py` before it was run:

- A cell is a generator in a world (ring-8, grid-25, ChoraleModes-24, Stacked-Chorale-1000), with
  one failure at one severity (`partimento.studies.planted`), or with none. It is watched by the
  shipped `Monitor` in the shipped default feature space with the shipped thresholds: a few
  evaluations of the alarm tier, and one of the thorough tier.
- Intervals are calibrated from real examples, some independent sets in each world; each repeat has
  fresh real examples to be compared with.
- For each value: how often it is outside its interval for perfect generators (at most 5 %, with
  Clopper-Pearson intervals); how well it tells each failure (AUROC), whether it grows with the
  severity (Spearman), the smallest severity that it tells in 95 % of cells, and whether it stays
  quiet where it should. The same for the alarm, and which failure the monitor names.

The same command goes on where it was; a kill costs a block (all cells of a repeat). `--check` makes
a random 5 % of the cells anew and compares; `--document` writes docs/diagnostics.md and its picture.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from calibration_figures import figures_of, judged
from calibration_rule import (
    CALIBRATIONS,
    COUNT,
    HEALTHY,
    HEALTHY_TURNS,
    POOL,
    REPEATS,
    RESAMPLES,
    ROTATION_TURNS,
    SEED,
    SEVERITIES,
    TUNING_SEED,
    TURNS,
    WORLDS,
)
from measure import write

from partimento.atomic import write_atomically
from partimento.diagnostics.mode_collapse import default_space
from partimento.diagnostics.monitor import Monitor, Tier
from partimento.diagnostics.tiers import Calibration, calibrate_tiers
from partimento.studies.planted import FAILURES, Failure, Planted, World, world

PURPOSES = ("intervals", "reals", "healthy", *FAILURES)
HEALTHY_BLOCK = 20
TIERS: tuple[Tier, ...] = ("alarm", "thorough")


def _short(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.5g}") for name, value in values.items()}


class Cell(NamedTuple):
    """One generator that is watched.

    Attributes:
        failure: What is planted; None: nothing.
        severity: How much of it.
        repeat: Which of its kind, and of its world's real examples.
    """

    failure: Failure | None
    severity: float
    repeat: int


class Block(NamedTuple):
    """Cells that are made and kept together.

    Attributes:
        name: Of its file.
        world: Of its world.
        cells: What it holds.
    """

    name: str
    world: str
    cells: tuple[Cell, ...]


def blocks(repeats: int, healthy: int) -> list[Block]:
    """Return all blocks of the study, worlds in turn, so that early results are of all of them."""
    found: list[Block] = []
    for start in range(0, healthy, HEALTHY_BLOCK):
        stop = min(start + HEALTHY_BLOCK, healthy)
        cells = tuple(Cell(None, 0.0, repeat) for repeat in range(start, stop))
        found += [Block(f"{name}-healthy-{start:03d}", name, cells) for name in WORLDS]
    for repeat in range(repeats):
        cells = tuple(Cell(f, s, repeat) for f in FAILURES for s in SEVERITIES)
        found += [Block(f"{name}-failing-{repeat:03d}", name, cells) for name in WORLDS]
    return found


def stream(seed: int, name: str, purpose: str, *place: int) -> np.random.Generator:
    """Return the random stream of a purpose in a world."""
    return np.random.default_rng([seed, WORLDS.index(name), PURPOSES.index(purpose), *place])


class Study:
    """Makes cells; what they share is made once.

    Args:
        seed: Of everything random.
        folder: Where intervals are kept.
        calibrations: Independent sets of intervals in each world.
    """

    def __init__(self, seed: int, folder: Path, calibrations: int = CALIBRATIONS) -> None:
        self.seed = seed
        self.sets = calibrations
        self.folder = folder
        self.world = cache(world)
        self.space = cache(lambda name: default_space(self.world(name).representation))
        self.calibrations = cache(self._calibrations)

    def features(self, place: World, x: torch.Tensor) -> torch.Tensor:
        """Return the features of samples in the shipped default space of a world."""
        return self.space(place.name)(x)

    def _calibrations(self, name: str, number: int) -> dict[str, Calibration]:
        """Return the intervals of a world, from real examples that no cell is compared with."""
        path = self.folder / f"{name}-intervals-{number}.json"
        if path.exists():
            kept = json.loads(path.read_text())
            return {tier: Calibration.from_dict(row) for tier, row in kept.items()}
        rng = stream(self.seed, name, "intervals", number)
        pool = self.features(self.world(name), self.world(name).real(2 * POOL, rng))
        found = calibrate_tiers(
            pool, np.arange(len(pool)), {"thorough": COUNT}, resamples=RESAMPLES, seed=number
        )
        found["alarm"] = found["thorough"]  # of as many samples, and with all of its values
        kept = {tier: calibration.as_dict() for tier, calibration in found.items()}
        write_atomically(path, json.dumps(kept))
        return found

    def watched(self, name: str, repeat: int, *, healthy: bool) -> tuple[torch.Tensor, Monitor]:
        """Return fresh training examples, and a monitor that knows them."""
        rng = stream(self.seed, name, "reals", int(healthy), repeat)
        place = self.world(name)
        train, held_out = (place.real(COUNT, rng) for _ in range(2))
        sides = self.features(place, train), self.features(place, held_out)
        monitor = Monitor(*sides, self.calibrations(name, repeat % self.sets))
        for tier in TIERS:
            monitor.reals(tier)  # once for all cells
        return train, monitor

    def made(self, block: Block) -> Iterator[dict[str, Any]]:
        """Make the cells of a block, one after the other."""
        at: tuple[bool, int] | None = None
        for cell in block.cells:
            key = (cell.failure is None, cell.repeat)
            if key != at:
                at = key
                train, fresh = self.watched(block.world, cell.repeat, healthy=key[0])
            yield self._cell(block.world, cell, train, deepcopy(fresh))

    def _cell(self, name: str, cell: Cell, train: torch.Tensor, monitor: Monitor) -> dict[str, Any]:
        place = self.world(name)
        steps = SEVERITIES.index(cell.severity) if cell.failure else 0
        rng = stream(self.seed, name, cell.failure or "healthy", steps, cell.repeat)
        planted = Planted(
            place, cell.failure, cell.severity, train, rng, conditional=cell.failure is None
        )
        turns = []
        for turn in range(turns_of(cell.failure)):
            made = planted.make(COUNT)
            fake = self.features(place, made.fake)
            again = None if made.again is None else self.features(place, made.again)
            turns.append(_short(monitor.observe(turn, fake, again).values))
        more = monitor.observe(turn, fake, again, tier="thorough").values
        return {
            "failure": cell.failure, "severity": cell.severity, "repeat": cell.repeat,
            "turns": turns, "thorough": _short(more),
        }  # fmt: skip


def turns_of(failure: Failure | None) -> int:
    """Return how many evaluations a generator has."""
    if failure is None:
        return HEALTHY_TURNS
    return ROTATION_TURNS if failure == "rotation" else TURNS


class Progress:
    """Says what is done and when the rest will be."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.began = total, 0, time.monotonic()

    def tell(self, block: Block) -> None:
        """Print a line about a block that is done."""
        self.done += len(block.cells)
        spent = time.monotonic() - self.began
        left = spent * (self.total / self.done - 1)
        print(
            f"{block.name}: {self.done} of {self.total} cells; {spent / 60:.1f} min, "
            f"{left / 60:.1f} min left",
            flush=True,
        )


def run(study: Study, repeats: int, healthy: int) -> None:
    """Make what is left, and keep each block in a file of its own."""
    folder = study.folder
    left = [b for b in blocks(repeats, healthy) if not (folder / f"{b.name}.json").exists()]
    progress = Progress(sum(len(block.cells) for block in left))
    for block in left:
        rows = list(study.made(block))
        write_atomically(folder / f"{block.name}.json", json.dumps(rows))
        progress.tell(block)


def kept(study: Study, repeats: int, healthy: int) -> dict[str, list[dict[str, Any]]]:
    """Return the cells of each world that there are, judged by the shipped rule."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in WORLDS}
    for block in blocks(repeats, healthy):
        path = study.folder / f"{block.name}.json"
        if path.exists():
            for row in json.loads(path.read_text()):
                tiers = study.calibrations(block.world, row["repeat"] % study.sets)
                intervals = {tier: tiers[tier].intervals for tier in TIERS}
                found[block.world].append(judged(row, intervals))
    return found


def check(study: Study, repeats: int, healthy: int, share: float, choice: int) -> bool:
    """Make a random share of the cells anew; print and return whether they are the same."""
    rng = random.Random(choice)
    total = same = 0
    for block in blocks(repeats, healthy):
        path = study.folder / f"{block.name}.json"
        places = [i for i in range(len(block.cells)) if rng.random() < share]
        if not places or not path.exists():
            continue
        old = json.loads(path.read_text())
        part = block._replace(cells=tuple(block.cells[i] for i in places))
        new = json.loads(json.dumps(list(study.made(part))))
        total += len(places)
        same += sum(repr(old[i]) == repr(row) for i, row in zip(places, new, strict=True))
    print(f"{same} of {total} cells made anew are the same")
    return total > 0 and same == total


def main() -> None:
    """Run what is left of the study, check it, or write its page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", default="outputs/studies/calibration", type=Path)
    parser.add_argument("--repeats", default=REPEATS, type=int)
    parser.add_argument("--healthy", default=HEALTHY, type=int)
    parser.add_argument("--calibrations", default=CALIBRATIONS, type=int)
    parser.add_argument("--threads", default=1, type=int)
    parser.add_argument("--tuning", action="store_true", help="cells of the seed for tuning")
    parser.add_argument("--check", nargs="?", const=0.05, type=float, metavar="SHARE")
    parser.add_argument("--check-seed", default=0, type=int, help="of the choice of cells")
    parser.add_argument("--document", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    seed = TUNING_SEED if arguments.tuning else SEED
    folder = arguments.outputs / ("tuning" if arguments.tuning else "final")
    study = Study(seed, folder, arguments.calibrations)
    size = arguments.repeats, arguments.healthy
    if arguments.document:
        from calibration_pages import document

        document()
    elif arguments.check is not None:
        if not check(study, *size, arguments.check, arguments.check_seed):
            raise SystemExit("Cells are not the same.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        run(study, *size)
        figures = figures_of(kept(study, *size))
        figures["size"] = {
            "repeats": arguments.repeats,
            "healthy": arguments.healthy,
            "calibrations": arguments.calibrations,
        }
        if arguments.tuning:
            print(json.dumps(figures["summary"], indent=1))
        else:
            write("calibration", figures)


if __name__ == "__main__":
    main()
