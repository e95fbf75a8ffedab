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
    "mode_jsd": 1,
    "mode_spread": -1,
    "distance_ratio": -1,
    "repeated": 1,
    "one_place": 1,
    "authenticity_gap": -1,
    "copied_gap": 1,
    "same_answers": 1,
}
# The same of samples that are off the data, which is no collapse: every generator begins there.
NAMING_SIDE = {"mode_left": 1, "drift": 1}
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

    | failure           | what tells it                                                       |
    |-------------------|---------------------------------------------------------------------|
    | memorisation      | samples at training examples, or nearer than unseen tunes are       |
    | z_independence    | other codes give the same answers to a condition, not to all alike  |
    | point_collapse    | most repeated samples in one place; one mode without variety        |
    | rotation          | other modes left out, or used less, than in earlier evaluations     |
    | few_modes         | half of the modes left out, or more                                 |
    | dropped_modes     | fewer modes left out; or all samples between the modes              |
    | imbalance         | modes unevenly used, none of them left out                          |
    | intra_mode        | little variety within modes, or samples repeated in many places     |
    | off_manifold      | low precision                                                       |
    """
    bad = badness(intervals, values)
    strength = {
        "memorisation": _copying(intervals, values, bad),
        "z_independence": bad.get("same_answers", -math.inf),
    }
    if bad["mode_spread"] > strength["memorisation"]:
        del strength["memorisation"]  # the middle of a mode is near to many training examples
    copied = bad["copied_gap"] > thresholds.OUTSIDE  # copies are repeated without being narrow
    modes = _of_modes(intervals, values, bad)
    if modes is not None:
        strength[modes] = max(bad["mode_jsd"], bad["distance_ratio"], bad["one_place"])
    found = [name for name, value in strength.items() if value > thresholds.OUTSIDE]
    narrow = max(bad["mode_spread"], -math.inf if copied else bad["repeated"])
    if narrow > thresholds.WARNING:
        found.append("intra_mode")
        strength["intra_mode"] = narrow
    if modes == "point_collapse":
        found = [modes]  # of which all others follow
    found.sort(key=lambda name: -strength[name])
    if max(badness(intervals, values, FIDELITY_SIDE).values()) > thresholds.OUTSIDE:
        found.append("off_manifold")
    return tuple(found)


def leaves_out(intervals: Mapping[str, Interval], values: Mapping[str, float]) -> bool:
    """Return whether samples leave out modes."""
    return intervals["mode_left"].excess(values["mode_left"]) > thresholds.OUTSIDE


def unbalanced(intervals: Mapping[str, Interval], values: Mapping[str, float]) -> bool:
    """Return whether samples leave out modes or use them unevenly."""
    uneven = badness(intervals, values, {"mode_jsd": 1})["mode_jsd"]
    return leaves_out(intervals, values) or uneven > thresholds.OUTSIDE


def _copying(
    intervals: Mapping[str, Interval], values: Mapping[str, float], bad: Mapping[str, float]
) -> float:
    """Return how clearly samples are copies; authenticity differs from mode to mode."""
    if leaves_out(intervals, values):
        return bad["copied_gap"]
    return max(bad["authenticity_gap"], bad["copied_gap"])


def _of_modes(
    intervals: Mapping[str, Interval], values: Mapping[str, float], bad: Mapping[str, float]
) -> str | None:
    """Return which failure between modes the values speak of; each of them excludes the others."""
    point = bad["one_place"] > max(thresholds.OUTSIDE, bad["mode_jsd"])
    if point and values["one_place"] >= thresholds.MAJORITY * values["repeated"]:
        return "point_collapse"
    if values["modes_used"] <= 1 and values["mode_spread"] < (
        thresholds.POINT * intervals["mode_spread"].middle
    ):
        return "point_collapse"
    drift = intervals["drift"].excess(values["drift"]) if "drift" in values else 0.0
    uneven = bad["mode_jsd"] > thresholds.OUTSIDE
    if drift > thresholds.MOVING and unbalanced(intervals, values):
        return "rotation"
    if not leaves_out(intervals, values):
        between = bad["distance_ratio"] > thresholds.OUTSIDE
        return "imbalance" if uneven else "dropped_modes" if between else None
    return "few_modes" if values["mode_left"] >= thresholds.FEW else "dropped_modes"


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
