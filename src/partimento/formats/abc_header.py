"""The fields of an ABC tune that say how its notes are meant: key, metre, unit, tempo, voice, parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

SHARPS = "FCGDAEB"
"""Letters in the order in which key signatures sharpen them; flats come from the other end."""

# Fifths from the major key of the same tonic, and the mode's name, by its first three letters.
_MODES = {
    "maj": (0, "major"), "ion": (0, "major"), "min": (-3, "minor"), "aeo": (-3, "minor"),
    "mix": (-1, "mixolydian"), "dor": (-2, "dorian"), "phr": (-4, "phrygian"),
    "lyd": (1, "lydian"), "loc": (-5, "locrian"),
}  # fmt: skip
MODES: Mapping[str, int] = MappingProxyType({name: fifths for fifths, name in _MODES.values()})
"""Name of each mode → fifths of its signature from that of the major key on the same tonic."""

ACCIDENTALS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0, "": 0}
_KEY = re.compile(r"([A-G])([#b♯♭]?)\s*([A-Za-z]+(?![A-Za-z]|=\w\w))?")
_EXPLICIT = re.compile(r"(\^\^?|__?|=)([A-Ga-g])(?![\w=])")
_SHIFT = re.compile(r"\b(octave|transpose)=\s*([+-]?\d{1,3})\b")
_SIGNATURE = re.compile(r"\(?\s*(\d{1,3}(?:\s*\+\s*\d{1,3})*)\s*\)?\s*/\s*(\d{1,3})(?!\d)")
_UNIT = re.compile(r"(\d{1,3})\s*(?:/\s*(\d{1,4}))?(?!\d)")
_TEMPO = re.compile(r"((?:\d{1,3}/\d{1,3}\s*)+)=\s*(\d{1,4}(?:\.\d{1,3})?)(?!\d)")
_OLD_TEMPO = re.compile(r"(?:C\d?\s*=\s*)?(\d{1,4}(?:\.\d{1,3})?)")
_VOICE_NAME = re.compile(r"""\b(?:name|nm)=(?:"([^"]*)"|(\S+))""")
MAX_PARTS = 1000
"""Most sections that a play order such as P:(AB)3 may name."""


class AbcError(ValueError):
    """What is wrong with a tune, as the end of a sentence that begins with its name."""


class Signature(NamedTuple):
    """A key: its signature counted in sharps, its mode, its tonic, and every altered letter."""

    fifths: int
    mode: str
    tonic: str
    alterations: Mapping[str, int]

    @property
    def name(self) -> str:
        return f"{self.tonic} {self.mode}".strip()


@lru_cache(maxsize=64)
def altered(fifths: int) -> Mapping[str, int]:
    """Return semitones by letter for a signature of so many sharps (negative: flats)."""
    alters = {letter: (fifths - 1 - place) // 7 + 1 for place, letter in enumerate(SHARPS)}
    return MappingProxyType({letter: alter for letter, alter in alters.items() if alter})


NO_KEY = Signature(0, "", "", MappingProxyType({}))
# Highland pipes: K:HP writes no signature, K:Hp the sharps on F and C; both sound as A mixolydian.
_PIPES = Signature(2, "mixolydian", "A", altered(2))


def parse_key(text: str, before: Signature = NO_KEY) -> Signature:
    """Return the key that a K: field states (ABC 2.1, section 3.1.14).

    A field without tonic, such as "clef=bass", leaves the key as it was `before`. Accidentals after
    the mode change single letters; after "exp" they are the whole signature.
    """
    text = text.strip()
    if text[:2] in ("HP", "Hp"):
        return _PIPES
    if not text or text.lower().startswith("none"):
        return NO_KEY
    match = _KEY.match(text)
    explicit = {letter.upper(): ACCIDENTALS[sign] for sign, letter in _EXPLICIT.findall(text)}
    if match is None:
        plain = {k: v for k, v in explicit.items() if v}
        return NO_KEY._replace(alterations=plain) if plain else before
    letter, sign, word = match.groups()
    fifths = SHARPS.index(letter) - 1 + {"": 0, "#": 7, "♯": 7, "b": -7, "♭": -7}[sign]
    shift, mode = _mode(word or "")
    fifths += shift
    if (word or "").lower().startswith("exp"):
        return Signature(0, "", letter + sign, explicit)
    alterations = {**altered(fifths), **explicit}
    shown = fifths if abs(fifths) <= 7 else fifths - 12 * (1 if fifths > 0 else -1)
    return Signature(shown, mode, letter + sign, alterations)


def _mode(word: str) -> tuple[int, str]:
    """Return the shift in fifths and the name of a mode; an unknown word is major."""
    if word in ("m", "M"):  # O'Neill's and Ryan's transcribers write "K: GM" for minor
        return _MODES["min"]
    return _MODES.get(word[:3].lower(), _MODES["maj"])


def parse_shift(text: str) -> int:
    """Return the semitones by which octave= and transpose= in a K: or V: field move the notes."""
    return sum(int(n) * (12 if word == "octave" else 1) for word, n in _SHIFT.findall(text))


def parse_metre(text: str) -> tuple[int, int] | None:
    """Return the metre that an M: field states, such as (6, 8); None: no metre.

    Raises:
        AbcError: When it is none.
    """
    text = text.strip()
    if not text or text.lower().startswith("none"):
        return None
    if text.startswith("C|"):
        return 2, 2
    if text.startswith("C"):
        return 4, 4
    match = _SIGNATURE.match(text)
    if match is not None:
        beats, beat_type = sum(map(int, match[1].split("+"))), int(match[2])
        if 1 <= beats <= 64 and 1 <= beat_type <= 64 and not beat_type & (beat_type - 1):
            return beats, beat_type
    raise AbcError(f"has the metre '{text[:20]}', where one such as 6/8 is needed")


def parse_unit(text: str) -> tuple[int, int]:
    """Return the unit note length that an L: field states, as a fraction of a whole note.

    Raises:
        AbcError: When it is none.
    """
    match = _UNIT.match(text.strip())
    if match is not None:
        top, bottom = int(match[1]), int(match[2] or 1)
        if 1 <= top <= 16 and 1 <= bottom <= 1024:
            return top, bottom
    raise AbcError(f"has the unit note length '{text.strip()[:20]}', where 1/8, say, is needed")


def default_unit(metre: tuple[int, int] | None) -> tuple[int, int]:
    """Return the unit note length of a tune that states none (ABC 2.1, section 3.1.7)."""
    return (1, 16) if metre is not None and 4 * metre[0] < 3 * metre[1] else (1, 8)


@lru_cache(maxsize=1024)
def parse_tempo(text: str, unit: tuple[int, int]) -> float | None:
    """Return quarter notes per minute of a Q: field; None when it gives no number, or zero."""
    match = _TEMPO.search(text)
    if match is not None:
        beats = [tuple(map(int, beat.split("/"))) for beat in match[1].split()]
        if any(bottom == 0 for _, bottom in beats):
            return None
        beat = sum((Fraction(top, bottom) for top, bottom in beats), Fraction(0))
    else:
        match = _OLD_TEMPO.fullmatch(text.strip())
        if match is None:
            return None
        # Deprecated "Q:120": so many unit notes a minute.
        beat = Fraction(*unit)
    qpm = float(4 * beat * Fraction(match[match.lastindex or 1]))
    return qpm if 0 < qpm < 10_000 else None


def parse_voice(text: str) -> tuple[str, str]:
    """Return id and name of a V: field; without a name the id stands for it."""
    identity = text.split()[0] if text.split() else ""
    match = _VOICE_NAME.search(text)
    name = (match[1] or match[2] or "").strip() if match else ""
    return identity, name or identity


def parse_order(text: str) -> list[str]:
    """Return the letters of a play order such as "A2(BC)2" one by one; empty when it is none.

    Raises:
        AbcError: When it names more sections than any tune has.
    """
    stack: list[list[str]] = [[]]
    last: list[str] = []
    for token in re.findall(r"[A-Z]|\d{1,9}|[()]", text):
        if token == "(":
            stack.append([])
            continue
        if token == ")":
            if len(stack) == 1:
                return []
            last = stack.pop()
            stack[-1].extend(last)
        elif token.isdigit():
            if len(last) * int(token) > MAX_PARTS:
                raise AbcError(f"plays more than {MAX_PARTS} sections by its P: field")
            stack[-1].extend(last * (int(token) - 1))
        else:
            last = [token]
            stack[-1].extend(last)
        if len(stack[-1]) > MAX_PARTS:
            raise AbcError(f"plays more than {MAX_PARTS} sections by its P: field")
    return stack[0] if len(stack) == 1 else []
