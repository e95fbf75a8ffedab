"""Real-valued cells with a fixed spread: note tuples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from partimento.distributions.base import Distribution, masked


class Normal(Distribution):
    """Real-valued cells with a fixed spread, such as note tuples; parameters are standardised means.

    `x` is in its own units; `features(x) = (x - loc) / scale`, and given the parameters `m` the
    features are distributed as N(m, 1).

    Args:
        shape: `(steps, channels)`.
        scale: Standard deviation, one number or one per channel, in the units of `x`.
        loc: Mean subtracted before scaling, one number or one per channel.
    """

    kind = "normal"
    unit = "frame"
    dtype = torch.float32

    def __init__(
        self,
        shape: Sequence[int | None],
        scale: float | Sequence[float] = 1.0,
        loc: float | Sequence[float] = 0.0,
    ) -> None:
        self.shape = tuple(shape)
        self.scale = _plain(scale)
        self.loc = _plain(loc)
        if min(self.scale if isinstance(self.scale, list) else [self.scale]) <= 0:
            raise ValueError(f"scale must be positive, got {self.scale}")

    def arguments(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "scale": self.scale, "loc": self.loc}

    @property
    def feature_shape(self) -> tuple[int | None, ...]:
        return self.shape

    def _units(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and loc as tensors beside another."""
        scale = self._constant("scale", self.scale, like.device, like.dtype)
        return scale, self._constant("loc", self.loc, like.device, like.dtype)

    def features(self, x: Tensor) -> Tensor:
        x = x.to(torch.get_default_dtype())
        scale, loc = self._units(x)
        return (x - loc) / scale

    def log_prob(self, parameters: Tensor, x: Tensor, mask: Tensor | None = None) -> Tensor:
        error = self.features(x) - parameters
        scale, _ = self._units(error)
        log_scale = torch.log(scale)
        cells = -0.5 * error.square() - 0.5 * math.log(2 * math.pi) - log_scale
        return masked(cells, mask)

    def sample(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        features = parameters
        if temperature > 0:
            features = self.relax(parameters, temperature, generator)
        return self.from_features(features)

    def relax(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        *,
        hard: bool = False,
        noise: bool = True,
    ) -> Tensor:
        """Reparameterised samples in feature space (Kingma & Welling 2014, section 2.4).

        Real values are hard as they are; without noise they are the means.
        """
        if not noise:
            return parameters
        drawn = torch.randn(
            parameters.shape,
            generator=generator,
            device=parameters.device,
            dtype=parameters.dtype,
        )
        return parameters + temperature * drawn

    def from_features(self, features: Tensor) -> Tensor:
        scale, loc = self._units(features)
        return features * scale + loc


def _plain(value: float | Sequence[float]) -> float | list[float]:
    if isinstance(value, Sequence):
        return [float(item) for item in value]
    return float(value)
