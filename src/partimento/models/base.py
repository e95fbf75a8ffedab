"""What every training paradigm shares: counters, logging, evaluation, checkpoint contents, sampling."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torchmetrics import Metric

from partimento.data.batch import Batch, Given
from partimento.data.loader import TrainLoader
from partimento.distributions import Distribution
from partimento.errors import UserError
from partimento.models.descending import check_schedulers, clip, is_direct, step_schedulers, update
from partimento.models.evaluating import Evaluated, Evaluation
from partimento.seeds import stream_seed

CHECKPOINT_FORMAT = 1
# Updates of a plain paradigm in one training step: Lightning's loop costs 0.7 ms a turn, which is
# 6 % of an update of MiniBach.
ROUND = 8

__all__ = ["Evaluation", "Model", "OptimizerFactory"]
OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class Model(Evaluated):
    """A training paradigm over networks, written against distributions only.

    Counters have buffers, written when the state is asked for, so that they are in every
    checkpoint: `updates` (optimizer updates; of the generator in adversarial models),
    `batches_seen` and `examples_seen` of real data, `epochs` completed. The data order, and so the
    place at which a resumed run goes on, is a function of `batches_seen`. A paradigm with more
    counters (`discriminator_updates`) extends `COUNTERS`.

    `MONITOR` is the validation value by which the best weights are told when the config leaves that
    to the model; None: the latest are. `RATE` is where a learning rate stands, for messages.

    A model of which an update leaves some parameters without gradients sets `takes_turns`.

    A model whose training step takes other than one batch sets `draws`; its `training_step` is
    then given the loader and takes fresh batches by `draw`.

    Args:
        distribution: What a tensor `x` means.
        conditions: What each condition means.
        metrics: Metrics by name, each with `update(prediction, target, mask)`.
    """

    COUNTERS: ClassVar[tuple[str, ...]] = ("updates", "batches_seen", "examples_seen", "epochs")
    MONITOR: ClassVar[str | None] = "valid/nll"
    RATE: ClassVar[str] = "model.optimizer.lr"
    draws: ClassVar[bool] = False
    takes_turns: ClassVar[bool] = False
    updates: Tensor
    batches_seen: Tensor
    examples_seen: Tensor
    epochs: Tensor
    _loss_sum: Tensor

    def __init__(
        self,
        distribution: Distribution,
        conditions: Mapping[str, Distribution] | None = None,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        super().__init__(distribution, metrics)
        self.conditions = dict(conditions or {})
        self.seed = 0
        self.log_every = 50
        self.round = ROUND
        self.max_updates: int | None = None
        self.gradient_clip: float | None = None
        self._direct = False
        self.card: dict[str, Any] = {}
        for name in self.COUNTERS:
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))
        self.register_buffer("_loss_sum", torch.zeros((), dtype=torch.float64))
        self._position = dict.fromkeys(self.COUNTERS, 0)
        self.register_state_dict_pre_hook(write_counters)

    @property
    def counters(self) -> dict[str, int]:
        """The counters as Python integers (reading a buffer on a GPU would stall it)."""
        return dict(self._position)

    def count(self, **steps: int) -> None:
        """Advance counters by name."""
        for name, step in steps.items():
            self._position[name] += step

    def axes(self) -> dict[str, int]:
        """Return what every logged row stands beside: the counters, and the epoch under way."""
        counters = {name: value for name, value in self._position.items() if name != "epochs"}
        return {**counters, "epoch": self.current_epoch}

    # -- training ---------------------------------------------------------------------------

    def on_train_start(self) -> None:
        """Find out what an update needs; a model that draws steps its schedulers itself."""
        self._direct = is_direct(self.trainer, self, Model)
        if self.draws:
            check_schedulers(self.trainer)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self.seed_noise()

    def seed_noise(self, place: int | None = None) -> None:
        """Put the stream that dropout draws from at a place, by default that of this update."""
        place = self._position["updates"] if place is None else place
        key = stream_seed(self.seed, "noise", place, self.global_rank)
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(key)
        # Not torch.manual_seed: it formats a stack trace at every call when CUDA sleeps.
        torch.default_generator.manual_seed(key)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """End the epoch of a model that draws, also under a trainer without `Checkpointing`."""
        if self.draws:
            over = (self.current_epoch + 1) * batch.per_epoch <= self._position["batches_seen"]
            progress = self.trainer.fit_loop.epoch_loop.batch_progress
            progress.is_last_batch = progress.is_last_batch or over
            if over:
                step_schedulers(self.trainer, "epoch")

    def draws_of_round(self, source: TrainLoader) -> int:
        """Return how many updates the next training step makes, up to the end of the epoch."""
        seen = self._position["batches_seen"]
        left = (self.current_epoch + 1) * source.per_epoch - seen
        if self.max_updates is not None:
            left = min(left, self.max_updates - self._position["updates"])
        return max(1, min(self.round, left))

    def descend(self, loss: Tensor, index: int | None = None) -> None:
        """Make one update of an optimizer, by default the only one (manual optimization)."""
        found = cast("LightningOptimizer | list[LightningOptimizer]", self.optimizers())
        optimizer = found[index or 0] if isinstance(found, list) else found
        if self._direct:
            update(optimizer, loss, self.gradient_clip)
        else:
            optimizer.zero_grad()
            # Else the gradient of a penalty in float32 would be computed in half precision.
            with torch.autocast(self.device.type, enabled=False):
                self.manual_backward(loss)
            optimizer.step()
        step_schedulers(self.trainer, "step", optimizer.optimizer)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients: here, where those of half precision are no longer scaled."""
        clip(optimizer, self.gradient_clip)

    def draw(self, source: TrainLoader) -> Batch:
        """Take the next fresh batch of real data and count it."""
        # Examples that lie on the device already are not copied; mapped ones come from the disk.
        batch = source.batch(self._position["batches_seen"]).to(self.device)
        self.count_batch(batch)
        return batch

    def count_batch(self, batch: Batch) -> None:
        """Count one batch of real data, over all processes."""
        self.count(batches_seen=1, examples_seen=len(batch) * self.trainer.world_size)

    def counted_loss(self, loss: Tensor, name: str = "train/loss") -> Tensor:
        """Count one update; every `log_every` updates, log the mean loss of these by a name."""
        self._loss_sum.add_(loss.detach())
        self.count(updates=1)
        logs = self._position["updates"] % self.log_every == 0
        if logs or self.device.type == "cpu":  # a GPU would stall if it were asked at every update
            self._refuse_divergence()
        if logs:
            self.emit({name: float(self._loss_sum) / self.log_every})
            self._loss_sum.zero_()
        return loss

    def _refuse_divergence(self) -> None:
        """Stop a model without a validation value, which would tell, where its loss is no number."""
        if self.MONITOR is None and not math.isfinite(float(self._loss_sum)):
            raise UserError(
                f"The loss is no number at update {self._position['updates']}: training diverged, "
                f"and the last checkpoint is kept; try a smaller {self.RATE}, or "
                "trainer.gradient_clip=1."
            )

    def emit(self, values: Mapping[str, Any]) -> None:
        """Send values to all loggers with the counters as x-axes."""
        row = {**values, **self.axes()}
        for logger in self.loggers:
            logger.log_metrics(row, step=self._position["updates"])

    # -- sampling ---------------------------------------------------------------------------

    def given_of(self, batch: Batch) -> Given | None:
        """Return the cells of real examples that this model is always given; None: it needs none."""
        return None

    @abstractmethod
    def sample(
        self,
        n: int | None = None,
        *,
        condition: Mapping[str, Tensor] | None = None,
        given: Given | None = None,
        z: Tensor | None = None,
        lengths: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        weights: str | None = None,
    ) -> Tensor:
        """Draw hard samples of `x`, `(n, *shape)`.

        Args:
            n: Number of samples; by default as many as `given` or `condition` hold.
            condition: Conditions by name, `(n or 1, ...)`.
            given: Cells to keep; a model either honours them or refuses in one sentence.
            z: Latent codes, `(n, latent)`, for models that have them.
            lengths: Number of steps of each sample, where it varies.
            temperature: Spread of the samples; 0 gives the most probable.
            generator: Source of randomness.
            weights: "ema" or "raw"; None takes the averaged weights where the model keeps them.

        Raises:
            UserError: When the model cannot honour an argument.
        """

    def refuse(self, **unsupported: Any) -> None:
        """Refuse arguments of `sample` that this model has no use for.

        Raises:
            UserError: Naming the first argument that is not None.
        """
        for name, value in unsupported.items():
            if value is not None:
                raise UserError(
                    f"{type(self).__name__} has no use for {name}: leave it out of sample()."
                )

    def refuse_ema(self, weights: str | None) -> None:
        """Refuse `weights="ema"` in a model that keeps no averaged weights."""
        if weights not in (None, "raw"):
            raise UserError(
                f"{type(self).__name__} keeps no averaged weights: use weights='raw', "
                f"not {weights!r}."
            )

    # -- checkpoint -------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what makes a checkpoint usable without its run; refuse weights that are no numbers."""
        self._refuse_divergence()
        checkpoint["partimento"] = {
            "format": CHECKPOINT_FORMAT,
            "distribution": self.distribution.state(),
            "conditions": {name: d.state() for name, d in self.conditions.items()},
            "counters": dict(self._position),
            **self.card,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the counters; Lightning's own loop progress is left aside.

        The place in the epoch follows from `batches_seen` alone, which makes resuming exact at any
        batch; Lightning's loop states are exact only at some of the places where one can save.
        """
        checkpoint.pop("loops", None)
        self._position.update(checkpoint["partimento"]["counters"])

    def restore_counters(self) -> None:
        """Take the Python counters from the buffers after `load_state_dict`."""
        for name in self._position:
            self._position[name] = int(getattr(self, name))


def write_counters(model: Model, *_: Any) -> None:
    """Write the counters to their buffers: once a checkpoint, not at every update."""
    for name, value in model.counters.items():
        getattr(model, name).fill_(value)
