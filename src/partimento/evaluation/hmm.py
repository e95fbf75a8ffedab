"""A hidden Markov model over chords, after Allan & Williams 2005: exact likelihood of a harmony."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
import torch
from annotated_types import Gt
from torch import Tensor

from partimento.errors import UserError
from partimento.evaluation.baselines import ADD, Baseline
from partimento.evaluation.chord_moves import MoveOperator, blend
from partimento.evaluation.chords import (
    ChordCounts,
    ChordView,
    chord_shape,
    chord_view,
    count_chords,
)
from partimento.evaluation.layout import GridLayout

CONCENTRATIONS = (10.0, 30.0, 100.0)
DEFAULT_CONCENTRATION = 30.0
MAX_CHORDS = 100_000  # Three voices of a chorale have about 15,000; four would take minutes.


class ChordTables:
    """The smoothed probabilities of the model, from its counts.

    Attributes:
        first: p(chord at the first step), shape `(chords,)`.
        masks: p(which voices begin | rhythmic context), shape `(contexts, 2 ** predicted)`.
        emissions: Per given voice, p(its pitch or silence | chord), shape `(chords, states)`.
        silence: Per predicted voice, p(rest written), p(hold written) where a silence goes on,
            `(voices, 2)`.
        operators: p(chord reached | chord left) for each set of voices that begin, from 1 on.
    """

    def __init__(self, counts: ChordCounts, layout: GridLayout, concentration: float) -> None:
        shape = chord_shape(layout)
        rests = [layout.rest[voice] is not None for voice in layout.predicted]
        singles = [
            _share(_marginal(counts.chords, shape, axis) + ADD) for axis in range(len(shape))
        ]
        apart = _product(singles)
        chords = blend(counts.chords, apart, concentration)
        self.first = blend(counts.first, chords, concentration)
        overall = _share(counts.masks.sum(axis=0) + ADD)
        # Contexts are few and counted often: one pseudo-count is enough there.
        self.masks = blend(counts.masks, overall, 1.0)
        moves = [
            blend(table, _targets(single, rest), concentration)
            for table, single, rest in zip(counts.moves, singles, rests, strict=True)
        ]
        self.emissions = [_emission(table, shape, concentration) for table in counts.emissions]
        self.silence = np.where(
            np.array(rests)[:, None], blend(counts.held_silence, np.array([0.5, 0.5]), 1.0), [0, 1]
        )
        self.operators = [
            MoveOperator(bits, moves, chords / apart, counts.transitions[bits], concentration)
            for bits in range(1, 1 << len(shape))
        ]


def _share(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(axis=-1, keepdims=True)


def _marginal(counts: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    others = tuple(other for other in range(len(shape)) if other != axis)
    return counts.reshape(shape).sum(axis=others)


def _product(singles: Sequence[np.ndarray]) -> np.ndarray:
    product = singles[0]
    for single in singles[1:]:
        product = np.multiply.outer(product, single)
    return product.ravel()


def _targets(single: np.ndarray, rest: bool) -> np.ndarray:
    """Return p(state reached) by state left: no silence begins in silence, or without a rest."""
    table = np.tile(single, (len(single), 1))
    table[-1 if rest else slice(None), -1] = 0
    return _share(table)


def _emission(counts: np.ndarray, shape: tuple[int, ...], concentration: float) -> np.ndarray:
    """Return p(pitch of a given voice | chord), smoothed towards naive Bayes over its pitches."""
    single = _share(counts.sum(axis=0) + ADD)
    grid = counts.reshape(*shape, -1)
    log_bayes = np.log(single)
    for axis, states in enumerate(shape):
        others = tuple(other for other in range(len(shape)) if other != axis)
        pairs = blend(grid.sum(axis=others), single, concentration)
        log_ratio = np.log(pairs) - np.log(single)
        log_bayes = log_bayes + log_ratio.reshape(
            *(states if other == axis else 1 for other in range(len(shape))), -1
        )
    log_bayes = log_bayes.reshape(counts.shape)
    bayes = np.exp(log_bayes - log_bayes.max(axis=-1, keepdims=True))
    return blend(counts, _share(bayes), concentration)


class ChordHMM(Baseline):
    """Hidden chords that emit the given voices.

    After Allan & Williams (Harmonising Chorales by Probabilistic Inference, NIPS 17, 2005): the
    hidden state is the chord of the predicted voices (their sounding pitches), the observations
    are the pitches of the given voices. Their time step is a beat; here it is a grid step, so the
    model has a rhythm too: which voices begin a note at a step depends on the given voices' rhythm
    (who begins there and at the step after) and on the position in the bar, while the others go on.
    A given voice's pitch is emitted by the chord on which it begins.

    That is a joint distribution of harmony and given pitches, under the given rhythm. It is divided
    by its sum over all harmonies, found by the forward algorithm over *every* chord of the
    alphabets, not only those seen. So `log_prob` is log p(predicted | given) itself and no bound
    (the sum is rounded to single precision). It conditions on the past harmony, which a network
    that predicts all cells at once does not.

    `predict` takes at each cell the symbol with the largest posterior probability
    (forward-backward), which maximises the expected number of right cells; unlike a Viterbi path
    it need not be one coherent harmony.

    Args:
        steps_per_bar: Time steps of a bar.
        concentrations: Weights (in counts) of the back-offs, of which validation windows choose.
        default_concentration: The weight used when there are no validation windows.
    """

    def __init__(
        self,
        steps_per_bar: Annotated[int, Gt(0)] = 16,
        concentrations: Sequence[Annotated[float, Gt(0)]] = CONCENTRATIONS,
        default_concentration: Annotated[float, Gt(0)] = DEFAULT_CONCENTRATION,
    ) -> None:
        self.steps_per_bar = steps_per_bar
        self.concentrations = tuple(concentrations)
        self.default_concentration = default_concentration

    def _fit(self, x: np.ndarray, valid: np.ndarray | None) -> None:
        size = math.prod(chord_shape(self.layout))
        if size > MAX_CHORDS:
            raise UserError(
                f"The chord model would have {size:,} chords of the voices to be predicted, more "
                f"than {MAX_CHORDS:,}; give more voices or leave chord_hmm out of the baselines."
            )
        counts = count_chords(self._view(x), self.layout, self.steps_per_bar)
        choices = (self.default_concentration,) if valid is None else self.concentrations
        trials = []
        for self.concentration in choices:
            self.tables = ChordTables(counts, self.layout, self.concentration)
            score = 0.0 if valid is None else float(self._log_prob(valid).sum())
            trials.append((score, self.concentration, self.tables))
        _, self.concentration, self.tables = max(trials, key=lambda trial: trial[0])

    def _view(self, x: np.ndarray) -> ChordView:
        return chord_view(x, self.layout, self.steps_per_bar)

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        evidence = [self._forward(self._view(part))[1] for part in _chunks(x)]
        return self._joint(self._view(x)) - np.concatenate(evidence)

    def _joint(self, view: ChordView) -> np.ndarray:
        """Return log p(predicted voices, given pitches | given rhythm), shape `(windows,)`."""
        tables = self.tables
        total = np.log(tables.first)[view.chord[:, 0]]
        total += np.log(tables.masks)[view.context[:, 1:], view.begins[:, 1:]].sum(axis=1)
        for index, emission in enumerate(tables.emissions):
            pitch = view.given[..., index]
            total += np.where(pitch >= 0, np.log(emission[view.chord, pitch]), 0).sum(axis=1)
        for bits, operator in enumerate(tables.operators, start=1):
            window, step = np.nonzero(view.begins[:, 1:] == bits)
            log_prob = operator.log_prob(view.chord[window, step], view.chord[window, step + 1])
            total += np.bincount(window, weights=log_prob, minlength=len(total))
        for voice, silence in enumerate(tables.silence):
            for written in (0, 1):
                count = (view.held_silence[..., voice] == written).sum(axis=1)
                if count.any():  # A rest that the alphabet lacks has probability 0.
                    total += count * np.log(silence[written])
        return total

    def _emitted(self, view: ChordView, step: int) -> Tensor:
        """Return p(what given voices begin at a step | chord), shape `(chords, windows)`."""
        product = torch.ones(len(self.tables.first), len(view.chord))
        for index, emission in enumerate(self.tables.emissions):
            pitch = view.given[:, step, index]
            heard = np.flatnonzero(pitch >= 0)
            product[:, heard] *= torch.from_numpy(emission[:, pitch[heard]]).float()
        return product

    def _masks(self, view: ChordView, step: int) -> Tensor:
        """Return p(which voices begin at a step), shape `(windows, 2 ** predicted)`."""
        return torch.from_numpy(self.tables.masks[view.context[:, step]]).float()

    def _reached(self, left: Tensor, view: ChordView, step: int) -> Iterator[Tensor]:
        """Yield, for each set of voices that begin, the weight of each chord at a step.

        Args:
            left: Weight of each chord at the step before, shape `(chords, windows)`.
            view: The windows.
            step: The step.
        """
        masks = self._masks(view, step)
        yield left * masks[:, 0]
        for bits, operator in enumerate(self.tables.operators, start=1):
            yield operator.forward(left * masks[:, bits])

    def _forward(self, view: ChordView) -> tuple[list[Tensor], np.ndarray]:
        """Return the filtered chords of each step and log p(given), the forward algorithm.

        Rabiner 1989, section III.A, scaled at each step as in section V.A.
        """
        alpha = torch.from_numpy(self.tables.first).float()[:, None] * self._emitted(view, 0)
        filtered, total = [], torch.zeros(len(view.chord), dtype=torch.float64)
        for step in range(view.chord.shape[1]):
            if step:
                parts = self._reached(alpha, view, step)
                alpha = next(parts)
                for part in parts:
                    alpha += part
                alpha *= self._emitted(view, step)
            scale = alpha.sum(dim=0)
            alpha = alpha / scale
            filtered.append(alpha)
            total += scale.double().log()
        return filtered, total.numpy()

    def _backward(self, later: Tensor, view: ChordView, step: int) -> Tensor:
        """Return the backward weights at step - 1, summing to one.

        Args:
            later: Backward weights at the step times what is emitted there, `(chords, windows)`.
            view: The windows.
            step: The step.
        """
        masks = self._masks(view, step)
        left = masks[:, 0] * later
        for bits, operator in enumerate(self.tables.operators, start=1):
            left += masks[:, bits] * operator.backward(later)
        return left / left.sum(dim=0)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([self._decode(self._view(part)) for part in _chunks(x)])

    def _decode(self, view: ChordView) -> np.ndarray:
        filtered, _ = self._forward(view)
        steps = len(filtered)
        beta = torch.full_like(filtered[0], 1 / len(filtered[0]))
        symbols = np.empty((len(view.chord), steps, len(self.layout.predicted)), dtype=np.int16)
        for step in range(steps - 1, 0, -1):
            later = beta * self._emitted(view, step)
            parts = self._reached(filtered[step - 1], view, step)
            symbols[:, step] = self._best([part * later for part in parts])
            beta = self._backward(later, view, step)
        everything = [torch.zeros_like(beta)] * len(self.tables.operators) + [filtered[0] * beta]
        symbols[:, 0] = self._best(everything)
        return symbols

    def _best(self, parts: Sequence[Tensor]) -> np.ndarray:
        """Return the likeliest symbol of each voice, `(windows, predicted)`.

        Args:
            parts: Posterior weight of the chords for each set of voices that begin, each
                `(chords, windows)`.
        """
        shape = chord_shape(self.layout)
        best = []
        for axis, voice in enumerate(self.layout.predicted):
            # Chords before, of and after this voice's axis; an empty axis tuple would sum all.
            grid = (math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]), -1)
            states = torch.stack([part.reshape(grid).sum(dim=(0, 2)) for part in parts])
            moved = torch.arange(len(parts)) >> axis & 1 == 1
            begins, goes_on = states[moved].sum(dim=0), states[~moved].sum(dim=0)
            symbols = torch.zeros(self.layout.sizes[voice], begins.shape[1])
            symbols[: shape[axis] - 1] = begins[:-1]
            symbols[self.layout.hold[voice]] = goes_on[:-1].sum(dim=0)
            silent = self.layout.rest[voice]
            silent = self.layout.hold[voice] if silent is None else silent
            symbols[silent] += begins[-1] + goes_on[-1]
            best.append(symbols.argmax(dim=0))
        return torch.stack(best, dim=-1).numpy()


def _chunks(x: np.ndarray, size: int = 32) -> list[np.ndarray]:
    """Cut windows into chunks, so that the filtered chords of all steps fit into memory."""
    return [x[start : start + size] for start in range(0, len(x), size)]
