"""One symbol per cell: multi-voice grids and token sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from partimento.distributions.base import Distribution, masked, straight_through, uniform


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
        self._offsets = [sum(self.sizes[:voice]) for voice in range(len(self.sizes))]

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
        index = grid + self._constant("offsets", self._offsets, grid.device, grid.dtype)
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
        return masked(self._ungrid(log_prob), mask)

    def entropy(self, parameters: Tensor) -> Tensor:
        voices = self.voices(self.log_probs(parameters))
        cells = [-(v.exp() * v).sum(dim=-1) for v in voices]
        return self._ungrid(torch.stack(cells, dim=-1))

    def sample(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        if temperature > 0:
            # Gumbel-max: exact, and one draw of noise serves all voices.
            noise = -torch.log(-torch.log(uniform(parameters, generator)))
            parameters = parameters / temperature + noise
        picks = [logits.argmax(dim=-1) for logits in self.voices(parameters)]
        return self._ungrid(torch.stack(picks, dim=-1))

    def relax(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        *,
        hard: bool = False,
        noise: bool = True,
    ) -> Tensor:
        """Gumbel-softmax samples (Jang, Gu & Poole 2017, eq. 2), plain softmax without noise.

        Hard, they are one-hot (the paper's section 2.2, straight-through).
        """
        if noise:
            parameters = parameters - torch.log(-torch.log(uniform(parameters, generator)))
        soft = [F.softmax(v / temperature, dim=-1) for v in self.voices(parameters)]
        if not hard:
            return torch.cat(soft, dim=-1)
        picks = [F.one_hot(v.argmax(dim=-1), v.shape[-1]).to(v.dtype) for v in soft]
        return straight_through(torch.cat(picks, dim=-1), torch.cat(soft, dim=-1))

    def from_features(self, features: Tensor) -> Tensor:
        return self.sample(features, temperature=0.0)
