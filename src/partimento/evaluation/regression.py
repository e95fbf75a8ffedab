"""Multinomial logistic regression of each predicted voice on the given voices and the beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from annotated_types import Gt
from torch import Tensor
from torch.nn import functional as F

from partimento.evaluation.baselines import Baseline
from partimento.evaluation.layout import GridLayout, sounding

PENALTIES = (1e-4, 1e-5, 1e-6)
DEFAULT_PENALTY = 1e-5


def feature_columns(x: np.ndarray, layout: GridLayout, steps_per_bar: int) -> np.ndarray:
    """Return the active features of each step, shape `(windows, steps, 1 + 2 * given)`.

    The first is the position in the bar; then come the symbol and the sounding pitch of each given
    voice. Each column numbers its features after those of the columns before it, so that a row
    lists the ones of a multi-hot vector.
    """
    position = np.arange(x.shape[1]) % steps_per_bar
    columns = [np.broadcast_to(position, x.shape[:2])]
    offset = steps_per_bar
    pitch = sounding(x, layout)
    for voice in layout.given:
        columns += [offset + x[..., voice], offset + layout.sizes[voice] + pitch[..., voice]]
        offset += layout.sizes[voice] + layout.pitches[voice] + 1
    return np.stack(columns, axis=-1)


def feature_count(layout: GridLayout, steps_per_bar: int) -> int:
    """Return how many features `feature_columns` numbers."""
    return steps_per_bar + sum(layout.sizes[v] + layout.pitches[v] + 1 for v in layout.given)


def fit_weights(
    rows: Tensor, counts: Tensor, features: int, penalty: float, start: Tensor | None = None
) -> Tensor:
    """Return the weights `(features, symbols)` that maximise the penalised likelihood.

    Minimises -sum counts log softmax(sum of active weights) / sum counts + penalty/2 |W|^2 by
    L-BFGS (Liu & Nocedal 1989). The problem is strictly convex, so its solution is unique.

    Args:
        rows: Active features of each distinct row, shape `(rows, active)`.
        counts: How often each symbol was seen with each row, shape `(rows, symbols)`.
        features: Number of features.
        penalty: Strength of the squared penalty, per example.
        start: Weights to start from, zero when not given; a near start saves time.
    """
    design = torch.zeros(len(rows), features, dtype=torch.float64).scatter_(1, rows, 1.0)
    share = counts.double() / counts.sum()
    if start is None:
        start = torch.zeros(features, counts.shape[1], dtype=torch.float64)
    weights = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weights], max_iter=500, tolerance_change=1e-10, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        likelihood = (share * F.log_softmax(design @ weights, dim=1)).sum()
        loss = 0.5 * penalty * weights.square().sum() - likelihood
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return weights.detach()


class LogisticRegression(Baseline):
    """Each predicted symbol from what is given at the same step and the position in the bar.

    The features are one-hot: the position in the bar, and for each given voice its symbol (hold
    and rest among them) and its sounding pitch. This is the honest comparator of a feedforward
    harmoniser: whatever a network gains over it comes from the given voices' past and future.

    Args:
        steps_per_bar: Time steps of a bar.
        penalties: Strengths of the squared penalty, of which the validation windows choose.
        default_penalty: The strength used when there are no validation windows.
    """

    def __init__(
        self,
        steps_per_bar: Annotated[int, Gt(0)] = 16,
        penalties: Sequence[Annotated[float, Gt(0)]] = PENALTIES,
        default_penalty: Annotated[float, Gt(0)] = DEFAULT_PENALTY,
    ) -> None:
        self.steps_per_bar = steps_per_bar
        self.penalties = tuple(penalties)
        self.default_penalty = default_penalty

    def _fit(self, x: np.ndarray, valid: np.ndarray | None) -> None:
        penalties = (self.default_penalty,) if valid is None else self.penalties
        problems = self._aggregate(x)
        features = feature_count(self.layout, self.steps_per_bar)
        starts: Sequence[Tensor | None] = [None] * len(problems)
        trials = []
        for penalty in sorted(penalties, reverse=True):
            self.penalty = penalty
            self.weights = [
                fit_weights(*problem, features, penalty, start)
                for problem, start in zip(problems, starts, strict=True)
            ]
            starts = self.weights
            score = 0.0 if valid is None else float(self._log_prob(valid).sum())
            trials.append((score, penalty, self.weights))
        _, self.penalty, self.weights = max(trials, key=lambda trial: trial[0])

    def _aggregate(self, x: np.ndarray) -> list[tuple[Tensor, Tensor]]:
        """Return the distinct feature rows and, per predicted voice, the symbols seen with each."""
        columns = feature_columns(x, self.layout, self.steps_per_bar)
        columns = columns.reshape(-1, columns.shape[-1])
        features = feature_count(self.layout, self.steps_per_bar)
        # Numbering the distinct prefixes column by column is much faster than sorting rows.
        key = np.zeros(len(columns), dtype=np.int64)
        for column in columns.T:
            _, first, key = np.unique(
                key * features + column, return_index=True, return_inverse=True
            )
        rows = torch.from_numpy(columns[first].astype(np.int64))
        problems = []
        for voice in self.layout.predicted:
            size = self.layout.sizes[voice]
            flat = np.bincount(key * size + x[..., voice].ravel(), minlength=len(rows) * size)
            problems.append((rows, torch.from_numpy(flat.reshape(-1, size))))
        return problems

    def _scores(self, x: np.ndarray) -> list[Tensor]:
        """Return log p(symbol) per predicted voice, each `(windows, steps, size)`."""
        columns = torch.from_numpy(feature_columns(x, self.layout, self.steps_per_bar))
        return [F.log_softmax(weights[columns].sum(dim=2), dim=-1) for weights in self.weights]

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        total = np.zeros(len(x))
        for voice, scores in zip(self.layout.predicted, self._scores(x), strict=True):
            target = torch.from_numpy(x[..., voice].astype(np.int64)).unsqueeze(-1)
            total += scores.gather(-1, target).sum(dim=(1, 2)).numpy()
        return total

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return np.stack([scores.argmax(dim=-1).numpy() for scores in self._scores(x)], axis=-1)
