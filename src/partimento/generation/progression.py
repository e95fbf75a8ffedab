"""Chord progressions as a user writes them: from text to the triads that a model is conditioned on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from partimento.chords import Triad, parse_chord
from partimento.errors import UserError

_ROOTS = [letter + sign for letter in "CDEFGAB" for sign in ("", "#", "b")]
_KINDS = ("", "m", "7", "m7", "maj7", "dim", "aug", "6", "m6", "9")
_GERMAN = {"H": "B", "h": "b"}
# Between chords: spaces, bar lines, and commas outside brackets.
_BETWEEN = re.compile(r"(?:[\s|]|,(?![^()]*\)))+")


class Progression(NamedTuple):
    """A chord progression, one chord to the bar.

    Attributes:
        symbols: The chords as they were written.
        triads: The triad of each.
        messages: Which chords were taken for simpler ones, one line each.
    """

    symbols: tuple[str, ...]
    triads: tuple[Triad, ...]
    messages: tuple[str, ...]


def read_progression(chords: str | Sequence[str]) -> Progression:
    """Read chords such as "C G Am F#m" or ["C", "G7"].

    Chords with more than a triad stand for the triad on their root (see `ParsedChord.triad`).

    Raises:
        UserError: When there are none, or one cannot be read or has no third.
    """
    if isinstance(chords, str):
        symbols = tuple(word for word in _BETWEEN.split(chords) if word)
    else:
        symbols = tuple(str(chord).strip() for chord in chords)
    if not any(symbols):
        raise UserError('chords names no chord: write some, one to the bar, as in "C G Am F#m".')
    triads = tuple(_triad(symbol) for symbol in symbols)
    told = {
        symbol: f"{symbol} is taken as {triad.symbol}: the model knows major and minor triads."
        for symbol, triad in zip(symbols, triads, strict=True)
        if parse_chord(symbol).pitch_classes != frozenset(triad.pitch_classes)
    }
    return Progression(symbols, triads, tuple(told.values()))


def _triad(symbol: str) -> Triad:
    try:
        parsed = parse_chord(symbol)
    except ValueError as error:
        raise UserError(
            f"The chord '{symbol}' cannot be read: {error}; did you mean '{nearest_chord(symbol)}'?"
        ) from error
    if parsed.triad is None:
        root = None if parsed.root is None else Triad(parsed.root, False).symbol
        right = "a chord such as C" if root is None else f"{root} or {root}m"
        raise UserError(
            f"The chord '{symbol}' is no major or minor one, as the model knows them: write {right}."
        )
    return parsed.triad


def nearest_chord(symbol: str) -> str:
    """Return a chord symbol with a triad that is most like one that cannot be read."""
    word = symbol[:1].upper() + symbol[1:]
    for guess in (word, _GERMAN.get(symbol[:1], symbol[:1]).upper() + symbol[1:]):
        try:
            if parse_chord(guess).triad is not None:
                return guess
        except ValueError:
            continue
    known = [root + kind for root in _ROOTS for kind in _KINDS]
    return difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]
