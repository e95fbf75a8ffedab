"""Watches training for mode collapse: draws samples, and logs what the monitor says of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt
from pytorch_lightning import Callback
from torch import Tensor, cat

from partimento.data.reference import Reference, reference
from partimento.diagnostics.actions import ActionName, Actions
from partimento.diagnostics.alarm import STATES
from partimento.diagnostics.draws import Draws, check_samples
from partimento.diagnostics.monitor import Monitor, Observation, Tier
from partimento.diagnostics.plane import Place, draw_trajectory, place_of
from partimento.diagnostics.samples import Samples
from partimento.diagnostics.tiers import Calibration, kept_calibrations, write_calibrations
from partimento.generation.strategies import Strategy
from partimento.representations.base import Representation
from partimento.spaces.fixed import FeatureSpace, PitchClasses, Raw

log = logging.getLogger(__name__)

CALIBRATION = "calibration.json"
PLANE = Path("collapse") / "plane.png"
POOL = 8
"""Real examples to choose sides from, for each that a side has."""
TABLE = ("tier", "value", "of samples", "lowest", "median", "highest")
PREFIX: dict[Tier, str] = {"alarm": "collapse", "thorough": "collapse_thorough"}
"""Names of the tiers' values: intervals are of as many samples, so that series are not mixed."""


class ModeCollapse(Callback):
    """Compares samples with music of unseen tunes, and says when, and how, they fall short.

    Before training it finds out what a perfect model would score (`calibration`), or takes it from
    the cache. Then, every `every` generator updates, it draws samples (with the weights that
    sampling uses) and logs each value as `collapse/NAME`, with how far it is outside its interval
    as `collapse_excess/NAME`, and the state as `collapse/state` (0 healthy, 1 warning, 2 critical);
    `collapse/fidelity_state` says the same of samples off the data, which raises no alarm: every
    generator begins there. After validations more values are logged as `collapse_thorough/NAME`,
    with the seconds that they took, and the way over the plane of fidelity and diversity is drawn
    in `collapse/plane.png`. A change of state is told in the log, once, with the failure it speaks
    of, and as an alert where a logger has alerts. Training stays the same bit for bit, unless
    `actions` change it.

    Args:
        folder: The run folder, where the intervals and the picture are kept.
        representation: What samples mean.
        strategy: How they are generated.
        seed: Seed of the run.
        every: Generator updates between evaluations, which come at the end of a training step, up to
            eight updates later.
        count: Samples of an evaluation, at most; fewer where there is less music to compare with.
        thorough_count: The same after validations.
        thorough_every: Validations from one thorough evaluation to the next.
        warm_up: Generator updates before the first alarm: every generator begins collapsed.
        resamples: Divisions of the real music for the intervals.
        space: Makes the feature space from the representation; None: pitch classes in four parts of
            an example, and points as they are.
        actions: What to do, once, when the state becomes as bad as `act_at`: "checkpoint" (weights, beside
            the run's checkpoints), "samples" (as `diagnostics=samples` has them),
            "raise_discriminator_steps", "r1_r2" (penalties of the discriminator), "stop".
        act_at: State at which actions are taken.
        raised_steps: Updates of the discriminator per iteration that the action gives.
        gamma: Weight of R1 and of R2 that the action adds.
    """

    def __init__(
        self,
        folder: str | Path,
        representation: Representation,
        strategy: Strategy,
        seed: int = 0,
        *,
        every: Annotated[int, Gt(0)] = 50,
        count: Annotated[int, Gt(0)] = 256,
        thorough_count: Annotated[int, Gt(0)] = 500,
        thorough_every: Annotated[int, Gt(0)] = 1,
        warm_up: Annotated[int, Ge(0)] = 500,
        resamples: Annotated[int, Gt(198)] = 199,
        space: Callable[[Representation], FeatureSpace] | None = None,
        actions: Sequence[ActionName] = (),
        act_at: Literal["warning", "critical"] = "critical",
        raised_steps: Annotated[int, Gt(0)] = 5,
        gamma: Annotated[float, Ge(0)] = 0.1,
    ) -> None:
        self.folder = Path(folder)
        self.every = every
        self.counts = {"alarm": count, "thorough": thorough_count}
        self.thorough_every = thorough_every
        self.warm_up = warm_up
        self.resamples = resamples
        self.space = space(representation) if space else default_space(representation)
        self.draws = Draws(strategy, self.space, seed)
        samples = Samples(folder, representation, strategy, seed)
        self.actions = Actions(
            actions, self.folder, steps=raised_steps, gamma=gamma, samples=samples
        )
        self.act_at = act_at
        self.monitor: Monitor | None = None
        self.places: list[Place] = []
        self._kept: dict[str, Any] = {}
        self._evaluated = 0
        self._validations = 0
        self._last: dict[Tier, Observation] = {}

    # -- before training ----------------------------------------------------------------------

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        check_samples(pl_module)
        self.actions.prepare(trainer, pl_module)
        if not trainer.is_global_zero:
            return
        most = POOL * max(self.counts.values())
        pools = [reference(trainer.datamodule, split, most) for split in ("train", "valid")]
        self.space.learn(pools[0].x, trainer.datamodule.cache)
        features = [self.space(pool.x, pool.lengths) for pool in pools]
        groups = [named(pool, split) for split, pool in enumerate(pools)]
        # A resumed run goes on with the intervals of its checkpoint.
        found = {} if self._kept else self._calibrated(features, groups, trainer.datamodule.cache)
        self.monitor = Monitor(features[0], features[1], found, warm_up=self.warm_up)
        if self._kept:
            self.monitor.load_state_dict(self._kept)
        self._evaluated = pl_module.counters["updates"] // self.every

    def _calibrated(
        self, features: list[Tensor], groups: list[np.ndarray], cache: str | None
    ) -> dict[str, Calibration]:
        """Return what a perfect model gives, and keep it in the run folder."""
        most = min(map(len, features))
        found, _ = kept_calibrations(
            None if cache is None else Path(cache) / "calibrations",
            cat(features),
            np.concatenate(groups),
            {tier: min(count, most) for tier, count in self.counts.items()},
            resamples=self.resamples,
            held_out=groups[1],
        )
        write_calibrations(self.folder / CALIBRATION, found)
        return found

    def _summarise(self, trainer: Any) -> None:
        """Let loggers that have a summary hold the reference intervals."""
        assert self.monitor is not None  # made before training begins
        ends: dict[str, float] = {}
        for tier, prefix in PREFIX.items():
            for name, interval in self.monitor.intervals(tier).items():
                ends[f"{prefix}_low/{name}"] = interval.low
                ends[f"{prefix}_high/{name}"] = interval.high
        for logger in trainer.loggers:
            if hasattr(logger, "summarise"):
                logger.summarise(ends)

    # -- through training ---------------------------------------------------------------------

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        turn = pl_module.counters["updates"] // self.every
        if turn > self._evaluated and trainer.is_global_zero:
            self._evaluated = turn
            self.evaluate(trainer, pl_module, "alarm")

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero or self.monitor is None:
            return
        self._validations += 1
        if self._validations % self.thorough_every == 0:
            begun = time.perf_counter()
            self.evaluate(trainer, pl_module, "thorough")
            self.draw(trainer, pl_module)
            pl_module.emit({"collapse/thorough_s": time.perf_counter() - begun})

    def evaluate(self, trainer: Any, model: Any, tier: Tier) -> Observation:
        """Measure samples, log the values beside their intervals, and tell of a change of state."""
        assert self.monitor is not None  # made before training begins
        fake, again = self.draws(trainer, model, self.monitor.count(tier))
        seen = self.monitor.observe(model.counters["updates"], fake, again, tier=tier)
        if tier == "alarm":
            self.places.append(place_of(seen.update, seen.values, self.monitor.intervals()))
        if seen.changed:
            self._announce(trainer, model, seen)
        prefix = PREFIX[tier]
        model.emit(
            {
                **{f"{prefix}/{name}": value for name, value in seen.values.items()},
                **{f"{prefix}_excess/{name}": value for name, value in seen.excess.items()},
                "collapse/state": STATES.index(seen.state),
                "collapse/fidelity_state": STATES.index(seen.fidelity),
            }
        )
        if not self._last:
            self._summarise(trainer)
        self._last[tier] = seen
        return seen

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Give loggers that have tables the last values of each tier beside their intervals."""
        rows = [
            [tier, name, value, interval.low, interval.middle, interval.high]
            for tier, seen in self._last.items()
            for name, value in seen.values.items()
            for interval in [self.monitor.intervals(tier)[name]]  # type: ignore[union-attr]
        ]
        for logger in trainer.loggers if rows else ():
            if hasattr(logger, "log_rows"):
                logger.log_rows("collapse/table", TABLE, rows, pl_module.axes())

    def draw(self, trainer: Any, model: Any) -> None:
        """Draw the way over the plane, with this place as one of its checkpoints."""
        if not self.places or self.monitor is None:
            return
        self.places[-1] = self.places[-1]._replace(checkpoint=True)
        path = self.folder / PLANE
        draw_trajectory(self.places, self.monitor.intervals(), path)
        for logger in trainer.loggers:
            if hasattr(logger, "log_files"):
                logger.log_files({"collapse/plane": path}, model.axes())

    def _announce(self, trainer: Any, model: Any, seen: Observation) -> None:
        found = ", ".join(seen.failures) or "no failure that has a name"
        text = (
            f"Mode collapse is {seen.state} at update {seen.update}: {found}."
            if seen.state != "healthy"
            else f"Samples are healthy again at update {seen.update}."
        )
        due = STATES.index(seen.state) >= STATES.index(self.act_at)
        taken = self.actions.take(trainer, model) if due else []
        if taken:
            text += f" Actions taken: {', '.join(taken)}."
        log.warning("%s", text)
        for logger in trainer.loggers:
            if hasattr(logger, "alert"):
                logger.alert("Mode collapse", text, seen.state)

    # -- in the checkpoint --------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {
            "monitor": self._kept if self.monitor is None else self.monitor.state_dict(),
            "places": [tuple(place) for place in self.places],
            "validations": self._validations,
            "actions": self.actions.done,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._kept = state_dict["monitor"]
        self.places = [Place(*place) for place in state_dict["places"]]
        self._validations = state_dict["validations"]
        self.actions.done = dict(state_dict["actions"])


def default_space(representation: Representation) -> FeatureSpace:
    """Return the space in which modes of this kind of example are told apart best."""
    if representation.content == "music":
        return PitchClasses(representation, parts=4)
    return Raw(representation)


def named(pool: Reference, split: int) -> np.ndarray:
    """Return the groups of a split's examples; no two splits share one."""
    return 2 * pool.group.astype(np.int64) + split
