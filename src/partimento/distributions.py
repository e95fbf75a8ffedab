"""What a tensor of music means: features for a network, likelihood, sampling, relaxation, distance."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

_KINDS: dict[str, type[Distribution]] = {}


class Distribution(ABC):
    """The meaning of a tensor `x` of shape `(batch, *shape)` and of a network's `parameters` for it.

    Attributes:
        shape: Shape of `x` without the batch axis; the first axis is time, None where it varies.
        feature_shape: Shape of `features(x)` without the batch axis.
        parameter_shape: Shape of the parameters without the batch axis.
        dtype: Integer or float type in which `x` is stored.
    """

    kind: ClassVar[str]
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
    ) -> Tensor:
        """Draw differentiable samples in the shape of `features(x)`, for adversarial training."""

    @abstractmethod
    def from_features(self, features: Tensor) -> Tensor:
        """Return the `x` nearest to features or relaxed samples; the inverse of `features`."""

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


def _apply_mask(log_prob: Tensor, mask: Tensor | None) -> Tensor:
    return log_prob if mask is None else log_prob.masked_fill(~mask, 0.0)


def _uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Uniform noise in the open interval (0, 1), so that its logarithm is finite."""
    noise = torch.rand(like.shape, generator=generator, device=like.device, dtype=like.dtype)
    tiny = torch.finfo(like.dtype).tiny
    return noise.clamp(tiny, 1 - torch.finfo(like.dtype).eps)


class Categorical(Distribution):
    """One symbol per cell of a grid: a multi-voice grid, or a sequence of tokens.

    Args:
        shape: `(steps, voices)`, or `(steps,)` for a token sequence.
        sizes: Alphabet size of each voice (one size for a token sequence).
        names: Name of each voice.
        symbols: What each symbol is, per voice: an MIDI number, or a word such as "hold", "rest".
    """

    kind = "categorical"
    dtype = torch.int64

    def __init__(
        self,
        shape: Sequence[int | None],
        sizes: Sequence[int],
        names: Sequence[str] | None = None,
        symbols: Sequence[Sequence[int | str]] | None = None,
    ) -> None:
        self.shape = tuple(shape)
        self.sizes = tuple(int(size) for size in sizes)
        voices = self.shape[1] if len(self.shape) == 2 else 1
        if len(self.shape) not in (1, 2) or voices != len(self.sizes):
            raise ValueError(f"{len(self.sizes)} alphabet sizes do not fit the shape {self.shape}")
        if min(self.sizes, default=0) < 1:
            raise ValueError(f"alphabet sizes must be positive, got {self.sizes}")
        self.names = tuple(names) if names else tuple(f"voice {i}" for i in range(len(sizes)))
        self.symbols = tuple(tuple(alphabet) for alphabet in symbols) if symbols else None
        offsets = [sum(self.sizes[:voice]) for voice in range(len(self.sizes))]
        self._offsets = torch.tensor(offsets)

    def arguments(self) -> dict[str, Any]:
        return {
            "shape": list(self.shape),
            "sizes": list(self.sizes),
            "names": list(self.names),
            "symbols": [list(alphabet) for alphabet in self.symbols] if self.symbols else None,
        }

    @property
    def feature_shape(self) -> tuple[int | None, ...]:
        return (self.shape[0], sum(self.sizes))

    def select(self, names: Sequence[str]) -> Categorical:
        """Return the distribution of some of the voices, in the order of `names`."""
        if len(self.shape) != 2:
            raise ValueError("a token sequence has no voices to select from")
        index = [self.names.index(name) for name in names]
        symbols = [self.symbols[i] for i in index] if self.symbols else None
        sizes = [self.sizes[i] for i in index]
        return Categorical((self.shape[0], len(index)), sizes, names, symbols)

    def _grid(self, x: Tensor) -> Tensor:
        return x.unsqueeze(-1) if len(self.shape) == 1 else x

    def _ungrid(self, x: Tensor) -> Tensor:
        return x.squeeze(-1) if len(self.shape) == 1 else x

    def voices(self, parameters: Tensor) -> tuple[Tensor, ...]:
        """Split parameters or features into one tensor `(batch, steps, size)` per voice."""
        return parameters.split(self.sizes, dim=-1)

    def features(self, x: Tensor) -> Tensor:
        """One-hot per voice, concatenated: `(batch, steps, sum of sizes)`."""
        grid = self._grid(x).long()
        index = grid + self._offsets.to(grid.device)
        one_hot = torch.zeros((*index.shape[:-1], sum(self.sizes)), device=x.device)
        return one_hot.scatter_(-1, index, 1.0)

    def log_probs(self, parameters: Tensor) -> Tensor:
        """Log-probabilities of every symbol, in the shape of the parameters (nats)."""
        return torch.cat([F.log_softmax(v, dim=-1) for v in self.voices(parameters)], dim=-1)

    def log_prob(self, parameters: Tensor, x: Tensor, mask: Tensor | None = None) -> Tensor:
        grid = self._grid(x).long()
        cells = [
            F.cross_entropy(
                logits.reshape(-1, logits.shape[-1]), grid[..., voice].reshape(-1), reduction="none"
            )
            for voice, logits in enumerate(self.voices(parameters))
        ]
        log_prob = -torch.stack(cells, dim=-1).reshape(grid.shape)
        return _apply_mask(self._ungrid(log_prob), mask)

    def sample(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        if temperature > 0:
            # Gumbel-max: exact, and one draw of noise serves all voices.
            noise = -torch.log(-torch.log(_uniform(parameters, generator)))
            parameters = parameters / temperature + noise
        picks = [logits.argmax(dim=-1) for logits in self.voices(parameters)]
        return self._ungrid(torch.stack(picks, dim=-1))

    def relax(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Gumbel-softmax samples (Jang, Gu & Poole 2017, eq. 2)."""
        noise = -torch.log(-torch.log(_uniform(parameters, generator)))
        logits = (parameters + noise) / temperature
        return torch.cat([F.softmax(v, dim=-1) for v in self.voices(logits)], dim=-1)

    def from_features(self, features: Tensor) -> Tensor:
        return self.sample(features, temperature=0.0)


class Bernoulli(Distribution):
    """Independent binary cells, such as an 88-key binary piano roll; parameters are logits.

    Args:
        shape: `(steps, pitches)`.
    """

    kind = "bernoulli"
    dtype = torch.uint8

    def __init__(self, shape: Sequence[int | None]) -> None:
        self.shape = tuple(shape)

    def arguments(self) -> dict[str, Any]:
        return {"shape": list(self.shape)}

    @property
    def feature_shape(self) -> tuple[int | None, ...]:
        return self.shape

    def features(self, x: Tensor) -> Tensor:
        return x.to(torch.get_default_dtype())

    def log_prob(self, parameters: Tensor, x: Tensor, mask: Tensor | None = None) -> Tensor:
        target = x.to(parameters.dtype)
        cells = -F.binary_cross_entropy_with_logits(parameters, target, reduction="none")
        return _apply_mask(cells, mask)

    def sample(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        if temperature == 0:
            return (parameters > 0).to(self.dtype)
        probability = torch.sigmoid(parameters / temperature)
        return (_uniform(probability, generator) < probability).to(self.dtype)

    def relax(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Binary concrete samples (Maddison, Mnih & Teh 2017, appendix B)."""
        noise = torch.logit(_uniform(parameters, generator))
        return torch.sigmoid((parameters + noise) / temperature)

    def from_features(self, features: Tensor) -> Tensor:
        return (features > 0.5).to(self.dtype)


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
        if torch.as_tensor(self.scale).min() <= 0:
            raise ValueError(f"scale must be positive, got {self.scale}")

    def arguments(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "scale": self.scale, "loc": self.loc}

    @property
    def feature_shape(self) -> tuple[int | None, ...]:
        return self.shape

    def _constant(self, value: float | list[float], like: Tensor) -> Tensor:
        return torch.as_tensor(value, dtype=like.dtype, device=like.device)

    def features(self, x: Tensor) -> Tensor:
        x = x.to(torch.get_default_dtype())
        return (x - self._constant(self.loc, x)) / self._constant(self.scale, x)

    def log_prob(self, parameters: Tensor, x: Tensor, mask: Tensor | None = None) -> Tensor:
        error = self.features(x) - parameters
        log_scale = torch.log(self._constant(self.scale, error))
        cells = -0.5 * error.square() - 0.5 * math.log(2 * math.pi) - log_scale
        return _apply_mask(cells, mask)

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
    ) -> Tensor:
        """Reparameterised samples in feature space (Kingma & Welling 2014, section 2.4)."""
        noise = torch.randn(
            parameters.shape,
            generator=generator,
            device=parameters.device,
            dtype=parameters.dtype,
        )
        return parameters + temperature * noise

    def from_features(self, features: Tensor) -> Tensor:
        return features * self._constant(self.scale, features) + self._constant(self.loc, features)


def _plain(value: float | Sequence[float]) -> float | list[float]:
    if isinstance(value, Sequence):
        return [float(item) for item in value]
    return float(value)
