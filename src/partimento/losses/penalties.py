"""Penalties on a discriminator's gradient with respect to its input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from partimento.component import Component

Scores = Callable[[Tensor], Tensor]
"""A discriminator as a function from features `(batch, ...)` to scores `(batch,)`."""


def input_gradient(scores: Scores, x: Tensor) -> Tensor:
    """Return the gradient of each score with respect to its own input, `(batch, features)`.

    The sum of the scores has it, as long as no score depends on another's input, hence no batch
    normalisation in a discriminator with a penalty. Differentiable, and never in half precision,
    whose range squared gradients leave.
    """
    with torch.autocast(x.device.type, enabled=False):
        # Fakes that a generator can move keep their history: who looks ahead through a step of the
        # discriminator needs the penalty's dependence on them.
        x = x.to(torch.promote_types(x.dtype, torch.float32))  # float64 stays
        x = x if x.requires_grad else x.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(scores(x).sum(), x, create_graph=True)
    return gradient.flatten(1)


def one_centred(gradient: Tensor) -> Tensor:
    """E (|gradient| - 1)^2: Gulrajani et al. 2017, equation 3."""
    return (gradient.norm(dim=1) - 1).square().mean()


def zero_centred(gradient: Tensor) -> Tensor:
    """E |gradient|^2 / 2: Mescheder et al. 2018, equation 9."""
    return gradient.square().sum(dim=1).mean() / 2


def interpolated(real: Tensor, fake: Tensor) -> Tensor:
    """Return u x + (1 - u) y with one u per example, uniform in [0, 1)."""
    share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype)
    return share * real + (1 - share) * fake


class Penalty(Component, ABC):
    """A penalty that is added to the discriminator's loss.

    Args:
        weight: Factor of the penalty (lambda, or gamma of R1 and R2).
        every: Discriminator updates from one penalty to the next; the weight is multiplied by as
            much (lazy regularisation, Karras et al. 2020, section 3.1).
    """

    def __init__(
        self, weight: Annotated[float, Ge(0)] = 10.0, every: Annotated[int, Gt(0)] = 1
    ) -> None:
        self.weight = weight
        self.every = every

    def __call__(self, scores: Scores, real: Tensor, fake: Tensor) -> Tensor:
        """Return the weighted penalty, a scalar."""
        return self.weight * self.every * self.value(scores, real, fake)

    @abstractmethod
    def value(self, scores: Scores, real: Tensor, fake: Tensor) -> Tensor:
        """Return the penalty without its weight, a scalar."""


class GradientPenalty(Penalty):
    """WGAN-GP's: gradients of norm 1 between real and fake (Gulrajani et al. 2017, equation 3)."""

    def value(self, scores: Scores, real: Tensor, fake: Tensor) -> Tensor:
        return one_centred(input_gradient(scores, interpolated(real, fake)))


class Dragan(Penalty):
    """Gradients of norm 1 around the data (Kodali et al. 2017, section 2.3).

    The noise is 0.5 std(x) U(0, 1), as common implementations have it; the paper's text leaves its
    distribution open.
    """

    def value(self, scores: Scores, real: Tensor, fake: Tensor) -> Tensor:
        noise = 0.5 * real.std() * torch.rand_like(real)
        return one_centred(input_gradient(scores, real + noise))


class R1(Penalty):
    """Gradients of norm 0 at the data (Mescheder et al. 2018, equation 9)."""

    def value(self, scores: Scores, real: Tensor, fake: Tensor) -> Tensor:
        return zero_centred(input_gradient(scores, real))


class R2(Penalty):
    """Gradients of norm 0 at the generator's examples (Mescheder et al. 2018, equation 10)."""

    def value(self, scores: Scores, real: Tensor, fake: Tensor) -> Tensor:
        return zero_centred(input_gradient(scores, fake))
