"""One update of an optimizer, through Lightning where it has something to do, and its schedulers."""

from __future__ import annotations

from typing import cast

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.utilities.types import LRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from partimento.errors import UserError

HOOKS = ("on_before_backward", "on_after_backward", "on_before_optimizer_step")


def listens(owner: object, base: type) -> bool:
    """Whether an object, or its class, has a hook of its own around an update."""
    return any(
        name in vars(owner) or getattr(type(owner), name) is not getattr(base, name)
        for name in HOOKS
    )


def is_direct(trainer: Trainer, model: LightningModule, base: type[LightningModule]) -> bool:
    """Whether an update needs nothing of Lightning: one process, full precision, no listener.

    Its hooks, of which none would do a thing, cost 0.12 ms an update, 5 % of a game on the ring.

    Args:
        trainer: The trainer.
        model: The model.
        base: The class whose hooks the update itself brings.
    """
    strategy = trainer.strategy
    return (
        type(strategy) is SingleDeviceStrategy
        and type(strategy.precision_plugin) is Precision
        and type(vars(trainer)["profiler"]) is PassThroughProfiler
        and type(model).backward is LightningModule.backward
        and not listens(model, base)
        and not any(listens(callback, Callback) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    )


def clip(optimizer: torch.optim.Optimizer, largest: float | None) -> None:
    """Scale the gradients of one optimizer's parameters down to a norm, if one is given."""
    if largest is not None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, largest)


def update(optimizer: LightningOptimizer, loss: Tensor, largest: float | None) -> None:
    """Make an update as Lightning would, without its hooks; its count of steps is kept.

    Gradients are dropped here: `zero_grad` opens a record of torch's profiler, which costs ten times
    as much.
    """
    for group in optimizer.optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
    loss.backward()
    clip(optimizer.optimizer, largest)
    optimizer._on_before_step()
    optimizer.optimizer.step()
    optimizer._on_after_step()


# -- learning-rate schedulers -------------------------------------------------------------------


def schedulers_of(trainer: Trainer) -> list[LRSchedulerConfig]:
    """Return the schedulers that the model's `configure_optimizers` gave."""
    return cast("list[LRSchedulerConfig]", trainer.strategy.lr_scheduler_configs)


def check_schedulers(trainer: Trainer) -> None:
    """Refuse schedulers that would wait for what a model that draws its batches never says.

    Raises:
        UserError: When one follows a validation value, or does not step each time.
    """
    for config in schedulers_of(trainer):
        name = type(config.scheduler).__name__
        if isinstance(config.scheduler, ReduceLROnPlateau):
            raise UserError(
                f"configure_optimizers gives {name}, which follows a validation value: take a "
                "scheduler that goes by updates or epochs, such as CosineAnnealingLR."
            )
        if config.frequency != 1:
            raise UserError(
                f"configure_optimizers gives {name} with frequency={config.frequency}: leave the "
                "frequency out, and give the scheduler itself as many times the length."
            )


def step_schedulers(
    trainer: Trainer, interval: str, optimizer: torch.optim.Optimizer | None = None
) -> None:
    """Step the schedulers of an interval, "step" or "epoch"; of one optimizer, where it is given.

    Lightning steps none under manual optimization, and none by epoch where an epoch's number of
    steps is not known beforehand.
    """
    for config in schedulers_of(trainer):
        own = optimizer is None or config.scheduler.optimizer is optimizer
        if config.interval == interval and own:
            cast("LRScheduler", config.scheduler).step()
