"""Music statistics through training: those of samples, beside those of the validation music."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Gt
from pytorch_lightning import Callback

from partimento.data.reference import reference
from partimento.errors import UserError
from partimento.generation.strategies import Strategy
from partimento.metrics.music.statistics import STATISTICS, MusicStatistics
from partimento.representations.base import Representation
from partimento.seeds import generator
from partimento.spaces.fixed import decoded

LOGGED = (
    "pitch_classes_used", "pitch_range", "scale_consistency", "polyphony", "groove_consistency",
    "empty_bar_rate", "tonal_distance", "parallel_fifths", "parallel_octaves", "voice_crossings",
)  # fmt: skip


class Music(Callback):
    """Logs `music/NAME` of samples, and `music/NAME_held_out` of validation music, at validations.

    Args:
        folder: The run folder; values go to the loggers alone.
        representation: Decodes samples to music; points are refused.
        strategy: How samples are generated.
        seed: Seed of the run.
        count: Samples, and validation examples, at most.
        names: Which of the statistics to log; None: `LOGGED`.

    Raises:
        UserError: When the examples are no music, or a statistic has another name.
    """

    def __init__(
        self, folder: str | Path, representation: Representation, strategy: Strategy, seed: int = 0,
        *, count: Annotated[int, Gt(0)] = 256, names: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        if representation.content != "music":
            what = representation.content
            raise UserError(f"diagnostics.music measures music, not {what}: take another.")
        self.representation, self.strategy = representation, strategy
        self.seed, self.count = seed, count
        self.names = tuple(LOGGED if names is None else names)
        for name in self.names:
            if name not in STATISTICS:
                known = ", ".join(STATISTICS)
                raise UserError(f"diagnostics.music.names has no statistic '{name}': use {known}.")
        self._held_out: dict[str, float] = {}

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        if not self._held_out:
            real = reference(trainer.datamodule, "valid", self.count, self.seed)
            measured = self._measured(real.x, real.lengths).items()
            self._held_out = {f"{name}_held_out": value for name, value in measured}
        batch = trainer.datamodule.examples("valid")[slice(0, self.count)].to(pl_module.device)
        place, given = pl_module.counters["updates"], pl_module.given_of(batch)
        stream = generator(self.seed, "diagnostics", place, device=pl_module.device)
        x = self.strategy.generate(
            pl_module, n=len(batch), given=given, condition=batch.condition,
            lengths=batch.lengths, generator=stream,
        )  # fmt: skip
        found = {**self._measured(x, batch.lengths), **self._held_out}
        pl_module.emit({f"music/{name}": value for name, value in found.items()})

    def _measured(self, x: Any, lengths: Any) -> dict[str, float]:
        metric = MusicStatistics()
        metric.update(decoded(self.representation, x, lengths))
        return {name: float(v) for name, v in metric.compute().items() if name in self.names}
