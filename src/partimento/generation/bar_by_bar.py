"""Music bar by bar: each bar made under the bars before it and the chord of the moment (MidiNet)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from partimento.chords import Triad, chord_vector
from partimento.errors import Mismatch, UserError
from partimento.generation.progression import Progression, read_progression
from partimento.music import Chord, Piece, lay_bars
from partimento.representations.bar_chords import longest_triad, triads_between
from partimento.representations.bars import STEPS, Bars
from partimento.representations.grid import full_bars
from partimento.representations.melody_line import top_line

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from partimento.generation.strategies import Strategy
    from partimento.models.base import Model
    from partimento.representations.base import Representation


TITLE = 60  # characters


class Continuation(NamedTuple):
    """A melody made bar by bar.

    Attributes:
        piece: The priming bars and those that were made, with the chords over them.
        messages: What was done to what the user gave, one line each.
    """

    piece: Piece
    messages: list[str]


def continue_bars(
    model: Model,
    strategy: Strategy,
    *,
    bars: int,
    previous: Tensor | None = None,
    chords: Tensor | None = None,
    n: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return several melodies at once, `(n, bars, 16, 1)`, each bar fed back as a condition.

    Args:
        model: A model of single bars.
        strategy: How it is asked.
        bars: Number of bars.
        previous: The bars before the first, `(n, 16 * as many as the model looks back, 1)`; None
            for a model that looks at none.
        chords: The chord of every bar, `(n, bars, 13)`; None for a model without chords.
        n: Number of melodies; by default as many as `previous` or `chords` hold.
        generator: Source of randomness.

    Raises:
        UserError: When a condition is none of this model's, or has not the shape it needs.
    """
    import torch

    if chords is not None and chords.shape[1] != bars:
        raise UserError(f"There are chords for {chords.shape[1]} bars where {bars} are to be made.")
    made: list[Tensor] = []
    history = previous
    for bar in range(bars):
        condition = {} if history is None else {"previous": history}
        if chords is not None:
            condition["chord"] = chords[:, bar]
        x = strategy.generate(model, n=n, condition=condition, generator=generator).cpu()
        made.append(x)
        if history is not None:
            passed = history.expand(len(x), -1, -1)
            history = torch.cat([passed, x.to(passed.dtype)], dim=1)[:, -passed.shape[1] :]
    return torch.stack(made, dim=1)


def bar_by_bar(
    model: Model,
    representation: Representation,
    strategy: Strategy,
    *,
    chords: str | Sequence[str] | None = None,
    bars: int | None = None,
    priming: Piece | None = None,
    priming_bar: int = 1,
    generator: torch.Generator | None = None,
) -> Continuation:
    """Make a melody of any number of bars over chords, as MidiNet does.

    Yang, Chou & Yang, "MidiNet" (ISMIR 2017), section 3: a bar is made under the one before, which
    at first is the priming bar, or silence.

    Args:
        model: A model trained with `representation`.
        representation: Its bars.
        strategy: How the model is asked.
        chords: One to the bar, such as "C G Am F#m"; from the end on, from the first again.
        bars: Number of bars to make; None: as many as there are chords.
        priming: A piece whose bars come first, as many as the model looks back on; None: silence.
        priming_bar: Number of the first of them, as in print: a pick-up does not count.
        generator: Source of randomness.

    Raises:
        Mismatch: When the model does not make single bars.
        UserError: When chords are given to a model without, or the other way round, cannot be
            read, or the priming bars are not there or not in 4/4.
    """
    import torch

    representation = _checked(model, representation)
    progression = _progression(representation, chords)
    count = bars if bars is not None or progression is None else len(progression.symbols)
    if count is None or count < 1:
        raise UserError(f"bars must be the number of bars to make, 1 or more, not {count}.")
    first, shown, messages = _primed(representation, priming, priming_bar)
    if progression is not None:
        messages += progression.messages
        shown += [progression.symbols[bar % len(progression.symbols)] for bar in range(count)]
    x = continue_bars(
        model,
        strategy,
        bars=count,
        previous=torch.from_numpy(before(representation, first))
        if representation.previous
        else None,
        chords=None if progression is None else _vectors(representation, progression.triads, count),
        n=1,
        generator=generator,
    )
    whole = np.concatenate([first, x[0].numpy().astype(first.dtype)]).reshape(-1, 1)
    return Continuation(_piece(representation, whole, shown, progression), messages)


def before(representation: Bars, bars: np.ndarray) -> np.ndarray:
    """Return the condition of the bar that follows `bars` `(bars, 16, 1)`, `(1, 16 * previous, 1)`.

    Where there are fewer bars than the condition holds, silence stands before them.

    Raises:
        UserError: When the bars are no bars of the representation.
    """
    if bars.ndim != 3 or bars.shape[1:] != (STEPS, 1):
        raise UserError(f"Bars have the shape (bars, {STEPS}, 1), not {tuple(bars.shape)}.")
    if bars.size and not 0 <= bars.min() <= bars.max() <= representation.rest_symbol:
        raise UserError(
            f"Bars hold symbols from 0 to {representation.rest_symbol}, not {bars.min()} to "
            f"{bars.max()}."
        )
    size = representation.previous
    silent = np.full((size, STEPS, 1), representation.rest_symbol, dtype=np.uint8)
    return np.concatenate([silent, bars.astype(np.uint8)])[-size:].reshape(1, -1, 1)


def _checked(model: Model, representation: Representation) -> Bars:
    if not isinstance(representation, Bars):
        raise Mismatch(
            "chords, bars and priming are for models of single bars, trained with "
            f"representation=bars, and this one has {type(representation).__name__}."
        )
    if model.distribution != representation.distribution:
        raise Mismatch("The model was trained on other bars than these: use its representation.")
    return representation


def _progression(representation: Bars, chords: str | Sequence[str] | None) -> Progression | None:
    if chords is None:
        if representation.wants_chords:
            raise UserError(
                "This model makes each bar for a chord: give some, one to the bar, such as "
                'chords="C G Am F#m".'
            )
        return None
    if not representation.wants_chords:
        raise UserError(
            "This model knows no chords (it was trained with representation.chord=none): leave "
            "chords out, and say bars=8."
        )
    return read_progression(chords)


def _vectors(representation: Bars, triads: Sequence[Triad], bars: int) -> Tensor:
    """Return the chords of so many bars, `(1, bars, 13)`."""
    import torch

    rows = [chord_vector(triads[b % len(triads)], representation.minor_at) for b in range(bars)]
    return torch.tensor([rows], dtype=torch.uint8)


def _primed(
    representation: Bars, priming: Piece | None, number: int
) -> tuple[np.ndarray, list[str], list[str]]:
    """Return the priming bars `(bars, 16, 1)`, their chord symbols ("": none), and messages."""
    if priming is None:
        return np.zeros((0, STEPS, 1), dtype=np.uint8), [], []
    if not representation.previous:
        raise UserError(
            "This model looks at no bar before (representation.previous=0): leave priming out."
        )
    melody = representation.melody(priming)
    starts = _numbered(priming, number, representation.previous)
    alone = Bars(**{**representation.arguments(), "previous": 0, "chord": "none"})
    onsets = [t for run in full_bars(melody) if not run[0] * 4 % melody.resolution for t in run]
    missing = [start for start in starts if start not in onsets]
    if missing:
        raise UserError(
            f"Bar {number + starts.index(missing[0])} of '{priming.id}' is {_metre(priming, missing[0])}"
            ", and this model goes on from full bars of 4/4: name another by priming_bar."
        )
    x = alone.windows(priming, stride=1).x
    moved = int((melody.pitch != top_line(priming, representation.part).piece.pitch).sum())
    told = [f"{moved} notes of '{priming.id}' are moved, as the model has its music."]
    length = 4 * melody.resolution
    triads = [longest_triad(triads_between(melody, start, start + length)) for start in starts]
    symbols = [triad.symbol if triad and representation.wants_chords else "" for triad in triads]
    return x[[onsets.index(start) for start in starts]], symbols, told if moved else []


def _numbered(piece: Piece, number: int, count: int) -> list[int]:
    """Return the onsets (ticks) of so many bars from a number on, as bars are numbered in print."""
    bars = piece.bars or lay_bars([(0, 4, 4)], piece.end, piece.resolution)
    onsets = [bar.onset for bar in bars][1 if piece.pickup else 0 :]
    if not 1 <= number <= len(onsets) - count + 1:
        asked = f"bar {number}" if count == 1 else f"bars {number} to {number + count - 1}"
        raise UserError(
            f"priming_bar={number} asks for {asked} of '{piece.id}', which has bars 1 to "
            f"{len(onsets)}."
        )
    return onsets[number - 1 : number - 1 + count]


def _metre(piece: Piece, onset: int) -> str:
    metre = next(((b.beats, b.beat_type) for b in piece.bars if b.onset == onset), (4, 4))
    return "no full one" if metre == (4, 4) else f"in {metre[0]}/{metre[1]}"


def _piece(
    representation: Bars, x: np.ndarray, shown: Sequence[str], progression: Progression | None
) -> Piece:
    """Return the music of bars in a row `(steps, 1)`, with a chord symbol over each bar."""
    piece = representation.decode(x)
    length = 4 * piece.resolution
    chords = [Chord(i * length, length, symbol) for i, symbol in enumerate(shown) if symbol]
    title = "Melody" if progression is None else f"Melody over {' '.join(progression.symbols)}"
    title = title if len(title) <= TITLE else f"{title[: TITLE - 1]}…"
    return dataclasses.replace(piece, id="melody", chords=tuple(chords), metadata={"title": title})
