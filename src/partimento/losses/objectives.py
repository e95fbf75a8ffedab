"""Adversarial objectives: which losses of the scores discriminator and generator minimise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from partimento.losses import adversarial as losses

Label = Annotated[float, Gt(0.5), Le(1)]


class AdversarialObjective(nn.Module, ABC):
    """What the two players minimise, given the discriminator's scores `(batch,)`.

    Attributes:
        output: What the discriminator must give: a "score", or an autoencoder's "reconstruction"
            error.
        paired: Whether the generator's loss looks at the scores of real examples too.
        positive: Whether both losses are above 0 whatever the scores, so that they compare.
        threshold: Score above which the discriminator takes an example for real; None where a score
            has no such sense.
        LACKS: Options that other objectives have: why this one has them not.
    """

    output: ClassVar[Literal["score", "reconstruction"]] = "score"
    paired: ClassVar[bool] = False
    positive: ClassVar[bool] = False
    threshold: ClassVar[float | None] = 0.0
    LACKS: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss, a scalar."""

    @abstractmethod
    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return the generator's loss, a scalar; `real` is given where the objective is paired."""

    def bounded(self, weight: Tensor) -> Tensor:
        """Return a weight of the discriminator as it may be after an update, as clipping has it."""
        return weight

    def after_discriminator_update(self, discriminator: nn.Module) -> None:
        """Change the discriminator after its update, as weight clipping does."""

    def after_generator_update(self, real: Tensor, fake: Tensor) -> None:
        """Update what the objective itself holds, after an update in which it is paired."""

    def logged(self) -> dict[str, float]:
        """Return the objective's own values to log."""
        return {}


class Minimax(AdversarialObjective):
    """The minimax game as the course writes it (Goodfellow et al. 2014, algorithm 1).

    Args:
        real_label: Label of real examples; below 1: one-sided label smoothing.
    """

    def __init__(self, real_label: Label = 1.0) -> None:
        super().__init__()
        self.real_label = real_label

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return losses.minimax_discriminator(real, fake, self.real_label)

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return losses.minimax_generator(fake)


class NonSaturating(Minimax):
    """The game with the generator's loss that does not saturate (Goodfellow et al. 2014, section 3)."""

    positive = True

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return losses.non_saturating_generator(fake)


class LeastSquares(AdversarialObjective):
    """LSGAN (Mao et al. 2017).

    Args:
        real_label: Target of real scores; below 1: one-sided label smoothing.
    """

    positive = True
    threshold = 0.5

    def __init__(self, real_label: Label = 1.0) -> None:
        super().__init__()
        self.real_label = real_label

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return losses.least_squares_discriminator(real, fake, self.real_label)

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return losses.least_squares_generator(fake)


class Hinge(AdversarialObjective):
    """The hinge loss (Lim & Ye 2017; Miyato et al. 2018), meant for spectral normalisation."""

    LACKS: ClassVar[Mapping[str, str]] = {
        "real_label": "it compares scores with margins, so that there is no label to smooth"
    }

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return losses.hinge_discriminator(real, fake)

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return losses.wasserstein_generator(fake)


class Wasserstein(AdversarialObjective):
    """The Wasserstein distance's dual (Arjovsky et al. 2017); with a gradient penalty: WGAN-GP.

    Args:
        clip: Largest magnitude of a discriminator's weight (0.01 in the paper); None where a
            gradient penalty keeps the discriminator smooth.
    """

    threshold = None
    LACKS: ClassVar[Mapping[str, str]] = {
        "real_label": "its scores are no probabilities, so that there is no label to smooth"
    }

    def __init__(self, clip: Annotated[float, Gt(0)] | None = 0.01) -> None:
        super().__init__()
        self.clip = clip

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return losses.wasserstein_discriminator(real, fake)

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return losses.wasserstein_generator(fake)

    def bounded(self, weight: Tensor) -> Tensor:
        return weight if self.clip is None else weight.clamp(-self.clip, self.clip)

    @torch.no_grad()
    def after_discriminator_update(self, discriminator: nn.Module) -> None:
        if self.clip is not None:
            for parameter in discriminator.parameters():
                parameter.clamp_(-self.clip, self.clip)


class Relativistic(AdversarialObjective):
    """Pairs of a real and a fake score (Jolicoeur-Martineau 2018); with R1 and R2: R3GAN's."""

    paired = True
    positive = True
    threshold = None
    LACKS: ClassVar[Mapping[str, str]] = {
        "real_label": "it compares the two scores of a pair, so that there is no label to smooth"
    }

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return losses.relativistic_discriminator(real, fake)

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        assert real is not None  # a paired objective is always given them
        return losses.relativistic_generator(fake, real)


class Began(AdversarialObjective):
    """Boundary equilibrium (Berthelot et al. 2017): the discriminator is an autoencoder.

    Args:
        gamma: Diversity ratio, the wanted E L(G(z)) / E L(x); 0.3 to 0.7 in the paper.
        rate: Step of the balance k_t, lambda_k of the paper.
    """

    output = "reconstruction"
    paired = True
    threshold = None
    LACKS: ClassVar[Mapping[str, str]] = {
        "real_label": "it compares reconstruction errors, so that there is no label to smooth"
    }
    balance: Tensor
    convergence: Tensor

    def __init__(
        self, gamma: Annotated[float, Gt(0), Le(1)] = 0.5, rate: Annotated[float, Ge(0)] = 0.001
    ) -> None:
        super().__init__()
        self.gamma = gamma
        self.rate = rate
        self.register_buffer("balance", torch.zeros(()))
        self.register_buffer("convergence", torch.zeros(()))

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return losses.began_discriminator(real, fake, self.balance)

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return fake.mean()

    @torch.no_grad()
    def after_generator_update(self, real: Tensor, fake: Tensor) -> None:
        self.balance.copy_(losses.began_balance(self.balance, real, fake, self.gamma, self.rate))
        self.convergence.copy_(losses.began_convergence(real, fake, self.gamma))

    def logged(self) -> dict[str, float]:
        return {
            "train/began_balance": float(self.balance),
            "train/began_convergence": float(self.convergence),
        }
