"""What a run is asked for, and Lightning's trainer with the loggers and callbacks that it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins.environments import LightningEnvironment

from partimento.building import Parts, supplied
from partimento.config import AcceleratorConfig, TrainerConfig
from partimento.config.schema import section
from partimento.data.module import MusicDataModule
from partimento.models.base import Model
from partimento.runs.checkpoint import AtomicCheckpointIO, Checkpointing
from partimento.runs.folder import RunFolder
from partimento.runs.interruption import StopRequest


@dataclass(frozen=True)
class Request:
    """What is asked for: a resolved config, where it runs, and how it was asked.

    Attributes:
        resolved: The resolved config as plain containers.
        folder: The run folder.
        device: "cpu" or "cuda".
        overrides: What the user wrote, for names and records.
        group: Name of the sweep that the run belongs to.
    """

    resolved: Mapping[str, Any]
    folder: RunFolder
    device: str
    overrides: tuple[str, ...] = ()
    group: str | None = None

    @property
    def name(self) -> str:
        """A name for people: the model, the dataset and the overrides."""
        base = f"{self.resolved['model']['name']}-{self.resolved['dataset']['name']}"
        return " ".join([base, *self.overrides])


def monitored(config: TrainerConfig, model: Model) -> str | None:
    """Return the validation value that tells the best weights; the model knows when "auto"."""
    return model.MONITOR if config.monitor == "auto" else config.monitor


def checkpointing_of(
    request: Request, parts: Parts, data: MusicDataModule, stop: StopRequest
) -> Checkpointing:
    config = section(TrainerConfig, request.resolved["trainer"])
    world = request.resolved["accelerator"]["devices"]
    return Checkpointing(
        request.folder,
        per_epoch=data.batches_per_epoch(world),
        monitor=monitored(config, parts.model),
        patience=config.patience,
        every=config.checkpoint_every,
        seconds=config.checkpoint_seconds,
        max_updates=config.max_updates,
        keep=config.keep_epochs,
        stop_requested=stop,
    )


@contextmanager
def open_loggers(request: Request, record: Mapping[str, Any]) -> Iterator[list[Logger]]:
    """Build the loggers, and close each when the run is over, however it ends."""
    trusted = request.resolved.get("trusted_packages") or []
    config = {
        **request.resolved,
        "git": record.get("git"),
        "data_checksum": record.get("data", {}).get("checksum"),
    }
    loggers: list[Any] = [
        supplied(
            node,
            f"logger.{name}",
            trusted,
            folder=str(request.folder.path),
            run_id=record.get("wandb_id", request.folder.path.name),
            run_name=request.name,
            group=request.group,
            run_config=config,
        )
        for name, node in (request.resolved["logger"] or {}).items()
        if name != "name"
    ]
    failed = 1
    try:
        yield loggers
        failed = 0
    finally:
        for logger in loggers:
            if hasattr(logger, "close"):
                logger.close(failed)


def trainer_of(
    request: Request,
    parts: Parts,
    data: MusicDataModule,
    loggers: list[Logger],
    checkpointing: Checkpointing,
) -> Trainer:
    """Build Lightning's trainer; what a run's result depends on is set here and nowhere else."""
    from pytorch_lightning.strategies import DDPStrategy

    config = section(TrainerConfig, request.resolved["trainer"])
    accelerator = section(AcceleratorConfig, request.resolved["accelerator"])
    backend = "gloo" if request.device == "cpu" else "nccl"
    ddp = accelerator.strategy == "ddp"
    return Trainer(
        accelerator="cpu" if request.device == "cpu" else "gpu",
        devices=accelerator.devices,
        strategy=DDPStrategy(
            process_group_backend=backend,
            find_unused_parameters=parts.model.takes_turns,
        )
        if ddp
        else "auto",
        precision=accelerator.precision,
        max_epochs=config.max_epochs,
        logger=loggers or False,
        callbacks=[*callbacks_of(request, parts, data), checkpointing],
        # A run of its own, whatever job of a cluster it is part of; Lightning would look for ranks.
        plugins=[AtomicCheckpointIO(), *([] if ddp else [LightningEnvironment()])],
        # The loader of an epoch begins where the run stands, hence one loader per epoch.
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(request.folder.path),
    )


def callbacks_of(request: Request, parts: Parts, data: MusicDataModule) -> list[Callback]:
    from partimento.diagnostics.progress import ProgressBar

    resolved = request.resolved
    trusted = resolved.get("trusted_packages") or []
    callbacks = [
        supplied(
            node,
            f"diagnostics.{name}",
            trusted,
            folder=str(request.folder.path),
            representation=parts.representation,
            strategy=parts.strategy,
            seed=resolved["seed"],
        )
        for name, node in (resolved["diagnostics"] or {}).items()
        if name != "name"
    ]
    config = section(TrainerConfig, resolved["trainer"])
    if config.progress_bar:
        counter, total = (
            "batches_seen",
            config.max_epochs
            * data.batches_per_epoch(section(AcceleratorConfig, resolved["accelerator"]).devices),
        )
        if config.max_updates is not None:
            counter, total = "updates", config.max_updates
        callbacks.append(ProgressBar(total, monitored(config, parts.model), counter=counter))
    return callbacks
