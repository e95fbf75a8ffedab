"""Stabilisation techniques of adversarial training that combine with any objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from partimento.component import Component
from partimento.errors import UserError
from partimento.models.scoreboard import Player

if TYPE_CHECKING:
    from partimento.models.adversarial import Adversarial


class Scored(NamedTuple):
    """What the discriminator says of examples: scores `(batch,)` and its features `(batch, f)`."""

    scores: Tensor
    features: Tensor


Judge = Callable[[Tensor, Mapping[str, Tensor]], Scored]
"""A discriminator as a function of features and features of conditions."""


class Game:
    """One update as a technique sees it: what the discriminator is shown, and what it says.

    Args:
        model: The adversarial model.
        real: Real examples as the discriminator gets them.
        fake: The generator's examples as the discriminator gets them.
        condition: Features of the conditions, as the discriminator gets them.
        codes: Codes of the fakes, in a generator's update.
        made: The generator's examples as it made them, in a generator's update.
        judge: What scores; by default the model's discriminator as it is.
    """

    def __init__(
        self,
        model: Adversarial,
        real: Tensor,
        fake: Tensor,
        condition: Mapping[str, Tensor],
        codes: Tensor | None = None,
        made: Tensor | None = None,
        judge: Judge | None = None,
    ) -> None:
        self.model = model
        self.real = real
        self.fake = fake
        self.condition = condition
        self.codes = codes
        self.made = made
        self.judge = judge or model.judge

    def judged_by(self, judge: Judge) -> Game:
        """Return the same update before another discriminator."""
        return Game(self.model, self.real, self.fake, self.condition, self.codes, self.made, judge)

    @cached_property
    def scored_real(self) -> Scored:
        """The discriminator's judgement of the real examples, made when first asked for."""
        return self.judge(self.real, self.condition)

    @cached_property
    def scored_fake(self) -> Scored:
        """The discriminator's judgement of the generator's examples."""
        return self.judge(self.fake, self.condition)

    def scores(self, features: Tensor) -> Tensor:
        """Return the scores of other examples, for penalties."""
        return self.judge(features, self.condition).scores


class Technique(Component):
    """What a technique may do; each does one of these things and leaves the others.

    Attributes:
        pathwise: Whether it needs gradients through the generator's examples.
        objective_weight: Factor that it gives to the objective's own loss of the generator.
    """

    pathwise: ClassVar[bool] = False
    objective_weight: float = 1.0

    def check(self, model: Adversarial) -> None:
        """Refuse a model with which the technique makes no sense.

        Raises:
            UserError: With the sentence that says why.
        """

    def check_optimizers(
        self, generator: torch.optim.Optimizer, discriminator: torch.optim.Optimizer
    ) -> None:
        """Refuse optimizers with which the technique cannot work.

        Raises:
            UserError: With the sentence that says why.
        """

    def shown(self, features: Tensor, update: int) -> Tensor:
        """Return examples, real or fake, as the discriminator is to see them."""
        return features

    def discriminator_loss(self, game: Game) -> Tensor | float:
        """Return what is added to the discriminator's loss."""
        return 0.0

    def generator_loss(self, game: Game) -> Tensor | float:
        """Return what is added to the generator's loss."""
        return 0.0

    def foreseen(self, game: Game) -> Game:
        """Return a generator's update before the discriminator that the generator is to answer."""
        return game

    def freezes(self, player: Player, loss: Tensor) -> bool:
        """Say whether the player is to leave this update out; called once for each."""
        return False


class InstanceNoise(Technique):
    """Normal noise on what the discriminator sees, fading out (Sonderby et al. 2017, section 3.4).

    Args:
        scale: Standard deviation at the beginning, in units of features.
        updates: Generator updates after which it is gone.
    """

    def __init__(
        self, scale: Annotated[float, Gt(0)] = 0.1, updates: Annotated[int, Gt(0)] = 10_000
    ) -> None:
        self.scale = scale
        self.updates = updates

    def shown(self, features: Tensor, update: int) -> Tensor:
        scale = self.scale * max(0.0, 1 - update / self.updates)
        return features + scale * torch.randn_like(features) if scale > 0 else features


class FeatureMatching(Technique):
    """The distance of mean features of real and fake (Salimans et al. 2016, section 3.1).

    Args:
        weight: Factor of the squared distance of the discriminator's features (lambda_2 of MidiNet,
            Yang et al. 2017, section 3.3).
        input_weight: Factor of the squared distance of the mean examples themselves (lambda_1 of
            MidiNet).
        pairs: Whether each generated example is compared with one real example, and the squared
            distances averaged (C-RNN-GAN, Mogren 2016, section 3), in place of the means.
        objective_weight: Factor of the generator's loss in the game itself; 0: features are matched
            in its place, as in C-RNN-GAN.
    """

    pathwise = True

    def __init__(
        self,
        weight: Annotated[float, Ge(0)] = 1.0,
        input_weight: Annotated[float, Ge(0)] = 0.0,
        pairs: bool = False,
        objective_weight: Annotated[float, Ge(0)] = 1.0,
    ) -> None:
        self.weight = weight
        self.input_weight = input_weight
        self.pairs = pairs
        self.objective_weight = objective_weight

    def generator_loss(self, game: Game) -> Tensor | float:
        real, fake = game.scored_real.features.detach(), game.scored_fake.features
        if self.pairs:
            loss = self.weight * (real - fake).square().flatten(1).sum(1).mean()
        else:
            loss = self.weight * (real.mean(0) - fake.mean(0)).square().sum()
        if self.input_weight:
            loss = loss + self.input_weight * (game.real.mean(0) - game.fake.mean(0)).square().sum()
        return loss


class ModeSeeking(Technique):
    """The inverse ratio of distances between examples and between codes (Mao et al. 2019).

    The means over the batch are divided, as the authors' code does, not averaged ratios.

    Args:
        weight: Factor of the term.
    """

    pathwise = True

    def __init__(self, weight: Annotated[float, Gt(0)] = 1.0) -> None:
        self.weight = weight

    def generator_loss(self, game: Game) -> Tensor | float:
        assert game.made is not None  # a generator's update has both
        assert game.codes is not None
        half = len(game.codes) // 2
        if not half:
            return 0.0
        made = (game.made[:half] - game.made[half : 2 * half]).abs().mean()
        codes = (game.codes[:half] - game.codes[half : 2 * half]).abs().mean()
        return self.weight / (made / codes + 1e-5)


class Freezing(Technique):
    """A player pauses while its loss is below a share of the other's (C-RNN-GAN, Mogren 2016).

    The generator's loss is that in the game, without what techniques add or put in its place:
    a distance of features is on no scale that compares.

    Args:
        share: The share; 0.7 in the paper, section 3.
    """

    def __init__(self, share: Annotated[float, Gt(0), Lt(1)] = 0.7) -> None:
        self.share = share

    def check(self, model: Adversarial) -> None:
        if not model.objective.positive:
            raise UserError(
                "model.techniques.freezing compares the two players' losses, which must both be "
                "positive: use model/objective=non_saturating, least_squares or relativistic, not "
                f"{type(model.objective).__name__}."
            )
        self._scoreboard = model.scoreboard

    def freezes(self, player: Player, loss: Tensor) -> bool:
        return self._scoreboard.wins(player, float(loss.detach()), self.share)


def packed(features: Tensor, pack: int) -> Tensor:
    """Join `pack` examples along the last axis (Lin et al. 2018, section 2.2); none is used twice.

    `(batch, ..., channels)` becomes `(batch // pack, ..., pack * channels)`; what is left over at
    the end is left out.
    """
    if pack == 1:
        return features
    whole = features[: len(features) // pack * pack]
    groups = whole.unflatten(0, (-1, pack)).movedim(1, -2)
    return groups.flatten(-2)


def packed_each(condition: Mapping[str, Tensor], pack: int) -> dict[str, Tensor]:
    """Join the conditions of the examples that are judged together, as `packed` joins these."""
    return {name: packed(features, pack) for name, features in condition.items()}


def packed_shape(shape: Sequence[int | None], pack: int) -> tuple[int | None, ...]:
    """Return the shape of `pack` joined examples, given that of one; both without the batch axis."""
    *rest, channels = shape
    return (*rest, (channels or 1) * pack)
