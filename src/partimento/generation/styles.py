"""Strategies of style-based generators: truncation, and the styles of two codes in one example."""

from __future__ import annotations

import contextlib
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from partimento.errors import Mismatch, UserError
from partimento.generation.strategies import Strategy, checked_temperature, evaluating
from partimento.models.averaging import chosen
from partimento.models.latent import generative, sample_generator, seeded_codes
from partimento.networks.noise import noise_from
from partimento.networks.style import StyleGenerator, truncated

if TYPE_CHECKING:
    from partimento.data.batch import Given
    from partimento.models.base import Model

PSI = 0.7
"""Truncation of the authors' code, where the paper's pictures have it (Karras et al. 2019)."""


def style_network(model: Model, weights: str | None = None) -> StyleGenerator:
    """Return a model's style-based generator, with the weights asked for.

    Raises:
        Mismatch: When it has none.
        UserError: When there are no such weights.
    """
    generative(model)
    average = getattr(model, "generator_ema", None)
    network = chosen(weights, getattr(model, "generator", nn.Identity()), average)
    if not isinstance(network, StyleGenerator):
        raise Mismatch(
            f"Styles are those of model/generator=style, and this model's generator is a "
            f"{type(network).__name__}."
        )
    return network


def checked_layers(layers: Sequence[int] | None, network: StyleGenerator, where: str) -> list[int]:
    """Return which layers are meant, by default all.

    Raises:
        UserError: When the generator has no such layer.
    """
    chosen_ones = list(range(network.layers)) if layers is None else list(layers)
    for layer in chosen_ones:
        if not 0 <= layer < network.layers:
            raise UserError(
                f"{where} names layer {layer}, and this generator has layers 0 (the coarsest) to "
                f"{network.layers - 1}."
            )
    return chosen_ones


def mixed_styles(first: Tensor, second: Tensor, layers: Sequence[int]) -> Tensor:
    """Return styles of which some layers' are another's (Karras et al. 2019, section 3.1).

    Args:
        first: Styles `(batch, layers, style)`.
        second: Styles of as many layers, `(batch or 1, layers, style)`.
        layers: The layers that take the second's.
    """
    index = torch.tensor(list(layers), dtype=torch.long, device=first.device)
    return first.index_copy(1, index, second.expand_as(first)[:, index])


class _Restyled(nn.Module):
    """A generator whose styles a strategy changes on their way to the layers."""

    def __init__(self, network: StyleGenerator, strategy: StyleStrategy, model: Model) -> None:
        super().__init__()
        self.network = network
        self._strategy = strategy
        self._model = (model,)  # in a tuple, lest it become a part of this module

    def forward(self, x: Tensor, condition: Mapping[str, Tensor] | None = None) -> Tensor:
        styles = self.network.per_layer(self.network.styles(x, condition))
        styles = self._strategy.restyled(self._model[0], self.network, styles, condition)
        silent = noise_from(self.network, None, drawn=False)
        with contextlib.nullcontext() if self._strategy.noise else silent:
            return self.network.synthesized(styles)


class StyleStrategy(Strategy):
    """Decoder feedforward with other styles than the code's own.

    Args:
        noise: Whether the layers get noise.
        temperature: 0 takes the most probable symbol of each cell; 1 draws with the model's own
            probabilities, where it draws in training.

    Raises:
        UserError: When the temperature is negative or no number.
    """

    def __init__(self, noise: bool = True, temperature: Annotated[float, Ge(0)] = 0.0) -> None:
        self.noise = noise
        self.temperature = checked_temperature(temperature)

    @abstractmethod
    def restyled(
        self,
        model: Model,
        network: StyleGenerator,
        styles: Tensor,
        condition: Mapping[str, Tensor] | None,
    ) -> Tensor:
        """Return the styles `(batch, layers, style)` that the layers get.

        Args:
            model: The model.
            network: Its generator.
            styles: The codes' own, `(batch, layers, style)`.
            condition: Features of the conditions by name.
        """

    def generate(
        self,
        model: Model,
        *,
        given: Given | None = None,
        condition: Mapping[str, Tensor] | None = None,
        n: int | None = None,
        lengths: Tensor | None = None,
        z: Tensor | None = None,
        weights: str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        network = style_network(model, weights)
        model.refuse(given=given, lengths=lengths)
        with evaluating(model), torch.no_grad():
            return sample_generator(
                generative(model), _Restyled(network, self, model), n, condition=condition, z=z,
                temperature=self.temperature, generator=generator,
            )  # fmt: skip


class Truncation(StyleStrategy):
    """Styles moved towards the mean: more like the typical, less varied (Karras et al. 2019, app. B).

    Args:
        psi: 1: as they are; 0: the mean style, so the same for every code; below: the opposite.
        layers: Which layers, the coarsest 0; None: all. The authors' code moves the first 8 of 18.
        noise: Whether the layers get noise.
        temperature: See `StyleStrategy`.

    Raises:
        UserError: When psi is no number, or the temperature negative or none.
    """

    def __init__(
        self,
        psi: float = PSI,
        layers: Sequence[Annotated[int, Ge(0)]] | None = None,
        noise: bool = True,
        temperature: Annotated[float, Ge(0)] = 0.0,
    ) -> None:
        super().__init__(noise, temperature)
        if not math.isfinite(psi):
            raise UserError(f"strategy.psi must be a number such as 0.7, not {psi}.")
        self.psi = psi
        self.layers = layers

    def restyled(
        self,
        model: Model,
        network: StyleGenerator,
        styles: Tensor,
        condition: Mapping[str, Tensor] | None,
    ) -> Tensor:
        layers = checked_layers(self.layers, network, "strategy.layers")
        return truncated(styles, network.mean_style, self.psi, layers)


class StyleMixing(StyleStrategy):
    """Some layers of all samples have the style of one code (Karras et al. 2019, section 3.1).

    Args:
        layers: The layers that get it, the coarsest 0.
        seed: Of the one code, as `codes(seed=…)` has it.
        noise: Whether the layers get noise.
        temperature: See `StyleStrategy`.
    """

    def __init__(
        self,
        layers: Sequence[Annotated[int, Ge(0)]],
        seed: Annotated[int, Ge(0)] = 0,
        noise: bool = True,
        temperature: Annotated[float, Ge(0)] = 0.0,
    ) -> None:
        super().__init__(noise, temperature)
        self.layers = layers
        self.seed = seed

    def restyled(
        self,
        model: Model,
        network: StyleGenerator,
        styles: Tensor,
        condition: Mapping[str, Tensor] | None,
    ) -> Tensor:
        layers = checked_layers(self.layers, network, "strategy.layers")
        code = seeded_codes(generative(model), self.seed).to(styles).expand(len(styles), -1)
        return mixed_styles(styles, network.per_layer(network.styles(code, condition)), layers)
