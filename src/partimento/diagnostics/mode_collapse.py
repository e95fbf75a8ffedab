"""Watches training for mode collapse: values beside reference intervals, alarms, attribution."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Gt
from pytorch_lightning import Callback
from torch import Tensor

from partimento.atomic import write_atomically
from partimento.data.reference import Reference, reference
from partimento.diagnostics.alarm import STATES
from partimento.diagnostics.monitor import (
    Calibration,
    Monitor,
    Observation,
    Tier,
    calibrate_tiers,
)
from partimento.evaluation.spaces import FeatureSpace, PitchClasses, Raw
from partimento.generation.strategies import Strategy
from partimento.representations.base import Representation
from partimento.seeds import generator

log = logging.getLogger(__name__)

CALIBRATION = "calibration.json"
POOL = 8
"""Real examples to choose sides from, for each that a side has."""


class ModeCollapse(Callback):
    """Compares samples with music of unseen tunes, and says when, and how, they fall short.

    Before training it measures what a perfect model would score (`calibration`). Then, every
    `every` generator updates, it draws samples (with the weights that sampling uses) and logs each
    value as `collapse/NAME`, with how far it is outside its interval as `collapse_excess/NAME`, and
    the state as `collapse/state` (0 healthy, 1 warning, 2 critical). After each validation it does
    so with the slower measures too. A change of state is told in the log, once, with the failure it
    speaks of, and as an alert where a logger has alerts. Training stays the same bit for bit.

    Args:
        folder: The run folder, where the intervals are kept.
        representation: What samples mean.
        strategy: How they are generated.
        seed: Seed of the run.
        every: Generator updates between evaluations, which come at the end of a training step, up to
            eight updates later.
        count: Samples of an evaluation, at most; fewer where there is less music to compare with.
        warm_up: Generator updates before the first alarm: every generator begins collapsed.
        resamples: Divisions of the real music for the intervals.
        space: Makes the feature space from the representation; None: pitch classes in four parts of
            an example, and points as they are.
    """

    def __init__(
        self,
        folder: str | Path,
        representation: Representation,
        strategy: Strategy,
        seed: int = 0,
        *,
        every: Annotated[int, Gt(0)] = 500,
        count: Annotated[int, Gt(0)] = 256,
        warm_up: Annotated[int, Ge(0)] = 500,
        resamples: Annotated[int, Gt(198)] = 199,
        space: Callable[[Representation], FeatureSpace] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.representation = representation
        self.strategy = strategy
        self.seed = seed
        self.every = every
        self.count = count
        self.warm_up = warm_up
        self.resamples = resamples
        self.space = space(representation) if space else default_space(representation)
        self.monitor: Monitor | None = None
        self._kept: dict[str, Any] | None = None
        self._evaluated = 0

    # -- before training ----------------------------------------------------------------------

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        pools = [
            reference(trainer.datamodule, split, POOL * self.count, self.seed)
            for split in ("train", "valid")
        ]
        features = [self.space(pool.x, pool.lengths) for pool in pools]
        group = np.concatenate([named(pool, split) for split, pool in enumerate(pools)])
        found = self._calibrated(features, group, trainer.datamodule.checksum())
        self.monitor = Monitor(features[0], features[1], found, warm_up=self.warm_up)
        if self._kept is not None:
            self.monitor.load_state_dict(self._kept)
        self._evaluated = pl_module.counters["updates"] // self.every

    def _calibrated(
        self, features: list[Tensor], group: np.ndarray, checksum: str
    ) -> dict[str, Calibration]:
        """Return what a perfect model gives, from the run folder where it was found out before."""
        path = self.folder / CALIBRATION
        most = min(self.count, *map(len, features))
        settings = {
            "data": checksum,
            "space": type(self.space).__name__,
            "count": most,
            "resamples": self.resamples,
            "seed": self.seed,
        }
        if path.is_file():
            kept = json.loads(path.read_text())
            if kept["settings"] == settings:
                return {tier: Calibration.from_dict(row) for tier, row in kept["tiers"].items()}
        log.info("Measuring what a perfect model would score, on %d windows a side.", most)
        found = calibrate_tiers(
            torch.cat(features),
            group,
            {"alarm": most, "thorough": most},
            resamples=self.resamples,
            seed=self.seed,
        )
        tiers = {tier: calibration.as_dict() for tier, calibration in found.items()}
        kept = {"settings": settings, "tiers": tiers}
        write_atomically(path, json.dumps(kept, indent=2) + "\n")
        return found

    # -- through training ---------------------------------------------------------------------

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        turn = pl_module.counters["updates"] // self.every
        if turn > self._evaluated and trainer.is_global_zero:
            self._evaluated = turn
            self.evaluate(trainer, pl_module, "alarm")

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero and self.monitor is not None:
            self.evaluate(trainer, pl_module, "thorough")

    def evaluate(self, trainer: Any, model: Any, tier: Tier) -> None:
        """Measure samples, log the values beside their intervals, and tell of a change of state."""
        assert self.monitor is not None  # made before training begins
        fake = self._samples(trainer, model, self.monitor.count(tier))
        seen = self.monitor.observe(model.counters["updates"], fake, tier=tier)
        if seen.changed:
            self._announce(trainer, seen)
        model.emit(
            {
                **{f"collapse/{name}": value for name, value in seen.values.items()},
                **{f"collapse_excess/{name}": value for name, value in seen.excess.items()},
                "collapse/state": STATES.index(seen.state),
            }
        )

    def _samples(self, trainer: Any, model: Any, count: int) -> Tensor:
        """Return the features of fresh samples; the stream is keyed by the place in training."""
        batch = trainer.datamodule.examples("valid")
        rows = torch.arange(count) % len(batch)
        batch = batch[rows.to(batch.x.device)].to(model.device)
        training = model.training
        x = self.strategy.generate(
            model,
            n=count,
            given=model.given_of(batch),
            condition=batch.condition,
            lengths=batch.lengths,
            generator=generator(
                self.seed, "diagnostics", model.counters["updates"], device=model.device
            ),
        )
        model.train(training)
        return self.space(x, batch.lengths)

    def _announce(self, trainer: Any, seen: Observation) -> None:
        found = ", ".join(seen.failures) or "no failure that has a name"
        text = (
            f"Mode collapse is {seen.state} at update {seen.update}: {found}."
            if seen.state != "healthy"
            else f"Samples are healthy again at update {seen.update}."
        )
        log.warning("%s", text)
        for logger in trainer.loggers:
            if hasattr(logger, "alert"):
                logger.alert("Mode collapse", text, seen.state)

    # -- in the checkpoint --------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {} if self.monitor is None else self.monitor.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._kept = state_dict or None
        if self.monitor is not None and state_dict:
            self.monitor.load_state_dict(state_dict)


def default_space(representation: Representation) -> FeatureSpace:
    """Return the space in which modes of this kind of example are told apart best."""
    if representation.content == "music":
        return PitchClasses(representation, parts=4)
    return Raw(representation)


def named(pool: Reference, split: int) -> np.ndarray:
    """Return the groups of a split's examples; no two splits share one."""
    return 2 * pool.group.astype(np.int64) + split
