"""Chord symbols as lead sheets write them: their tones, the nearest triad, MidiNet's vector of it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "♯": 1, "+": 1, "b": -1, "♭": -1}
_NO_CHORD = frozenset({"n.c.", "n.c", "nc", "no chord"})

# Semitones above the root of a degree that nothing alters: major and perfect, but a minor seventh.
_DEGREES = {2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 10, 9: 2, 11: 5, 13: 9}
# The degrees that a number after the root stands for.
_EXTENSIONS = {
    "": (), "6": (6,), "69": (6, 9), "7": (7,), "9": (7, 9), "11": (7, 9, 11),
    "13": (7, 9, 11, 13),
}  # fmt: skip
# What stands between the root and the number, by what it does to third, fifth and seventh.
_QUALITIES = {
    "": {},
    "maj": {7: 11}, "ma": {7: 11}, "M": {7: 11}, "j": {7: 11}, "^": {7: 11}, "Δ": {7: 11},
    "m": {3: 3}, "min": {3: 3}, "mi": {3: 3}, "minor": {3: 3}, "-": {3: 3},
    "mmaj": {3: 3, 7: 11}, "mma": {3: 3, 7: 11}, "mM": {3: 3, 7: 11}, "-maj": {3: 3, 7: 11},
    "minmaj": {3: 3, 7: 11},
    "dim": {3: 3, 5: 6, 7: 9}, "o": {3: 3, 5: 6, 7: 9}, "°": {3: 3, 5: 6, 7: 9},
    "ø": {3: 3, 5: 6, 7: 10},
    "aug": {5: 8}, "+": {5: 8},
}  # fmt: skip

_ROOT = re.compile(r"([A-G])([#♯]{1,2}|[b♭]{1,2})?")
_BASS = re.compile(r"/([A-Ga-g])([#♯+]{1,2}|[b♭]{1,2})?$")
_QUALITY = re.compile(
    r"(mmaj|minmaj|minor|min|mma|mi|mM|maj|ma|m(?!a)|M|j|\^|Δ|-maj|-|dim|o|°|ø|aug|\+)?"
    r"(69|6|7|9|11|13)?(?![0-9])"
)
_CHANGE = re.compile(r"sus([24]?)|(no|omit|add|maj)?([#♯+b♭-]?)(13|11|2|3|4|5|6|7|9)(?![0-9])")
# The order of the line of fifths from F flat to B sharp; its spelling of each pitch class.
_FIFTHS = "FCGDAEB"


class Triad(NamedTuple):
    """A major or minor triad: pitch class of its root (0 is C), and whether it is minor."""

    root: int
    minor: bool

    @property
    def symbol(self) -> str:
        """The triad as a chord symbol, such as "F#m"."""
        return _spelled(_on_fifths(self.root)) + ("m" if self.minor else "")

    @property
    def pitch_classes(self) -> tuple[int, int, int]:
        """Root, third and fifth."""
        return self.root, (self.root + 4 - self.minor) % 12, (self.root + 7) % 12


class ParsedChord(NamedTuple):
    """What a chord symbol names.

    Attributes:
        root: Pitch class of the root, 0 for C; None where there is to be no chord ("N.C.").
        intervals: Semitones of its tones above the root, below 12, rising.
        bass: Pitch class of the lowest tone; the root where the symbol names none.
    """

    root: int | None
    intervals: tuple[int, ...]
    bass: int | None

    @property
    def pitch_classes(self) -> frozenset[int]:
        """Pitch classes of the chord, the bass included."""
        if self.root is None or self.bass is None:
            return frozenset()
        return frozenset({self.bass, *((self.root + i) % 12 for i in self.intervals)})

    @property
    def triad(self) -> Triad | None:
        """The triad on the same root with the same third; None where there is no third.

        So diminished chords become minor triads, augmented ones major triads, and suspended
        chords, fifths alone and "N.C." none.
        """
        if self.root is None or not {3, 4} & set(self.intervals):
            return None
        # A sharp ninth sounds like a minor third, but beside a major one it makes no minor chord.
        return Triad(self.root, 4 not in self.intervals)


@lru_cache(maxsize=4096)
def parse_chord(symbol: str) -> ParsedChord:
    """Return what a chord symbol such as "F#m7/C#", "Bb6", "Gsus4" or "N.C." names.

    A letter with accidentals is the root. Then may follow the kind of chord, a number, changes
    ("sus4", "b9", "add9", "no3", with or without brackets) and a bass note. A symbol that may mean
    two things ("C2", "Calt") is refused like one that means nothing.

    Raises:
        ValueError: Saying what in the symbol is not understood.
    """
    text = re.sub(r"\s+", "", symbol)
    if text.lower() in {word.replace(" ", "") for word in _NO_CHORD}:
        return ParsedChord(None, (), None)
    if len(text) > 40:
        raise ValueError(f"'{symbol[:20]}...' is too long for a chord symbol")
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]  # a chord that may be left out
    found = _ROOT.match(text)
    if found is None:
        raise ValueError(f"'{symbol}' does not begin with a note from A to G")
    root, rest = _pitch_class(*found.groups()), text[found.end() :]
    bass, slash = root, _BASS.search(rest)
    if slash is not None:
        bass, rest = _pitch_class(*slash.groups()), rest[: slash.start()]
    degrees = _degrees_of(rest, symbol)
    return ParsedChord(root, tuple(sorted({value % 12 for value in degrees.values()})), bass)


def triad_of(symbol: str) -> Triad | None:
    """Return the triad nearest to a chord symbol (see `ParsedChord.triad`).

    None for a symbol that cannot be read, for "N.C." and for a chord without a third.
    """
    try:
        return parse_chord(symbol).triad
    except ValueError:
        return None


def _pitch_class(letter: str, accidentals: str | None) -> int:
    return (_LETTERS[letter.upper()] + sum(_ACCIDENTALS[sign] for sign in accidentals or "")) % 12


def _degrees_of(text: str, symbol: str) -> dict[int, int]:
    """Return semitones above the root by degree, from what follows the root."""
    if text == "5":
        return {1: 0, 5: 7}
    # Capitals tell M from m; in a word they say nothing.
    text = re.sub(r"(?i)maj|min|dim|aug|sus|add|no|omit", lambda word: word[0].lower(), text)
    text = text.replace("6/9", "69").replace("m(maj", "mmaj(").replace("-(maj", "-maj(")
    text = re.sub(r"maj\((\d+)\)", r"maj\1", text)
    found = _QUALITY.match(text)
    quality, extension = (found.group(1) or "", found.group(2) or "") if found else ("", "")
    changed = dict(_QUALITIES[quality])
    degrees = {1: 0, 3: changed.get(3, 4), 5: changed.get(5, 7)}
    added = _EXTENSIONS[extension] or ((7,) if quality in ("ø", "Δ") else ())
    degrees |= {degree: changed.get(degree, _DEGREES[degree]) for degree in added}
    rest = text[found.end() :] if found else text
    return _changed(degrees, rest, symbol, seventh=bool(added))


def _changed(degrees: dict[int, int], text: str, symbol: str, *, seventh: bool) -> dict[int, int]:
    """Return degrees after the changes that follow the number, such as "sus4", "(b9)", "add9"."""
    if text == "+" and seventh:
        return degrees | {5: 8}
    bare = re.sub(r"[(),]", " ", text)
    for word in bare.split():
        place = 0
        while place < len(word):
            found = _CHANGE.match(word, place)
            if found is None or (found.group(2) is None and not _is_change(found, seventh)):
                raise ValueError(f"'{word[place:]}' in the chord symbol '{symbol}' is not known")
            _change(degrees, found)
            place = found.end()
    return degrees


def _is_change(found: re.Match[str], seventh: bool) -> bool:
    """Tell whether a change without "add" or "no" says what it does: "b5" does, a bare "4" not."""
    if found.group(0).startswith("sus"):
        return True
    return bool(found.group(3)) or (seventh and found.group(4) in ("9", "11", "13"))


def _change(degrees: dict[int, int], found: re.Match[str]) -> None:
    if found.group(0).startswith("sus"):
        degree = int(found.group(1) or 4)
        degrees.pop(3, None)
        degrees[degree] = _DEGREES[degree]
        return
    word, sign, degree = found.group(2), found.group(3), int(found.group(4))
    if word in ("no", "omit"):
        degrees.pop(degree, None)
        return
    shift = {"#": 1, "♯": 1, "+": 1, "b": -1, "♭": -1, "-": -1}.get(sign, int(word == "maj"))
    degrees[degree] = _DEGREES[degree] + shift


def _on_fifths(pitch_class: int) -> int:
    """Return the place of a pitch class on the line of fifths (C is 0), from D flat to F sharp."""
    return (7 * pitch_class + 5) % 12 - 5


def _spelled(place: int) -> str:
    """Return the name of the note at a place on the line of fifths."""
    sharps, index = divmod(place + 1, 7)
    return _FIFTHS[index] + ("#" * sharps if sharps > 0 else "b" * -sharps)


@lru_cache(maxsize=4096)
def transposed_symbol(symbol: str, semitones: int) -> str:
    """Return a chord symbol moved by semitones; one that is not understood stays as it is."""
    try:
        chord = parse_chord(symbol)
    except ValueError:
        return symbol
    if chord.root is None or chord.bass is None or semitones % 12 == 0:
        return symbol
    text = re.sub(r"\s+", "", symbol)
    if text.startswith("("):
        text = text[1:-1]
    moved = _spelled(_on_fifths(chord.root + semitones)) + _BASS.sub("", _ROOT.sub("", text, 1))
    if _BASS.search(text):
        moved += "/" + _spelled(_on_fifths(chord.bass + semitones))
    return moved


def chord_vector(triad: Triad, minor_at: Literal["root", "relative"] = "root") -> tuple[int, ...]:
    """Return MidiNet's 13 numbers of a triad: one of 12 places is 1, the last is 1 for minor.

    Yang, Chou & Yang, "MidiNet", ISMIR 2017: 24 triads as 12 numbers and one for major or minor.

    Args:
        triad: The triad.
        minor_at: Which place marks a minor triad: "root", its root, so that C and Cm share one;
            "relative", that of the major triad a minor third above, so that C and Am share one,
            as demo.py of github.com/annahung31/MidiNet-by-pytorch plays it.
    """
    place = (triad.root + 3 * (triad.minor and minor_at == "relative")) % 12
    return (*(int(place == index) for index in range(12)), int(triad.minor))


def vector_triad(
    vector: tuple[int, ...], minor_at: Literal["root", "relative"] = "root"
) -> Triad | None:
    """Return the triad of `chord_vector`; None when no place of the first 12 is marked.

    Raises:
        ValueError: When the vector has not 13 numbers, or several of the first 12 are marked.
    """
    if len(vector) != 13 or sum(map(bool, vector[:12])) > 1:
        raise ValueError(f"a chord has 13 numbers, one of the first 12 not zero, not {vector}")
    if not any(vector[:12]):
        return None
    minor = bool(vector[12])
    place = next(index for index in range(12) if vector[index])
    return Triad((place - 3 * (minor and minor_at == "relative")) % 12, minor)
