"""One part of a part-wise MusicXML score, read bar by bar into notes and marks."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element

from partimento.chords import transposed_symbol
from partimento.formats.limits import shortened
from partimento.music import Key, Tempo

GRACE_NOTES = "grace notes dropped"
"""Name of the `Piece.metadata` entry that counts them; absent when there were none."""

_MAX_METRE = 1024
_MAX_FIFTHS = 14  # as many sharps or flats as a key of double ones has

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}
_DEGREES = {"add": "add", "alter": "", "subtract": "no"}
# The values of MusicXML's `kind` element, as lead sheets write them.
_KINDS = {
    "major": "", "minor": "m", "augmented": "aug", "diminished": "dim", "dominant": "7",
    "major-seventh": "maj7", "minor-seventh": "m7", "diminished-seventh": "dim7",
    "augmented-seventh": "aug7", "half-diminished": "m7b5", "major-minor": "m(maj7)",
    "major-sixth": "6", "minor-sixth": "m6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "m9", "dominant-11th": "11", "major-11th": "maj11", "minor-11th": "m11",
    "dominant-13th": "13", "major-13th": "maj13", "minor-13th": "m13", "power": "5",
    "suspended-second": "sus2", "suspended-fourth": "sus4",
}  # fmt: skip


def chord_symbol(harmony: Element) -> str | None:
    """Return a `harmony` element as lead-sheet text such as "F#m7/C#"; None without a root.

    A kind that MusicXML does not name, or that says nothing of the tones ("other"), is written as
    the score shows it, else by its own name in brackets, which is no chord that can be read.
    """
    kind = (harmony.findtext("kind") or "").strip()
    if kind == "none":
        return "N.C."
    if harmony.find("root/root-step") is None:
        return None
    shown = "".join(element.get("text", "").strip() for element in harmony.iterfind("kind"))
    symbol = _spelled(harmony, "root") + _KINDS.get(kind, shown or f"({kind or 'no kind'})")
    # What is shown for a kind of no name tells the degrees too.
    for degree in harmony.iterfind("degree") if kind in _KINDS or not shown else ():
        what = _DEGREES.get((degree.findtext("degree-type") or "").strip(), "")
        alter = _ACCIDENTALS.get(int(degree.findtext("degree-alter") or 0), "")
        symbol += f"({what}{alter}{(degree.findtext('degree-value') or '').strip()})"
    if harmony.find("bass/bass-step") is not None:
        symbol += "/" + _spelled(harmony, "bass")
    return symbol


def _spelled(harmony: Element, tag: str) -> str:
    step = (harmony.findtext(f"{tag}/{tag}-step") or "").strip()
    alter = round(float(harmony.findtext(f"{tag}/{tag}-alter") or 0))
    return step + _ACCIDENTALS.get(alter, "")


def number(text: str | None) -> Fraction:
    """Return a decimal number exactly.

    Raises:
        ValueError: When it is none, or longer than any score needs ("1e999999999" would hang).
    """
    if re.fullmatch(r"\s*-?\d{1,18}(\.\d{1,9})?\s*", text or "") is None:
        raise ValueError(f"'{shortened(text or '')}' is not a number")
    return Fraction((text or "").strip())


def _metre(time: Element) -> tuple[int, int] | None:
    """Return (beats, beat type) of a `time` element; mixed ones such as 3/8+2/4 are added up."""
    beats = [sum(map(int, (e.text or "").split("+"))) for e in time.iterfind("beats")]
    types = [int(element.text or "") for element in time.iterfind("beat-type")]
    if not beats:
        return None
    if len(beats) != len(types) or min(beats) <= 0:
        raise ValueError("its time signature is incomplete")
    if min(types) <= 0 or max(*types, *beats) > _MAX_METRE:
        raise ValueError("its time signature is none")
    common = math.lcm(*types)
    if common > _MAX_METRE:
        raise ValueError("its time signature is none")
    return sum(n * common // kind for n, kind in zip(beats, types, strict=True)), common


@dataclass
class PartReader:
    """One part while it is read, bar by bar; times are ticks of `resolution` per quarter note."""

    resolution: int
    unit: int = field(init=False)
    transposition: int = 0
    metre: tuple[int, int] = (4, 4)
    start: int = 0
    cursor: int = 0
    length: int = 0
    chord_onset: int = 0
    notes: list[list[int]] = field(default_factory=list)
    tied: dict[tuple[int, int], list[list[int]]] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    symbols: list[tuple[int, str]] = field(default_factory=list)
    tempos: list[Tempo] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        # One division to the quarter note until the part says otherwise.
        self.unit = self.resolution

    def read(self, measure: Element, start: int) -> int:
        """Read one measure that starts at `start`; return its length as far as it is filled."""
        self.start, self.cursor, self.length, self.chord_onset = start, 0, 0, 0
        for element in measure:
            tag = element.tag
            if tag == "note":
                self.note(element)
            elif tag == "attributes":
                self.attributes(element)
            elif tag == "backup":
                self.move(-self.ticks(element.findtext("duration")))
            elif tag == "forward":
                self.move(self.ticks(element.findtext("duration")))
            elif tag == "harmony":
                self.harmony(element)
            elif tag in ("direction", "sound"):
                self.sound(element)
        return self.length

    def ticks(self, text: str | None) -> int:
        """Return a duration in divisions as ticks."""
        if text is not None and text.isdecimal() and len(text) <= 18:
            return int(text) * self.unit
        ticks = number(text) * self.unit
        if ticks.denominator != 1 or ticks < 0:
            raise ValueError(f"the duration {shortened(text)} is not a whole number of divisions")
        return ticks.numerator

    def move(self, ticks: int) -> None:
        """Move the cursor; a bar is as long as the furthest it gets."""
        self.cursor += ticks
        if self.cursor < 0:
            raise ValueError("<backup> goes back beyond the start of the bar")
        self.length = max(self.length, self.cursor)

    def note(self, element: Element) -> None:
        children = {child.tag: child for child in element}
        if "grace" in children:
            self.dropped[GRACE_NOTES] += 1
            return
        if "duration" not in children:
            raise ValueError("a note has no duration")
        duration = self.ticks(children["duration"].text)
        if "chord" not in children:
            self.chord_onset = self.start + self.cursor
            self.move(duration)
        elif self.chord_onset + duration > self.start + self.length:
            self.length = self.chord_onset + duration - self.start
        if "cue" in children:
            self.dropped["cue notes dropped"] += 1
        elif "unpitched" in children:
            self.dropped["unpitched notes dropped"] += 1
        elif "pitch" in children and duration:
            self.add(self.chord_onset, duration, self.pitch(children["pitch"]), element)

    def pitch(self, element: Element) -> int:
        step = (element.findtext("step") or "").strip()
        alter = float(element.findtext("alter") or 0)
        if step not in _SEMITONES:
            raise ValueError(f"'{shortened(step)}' is not a step from A to G")
        if alter != round(alter):
            self.dropped["quarter tones rounded"] += 1
        octave = int(element.findtext("octave") or "")
        pitch = 12 * octave + 12 + _SEMITONES[step] + round(alter) + self.transposition
        if not 0 <= pitch <= 127:
            raise ValueError(f"a note lies at {shortened(pitch)}, outside the MIDI range 0 to 127")
        return pitch

    def add(self, onset: int, duration: int, pitch: int, element: Element) -> None:
        """Add a note, or lengthen the earlier one that is tied to it."""
        ties = {tie.get("type") for tie in element.iterfind("tie")}
        waiting = self.tied.get((pitch, onset)) if "stop" in ties else None
        if waiting:
            note = waiting.pop(0)
            note[1] += duration
        else:
            note = [onset, duration, pitch]
            self.notes.append(note)
        if "start" in ties:
            self.tied.setdefault((pitch, onset + duration), []).append(note)

    def attributes(self, element: Element) -> None:
        divisions = element.findtext("divisions")
        if divisions is not None:
            self.unit = int(self.resolution / number(divisions))
        transpose = element.find("transpose")
        if transpose is not None:
            octaves = int(transpose.findtext("octave-change") or 0)
            self.transposition = round(float(transpose.findtext("chromatic") or 0)) + 12 * octaves
        time = element.find("time")
        if time is not None:
            self.metre = _metre(time) or self.metre
        fifths = element.findtext("key/fifths")
        if fifths is not None:
            self.key(int(fifths), (element.findtext("key/mode") or "").strip())

    def key(self, fifths: int, mode: str) -> None:
        """Add the key signature as it sounds: a transposing part's own is another one."""
        if abs(fifths) > _MAX_FIFTHS:
            raise ValueError(f"a key has more than {_MAX_FIFTHS} sharps or flats")
        if self.transposition % 12:
            fifths = (fifths + 7 * self.transposition + 6) % 12 - 6
        key = Key(self.start + self.cursor, fifths, "" if mode == "none" else mode)
        if not self.keys or self.keys[-1][1:] != key[1:]:
            self.keys.append(key)

    def harmony(self, element: Element) -> None:
        symbol = chord_symbol(element)
        if symbol is None:
            self.dropped["chord symbols without a root dropped"] += 1
            return
        symbol = transposed_symbol(symbol, self.transposition)
        # The offset moves the symbol alone, and may be negative.
        offset = number(element.findtext("offset") or "0")
        moved = self.cursor + round(offset * self.unit)
        self.symbols.append((max(0, self.start + moved), symbol))

    def sound(self, element: Element) -> None:
        for sound in element.iter("sound"):
            tempo = float(sound.get("tempo") or 0)
            if not math.isfinite(tempo):
                raise ValueError("a tempo is not finite")
            if tempo > 0:
                self.tempos.append(Tempo(self.start + self.cursor, tempo))
