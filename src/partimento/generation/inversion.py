"""The style of given music: found by gradient descent through a style-based generator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, NamedTuple

import torch
from annotated_types import Gt
from torch import Tensor

from partimento.generation.strategies import evaluating
from partimento.generation.styles import style_network
from partimento.models.latent import generative

if TYPE_CHECKING:
    from partimento.models.base import Model

STEPS = 500
RATE = 0.1
"""Of Adam at the beginning; by memory that of Karras et al. 2020 ("Analyzing and improving"), unchecked."""


class Inversion(NamedTuple):
    """What was found for examples.

    Attributes:
        styles: `(batch, layers, style)`.
        agreement: Share of each example's cells that the most probable example has too, `(batch,)`.
    """

    styles: Tensor
    agreement: Tensor


def invert(
    model: Model,
    x: Tensor,
    *,
    weights: str | None = None,
    per_layer: bool = True,
    steps: Annotated[int, Gt(0)] = STEPS,
    rate: Annotated[float, Gt(0)] = RATE,
) -> Inversion:
    """Return the styles under which a generator without noise finds examples the most probable.

    From the mean style, Adam goes up the likelihood of all cells, with a rate that falls to 0 along
    a cosine. One style to each layer (Abdal, Qin & Wonka 2019, "Image2StyleGAN", section 3.1) can
    say more of an example than one for all layers, which is nearer to what training has seen. The
    model stays as it is.

    Args:
        model: A model with a style-based generator.
        x: Examples as the representation makes them, `(batch, *shape)`.
        weights: "ema" or "raw"; None takes the averaged weights where the model keeps them.
        per_layer: Whether each layer has a style of its own.
        steps: Number of steps.
        rate: Learning rate at the beginning.

    Raises:
        Mismatch: When the generator has no styles.
    """
    network = style_network(model, weights)
    distribution = model.distribution
    x = x.to(model.device)
    with evaluating(model), torch.enable_grad():
        network.eval()
        free = network.layers if per_layer else 1
        styles = network.mean_style.detach().expand(len(x), free, -1).clone().requires_grad_()
        adam = torch.optim.Adam([styles], lr=rate)
        for step in range(steps):
            adam.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * step / steps)) / 2
            parameters = network.synthesized(styles.expand(-1, network.layers, -1))
            # A sum, so that an example's result does not depend on the others'.
            loss = -distribution.log_prob(parameters, x).flatten(1).mean(1).sum()
            styles.grad = None
            loss.backward(inputs=[styles])
            adam.step()
        found = styles.detach().expand(-1, network.layers, -1)
        return Inversion(found, _agreement(model, network.synthesized(found).detach(), x))


def _agreement(model: Model, parameters: Tensor, x: Tensor) -> Tensor:
    same = model.distribution.sample(parameters, temperature=0.0) == x
    return same.flatten(1).double().mean(1)


@torch.no_grad()
def music_of_styles(
    model: Model,
    styles: Tensor,
    *,
    weights: str | None = None,
    temperature: float = 0.0,
    seed: int = 0,
) -> Tensor:
    """Return a hard sample `(batch, *shape)` of each example's styles, without noise in the layers.

    Args:
        model: A model with a style-based generator.
        styles: `(batch, layers, style)`.
        weights: "ema" or "raw"; None takes the averaged weights where the model keeps them.
        temperature: 0 takes the most probable value of each cell.
        seed: Of what is drawn at other temperatures, the same for every example.

    Raises:
        Mismatch: When the generator has no styles.
    """
    network = style_network(model, weights)
    made = generative(model)
    with evaluating(model):
        network.eval()
        return torch.cat(
            [
                made.relaxation.hard_sample(
                    made.distribution,
                    network.synthesized(row.unsqueeze(0)),
                    temperature,
                    torch.Generator(model.device).manual_seed(seed),
                )
                for row in styles.to(model.device)
            ]
        )
