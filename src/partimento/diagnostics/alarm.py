"""From values beside their intervals to a state: healthy, warning, critical, and which failure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from partimento.diagnostics import thresholds
from partimento.diagnostics.calibration import Interval

State = Literal["healthy", "warning", "critical"]
STATES: tuple[State, ...] = ("healthy", "warning", "critical")

# On which side of its interval each watched value speaks of a collapse.
BAD_SIDE = {
    "left_out": 1,
    "energy": 1,
    "spread_ratio": -1,
    "repeated": 1,
    "one_place": 1,
    "authenticity_gap": -1,
    "copied_gap": 1,
    "same_answers": 1,
}
# The same of values that help to name a failure, but move in healthy training too.
NAMING_SIDE = {"rke_ratio": -1, "drift": 1}
# The same of samples that are off the data, which is no collapse: every generator begins there.
FIDELITY_SIDE = {"precision": -1}


def badness(
    intervals: Mapping[str, Interval],
    values: Mapping[str, float],
    sides: Mapping[str, int] = BAD_SIDE,
) -> dict[str, float]:
    """Return how far each watched value lies on its bad side, in half-widths of its interval.

    A value that is no number, such as the spread in bins of which none holds two fakes, is as bad
    as can be. What was not measured, such as answers of a model without conditions, is left out.

    Args:
        intervals: Reference intervals by name.
        values: What was measured.
        sides: Watched values and the side of each that is bad.
    """
    found = {}
    for name, side in sides.items():
        if name in values:
            excess = intervals[name].excess(values[name])
            bad = math.inf if math.isnan(excess) else side * excess
            found[name] = bad / thresholds.LENIENT.get(name, 1.0)
    return found


def attribute(intervals: Mapping[str, Interval], values: Mapping[str, float]) -> tuple[str, ...]:
    """Return which failures the pattern of values speaks of; none where all are inside.

    The clearest comes first, whose own values are farthest out, and samples off the data last.

    | failure           | what tells it                                                        |
    |-------------------|----------------------------------------------------------------------|
    | memorisation      | samples at training examples, or nearer than unseen tunes are        |
    | z_independence    | other codes give the same answers to a condition, not to all alike   |
    | point_collapse    | samples that are nearly the same, most of them in one place          |
    | rotation          | other bins used than in earlier evaluations                          |
    | intra_mode        | little variety within bins, or samples repeated in many places       |
    | few_modes         | as below, and less than half of the reals in reach that should be    |
    | dropped_modes     | some reals far from all samples                                      |
    | imbalance         | far in energy distance or less varied, no real far from all samples  |
    | off_manifold      | low precision                                                        |

    Of the six about variety the first that holds is named.
    """
    bad = badness(intervals, values, {**BAD_SIDE, **NAMING_SIDE})
    strength = {
        "memorisation": max(bad["authenticity_gap"], bad["copied_gap"]),
        "z_independence": bad.get("same_answers", -math.inf),
    }
    if bad["spread_ratio"] > strength["memorisation"]:
        del strength["memorisation"]  # the middle of a mode is near to many training examples
    modes = _of_modes(intervals, values, bad)
    if modes is not None:
        strength[modes[0]] = modes[1]
        if modes[0] == "point_collapse":
            del strength["z_independence"]
    found = [name for name, value in strength.items() if value > thresholds.OUTSIDE]
    found.sort(key=lambda name: -strength[name])
    if max(badness(intervals, values, FIDELITY_SIDE).values()) > thresholds.OUTSIDE:
        found.append("off_manifold")
    return tuple(found)


def leaves_out(intervals: Mapping[str, Interval], values: Mapping[str, float]) -> bool:
    """Return whether samples leave out modes: few reals are in reach, or some are far from all."""
    excess = intervals["left_out"].excess(values["left_out"])
    return _few(intervals, values) or excess > thresholds.MISSING


def _few(intervals: Mapping[str, Interval], values: Mapping[str, float]) -> bool:
    return values["reach"] < thresholds.FEW * intervals["reach"].middle


def _of_modes(
    intervals: Mapping[str, Interval], values: Mapping[str, float], bad: Mapping[str, float]
) -> tuple[str, float] | None:
    """Return which failure of variety the values speak of, and how clearly."""
    moved = bad.get("drift", -math.inf)
    # Samples of few modes stand close together: some more in one place do not make a point of them.
    point = bad["one_place"] > max(thresholds.OUTSIDE, bad["energy"], moved)
    if point and values["one_place"] >= thresholds.MAJORITY * values["repeated"]:
        return "point_collapse", bad["one_place"]
    if moved > thresholds.OUTSIDE:
        return "rotation", moved
    copied = bad["copied_gap"] > thresholds.OUTSIDE
    # Copies are repeated, and so less varied, without being narrow or uneven.
    narrow = bad["spread_ratio"] if copied else max(bad["spread_ratio"], bad["repeated"])
    uneven = bad["energy"] if copied else max(bad["energy"], bad["rke_ratio"])
    if narrow > max(thresholds.OUTSIDE, thresholds.NARROW * bad["left_out"]):
        return "intra_mode", narrow
    if leaves_out(intervals, values):
        name = "few_modes" if _few(intervals, values) else "dropped_modes"
        return name, max(uneven, bad["left_out"])
    return ("imbalance", uneven) if uneven > thresholds.OUTSIDE else None


@dataclass
class Alarm:
    """The state of a run, which changes only after `IN_A_ROW` evaluations that agree.

    Evaluations that all call for a worse state raise it to the mildest that they call for; so do
    those that all call for a better one clear it, to the worst of these.

    Attributes:
        state: What was last announced.
        recent: What the last evaluations called for, at most `IN_A_ROW`.
    """

    state: State = "healthy"
    recent: list[State] = field(default_factory=list)

    def update(self, bad: Mapping[str, float]) -> bool:
        """Take one evaluation; return whether the state changed.

        Args:
            bad: As `badness` gives it.
        """
        self.recent = [*self.recent, self._wanted(max(bad.values()))][-thresholds.IN_A_ROW :]
        if len(self.recent) < thresholds.IN_A_ROW:
            return False
        mildest, worst = (end(self.recent, key=STATES.index) for end in (min, max))
        before, now = self.state, STATES.index(self.state)
        if STATES.index(mildest) > now:
            self.state = mildest
        elif STATES.index(worst) < now:
            self.state = worst
        return self.state != before

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
