"""Which symbols of a multi-voice grid are pitches, hold and rest, and which voices are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partimento.distributions import Categorical, Distribution
from partimento.errors import UserError, did_you_mean


@dataclass(frozen=True)
class GridLayout:
    """How to read a multi-voice grid of which some voices are given and the others predicted.

    Attributes:
        names: Name of each voice.
        sizes: Alphabet size of each voice.
        steps: Time steps of a window.
        pitches: Number of pitch symbols of each voice; they are the first of its alphabet.
        hold: Index of the hold symbol of each voice.
        rest: Index of the rest symbol of each voice, None where the alphabet has none.
        given: Indices of the given voices.
        predicted: Indices of the voices to be predicted.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    steps: int
    pitches: tuple[int, ...]
    hold: tuple[int, ...]
    rest: tuple[int | None, ...]
    given: tuple[int, ...]
    predicted: tuple[int, ...]

    @classmethod
    def of(cls, distribution: Distribution, given: Sequence[str]) -> GridLayout:
        """Read the layout off a distribution.

        Raises:
            UserError: When the distribution is no multi-voice grid with hold symbols, a given
                voice is unknown, or no voice is left to predict.
        """
        if not (
            isinstance(distribution, Categorical)
            and len(distribution.shape) == 2
            and distribution.symbols
            and all(_is_voice(alphabet) for alphabet in distribution.symbols)
        ):
            raise UserError(
                "Evaluating a harmonisation needs a multi-voice grid whose alphabets are pitches "
                "followed by hold and rest (as representation=multivoice makes), got "
                f"{distribution.kind}{distribution.shape}."
            )
        names, symbols = distribution.names, distribution.symbols
        for name in given:
            if name not in names:
                raise UserError(f"'{name}' is given but no voice.{did_you_mean(name, names)}")
        if set(given) == set(names):
            raise UserError(
                f"All voices ({', '.join(names)}) are given, so there is nothing to predict; "
                "leave at least one out of the given voices."
            )
        return cls(
            names=names,
            sizes=distribution.sizes,
            steps=int(distribution.shape[0] or 0),
            pitches=tuple(sum(isinstance(s, int) for s in alphabet) for alphabet in symbols),
            hold=tuple(alphabet.index("hold") for alphabet in symbols),
            rest=tuple(
                alphabet.index("rest") if "rest" in alphabet else None for alphabet in symbols
            ),
            given=tuple(index for index, name in enumerate(names) if name in given),
            predicted=tuple(index for index, name in enumerate(names) if name not in given),
        )

    def mask(self) -> np.ndarray:
        """True for the voices to be predicted, shape `(voices,)`."""
        return np.isin(np.arange(len(self.names)), self.predicted)


def _is_voice(alphabet: Sequence[int | str]) -> bool:
    pitches = [isinstance(symbol, int) for symbol in alphabet]
    words = set(alphabet[sum(pitches) :])
    return pitches == sorted(pitches, reverse=True) and {"hold"} <= words <= {"hold", "rest"}


def sounding(x: np.ndarray, layout: GridLayout) -> np.ndarray:
    """Return the pitch that sounds at each step, as its index in the alphabet.

    Silence is one past the last pitch, and so is a hold with nothing to hold.

    Args:
        x: Symbols, shape `(windows, steps, voices)`.
        layout: Layout of the grid.
    """
    steps = np.arange(x.shape[1])[None, :, None]
    last = np.maximum.accumulate(np.where(x == np.array(layout.hold), -1, steps), axis=1)
    symbol = np.take_along_axis(x, np.maximum(last, 0), axis=1)
    pitches = np.array(layout.pitches)
    return np.where((last < 0) | (symbol >= pitches), pitches, symbol).astype(np.int64)


def starts(x: np.ndarray, layout: GridLayout) -> np.ndarray:
    """True where a note or a silence begins, shape `(windows, steps, voices)`; so is step 0."""
    silent = sounding(x, layout) == np.array(layout.pitches)
    begins = x < np.array(layout.pitches)
    begins[:, 1:] |= silent[:, 1:] & ~silent[:, :-1]
    begins[:, 0] = True
    return begins
