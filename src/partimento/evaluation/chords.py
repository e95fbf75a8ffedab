"""What a chord model counts: which voices begin, the chord they reach, the given pitches on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partimento.evaluation.layout import GridLayout, sounding, starts


@dataclass(frozen=True)
class ChordView:
    """Windows seen as chords of the predicted voices under given rhythms and pitches.

    A chord numbers the sounding pitches (or silence) of all predicted voices at a step; bit i of
    `begins` says whether predicted voice i begins a note or a silence there. Together with
    `held_silence` they say the same as the symbols.

    Attributes:
        chord: Number of the chord, shape `(windows, steps)`.
        begins: Voices that begin, as bits, shape `(windows, steps)`.
        held_silence: Predicted cells that go on being silent: 1 where the symbol is hold, 0 where
            it is rest, -1 in other cells, shape `(windows, steps, predicted)`.
        given: Pitch or silence of the given voices where it begins, -1 where it goes on, shape
            `(windows, steps, given)`.
        context: Number of the rhythmic context of a step, shape `(windows, steps)`: the position
            in the bar, and for each given voice whether it begins there and at the step after.
    """

    chord: np.ndarray
    begins: np.ndarray
    held_silence: np.ndarray
    given: np.ndarray
    context: np.ndarray


def chord_shape(layout: GridLayout) -> tuple[int, ...]:
    """Return the number of sounding states (pitches and silence) of each predicted voice."""
    return tuple(layout.pitches[voice] + 1 for voice in layout.predicted)


def context_count(layout: GridLayout, steps_per_bar: int) -> int:
    """Return how many rhythmic contexts there are."""
    return steps_per_bar * 4 ** len(layout.given)


def chord_view(x: np.ndarray, layout: GridLayout, steps_per_bar: int) -> ChordView:
    """See windows of symbols `(windows, steps, voices)` as chords."""
    state, begins = sounding(x, layout), starts(x, layout)
    predicted, given = list(layout.predicted), list(layout.given)
    silent = (state == np.array(layout.pitches))[..., predicted]
    # A silence may also open a window written as rest or as hold: both are open there too.
    silence_goes_on = silent & ~begins[..., predicted]
    silence_goes_on[:, 0] = silent[:, 0]
    held = (x == np.array(layout.hold))[..., predicted]
    context = np.broadcast_to(np.arange(x.shape[1]) % steps_per_bar, x.shape[:2])
    # At the last step, what follows is taken to be as it is there.
    after = np.concatenate([begins[:, 1:], begins[:, -1:]], axis=1)
    for voice in given:
        context = context * 4 + begins[..., voice] * 2 + after[..., voice]
    return ChordView(
        chord=np.ravel_multi_index(
            tuple(np.moveaxis(state[..., predicted], -1, 0)), chord_shape(layout)
        ),
        begins=begins[..., predicted] @ (1 << np.arange(len(predicted))),
        held_silence=np.where(silence_goes_on, held, -1),
        given=np.where(begins, state, -1)[..., given],
        context=context,
    )


@dataclass(frozen=True)
class ChordCounts:
    """Counts of a chord model.

    Attributes:
        first: Chords at the first step of a window, shape `(chords,)`.
        chords: Chords at steps where a predicted voice begins, shape `(chords,)`.
        masks: Which voices begin, by rhythmic context, shape `(contexts, 2 ** predicted)`.
        moves: Per predicted voice that begins, state left and state reached, `(states, states)`.
        emissions: Per given voice, what begins on each chord, `(chords, states)`.
        transitions: For each mask, chord left, chord reached and count, `(3, distinct)`.
        held_silence: Per predicted voice, silent cells written as rest and as hold, `(voices, 2)`.
    """

    first: np.ndarray
    chords: np.ndarray
    masks: np.ndarray
    moves: list[np.ndarray]
    emissions: list[np.ndarray]
    transitions: list[np.ndarray]
    held_silence: np.ndarray


def count_chords(view: ChordView, layout: GridLayout, steps_per_bar: int) -> ChordCounts:
    """Count what a chord model needs in the windows of a view."""
    shape = chord_shape(layout)
    size, voices = math.prod(shape), len(shape)
    before, after, mask = view.chord[:, :-1].ravel(), view.chord[:, 1:].ravel(), view.begins[:, 1:]
    contexts = context_count(layout, steps_per_bar)
    masks = np.bincount(
        (view.context[:, 1:] << voices).ravel() + mask.ravel(), minlength=contexts << voices
    )
    mask = mask.ravel()
    return ChordCounts(
        first=np.bincount(view.chord[:, 0], minlength=size),
        chords=np.bincount(after[mask > 0], minlength=size),
        masks=masks.reshape(contexts, 1 << voices),
        moves=_count_moves(before, after, mask, shape),
        emissions=[
            _count_emissions(view.chord, view.given[..., index], (size, layout.pitches[voice] + 1))
            for index, voice in enumerate(layout.given)
        ],
        transitions=[
            _count_transitions(before[mask == bits], after[mask == bits], size)
            for bits in range(1 << voices)
        ],
        held_silence=np.stack(
            [(view.held_silence == value).sum(axis=(0, 1)) for value in (0, 1)], axis=-1
        ),
    )


def _count_pairs(first: np.ndarray, second: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    flat = np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1])
    return flat.reshape(shape)


def _count_emissions(chord: np.ndarray, pitch: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    begins = pitch >= 0
    return _count_pairs(chord[begins], pitch[begins], shape)


def _count_moves(
    before: np.ndarray, after: np.ndarray, mask: np.ndarray, shape: tuple[int, ...]
) -> list[np.ndarray]:
    left, reached = np.unravel_index(before, shape), np.unravel_index(after, shape)
    tables = []
    for voice, states in enumerate(shape):
        moved = (mask >> voice & 1).astype(bool)
        tables.append(_count_pairs(left[voice][moved], reached[voice][moved], (states, states)))
    return tables


def _count_transitions(before: np.ndarray, after: np.ndarray, size: int) -> np.ndarray:
    key, count = np.unique(before * size + after, return_counts=True)
    return np.stack([key // size, key % size, count])
