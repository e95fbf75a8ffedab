"""The watch without a trainer: samples in, values beside their intervals and an alarm out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from partimento.diagnostics import thresholds
from partimento.diagnostics.alarm import FIDELITY_SIDE, Alarm, State, attribute, badness, unbalanced
from partimento.diagnostics.calibration import Interval
from partimento.diagnostics.measures import Reals, drift, same_answers
from partimento.diagnostics.modes import Modes, find_modes, mode_counts
from partimento.diagnostics.tiers import VALUES, Calibration, calibrate_tiers

Tier = Literal["alarm", "thorough"]
KINDS = ("balanced", "unbalanced")
"""Evaluations that use all modes evenly, and others."""


@dataclass(frozen=True)
class Observation:
    """What one evaluation says.

    Attributes:
        update: Generator updates made.
        tier: "alarm" or "thorough".
        values: What was measured, by name.
        excess: How far each value that has an interval lies from a perfect model's median, in
            half-widths of that interval: from -1 to 1 it is inside.
        state: Whether the run has collapsed: "healthy", "warning" or "critical".
        changed: Whether this evaluation changed it.
        fidelity: The same of samples off the data, which is no collapse and changes no state.
        failures: What the pattern of the values speaks of, whatever the state.
    """

    update: int
    tier: Tier
    values: dict[str, float]
    excess: dict[str, float]
    state: State
    changed: bool
    fidelity: State
    failures: tuple[str, ...]


class Monitor:
    """Compares samples with real examples, and says when, and how, they fall short.

    It knows no trainer and no model: it is given features of samples.

    The alarm tier alone raises and clears the alarm; the thorough tier tells more, at a larger cost.

    Args:
        train: Features of training examples `(n, features)`, at least as many as are evaluated.
        held_out: Features of real examples of other tunes, as many.
        calibrations: What a perfect model gives, by tier (see `calibrate_tiers`).
        warm_up: Generator updates before the first alarm: every generator begins collapsed.
    """

    def __init__(
        self,
        train: Tensor,
        held_out: Tensor,
        calibrations: Mapping[str, Calibration],
        *,
        warm_up: int = 0,
    ) -> None:
        self.train, self.held_out = train, held_out
        self.calibrations = dict(calibrations)
        self.warm_up = warm_up
        self.alarm = Alarm()
        self.fidelity = Alarm()
        self._modes: dict[str, Modes] = {}
        self._reals: dict[str, Reals] = {}
        # Histograms of earlier evaluations by their kind.
        self._earlier: dict[str, deque[list[int]]] = {name: _history() for name in KINDS}
        self._kind, self._alike = KINDS[0], 0

    @classmethod
    def calibrated(
        cls,
        train: Tensor,
        held_out: Tensor,
        groups: tuple[np.ndarray, np.ndarray] | None = None,
        *,
        count: int = 256,
        thorough_count: int | None = None,
        resamples: int = 199,
        warm_up: int = 0,
        seed: int = 0,
    ) -> Monitor:
        """Return a monitor after finding out what a perfect model gives.

        Args:
            train: Features of training examples `(n, features)`; more than `count` of them make
                better intervals.
            held_out: Features of real examples of other tunes.
            groups: Group of tunes of each of both; no group is in both. None: each example is
                its own, as points are.
            count: Samples of an evaluation of the alarm tier, at most.
            thorough_count: The same of the thorough tier; None: there is none.
            resamples: Divisions of the real examples for the intervals.
            warm_up: Generator updates before the first alarm.
            seed: Of the divisions.

        Raises:
            UserError: When there are too few real examples.
        """
        joined = torch.cat([train, held_out])
        group = np.arange(len(joined)) if groups is None else np.concatenate(groups)
        most = min(len(train), len(held_out))
        wanted = {"alarm": count} | ({} if thorough_count is None else {"thorough": thorough_count})
        counts = {tier: min(size, most) for tier, size in wanted.items()}
        found = calibrate_tiers(
            joined, group, counts, resamples=resamples, seed=seed, held_out=groups and groups[1]
        )
        return cls(train, held_out, found, warm_up=warm_up)

    def count(self, tier: Tier = "alarm") -> int:
        """Return how many samples an evaluation takes."""
        return self.calibrations[tier].count

    def intervals(self, tier: Tier = "alarm") -> dict[str, Interval]:
        """Return where each value of a perfect model lies."""
        return self.calibrations[tier].intervals

    def modes(self, tier: Tier = "alarm") -> Modes:
        """Return the modes of the real examples, found when first asked for."""
        if tier not in self._modes:
            real = torch.cat([self.train, self.held_out])
            self._modes[tier] = find_modes(real, self.count(tier))
        return self._modes[tier]

    def reals(self, tier: Tier = "alarm") -> Reals:
        """Return the real examples that samples are compared with, as many as these."""
        if tier not in self._reals:
            count = self.count(tier)
            self._reals[tier] = Reals.of(
                self.train[:count], self.held_out[:count], self.modes(tier)
            )
        return self._reals[tier]

    def observe(
        self, update: int, fake: Tensor, again: Tensor | None = None, tier: Tier = "alarm"
    ) -> Observation:
        """Measure samples, and let the alarm tier raise or clear the alarm.

        Args:
            update: Generator updates made.
            fake: Features of samples `(count, features)`, as many as `count` says.
            again: Features of samples for the same conditions in the same order, with other codes;
                None: there are no conditions, or no codes.
            tier: Which values are measured.

        Raises:
            ValueError: When there is another number of samples, for which no interval holds.
        """
        if len(fake) != self.count(tier):
            raise ValueError(f"intervals hold for {self.count(tier)} samples, not {len(fake)}")
        reals, intervals = self.reals(tier), self.intervals(tier)
        values = VALUES[tier](reals, fake)
        if again is not None:
            values["same_answers"] = same_answers(reals, fake, again)
        if tier == "alarm":
            self._note_drift(values, mode_counts(self.modes(), fake))
        changed = False
        if tier == "alarm" and update >= self.warm_up:
            changed = self.alarm.update(badness(intervals, values))
            self.fidelity.update(badness(intervals, values, FIDELITY_SIDE))
        return Observation(
            update,
            tier,
            values,
            {name: intervals[name].excess(value) for name, value in values.items()},
            self.alarm.state,
            changed,
            self.fidelity.state,
            attribute(intervals, values),
        )

    def _note_drift(self, values: dict[str, float], counts: Tensor) -> None:
        """Compare the modes that are used with those of earlier evaluations, and keep them.

        An evaluation that leaves out modes, or uses them unevenly, is compared with others that
        did, and one that does not with others that did not: between these lies a collapse or a
        recovery, and no rotation. What was before a few evaluations in a row of the other kind is
        forgotten.
        """
        kind, other = KINDS[::-1] if unbalanced(self.intervals(), values) else KINDS
        own = self._earlier[kind]
        if len(own) >= thresholds.MOVED:
            values["drift"] = drift(counts, torch.tensor(list(own)))
        own.append(counts.tolist())
        self._alike = self._alike + 1 if kind == self._kind else 1
        self._kind = kind
        if self._alike >= thresholds.FORGOTTEN:
            self._earlier[other].clear()

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        kept = {tier: calibration.as_dict() for tier, calibration in self.calibrations.items()}
        return {
            "alarm": self.alarm.as_dict(),
            "fidelity": self.fidelity.as_dict(),
            "earlier": {name: list(rows) for name, rows in self._earlier.items()},
            "kind": self._kind,
            "alike": self._alike,
            "calibrations": kept,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint: with its alarm, its history and its intervals."""
        self.alarm = Alarm(**state["alarm"])
        self.fidelity = Alarm(**state["fidelity"])
        kept = state["calibrations"].items()
        self.calibrations = {tier: Calibration.from_dict(value) for tier, value in kept}
        self._modes, self._reals = {}, {}  # of as many examples as the calibration says
        self._kind, self._alike = state["kind"], state["alike"]
        self._earlier = {name: _history(rows) for name, rows in state["earlier"].items()}


def _history(rows: Iterable[list[int]] = ()) -> deque[list[int]]:
    return deque(rows, maxlen=thresholds.HISTORY)
