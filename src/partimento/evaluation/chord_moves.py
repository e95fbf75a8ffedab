"""How chords move: the probability of the next chord when some voices begin and others go on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def blend(counts: np.ndarray, base: np.ndarray, concentration: float) -> np.ndarray:
    """Return (counts + concentration * base) / (total + concentration) along the last axis.

    The predictive distribution under a Dirichlet prior of mean `base` (MacKay & Peto 1995, eq. 14).
    """
    total = counts.sum(axis=-1, keepdims=True)
    return (counts + concentration * base) / (total + concentration)


def along(tensor: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """Multiply along one axis: out[.., j, ..] = sum over i of tensor[.., i, ..] matrix[i, j]."""
    shape = tensor.shape
    flat = tensor.reshape(math.prod(shape[:axis]), shape[axis], -1)
    return torch.matmul(matrix.T, flat).reshape(shape)


class MoveOperator:
    """p(chord reached | chord left) when a given set of voices begins and the others stay.

    (n(c, c') + a * b(c' | c)) / (n(c) + a), with a the concentration, n the counts of this set of
    voices, and the base b(c' | c) proportional to the product over its voices of
    p(pitch reached | pitch left), times r(c') = p(c') / product over all voices of p(pitch), how
    much likelier a chord is than its voices are apart. So a chord never seen has a probability,
    and the sum over all chords is a few small matrix products.

    Args:
        bits: The voices that begin, as bits.
        moves: Per predicted voice, p(pitch reached | pitch left), `(states, states)`.
        ratio: r(c), shape `(chords,)`.
        transitions: Chord left, chord reached and count, `(3, distinct)`.
        concentration: Weight of the base, in counts.
    """

    def __init__(
        self,
        bits: int,
        moves: Sequence[np.ndarray],
        ratio: np.ndarray,
        transitions: np.ndarray,
        concentration: float,
    ) -> None:
        self.shape = tuple(len(table) for table in moves)
        self.axes = [axis for axis in range(len(moves)) if bits >> axis & 1]
        self.moves, self.ratio = moves, ratio
        left, reached, count = transitions
        self.keys, self.counts = left * len(ratio) + reached, count
        tables = [torch.from_numpy(table) for table in moves]
        self.base_sum = self._spread(torch.from_numpy(ratio)[:, None], tables, back=True)[:, 0]
        total = torch.from_numpy(np.bincount(left, weights=count, minlength=len(ratio)))
        self.seen = 1 / (total + concentration)
        self.unseen = concentration * self.seen / self.base_sum
        # The sums over all chords run in single precision: twice as fast, errors near 1e-6.
        self._tables = [table.float() for table in tables]
        self._ratio = torch.from_numpy(ratio).float()[:, None]
        self._seen, self._unseen = self.seen.float()[:, None], self.unseen.float()[:, None]
        size = (len(ratio), len(ratio))
        weights = torch.from_numpy(count).float()
        self._forth = _sparse(np.stack([reached, left]), weights, size)
        self._back = _sparse(np.stack([left, reached]), weights, size)

    def _spread(self, chords: Tensor, tables: Sequence[Tensor], *, back: bool) -> Tensor:
        spread = chords.reshape(*self.shape, -1)
        for axis in self.axes:
            spread = along(spread, tables[axis].T if back else tables[axis], axis)
        return spread.reshape(chords.shape)

    def forward(self, left: Tensor) -> Tensor:
        """Return sum over c of left(c) p(c' | c), both `(chords, windows)`."""
        base = self._spread(left * self._unseen, self._tables, back=False)
        counted = torch.sparse.mm(self._forth, left * self._seen)
        return torch.addcmul(counted, base, self._ratio)

    def backward(self, reached: Tensor) -> Tensor:
        """Return sum over c' of p(c' | c) reached(c'), both `(chords, windows)`."""
        base = self._spread(self._ratio * reached, self._tables, back=True)
        counted = torch.sparse.mm(self._back, reached)
        return counted.mul_(self._seen).addcmul_(base, self._unseen)

    def log_prob(self, left: np.ndarray, reached: np.ndarray) -> np.ndarray:
        """Return log p(reached | left) of pairs of chord numbers, in nats."""
        key = left * len(self.ratio) + reached
        place = np.minimum(np.searchsorted(self.keys, key), max(len(self.keys) - 1, 0))
        count = np.zeros(len(key))
        if len(self.keys):
            count = np.where(self.keys[place] == key, self.counts[place], 0)
        base = self.ratio[reached].copy()
        was, now = np.unravel_index(left, self.shape), np.unravel_index(reached, self.shape)
        for axis in self.axes:
            base *= self.moves[axis][was[axis], now[axis]]
        return np.log(count * self.seen.numpy()[left] + base * self.unseen.numpy()[left])


def _sparse(index: np.ndarray, values: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.sparse_coo_tensor(
        torch.from_numpy(index), values, size, check_invariants=True
    ).coalesce()
