"""What a perfect model gives in each tier of the monitor, found out once for the same data."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import partimento.metrics
from partimento.atomic import write_atomically
from partimento.diagnostics.calibration import Interval, calibrate, supported_count
from partimento.diagnostics.measures import Reals, alarm_values, of_perfect, thorough_values
from partimento.diagnostics.modes import find_modes

log = logging.getLogger(__name__)

VALUES: dict[str, Callable[[Reals, Tensor], dict[str, float]]] = {
    "alarm": alarm_values,
    "thorough": thorough_values,
}
"""What is measured in each tier."""


@dataclass(frozen=True)
class Calibration:
    """What a perfect model gives in one tier.

    Attributes:
        count: Samples of an evaluation, for which the intervals hold.
        intervals: Where each value of a perfect model lies.
    """

    count: int
    intervals: dict[str, Interval]

    def as_dict(self) -> dict[str, Any]:
        """Return the calibration as plain values, for a file or a checkpoint."""
        rows = {name: interval.as_dict() for name, interval in self.intervals.items()}
        return {"count": self.count, "intervals": rows}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Calibration:
        """Return the calibration that `as_dict` wrote."""
        rows = kept["intervals"].items()
        return cls(kept["count"], {name: Interval(**row) for name, row in rows})


def calibrate_tiers(
    features: Tensor,
    group: np.ndarray,
    counts: Mapping[str, int],
    *,
    resamples: int = 199,
    seed: int = 0,
    held_out: np.ndarray | None = None,
) -> dict[str, Calibration]:
    """Return what a perfect model gives in each tier.

    Args:
        features: Features of real examples of all kinds `(examples, features)`.
        group: Group of tunes of each, `(examples,)`.
        counts: Samples of an evaluation by tier, at most; fewer where there is less music.
        resamples: Divisions of the real examples.
        seed: Of the divisions.
        held_out: Group of each held-out example in the order in which they are taken; an
            evaluation's may come from fewer tunes than a third of all has. None: they do not.

    Raises:
        UserError: When there are too few real examples.
    """
    distinct = len(torch.unique(features, dim=0))
    found = {}
    for tier, most in counts.items():
        count = supported_count(group, distinct, most)
        measures = of_perfect(VALUES[tier], find_modes(features, count))
        tunes = None if held_out is None else len(np.unique(held_out[:count]))
        intervals = calibrate(
            features, group, measures, count, resamples=resamples, seed=seed, tunes=tunes
        )
        found[tier] = Calibration(count, intervals)
    return found


def kept_calibrations(
    folder: Path | None,
    features: Tensor,
    group: np.ndarray,
    counts: Mapping[str, int],
    *,
    resamples: int,
    seed: int = 0,
    held_out: np.ndarray | None = None,
) -> tuple[dict[str, Calibration], float]:
    """Return `calibrate_tiers`, from a folder where it was found out before, and its seconds.

    The file's name is a hash of the features themselves, so of the data, the split, the
    representation and the feature space, and of the settings and the code that measures.

    Args:
        folder: Where calibrations are kept; None keeps none.
        features: Features of real examples of all kinds `(examples, features)`.
        group: Group of tunes of each, `(examples,)`.
        counts: Samples of an evaluation by tier, at most.
        resamples: Divisions of the real examples.
        seed: Of the divisions.
        held_out: Group of each held-out example, as `calibrate_tiers` wants it.

    Returns:
        Calibrations by tier, and the seconds that they took; 0 where they were there.

    Raises:
        UserError: When there are too few real examples.
    """
    digest = hashlib.sha256(features.contiguous().numpy().tobytes())
    digest.update(np.ascontiguousarray(group, dtype=np.int64).tobytes())
    order = [] if held_out is None else held_out.tolist()
    digest.update(json.dumps([dict(counts), resamples, seed, order, _code()]).encode())
    path = None if folder is None else folder / f"{digest.hexdigest()[:16]}.json"
    if path is not None and path.is_file():
        return read_calibrations(path), 0.0
    log.info(
        "Measuring what a perfect model would score: %d divisions of %d real examples.",
        resamples,
        len(features),
    )
    begun = time.perf_counter()
    found = calibrate_tiers(
        features, group, counts, resamples=resamples, seed=seed, held_out=held_out
    )
    seconds = time.perf_counter() - begun
    log.info("It took %.1f s, and is kept for other runs on the same data.", seconds)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_calibrations(path, found)
    return found, seconds


def write_calibrations(path: Path, calibrations: Mapping[str, Calibration]) -> None:
    """Write calibrations by tier as JSON."""
    rows = {tier: calibration.as_dict() for tier, calibration in calibrations.items()}
    write_atomically(path, json.dumps(rows, indent=2) + "\n")


def read_calibrations(path: Path) -> dict[str, Calibration]:
    """Read what `write_calibrations` wrote."""
    rows = json.loads(path.read_text()).items()
    return {tier: Calibration.from_dict(row) for tier, row in rows}


def _code() -> str:
    """Return a hash of the code that decides what is measured."""
    here = Path(__file__).parent
    metrics = sorted(Path(str(partimento.metrics.__file__)).parent.glob("*.py"))
    own = [here / f"{name}.py" for name in ("measures", "kin", "modes", "calibration", "tiers")]
    files = [*metrics, *own]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
