"""Baselines that a harmoniser should beat: most frequent symbol and nearest neighbour."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor

from partimento.distributions import Distribution
from partimento.errors import UserError
from partimento.evaluation.layout import GridLayout, sounding

ADD = 0.5  # Pseudo-count of every symbol (Krichevsky & Trofimov 1981): no likelihood is infinite.


class Baseline(ABC):
    """A predictor of some voices of a window from the others, fitted to training windows at once.

    Likelihoods are exact: `log_prob` is the logarithm of a distribution over the predicted voices
    of the window, given its given voices. All fits are deterministic.
    """

    layout: GridLayout

    def fit(
        self,
        x: Tensor,
        distribution: Distribution,
        given: Sequence[str],
        valid: Tensor | None = None,
    ) -> Any:
        """Fit to training windows and return self.

        Args:
            x: Training windows of symbols, shape `(windows, steps, voices)`.
            distribution: What the symbols mean (`Categorical` with `symbols`).
            given: Names of the voices that are given.
            valid: Validation windows on which hyperparameters are chosen, shaped as `x`; without
                them the documented defaults are used.

        Raises:
            UserError: When the windows do not fit the distribution, or nothing can be predicted.
        """
        self.layout = GridLayout.of(distribution, given)
        expected = (self.layout.steps, len(self.layout.names))
        if x.ndim != 3 or not len(x) or tuple(x.shape[1:]) != expected:
            raise UserError(
                f"A baseline needs at least one training window of {expected[0]} steps and "
                f"{expected[1]} voices, got the shape {tuple(x.shape)}."
            )
        # A split too small to hold a validation window leaves the defaults in place.
        has_valid = valid is not None and len(valid) > 0
        self._fit(_symbols(x), _symbols(valid) if has_valid and valid is not None else None)
        return self

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(predicted voices | given voices) in nats, shape `(windows,)`."""
        return torch.from_numpy(np.asarray(self._log_prob(_symbols(x)), dtype=np.float64))

    def predict(self, x: Tensor) -> Tensor:
        """Return windows like `x` with the predicted voices filled in, the given ones copied."""
        prediction = _symbols(x).copy()
        prediction[..., self.layout.predicted] = self._predict(prediction)
        return torch.from_numpy(prediction).to(x.device, x.dtype)

    @abstractmethod
    def _fit(self, x: np.ndarray, valid: np.ndarray | None) -> None: ...

    @abstractmethod
    def _log_prob(self, x: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _predict(self, x: np.ndarray) -> np.ndarray:
        """Return the symbols of the predicted voices, shape `(windows, steps, predicted)`."""


def _symbols(x: Tensor) -> np.ndarray:
    return x.detach().cpu().numpy().astype(np.int16)


def frequencies(x: np.ndarray, sizes: Sequence[int], add: float = ADD) -> list[np.ndarray]:
    """Return the smoothed relative frequencies of each voice's symbols at each step.

    p(symbol) = (count + add) / (windows + add * size), one array `(steps, size)` per voice.

    Args:
        x: Symbols, shape `(windows, steps, voices)`.
        sizes: Alphabet size of each voice.
        add: Pseudo-count of every symbol.
    """
    tables = []
    for voice, size in enumerate(sizes):
        counts = np.stack([np.bincount(column, minlength=size) for column in x[..., voice].T])
        tables.append((counts + add) / (len(x) + add * size))
    return tables


class MostFrequentSymbol(Baseline):
    """The most frequent symbol of each voice at each step of the window; it ignores the given."""

    def _fit(self, x: np.ndarray, valid: np.ndarray | None) -> None:
        self.tables = frequencies(x, self.layout.sizes)

    def cell_probabilities(self, x: np.ndarray) -> np.ndarray:
        """Return p(symbol) of each predicted cell, shape `(windows, steps, predicted)`."""
        steps = np.arange(self.layout.steps)
        cells = [self.tables[voice][steps, x[..., voice]] for voice in self.layout.predicted]
        return np.stack(cells, axis=-1)

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        return np.log(self.cell_probabilities(x)).sum(axis=(1, 2))

    def _predict(self, x: np.ndarray) -> np.ndarray:
        best = np.stack([self.tables[voice].argmax(axis=1) for voice in self.layout.predicted], -1)
        return np.broadcast_to(best, (len(x), *best.shape))


def nearest(query: np.ndarray, stored: np.ndarray, chunk: int = 16) -> np.ndarray:
    """Return the index of the stored row with the smallest Hamming distance to each query row.

    The first of equally near rows wins. `chunk` query rows are compared at a time, which bounds
    the memory.

    Args:
        query: Integers, shape `(queries, columns)`.
        stored: Integers, shape `(rows, columns)`.
        chunk: Number of query rows compared at a time.
    """
    columns = np.ascontiguousarray(stored.T)
    found = np.empty(len(query), dtype=np.int64)
    for start in range(0, len(query), chunk):
        part = query[start : start + chunk]
        distance = np.zeros((len(part), len(stored)), dtype=np.int32)
        for column, value in zip(columns, part.T, strict=True):
            distance += column != value[:, None]
        found[start : start + chunk] = distance.argmin(axis=1)
    return found


def mixture_weight(first: np.ndarray, second: np.ndarray, iterations: int = 100) -> np.ndarray:
    """Return the maximum-likelihood weight w of `w * first + (1 - w) * second`, per last axis.

    Expectation maximisation with one pseudo-count for each component (Dempster, Laird & Rubin
    1977, section 4.3), so that the weight stays inside (0, 1).

    Args:
        first: Probabilities of the observed values under one component, shape `(..., voices)`.
        second: The same under the other component.
        iterations: Steps of expectation maximisation from w = 1/2.
    """
    axes = tuple(range(first.ndim - 1))
    count = first[..., 0].size
    weight = np.full(first.shape[-1], 0.5)
    for _ in range(iterations):
        share = weight * first / (weight * first + (1 - weight) * second)
        weight = (share.sum(axis=axes) + ADD) / (count + 2 * ADD)
    return weight


class NearestNeighbour(Baseline):
    """Copies the other voices of the training window whose given voices are nearest.

    Nearness is the Hamming distance of the given voices, either of their symbols or of their
    sounding pitches, whichever is likelier on the validation windows. The likelihood of a cell is
    w if its symbol is the neighbour's, plus (1 - w) times the frequency of its symbol at that step;
    w is fitted per voice on the validation windows.

    Args:
        weight: The weight w used when there are no validation windows.
    """

    def __init__(self, weight: Annotated[float, Interval(gt=0, lt=1)] = 0.5) -> None:
        self.default_weight = weight

    def _fit(self, x: np.ndarray, valid: np.ndarray | None) -> None:
        if not self.layout.given:
            raise UserError(
                "The nearest-neighbour baseline needs at least one given voice, such as "
                f"given=[{self.layout.names[0]}]."
            )
        self.stored = x
        self.background = MostFrequentSymbol()
        self.background.layout = self.layout
        self.background._fit(x, None)
        self.sounding = False
        self.weight = np.full(len(self.layout.predicted), self.default_weight)
        if valid is not None:
            self._choose(valid)

    def _choose(self, valid: np.ndarray) -> None:
        background = self.background.cell_probabilities(valid)
        trials = []
        for self.sounding in (False, True):
            same = self._predict(valid) == valid[..., self.layout.predicted]
            weight = mixture_weight(same.astype(float), background)
            total = np.log(weight * same + (1 - weight) * background).sum()
            trials.append((total, self.sounding, weight))
        _, self.sounding, self.weight = max(trials, key=lambda trial: trial[0])

    def _key(self, x: np.ndarray) -> np.ndarray:
        """Return what is compared, shape `(windows, steps * given)`."""
        seen = sounding(x, self.layout) if self.sounding else x
        return seen[..., self.layout.given].reshape(len(x), -1)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        index = nearest(self._key(x), self._key(self.stored))
        return self.stored[index][..., self.layout.predicted]

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        same = self._predict(x) == x[..., self.layout.predicted]
        background = self.background.cell_probabilities(x)
        return np.log(self.weight * same + (1 - self.weight) * background).sum(axis=(1, 2))
