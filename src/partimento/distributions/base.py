"""The contract of a distribution: what every kind of tensor of music can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

_KINDS: dict[str, type[Distribution]] = {}


class Distribution(ABC):
    """The meaning of a tensor `x` of shape `(batch, *shape)` and of a network's `parameters` for it.

    Attributes:
        shape: Shape of `x` without the batch axis; the first axis is time, None where it varies.
        feature_shape: Shape of `features(x)` without the batch axis.
        parameter_shape: Shape of the parameters without the batch axis.
        dtype: Integer or float type in which `x` is stored.
        unit: What a mean likelihood is a mean over: "cell", or "frame" where the cells of one step
            are told together, as the literature on piano rolls does.
    """

    kind: ClassVar[str]
    unit: ClassVar[Literal["cell", "frame"]] = "cell"
    shape: tuple[int | None, ...]
    dtype: torch.dtype

    def __init_subclass__(cls) -> None:
        if "kind" in cls.__dict__:
            _KINDS[cls.kind] = cls

    @property
    @abstractmethod
    def feature_shape(self) -> tuple[int | None, ...]: ...

    @property
    def parameter_shape(self) -> tuple[int | None, ...]:
        return self.feature_shape

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Return floats of shape `(batch, *feature_shape)` that a network takes as input."""

    @abstractmethod
    def log_prob(self, parameters: Tensor, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return log-probabilities in nats, unreduced, in the shape of `x`; 0 where `mask` is False."""

    def entropy(self, parameters: Tensor) -> Tensor | None:
        """Return the entropy of each cell in nats, in the shape of `x`.

        None where the parameters do not decide on it, as for real values of a fixed spread.
        """
        return None

    def count(self, mask: Tensor) -> Tensor:
        """Count the units under a mask in the shape of `x`: its cells, or the steps that have any."""
        return mask.sum() if self.unit == "cell" else mask.flatten(2).any(dim=-1).sum()

    @abstractmethod
    def sample(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw hard samples in the shape of `x`; temperature 0 gives the most probable value."""

    @abstractmethod
    def relax(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        *,
        hard: bool = False,
        noise: bool = True,
    ) -> Tensor:
        """Return differentiable samples in the shape of `features(x)`, for adversarial training.

        Args:
            parameters: As a network gives them.
            temperature: Spread; near 0 samples are nearly hard and gradients nearly vanish.
            generator: Source of randomness.
            hard: Whether the values are those of hard samples, with the gradients of soft ones
                (straight-through).
            noise: Whether to draw; without it, the parameters' mean or most probable value.
        """

    @abstractmethod
    def from_features(self, features: Tensor) -> Tensor:
        """Return the `x` nearest to features or relaxed samples; the inverse of `features`."""

    def _constant(self, name: str, values: Any, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return numbers as a tensor that is made once per device and type.

        Made anew for every batch, it would be a copy to the GPU that everything waits for.
        """
        made = self.__dict__.setdefault("_constants", {})
        key = (name, device, dtype)
        if key not in made:
            # Validation runs in inference mode, whose tensors training could not use later.
            with torch.inference_mode(False):
                made[key] = torch.tensor(values, device=device, dtype=dtype)
        return made[key]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_constants"}

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Euclidean distance between `features` (or relaxed samples) of x and y, shape `(batch,)`.

        It takes features, not stored integers, so that gradients reach a generator.
        """
        return torch.linalg.vector_norm((x - y).flatten(1), dim=1)

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain containers."""

    def state(self) -> dict[str, Any]:
        """Return a plain dictionary from which `from_state` makes an equal distribution."""
        return {"kind": self.kind, **self.arguments()}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Distribution:
        """Make a distribution from `state()`."""
        arguments = dict(state)
        return _KINDS[arguments.pop("kind")](**arguments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Distribution) and self.state() == other.state()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in self.arguments().items())
        return f"{type(self).__name__}({inside})"


def masked(log_prob: Tensor, mask: Tensor | None) -> Tensor:
    return log_prob if mask is None else log_prob.masked_fill(~mask, 0.0)


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """Return hard values with the gradients of soft ones (Bengio, Leonard & Courville 2013)."""
    return hard + (soft - soft.detach())  # the brackets are exactly 0


def uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Uniform noise in the open interval (0, 1), so that its logarithm is finite."""
    noise = torch.rand(like.shape, generator=generator, device=like.device, dtype=like.dtype)
    tiny = torch.finfo(like.dtype).tiny
    return noise.clamp(tiny, 1 - torch.finfo(like.dtype).eps)
