"""From a composed Hydra config to a request: validation, identity and run folder."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from partimento.apps.quoting import TRAIN_FREE_TEXT, quoted
from partimento.config import TrainConfig, check, conf_dir, filled, plain, redacted
from partimento.errors import UserError

# Resolvers that Hydra asks for the run folder; see conf/train.yaml.
RUN_DIR = "partimento.run_dir"
RUN_SUBDIR = "partimento.run_subdir"
CACHE_DIR = "partimento.cache_dir"


def register_resolvers() -> None:
    """Make the resolvers known to OmegaConf; calling it twice does no harm."""
    OmegaConf.register_new_resolver(RUN_DIR, _run_dir, replace=True)
    OmegaConf.register_new_resolver(RUN_SUBDIR, _run_subdir, replace=True)
    OmegaConf.register_new_resolver(CACHE_DIR, _cache_dir, replace=True)


def _cache_dir() -> str:
    import platformdirs

    return platformdirs.user_cache_dir("partimento")


def validated(config: DictConfig) -> dict[str, Any]:
    """Return the resolved config as plain containers after checking every key and building all.

    Keys that the config leaves out have the schema's defaults in what is returned. Building finds
    what no signature tells: a model that does not go with the representation, a learning rate that
    the optimizer refuses.

    Raises:
        UserError: One sentence about the first fault.
    """
    from partimento.building import try_build

    raw, resolved = plain(config)
    check(raw, resolved)
    for section in ("model", "dataset"):
        _check_name(section, resolved[section].get("name"))
    resolved = filled(TrainConfig, resolved)
    try_build(resolved)
    return resolved


def _check_name(section: str, name: object) -> None:
    """Refuse a name of a model or dataset that cannot be part of the run folder's."""
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        shown = "null" if name is None else name
        raise UserError(
            f"{section}.name={shown} is wrong: run folders are called after it, so it must be a "
            "word of letters, digits, '_', '-' and '.'."
        )


def device_of(resolved: dict[str, Any]) -> str:
    """Return "cpu" or "cuda", the device that the accelerator section comes to here.

    Raises:
        UserError: When a GPU, or more GPUs, are asked for than there are, or what only a GPU does.
    """
    import torch

    wanted = resolved["accelerator"]["device"]
    has_gpu = torch.cuda.is_available()
    if wanted == "gpu" and not has_gpu:
        raise UserError(
            "accelerator.device=gpu asks for a GPU, but torch finds none here: use accelerator=cpu "
            "or accelerator=auto."
        )
    if not has_gpu or wanted == "cpu":
        if resolved["accelerator"]["precision"] == "16-mixed":
            raise UserError(
                "accelerator.precision=16-mixed needs a GPU: on the CPU use bf16-mixed or 32-true."
            )
        return "cpu"
    devices, there = resolved["accelerator"]["devices"], torch.cuda.device_count()
    if devices > there:
        raise UserError(
            f"accelerator.devices={devices} asks for more GPUs than torch finds here ({there}): "
            f"use accelerator.devices={there}, or accelerator.device=cpu."
        )
    return "cuda"


def run_name(resolved: dict[str, Any]) -> str:
    """Return `<model>-<dataset>/<identity>`, the run folder below `paths.outputs`."""
    from partimento.building import build_dataset
    from partimento.runs import identity

    fingerprint = build_dataset(resolved).fingerprint()
    digest = identity(resolved, fingerprint, device_of(resolved))
    return f"{resolved['model']['name']}-{resolved['dataset']['name']}/{digest}"


def _run_dir(*, _root_: DictConfig) -> str:
    resolved = validated(_root_)
    return str(Path(resolved["paths"]["outputs"]) / run_name(resolved))


def _run_subdir(*, _root_: DictConfig) -> str:
    """Like `_run_dir` within a sweep, where a refused job must not end the others."""
    try:
        return run_name(validated(_root_))
    except Exception as error:  # it comes up again in the job itself, which tells it
        digest = hashlib.sha256(str(error).encode()).hexdigest()[:12]
        return f"refused/{digest}"


def request_of(config: DictConfig, folder: Path, overrides: list[str], group: str | None) -> Any:
    """Return the request that a composed config makes."""
    from partimento.fitting import Request
    from partimento.runs import RunFolder

    resolved = validated(config)
    return Request(
        resolved=resolved,
        folder=RunFolder(folder),
        device=device_of(resolved),
        overrides=tuple(redacted(own_overrides(overrides))),
        group=resolved["group"] or group,
    )


def own_overrides(overrides: list[str]) -> list[str]:
    """Return the overrides that speak of the experiment, not of Hydra or of places."""
    skipped = ("hydra.", "hydra/", "paths.", "resume=", "group=", "logger")
    return [text for text in overrides if not text.lstrip("+~").startswith(skipped)]


def compose_request(overrides: list[str], config_name: str) -> Any:
    """Compose a config from Python, as the command would, and return its request."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from partimento.apps.sentences import sentence_of

    register_resolvers()
    overrides = [quoted(override, TRAIN_FREE_TEXT) for override in overrides]
    if GlobalHydra.instance().is_initialized():
        raise UserError("partimento.train() cannot be called inside a Hydra application.")
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            config = compose(config_name, overrides=overrides, return_hydra_config=True)
            folder = Path(config.hydra.run.dir)
            return request_of(config, folder, overrides, None)
    except Exception as error:
        sentence = sentence_of(error, overrides, config_name)
        if sentence is None:
            raise
        raise UserError(sentence) from error
