"""Pure functions between a melody and the tokens of ABC text: spelling, lengths, bars, repeats."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from partimento.errors import UserError
from partimento.formats.abc_header import MODES, SHARPS, altered
from partimento.music import Bar, Key, Piece, lay_bars

START, END, PAD = "<s>", "</s>", "<pad>"
REST, TIE, TRIPLET = "z", "-", "(3"
BAR, OPEN, CLOSE = "|", "|:", ":|"
UNIT = Fraction(1, 2)
"""Quarter notes to the unit note length, L:1/8."""

_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS = {0: "=", 1: "^", -1: "_", 2: "^^", -2: "__"}


class Item(NamedTuple):
    """A note or (pitch None) a rest inside one bar; `length` in eighth notes."""

    length: Fraction
    pitch: int | None
    tied: bool


def length_token(length: Fraction) -> str:
    """Return a note length in eighths as ABC writes it: "" for 1, "2", "3/2", "/2"."""
    if length == 1:
        return ""
    top = "" if length.numerator == 1 else str(length.numerator)
    return top if length.denominator == 1 else f"{top}/{length.denominator}"


def note_name(natural: int) -> str:
    """Return the ABC name of a white key by its MIDI number: "C," 48, "C" 60, "c" 72, "c'" 84."""
    octave, degree = divmod(natural - 60, 12)
    letter = next(name for name, semitones in _NATURALS.items() if semitones == degree)
    return letter + "," * -octave if octave < 1 else letter.lower() + "'" * (octave - 1)


def note_tokens(low: int, high: int) -> list[str]:
    """Return the tokens of all notes that can be spelled between two MIDI numbers."""
    whites = [n for n in range(low - 1, high + 2) if (n - 60) % 12 in _NATURALS.values()]
    return [sign + note_name(white) for white in whites for sign in ("", "=", "^", "_")]


def key_token(fifths: int, mode: str) -> str:
    """Return the token of a key, such as "K:Ddor"."""
    place = fifths - MODES[mode]
    letter = SHARPS[(place + 1) % 7]
    sign = (place + 1) // 7
    return f"K:{letter}{'#' * sign if sign > 0 else 'b' * -sign}{mode[:3]}"


def first_key(piece: Piece) -> Key:
    """Return the key of the beginning, of 7 signs at most; C major when the piece has none."""
    key = piece.keys[0] if piece.keys else Key(0, 0, "major")
    fifths = key.fifths if abs(key.fifths) <= 7 else (key.fifths + 6) % 12 - 6
    return Key(key.onset, fifths, key.mode if key.mode in MODES else "major")


def shift_to_c(key: Key) -> int:
    """Return the semitones, -5 to +6, that bring the tonic of a key to C."""
    tonic = 7 * (key.fifths - MODES[key.mode]) % 12
    return (5 - tonic) % 12 - 5 if tonic else 0


@lru_cache(maxsize=4096)
def spelled(pitch: int, fifths: int) -> tuple[str, int]:
    """Return name and alteration of a pitch: of the key, else natural, else as the key alters."""
    signature = altered(fifths)
    choices = []
    for letter, semitones in _NATURALS.items():
        alter = (pitch - semitones + 6) % 12 - 6
        if abs(alter) < 2:
            foreign = alter != signature.get(letter, 0)
            against = alter * (1 if fifths >= 0 else -1) < 0
            choices.append((foreign, alter != 0, against, letter, alter))
    *_, alter = min(choices)
    return note_name(pitch - alter), alter


class Lengths:
    """The note lengths of an alphabet, and how others are made of them; remembers what it found.

    Args:
        allowed: Lengths in eighth notes.
    """

    def __init__(self, allowed: Iterable[Fraction]) -> None:
        self.allowed = tuple(sorted(set(allowed), reverse=True))
        self._fine = math.lcm(*(length.denominator for length in self.allowed))
        self._parts: dict[Fraction, tuple[str, ...] | None] = {}
        self._triplets: dict[Fraction, str | None] = {}

    def parts(self, length: Fraction) -> tuple[str, ...] | None:
        """Return the tokens of the fewest lengths that sum to this one; None: none do."""
        if length not in self._parts:
            longest = self.allowed[0]
            whole = max(0, math.ceil(length / longest) - 2)
            rest = length - whole * longest
            counts = range(1, 5) if self._fine % length.denominator == 0 else ()
            found = next((sum_ for count in counts if (sum_ := self._sum(rest, count))), None)
            parts = (*[longest] * whole, *found) if found else None
            self._parts[length] = tuple(map(length_token, parts)) if parts else None
        return self._parts[length]

    def triplet(self, length: Fraction) -> str | None:
        """Return what is written for a note that lasts so long in a triplet; None: nothing is."""
        if length not in self._triplets:
            written = length * Fraction(3, 2)
            fits = written in self.allowed
            self._triplets[length] = length_token(written) if fits else None
        return self._triplets[length]

    def _sum(self, length: Fraction, count: int) -> tuple[Fraction, ...] | None:
        """Return so many lengths that sum to this one, the longest first."""
        if count == 1:
            return (length,) if length in self.allowed else None
        for first in self.allowed:
            if first < length and (rest := self._sum(length - first, count - 1)):
                return (first, *rest)
        return None


@lru_cache(maxsize=65536)
def eighths(ticks: int, resolution: int) -> Fraction:
    """Return a length in eighth notes."""
    return Fraction(ticks, resolution) / UNIT


def bars_of(piece: Piece) -> tuple[Bar, ...]:
    """Return the bars of a piece, from its beginning; bars of 4/4 when it has none."""
    bars = piece.bars or lay_bars([(0, 4, 4)], piece.end, piece.resolution)
    if bars and bars[0].onset > 0:
        bars = (bars[0]._replace(onset=0), *bars)
    return tuple(bar for bar in bars if bar.onset < piece.end)


def items_of(piece: Piece, bars: Sequence[Bar]) -> list[list[Item]]:
    """Return notes and rests of a melody, bar by bar; notes over a bar line are tied."""
    spans: list[tuple[int, int, int | None]] = []
    now = 0
    ends = (piece.onset.astype(np.int64) + piece.duration).tolist()
    for onset, end, pitch in zip(piece.onset.tolist(), ends, piece.pitch.tolist(), strict=True):
        if onset > now:
            spans.append((now, onset, None))
        spans.append((onset, end, pitch))
        now = end
    if now < piece.end:
        spans.append((now, piece.end, None))
    found: list[list[Item]] = [[] for _ in bars]
    edges = [*(bar.onset for bar in bars[1:]), piece.end]
    index = 0
    for start, stop, pitch in spans:
        while start < stop:
            while edges[index] <= start:
                index += 1
            cut = min(stop, edges[index])
            tied = pitch is not None and cut < stop
            found[index].append(Item(eighths(cut - start, piece.resolution), pitch, tied))
            start = cut
    return found


def timed(items: Sequence[Item], lengths: Lengths) -> Iterator[tuple[str, Item, str, bool]]:
    """Yield (what stands before, item, length token, tied to the next) for each sign of a bar.

    Three notes of two thirds of allowed lengths are a triplet; other lengths that are not allowed
    are sums of tied ones.

    Raises:
        UserError: When a length is no such sum.
    """
    index = 0
    while index < len(items):
        item = items[index]
        three = items[index : index + 3]
        if len(three) == 3 and item.length.denominator % 3 == 0:
            thirds = all(one.length.denominator % 3 == 0 for one in three)
            written = [lengths.triplet(one.length) for one in three]
            if None not in written and (thirds or lengths.parts(item.length) is None):
                for before, one, token in zip((TRIPLET, "", ""), three, written, strict=True):
                    yield before, one, token or "", one.tied
                index += 3
                continue
        parts = lengths.parts(item.length)
        if parts is None:
            raise UserError(
                f"a length of {item.length} eighth note(s) is no sum of representation.lengths"
            )
        for part in parts[:-1]:
            yield "", item, part, item.pitch is not None
        yield "", item, parts[-1], item.tied
        index += 1


def bar_tokens(items: Sequence[Item], fifths: int, lengths: Lengths) -> list[str]:
    """Return the tokens of one bar; accidentals hold to its end, in all octaves.

    Raises:
        UserError: When a length is no sum of allowed ones.
    """
    signature = altered(fifths)
    held: dict[str, int] = {}
    tokens: list[str] = []
    for before, item, length, tied in timed(items, lengths):
        if before:
            tokens.append(before)
        if item.pitch is None:
            tokens.append(REST)
        else:
            name, alter = spelled(item.pitch, fifths)
            letter = name[0].upper()
            if held.get(letter, signature.get(letter, 0)) != alter:
                held[letter] = alter
                name = _SIGNS[alter] + name
            tokens.append(name)
        if length:
            tokens.append(length)
        if tied:
            tokens.append(TIE)
    return tokens


def joined(bars: Sequence[tuple[str, ...]], repeats: bool, shortest: int = 2) -> list[str]:
    """Return bars with their bar lines; what is played twice in a row between repeat signs.

    At each place the longest such section counts, if it has as many bars as `shortest`.
    """
    tokens: list[str] = []
    index = 0
    while index < len(bars):
        length = _repeated(bars, index, shortest) if repeats else 0
        if length:
            tokens.append(OPEN)
            section = bars[index : index + length]
            for place, bar in enumerate(section):
                tokens += [*bar, CLOSE if place == length - 1 else BAR]
            index += 2 * length
        else:
            tokens += [*bars[index], BAR]
            index += 1
    return tokens


def _repeated(bars: Sequence[tuple[str, ...]], start: int, shortest: int) -> int:
    for length in range((len(bars) - start) // 2, shortest - 1, -1):
        if bars[start] == bars[start + length] and (
            bars[start : start + length] == bars[start + length : start + 2 * length]
        ):
            return length
    return 0


def text_of(tokens: Sequence[str]) -> str:
    """Return any tokens as an ABC tune: up to the end sign, with what cannot be read left out.

    Metres and keys go to the header where they come before all music, else into brackets. A length
    with no note or rest before it is left out.
    """
    header = {"M:": "M:4/4", "K:": "K:Cmaj"}
    body: list[str] = []
    timeable = False
    for token in tokens:
        if token == END:
            break
        if token in (START, PAD):
            continue
        if token[:2] in header:
            if body:
                body.append(f"[{token}]")
            else:
                header[token[:2]] = token
            timeable = False
        elif token[0].isdigit() or token[0] == "/":
            if timeable:
                body[-1] += token
            timeable = False
        elif token == TIE:
            if body:
                body[-1] += token
            timeable = False
        else:
            body.append(token)
            timeable = token[-1].isalpha() or token[-1] in ",'"
    return f"X:1\n{header['M:']}\nL:1/8\n{header['K:']}\n{' '.join(body)}\n"
