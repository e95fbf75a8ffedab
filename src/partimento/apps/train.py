"""`partimento train`: one run, or with -m a sweep of runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from partimento.apps.command import command
from partimento.apps.quoting import TRAIN_FREE_TEXT


@command("train", free_text=TRAIN_FREE_TEXT)
def main(config: DictConfig) -> None:
    """Train what the composed config describes and print where the run lies."""
    import logging
    from pathlib import Path

    from hydra.core.hydra_config import HydraConfig

    from partimento.apps.composition import request_of
    from partimento.apps.summary import print_summary
    from partimento.errors import UserError
    from partimento.experiment import run
    from partimento.studies.sweep import SWEEP_VARIABLE

    hydra = HydraConfig.get()
    in_sweep = hydra.mode is not None and hydra.mode.name == "MULTIRUN"
    group = os.environ.get(SWEEP_VARIABLE) if in_sweep else None
    folder = Path(hydra.runtime.output_dir)
    request = request_of(config, folder, list(hydra.overrides.task), group)
    if in_sweep and request.resolved["accelerator"]["strategy"] == "ddp":
        raise UserError(
            "accelerator=ddp cannot be used with -m, since every process would run the whole "
            "sweep: give each job one device, or run the jobs one by one."
        )
    logging.getLogger("partimento").info("Run folder: %s", os.path.relpath(folder))
    record = run(request)
    if record:  # a further process of DDP leaves the telling to the first
        print_summary(folder, record)


def train(overrides: Sequence[str] = (), *, config_name: str = "train") -> dict[str, Any]:
    """Train from Python as the command does from a shell, and return run.json's content.

    Args:
        overrides: Hydra overrides, such as ["model.hidden=[400]", "seed=1"].
        config_name: Primary config.

    Raises:
        UserError: When the config is wrong.
    """
    from partimento.apps.composition import compose_request
    from partimento.experiment import run

    return run(compose_request(list(overrides), config_name))


if __name__ == "__main__":
    main()
