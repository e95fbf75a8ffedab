"""What a generator learns before an adversarial game begins, as a schedule in the same run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, cast

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from partimento.component import Component
from partimento.data.batch import Batch
from partimento.data.loader import TrainLoader
from partimento.distributions import Normal
from partimento.errors import UserError
from partimento.models.averaging import move_average
from partimento.models.relaxation import full

if TYPE_CHECKING:
    from partimento.models.adversarial import Adversarial


class Pretraining(Component, ABC):
    """Updates of the generator alone, over the first epochs of a run; the game follows.

    Where it stands follows from `batches_seen`, so that a resumed run goes on exactly. Its updates
    are the generator's and are counted with them; the game's `iterations`, by which schedules of
    the game go, begin after it. With as many epochs as the run has, nothing else is trained: that
    is the baseline of a paper that trains by likelihood alone.

    Args:
        epochs: Passes over the training examples.
    """

    def __init__(self, epochs: Annotated[int, Ge(0)]) -> None:
        self.epochs = epochs

    def check(self, model: Adversarial) -> None:
        """Refuse a model that cannot be trained in this way.

        Raises:
            UserError: With the sentence that says why.
        """

    @abstractmethod
    def loss(self, model: Adversarial, real: Batch, epoch: int) -> Tensor:
        """Return the scalar that an update of the generator on real examples lowers."""

    def lasts(self, batches_seen: int, per_epoch: int) -> bool:
        """Whether the update after so many batches is still before the game."""
        return batches_seen < self.epochs * per_epoch

    def update(self, model: Adversarial, source: TrainLoader) -> None:
        """Make one update of a model's generator on a fresh minibatch."""
        epoch = model.counters["batches_seen"] // source.per_epoch
        real = model.draw(source)
        model.begin_attempt()
        loss = self.loss(model, real, epoch)
        model.descend(loss, 0)
        if model.generator_ema is not None and model.ema_decay is not None:
            move_average(model.generator_ema, model.generator, model.ema_decay)
        model.counted_loss(loss, "train/pretraining_loss")


class NextEvent(Pretraining):
    """Each event is foretold from the real ones before it, in sequences that grow by the epoch.

    C-RNN-GAN (Mogren 2016, section 3): a squared error, short sequences from random places first,
    then longer ones (a curriculum). Real values have the mean squared error in units of features;
    other music the mean negative log-likelihood in nats, of which a squared error is the
    counterpart up to a constant and a factor.

    Args:
        epochs: Passes over the training examples; 6 in the paper.
        growth: Events of a sequence in the first epoch, and by how many it grows with each further
            one, up to whole examples; 4 in the released code, the paper names no number.
    """

    def __init__(
        self, epochs: Annotated[int, Ge(0)] = 6, growth: Annotated[int, Gt(0)] = 4
    ) -> None:
        super().__init__(epochs)
        self.growth = growth

    def check(self, model: Adversarial) -> None:
        kind = type(model.generator).__name__
        if not hasattr(model.generator, "forced"):
            raise UserError(
                f"model.pretraining foretells each event from those before it, which {kind} does "
                "not: use a generator that makes one event after the other, such as "
                "model/generator=recurrent, or model/pretraining=null."
            )
        if not model.generator.feeds_back:
            raise UserError(
                "model.pretraining foretells each event from those before it, of which "
                f"model.generator.feedback=none tells {kind} nothing: use feedback=linear."
            )

    def length(self, epoch: int, steps: int) -> int:
        """Return the number of events of a sequence in an epoch, counted from 0."""
        return min(steps, self.growth * (epoch + 1))

    def loss(self, model: Adversarial, real: Batch, epoch: int) -> Tensor:
        steps = real.x.shape[1]
        length = self.length(epoch, steps)
        begin = int(torch.randint(steps - length + 1, ()))  # one place for the batch
        x = real.x[:, begin : begin + length]
        features = model.distribution.features(x)
        codes, condition = model.codes(len(real)), model.condition_features(real.condition)
        foretell = cast("Callable[..., Tensor]", model.generator.forced)
        parameters = full(foretell(codes, features, condition, begin))
        if isinstance(model.distribution, Normal):
            return (parameters - features).square().mean()
        return -model.distribution.log_prob(parameters, x).mean()
