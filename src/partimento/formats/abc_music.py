"""One voice of an ABC tune while it is read: notes, lengths and accidentals into measures."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from partimento.formats.abc_expand import MAX_EVENTS, Measure
from partimento.formats.abc_header import ACCIDENTALS, NO_KEY, AbcError, Signature

MAX_UNITS = 4096
"""Longest note or rest, in unit note lengths."""
MAX_DENOMINATOR = 2**20
MAX_TUPLET = 64
MAX_PASS = 64
"""Highest number of a variant ending."""

NOTE = r"(\^\^?|__?|=)?([A-Ga-g])([,']*)([\d/]*)"
_CHORD_NOTE = re.compile(NOTE + "(-)?")
_QUOTED = re.compile(r'"([^"]*)"|![^!]*!')
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SEMITONES |= {letter.lower(): semitones + 12 for letter, semitones in _SEMITONES.items()}
MIDDLE_C = 60
# ABC 2.1, section 4.13; three or two by the metre for 5, 7 and 9.
_TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
# "d" and "a" are the Nottingham database's signs for diminished and augmented.
_CHORD = re.compile(
    r"N\.?C\.?|[A-G](?:#|b|♯|♭)?"
    r"(?:[da]7?|(?:maj|min|mi|ma|dim|aug|sus|add|alt|no|m|M|o|°|ø|Δ|\+|-|[0-9]|#|b|\(|\)|,)*)"
    r"(?:/[A-Ga-g](?:#|b|♯|♭|\+)?)?"
)


@dataclass(slots=True)
class Sound:
    """A note, a chord or (without pitches) a rest; its length a fraction of a whole note."""

    numerator: int
    denominator: int
    pitches: tuple[int, ...]
    tied: tuple[int, ...] = ()


class Mark(NamedTuple):
    """What takes no time: a chord symbol, a key, a tempo, or "overlay": back to the bar line."""

    kind: str
    value: Any


@lru_cache(maxsize=4096)
def length_of(text: str) -> tuple[int, int]:
    """Return the factor that stands after a note, such as 3/2 for "3/2" and 1/4 for "//".

    Raises:
        AbcError: When it is zero or far beyond any music.
    """
    if len(text) > 16:
        raise AbcError(f"has a note length of {len(text)} signs")
    top, *bottoms = text.split("/")
    numerator, denominator = int(top or 1), 1
    for bottom in bottoms:
        denominator *= int(bottom or 2)
    if not (0 < numerator <= MAX_UNITS and 0 < denominator <= MAX_DENOMINATOR):
        raise AbcError(f"has the note length '{text}'")
    return numerator, denominator


def chord_symbol(text: str) -> str | None:
    """Return a quoted text as chord symbol, without spaces; None when it is something else.

    Annotations such as "^slow", and words such as "D.C.", "Fine" and "End", are no chords.
    """
    symbol = "".join(text.split())
    if symbol.startswith("(") and symbol.endswith(")"):
        symbol = symbol[1:-1]
    return symbol if _CHORD.fullmatch(symbol) else None


@dataclass(slots=True)
class Voice:
    """One voice while it is read: what is in force, and the measures so far."""

    name: str
    key: Signature
    unit: tuple[int, int]
    metre: tuple[int, int] | None
    shift: int
    count_event: Callable[[], None]
    measures: list[Measure] = field(default_factory=list)
    current: Measure = field(default_factory=lambda: Measure(None, NO_KEY))
    graces: int = 0
    held: dict[str, int] = field(default_factory=dict)
    tied: dict[tuple[str, str], int] = field(default_factory=dict)
    last: Sound | None = None
    last_names: dict[tuple[str, str], int] = field(default_factory=dict)
    tuplet: tuple[int, int, int] = (0, 1, 1)
    broken: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        self.current = Measure(self.metre, self.key)

    def set_key(self, key: Signature) -> None:
        self.key = key
        if self.current.sounds:
            self.mark("key", key)
        else:
            self.current.key = key

    def set_metre(self, metre: tuple[int, int] | None) -> None:
        self.metre = metre
        if not self.current.sounds:
            self.current.metre = metre

    def begin_section(self, label: str) -> None:
        """Begin a section that a play order may name."""
        if self.current.sounds:
            self.measures.append(self.current)
            self.current = Measure(self.metre, self.key)
        self.current.label = label

    def mark(self, kind: str, value: Any) -> None:
        self.count_event()
        self.current.events.append(Mark(kind, value))

    def pitch(self, sign: str | None, letter: str, octave: str) -> int:
        """Return the MIDI number of a note; its accidental holds for the bar, in all octaves."""
        upper = letter.upper()
        if sign is not None:
            alter = self.held[upper] = ACCIDENTALS[sign]
        elif (letter, octave) in self.tied:
            alter = self.tied[letter, octave]
        elif upper in self.held:
            alter = self.held[upper]
        else:
            alter = self.key.alterations.get(upper, 0)
        self.last_names[letter, octave] = alter
        octaves = octave.count("'") - octave.count(",") if octave else 0
        number = MIDDLE_C + _SEMITONES[letter] + alter + 12 * octaves + self.shift
        if not 0 <= number <= 127:
            raise AbcError(f"has the note '{letter}{octave[:12]}', beyond the range of MIDI")
        return number

    def note(self, sign: str | None, letter: str, octave: str, length: str) -> None:
        self.last_names = {}
        self.sound(length, (self.pitch(sign, letter, octave),))

    def rest(self, length: str) -> None:
        self.last_names = {}
        self.sound(length, ())

    def sound(self, length: str, pitches: tuple[int, ...], inner: str = "") -> Sound:
        """Append a note, chord or rest; `inner` is the length of a chord's first note."""
        self.count_event()
        top, bottom = length_of(length)
        if inner:
            inside = length_of(inner)
            top, bottom = top * inside[0], bottom * inside[1]
        left, spread, squeezed = self.tuplet
        if left:
            top, bottom = top * squeezed, bottom * spread
            self.tuplet = (left - 1, spread, squeezed)
        top, bottom = top * self.unit[0] * self.broken[0], bottom * self.unit[1] * self.broken[1]
        self.broken = (1, 1)
        common = math.gcd(top, bottom)
        sound = self.last = Sound(top // common, bottom // common, pitches)
        self.tied = {}
        self.current.events.append(sound)
        self.current.sounds = True
        return sound

    def tie(self) -> None:
        """Tie the last note to the next; the sign may stand apart from both."""
        if self.last is not None:
            self.last.tied = self.last.pitches
            self.tied = dict(self.last_names)

    def break_rhythm(self, signs: str) -> None:
        """Lengthen one neighbour of > or < at the cost of the other (ABC 2.1, section 4.4)."""
        if self.last is None or len(signs) > 6:
            return
        whole = 2 ** len(signs)
        factor, other = (2 * whole - 1, 1) if signs[0] == ">" else (1, 2 * whole - 1)
        top, bottom = self.last.numerator * factor, self.last.denominator * whole
        common = math.gcd(top, bottom)
        self.last.numerator, self.last.denominator = top // common, bottom // common
        self.broken = (other, whole)

    def begin_tuplet(self, notes: str, time: str | None, count: str | None) -> None:
        """Put the next notes into the time of others, such as three into that of two."""
        if max(map(len, (notes, time or "", count or ""))) > 3:
            raise AbcError(f"has a tuplet of '{notes[:12]}' notes")
        number = int(notes)
        if number < 2:
            return
        compound = self.metre is not None and self.metre[0] % 3 == 0 and self.metre[0] > 3
        default = _TUPLETS.get(number, (3 if compound else 2) if number < 10 else number)
        squeezed, left = int(time or 0) or default, int(count or 0) or number
        if max(number, squeezed, left) > MAX_TUPLET:
            raise AbcError(f"has a tuplet of {max(number, squeezed, left)} notes")
        self.tuplet = (left, number, squeezed)

    def end_measure(self, sign: str) -> None:
        """Close the measure with a bar line, and note the repeats that it states."""
        if sign == ":":
            return
        body = sign.strip(".[]")
        before = len(body) - len(body.lstrip(":")) if "|" in body else len(body) // 2
        after = len(body) - len(body.rstrip(":")) if "|" in body else len(body) // 2
        double = "||" in body or "[" in sign or "]" in sign
        if self.current.sounds:
            self.measures.append(self.current)
            self.current = Measure(self.metre, self.key)
            self.count_event()
        if self.measures:
            closed = self.measures[-1]
            closed.plays = max(closed.plays, before + 1 if before else 0)
            closed.double = closed.double or double
        if after:
            self.current.starts = after + 1
        self.held = {}

    def begin_ending(self, passes: str) -> None:
        """Begin a variant ending, such as "1" or "1,3-4"; it may begin inside a bar."""
        if self.current.sounds:
            self.measures.append(self.current)
            self.current = Measure(self.metre, self.key)
            self.count_event()
        numbers: set[int] = set()
        for first, last in re.findall(r"(\d{1,3})(?:-(\d{1,3}))?", passes):
            numbers.update(range(int(first), int(last or first) + 1))
        if not numbers or max(numbers) > MAX_PASS:
            raise AbcError(f"has the variant ending '{passes[:12]}'")
        self.current.ending = tuple(sorted(numbers))

    def silent_bars(self, count: str) -> None:
        """Append bars of rest (Z), one when no number is given."""
        bars = int(count) if 0 < len(count) < 5 else 1 if not count else MAX_EVENTS
        if bars > 1000:
            raise AbcError(f"has '{count[:12]}' bars of rest")
        beats, beat_type = self.metre or (4, 4)
        for index in range(bars):
            self.count_event()
            self.current.events.append(Sound(beats, beat_type, ()))
            self.current.sounds = True
            if index < bars - 1:
                self.end_measure("|")

    def chord(self, content: str, length: str) -> None:
        """Append notes in brackets; the first note's length is that of the chord."""
        for text in _QUOTED.findall(content):
            self.text(text)
        notes = _CHORD_NOTE.findall(_QUOTED.sub("", content))
        if not notes:
            return
        self.last_names = {}
        pitches = [self.pitch(sign or None, letter, octave) for sign, letter, octave, _, _ in notes]
        sound = self.sound(length, tuple(sorted(set(pitches))), inner=notes[0][3])
        sound.tied = tuple(pitch for pitch, note in zip(pitches, notes, strict=True) if note[4])

    def text(self, text: str) -> None:
        symbol = chord_symbol(text)
        if symbol is not None:
            self.mark("chord", symbol)

    def close(self) -> list[Measure]:
        """Return the measures, the last one included even without a bar line."""
        if self.current.sounds:
            self.measures.append(self.current)
            self.current = Measure(self.metre, self.key)
        return self.measures
