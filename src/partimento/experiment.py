"""One run, from a request: build, prepare, fit, test, and write the run folder."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import SIGTERMException

from partimento.building import Parts, build
from partimento.config import AcceleratorConfig, TrainerConfig
from partimento.config.schema import data_config, section
from partimento.data.module import MusicDataModule
from partimento.datasets.preparation import SKIPPED, skipped_csv
from partimento.errors import Interrupted, UserError
from partimento.fitting import Request, checkpointing_of, open_loggers, trainer_of
from partimento.loggers.csv import cut_back
from partimento.runs.arithmetic import cpu_arithmetic
from partimento.runs.checkpoint import Checkpointing
from partimento.runs.folder import RunFolder
from partimento.runs.identity import code_checksums, git_state, versions
from partimento.runs.interruption import StopRequest
from partimento.runs.quiet import quiet_lightning
from partimento.runs.resume import Decision, decide, refuse_other_config

log = logging.getLogger(__name__)

# Tells DDP's further processes, which Lightning starts, from where rank 0 goes on.
RESUME_VARIABLE = "PARTIMENTO_RESUME_FROM"


def run(request: Request) -> dict[str, Any]:
    """Do what is asked, or as much of it as is left, and return run.json's content.

    Raises:
        UserError: When the config, the data or the state of the folder is wrong.
        Interrupted: After a request to stop, once the state is saved.
    """
    if _further_rank(request):
        return _join(request)
    # Lightning took the task number of a cluster's job for a rank, whose loggers stay silent.
    rank_zero_only.rank = 0  # type: ignore[attr-defined]
    if request.resolved["resume"] != "never":
        refuse_other_config(request.folder, request.resolved, request.device)
    decision = decide(request.folder, request.resolved["resume"])
    if decision.action == "done":
        log.info("%s: %s", request.folder.path, decision.reason)
        return request.folder.read()
    parts = build(request.resolved)
    if decision.action == "anew" and request.folder.read():
        with request.folder.lease():  # a run under way is not pulled from under its process
            aside = request.folder.set_aside()
        request.folder.path.mkdir()
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler):
                handler.close()  # the next line opens the log anew, in the new folder
        log.info("The former run now lies in %s", aside)
    with request.folder.lease():
        return _recorded(request, parts)


def _further_rank(request: Request) -> bool:
    """Whether this process was started to train beside another one (DDP)."""
    if request.resolved["accelerator"]["strategy"] != "ddp":
        return False
    return int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_PROCID", "0"))) > 0


def _join(request: Request) -> dict[str, Any]:
    """Train beside rank 0, which holds the lease, keeps the records and has decided."""
    checkpoint = os.environ.get(RESUME_VARIABLE)
    parts = build(request.resolved)
    decision = Decision("join", Path(checkpoint) if checkpoint else None)
    try:
        _train(request, decision, parts, _data_module(request.resolved, parts), {})
    except Interrupted:
        # Rank 0 stops too; an exit code other than 0 would make Lightning kill it meanwhile.
        log.info("Stopped")
    return {}


def _recorded(request: Request, parts: Parts) -> dict[str, Any]:
    """Run and keep run.json true whatever happens."""
    folder = request.folder
    # Again, under the lease: another process may have gone on or finished in between.
    decision = decide(folder, request.resolved["resume"], leased=True)
    if decision.action == "done":
        return folder.read()
    data = _data_module(request.resolved, parts)
    record = _describe(request, parts, data)
    decision.check(folder, record)
    started = time.monotonic()
    before = float(folder.read().get("wall_s", 0.0))
    _begin(request, decision, record, data)

    def close(status: str, **values: Any) -> dict[str, Any]:
        wall = round(before + time.monotonic() - started, 3)
        return folder.update(status=status, wall_s=wall, **values)

    try:
        metrics = _train(request, decision, parts, data, folder.read())
    except (Interrupted, KeyboardInterrupt):
        close("interrupted")
        raise
    except BaseException as error:
        close("failed", error=f"{type(error).__name__}: {error}")
        raise
    return close("finished", error=None, **metrics)


def _begin(
    request: Request, decision: Decision, record: dict[str, Any], data: MusicDataModule
) -> None:
    """Write what is known before training, and cut metrics.csv back to the checkpoint."""
    folder = request.folder
    if decision.checkpoint is None:
        (folder / "metrics.csv").unlink(missing_ok=True)
        os.environ.pop(RESUME_VARIABLE, None)
    else:
        updates = _counters_of(decision.checkpoint)["updates"]
        cut_back(folder / "metrics.csv", updates)
        log.info("Resuming after %d updates", updates)
        os.environ[RESUME_VARIABLE] = str(decision.checkpoint.absolute())
    # Its own, not the identity: the same config elsewhere is another W&B run.
    wandb_id = folder.read().get("wandb_id") or f"{folder.path.name}-{secrets.token_hex(3)}"
    _write_folder(request, record, data)
    folder.update(
        status="running",
        name=request.name,
        overrides=list(request.overrides),
        wandb_id=wandb_id,
        **record,
    )


def _train(
    request: Request,
    decision: Decision,
    parts: Parts,
    data: MusicDataModule,
    record: Mapping[str, Any],
) -> dict[str, Any]:
    """Fit and test; return what goes into run.json."""
    resolved = request.resolved
    threads = section(AcceleratorConfig, resolved["accelerator"]).threads
    model = parts.model
    trainer_config = section(TrainerConfig, resolved["trainer"])
    model.log_every = trainer_config.log_every
    model.round = min(model.round, trainer_config.checkpoint_every or model.round)
    model.max_updates = trainer_config.max_updates
    model.gradient_clip = trainer_config.gradient_clip
    model.card = checkpoint_card(resolved, parts)
    with (
        cpu_arithmetic(threads),
        quiet_lightning(),
        StopRequest() as stop,
        open_loggers(request, record) as loggers,
    ):
        checkpointing = checkpointing_of(request, parts, data, stop)
        trainer = trainer_of(request, parts, data, loggers, checkpointing)
        resumed = decision.checkpoint
        started = time.monotonic()
        try:
            trainer.fit(model, data, ckpt_path=resumed, weights_only=True if resumed else None)
            fit_s = round(time.monotonic() - started, 3)
            tested = _test(trainer, model, data, request.folder, checkpointing)
        except SIGTERMException as error:  # Lightning's answer where it holds the signal
            raise Interrupted from error
        return {"fit_s": fit_s, **tested}


def _test(
    trainer: Trainer, model: Any, data: MusicDataModule, folder: RunFolder, best: Checkpointing
) -> dict[str, Any]:
    """Test the best weights; return metrics and counters for run.json.

    Raises:
        UserError: When no epoch was best, since training diverged.
    """
    trained = model.counters
    trainer.strategy.barrier("best checkpoint")
    if not folder.best.exists():
        raise UserError(
            f"{best.monitor} was never a number, so there is no best checkpoint: training diverged; "
            "try a smaller model.optimizer.lr, or trainer.gradient_clip=1."
        )
    checkpoint = torch.load(folder.best, map_location=model.device, weights_only=True)
    model.load_state_dict(checkpoint["state_dict"])
    model.restore_counters()
    trainer.test(model, data, verbose=False)
    metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
    metrics = {key: value for key, value in metrics.items() if key.startswith("test/")}
    if best.monitor is not None and np.isfinite(best.best):
        metrics[best.monitor] = best.best
    return {
        "metrics": metrics,
        "objective": {"name": best.monitor, "value": metrics.get(best.monitor or "")},
        "counters": trained,
        "best": best.best_counters,
    }


def _data_module(resolved: Mapping[str, Any], parts: Parts) -> MusicDataModule:
    trainer = section(TrainerConfig, resolved["trainer"])
    return MusicDataModule(
        parts.dataset,
        parts.representation,
        data_config(resolved),
        batch_size=trainer.batch_size,
        seed=resolved["seed"],
        cache=resolved["paths"].get("cache"),
        limit=trainer.limit_train_batches,
    )


def checkpoint_card(resolved: Mapping[str, Any], parts: Parts) -> dict[str, Any]:
    """Return what a checkpoint holds beside weights, so that it loads without its dataset."""
    config = {key: value for key, value in resolved.items() if key != "trusted_packages"}
    return {"config": config, "representation": parts.representation.arguments()}


def _describe(request: Request, parts: Parts, data: MusicDataModule) -> dict[str, Any]:
    """Return the facts about a run that are known before training."""
    parameters = sum(p.numel() for p in parts.model.parameters())
    return {
        "seed": request.resolved["seed"],
        "group": request.group,
        "git": git_state(),
        "versions": versions(),
        "device": request.device,
        "parameters": parameters,
        "data": {
            "fingerprint": parts.dataset.fingerprint(),
            "checksum": data.checksum(),
            "split_manifest": data.manifest.hash,
            **data.summary(),
        },
    }


def _write_folder(request: Request, record: dict[str, Any], data: MusicDataModule) -> None:
    folder = request.folder
    folder.write_yaml("config.yaml", dict(request.resolved))
    folder.write_yaml("overrides.yaml", list(request.overrides))
    folder.write_json("dataset_card.json", data.corpus.card.plain())
    folder.write_json("split_manifest.json", data.manifest.plain())
    folder.write_json("code.json", code_checksums(request.resolved["trusted_packages"]))
    if data.corpus.skipped:
        rows = [(item.source, item.reason) for item in data.corpus.skipped]
        (folder / SKIPPED).write_text(skipped_csv(rows))
    if lost := record["data"]["lost"]:
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(lost.items()))
        log.info("The representation loses: %s", told)


def _counters_of(checkpoint: Path) -> dict[str, int]:
    from partimento.loading import read_checkpoint

    return read_checkpoint(checkpoint)["partimento"]["counters"]
