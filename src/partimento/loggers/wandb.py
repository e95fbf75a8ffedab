"""Weights & Biases: one W&B run per run folder, offline unless told otherwise."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning.loggers
from pytorch_lightning.utilities import rank_zero_only

from partimento.loggers.csv import AXES

GAME_AXES = ("generator_updates", "discriminator_updates")


def with_game_axes(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row in which the updates of an adversarial model are named by their player too."""
    if "discriminator_updates" not in row or "updates" not in row:
        return dict(row)
    return {**row, "generator_updates": row["updates"]}


def axis_of(name: str, row: Mapping[str, Any]) -> str:
    """Return the counter over which a value stands: updates, those of its player in a game."""
    if name.startswith("train/discriminator_") and "discriminator_updates" in row:
        return "discriminator_updates"
    return "generator_updates" if "generator_updates" in row else "updates"


class WandbLogger(pytorch_lightning.loggers.WandbLogger):
    """Lightning's W&B logger with the run's identity as its id and its counters as x-axes.

    Values stand over `updates`. In adversarial training, where these are the generator's, they are
    logged as `generator_updates` too, over which all stands but the discriminator's losses and
    scores: these stand over `discriminator_updates`. Any other counter, such as `examples_seen`,
    can be chosen as the x-axis of a chart.

    Args:
        folder: The run folder; W&B writes below it.
        run_id: Identity of the run, so that a resumed run goes on in the same W&B run.
        run_name: What the overrides say.
        group: Name of the sweep, if any.
        run_config: The resolved config.
        project: W&B project.
        mode: "offline" writes files that `wandb sync` uploads later; "online" uploads at once.
        entity: W&B user or team.
        tags: Tags of the W&B run.
    """

    def __init__(
        self,
        folder: str | Path,
        run_id: str,
        run_name: str | None = None,
        group: str | None = None,
        run_config: Mapping[str, Any] | None = None,
        *,
        project: str = "partimento",
        mode: Literal["offline", "online"] = "offline",
        entity: str | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        # Without this W&B looks up its error-reporting host even offline.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_SILENT", "true")
        if "wandb" not in sys.modules:
            # The service of a process that started this one still holds the id of a killed run.
            os.environ.pop("WANDB_SERVICE", None)
        import wandb

        settings = wandb.Settings(
            silent=True,
            console="off",
            # The address of a git remote can hold a token; the commit stands in the config.
            disable_git=True,
            # W&B would note the command line, in which a shell may have put a secret.
            x_disable_meta=True,
            x_disable_stats=True,
        )
        super().__init__(
            name=run_name,
            save_dir=str(folder),
            version=run_id,
            offline=mode == "offline",
            project=project,
            entity=entity,
            group=group,
            tags=list(tags),
            config=dict(run_config or {}),
            resume="allow",
            settings=settings,
        )
        # Lightning passes an argument that W&B 0.31 warns about at every start.
        self._wandb_init.pop("anonymous", None)
        self._defined: set[str] = set()

    def log_hyperparams(self, params: Any) -> None:
        """Do nothing: the config went in at the start."""

    def _run(self, row: Mapping[str, Any]) -> Any:
        """Return the W&B run after saying over which counter each new name of a row stands."""
        run = self.experiment
        if "*" not in self._defined:
            for name in (*AXES, *GAME_AXES):
                if name in row:
                    run.define_metric(name)
            run.define_metric("*", step_metric=axis_of("", row))
            self._defined |= {"*", *AXES, *GAME_AXES}
        for name in [name for name in row if name not in self._defined]:
            # A name of its own: what W&B does with two patterns that both fit is not said.
            if axis_of(name, row) != axis_of("", row):
                run.define_metric(name, step_metric=axis_of(name, row))
            self._defined.add(name)
        return run

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values with the counters among them."""
        row = with_game_axes(metrics)
        self._run(row).log(row)

    @rank_zero_only
    def log_files(self, files: Mapping[str, Path], axes: Mapping[str, int]) -> None:
        """Log pictures and sounds; MIDI files are saved with the run."""
        import wandb

        media = with_game_axes(axes)
        run = self._run({**media, **files})
        for name, path in files.items():
            if path.suffix == ".png":
                media[name] = wandb.Image(str(path))
            elif path.suffix == ".wav":
                media[name] = wandb.Audio(str(path))
            else:
                run.save(str(path), base_path=str(path.parent), policy="now")
        run.log(media)

    @rank_zero_only
    def summarise(self, values: Mapping[str, float]) -> None:
        """Write values into the run's summary, beside the last of what is logged."""
        self.experiment.summary.update(dict(values))

    @rank_zero_only
    def log_rows(
        self,
        name: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        axes: Mapping[str, int],
    ) -> None:
        """Log a table that can be sorted and filtered in W&B."""
        import wandb

        row = {**with_game_axes(axes), name: wandb.Table(list(columns), [list(r) for r in rows])}
        self._run(row).log(row)

    @rank_zero_only
    def alert(self, title: str, text: str, state: str) -> None:
        """Send an alert, as W&B shows and mails it; `state` is healthy, warning or critical."""
        level = {"critical": "ERROR", "warning": "WARN"}.get(state, "INFO")
        # Else a second change of state within a minute would be lost.
        self.experiment.alert(title=title, text=text, level=level, wait_duration=0)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Leave the W&B run open: it is closed once, when the run is over (see `close`)."""

    @rank_zero_only
    def close(self, exit_code: int) -> None:
        """End the W&B run; without this the next run of a sweep would write into it."""
        if self._experiment is not None:
            self._experiment.finish(exit_code=exit_code)
            self._experiment = None
