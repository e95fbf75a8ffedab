"""From values beside their intervals to a state: healthy, warning, critical, and which failure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from partimento.diagnostics import thresholds
from partimento.diagnostics.calibration import Interval

State = Literal["healthy", "warning", "critical"]
STATES: tuple[State, ...] = ("healthy", "warning", "critical")

# On which side of its interval each watched value speaks of a failure.
BAD_SIDE = {
    "nearest_ratio": 1,
    "coverage": -1,
    "precision": -1,
    "bin_jsd": 1,
    "spread_ratio": -1,
    "authenticity_gap": -1,
    "same_answers": 1,
}


def badness(intervals: Mapping[str, Interval], values: Mapping[str, float]) -> dict[str, float]:
    """Return how far each watched value lies on its bad side, in half-widths of its interval.

    A value that is no number, such as the spread in bins of which none holds two fakes, is as bad
    as can be. What was not measured, such as answers of a model without conditions, is left out.
    """
    found = {}
    for name, side in BAD_SIDE.items():
        if name in values:
            excess = intervals[name].excess(values[name])
            found[name] = math.inf if math.isnan(excess) else side * excess
    return found


def attribute(intervals: Mapping[str, Interval], values: Mapping[str, float]) -> tuple[str, ...]:
    """Return which failures the pattern of values speaks of; none where all are inside.

    | failure           | what tells it                                                        |
    |-------------------|----------------------------------------------------------------------|
    | off_manifold      | low precision                                                        |
    | memorisation      | authenticity below that of unseen tunes, variety within bins kept    |
    | z_independence    | other codes give the same answers to a condition, not to all alike   |
    | point_collapse    | no variety within bins, few reals covered                            |
    | intra_mode        | little variety within bins, though most bins are used as they should |
    | rotation          | reals left out, and other ones than in earlier evaluations           |
    | few_modes         | less than half of the reals covered that should be                   |
    | dropped_modes     | some reals far from all fakes                                        |
    | imbalance         | bins unevenly used, no real far from all fakes                       |
    """
    bad = badness(intervals, values)
    out = {name for name, value in bad.items() if value > thresholds.OUTSIDE}
    found = []
    if "precision" in out:
        found.append("off_manifold")
    if "authenticity_gap" in out and "spread_ratio" not in out:
        found.append("memorisation")
    modes = _of_modes(intervals, values, bad)
    if "same_answers" in out and modes != "point_collapse":
        found.append("z_independence")
    return (*found, modes) if modes else tuple(found)


def leaves_out(intervals: Mapping[str, Interval], values: Mapping[str, float]) -> bool:
    """Return whether samples leave out modes: few reals are covered, or some are far from all."""
    excess = intervals["nearest_ratio"].excess(values["nearest_ratio"])
    return _few(intervals, values) or excess > thresholds.IMBALANCE


def _few(intervals: Mapping[str, Interval], values: Mapping[str, float]) -> bool:
    return values["coverage"] < thresholds.FEW * intervals["coverage"].middle


def _of_modes(
    intervals: Mapping[str, Interval], values: Mapping[str, float], bad: Mapping[str, float]
) -> str | None:
    """Return which failure of variety the values speak of; each of them excludes the others."""
    few, far = _few(intervals, values), bad["nearest_ratio"] > thresholds.IMBALANCE
    moved = "drift" in values and intervals["drift"].excess(values["drift"]) > thresholds.OUTSIDE
    if (few or far) and moved:
        return "rotation"
    if bad["spread_ratio"] > thresholds.OUTSIDE:
        concentrated = few and intervals["rke_ratio"].excess(values["rke_ratio"]) < -1
        return "point_collapse" if concentrated else "intra_mode"
    if far:
        return "few_modes" if few else "dropped_modes"
    return "imbalance" if bad["bin_jsd"] > thresholds.OUTSIDE else None


@dataclass
class Alarm:
    """The state of a run, which changes only after `IN_A_ROW` evaluations that agree.

    Attributes:
        state: What was last announced.
        pending: Evaluations in a row that called for `towards`.
        towards: The state that they called for.
    """

    state: State = "healthy"
    towards: State = "healthy"
    pending: int = 0

    def update(self, bad: Mapping[str, float]) -> bool:
        """Take one evaluation; return whether the state changed.

        Args:
            bad: As `badness` gives it.
        """
        wanted = self._wanted(max(bad.values()))
        if wanted == self.state:
            self.towards, self.pending = wanted, 0
            return False
        self.pending = self.pending + 1 if wanted == self.towards else 1
        self.towards = wanted
        if self.pending < thresholds.IN_A_ROW:
            return False
        self.state, self.pending = wanted, 0
        return True

    def _wanted(self, worst: float) -> State:
        if worst > thresholds.CRITICAL:
            return "critical"
        if worst > thresholds.WARNING:
            return "warning"
        if worst > thresholds.CLEAR and self.state != "healthy":
            return "warning"  # not clear of it yet
        return "healthy"

    def as_dict(self) -> dict[str, Any]:
        """Return the state as plain values, for a checkpoint."""
        return asdict(self)
