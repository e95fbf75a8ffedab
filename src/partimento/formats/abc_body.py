"""The body of an ABC tune: its lines, sign by sign and field by field, to the voices they are for."""

from __future__ import annotations

import re
from collections.abc import Callable

from partimento.formats.abc_expand import MAX_EVENTS
from partimento.formats.abc_header import (
    NO_KEY,
    AbcError,
    Signature,
    default_unit,
    parse_key,
    parse_metre,
    parse_order,
    parse_shift,
    parse_tempo,
    parse_unit,
    parse_voice,
)
from partimento.formats.abc_music import NOTE, Voice

# No alternative looks beyond the next sign that could open it anew, so that no text, however
# damaged, takes more than a few passes. What matches none is skipped: decorations and the like.
_SIGN = re.compile(
    rf"""(?P<note>{NOTE})
    |(?P<space>[\s`()]+(?!\d)|\s+)
    |(?P<bar>(?P<line>\.?(?:\[\||[|:])[|:]*\]?[|:]*)(?P<passes>\d[\d,.\-]*)?)
    |(?P<broken>>+|<+)
    |(?P<tie>-)
    |(?P<tuplet>\((?P<p>\d+)(?::(?P<q>\d*))?(?::(?P<r>\d*))?)
    |(?P<rest>[zx](?P<rest_length>[\d/]*))
    |(?P<grace>\{{[^{{}}]*\}})
    |(?P<text>"[^"]*")
    |(?P<decoration>![^!\s|]*!|\+[^+\s|]*\+)
    |(?P<inline>\[(?P<letter>[A-Za-z]):(?P<value>[^\]\[]*)\])
    |(?P<ending>\[\s?(?P<only>\d[\d,.\-]*))
    |(?P<chord>\[(?P<content>[^\]\[|]*)\](?P<chord_length>[\d/]*))
    |(?P<bars>[ZX](?P<count>\d*))
    |(?P<overlay>&)""",
    re.VERBOSE,
)
_FIELD = re.compile(r"([A-Zmrsw+]):(?![|:])(.*)", re.DOTALL)
_COMMENT = re.compile(r"(?<!\\)%")
_GRACE_NOTE = re.compile("[A-Ga-g]")
MAX_VOICES = 64


def _bar_line(voice: Voice, match: re.Match[str]) -> None:
    voice.end_measure(match["line"])
    if match["passes"]:
        voice.begin_ending(match["passes"])


def _grace_notes(voice: Voice, match: re.Match[str]) -> None:
    voice.graces += len(_GRACE_NOTE.findall(match["grace"]))


# What a voice does with each sign that is neither a single note nor a field.
_SIGNS: dict[str, Callable[[Voice, re.Match[str]], None]] = {
    "bar": _bar_line,
    "broken": lambda voice, match: voice.break_rhythm(match["broken"]),
    "tie": lambda voice, match: voice.tie(),
    "tuplet": lambda voice, match: voice.begin_tuplet(match["p"], match["q"], match["r"]),
    "rest": lambda voice, match: voice.rest(match["rest_length"]),
    "grace": _grace_notes,
    "text": lambda voice, match: voice.text(match["text"][1:-1]),
    "ending": lambda voice, match: voice.begin_ending(match["only"]),
    "chord": lambda voice, match: voice.chord(match["content"], match["chord_length"]),
    "bars": lambda voice, match: voice.silent_bars(match["count"]),
    "overlay": lambda voice, match: voice.mark("overlay", None),
}


class Body:
    """A tune while it is read: its header fields, then the lines of its voices.

    Attributes:
        fields: First value of each header field, by its letter.
        voices: Voices by id, in the order in which they are met.
        order: Labels of sections in the order of the header's P: field.
        in_header: Whether the K: field that ends the header is still to come.
    """

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.voices: dict[str, Voice] = {}
        self.order: list[str] = []
        self.in_header = True
        self._key: Signature = NO_KEY
        self._metre: tuple[int, int] | None = None
        self._unit: tuple[int, int] | None = None
        self._shift = 0
        self._names: dict[str, tuple[str, int]] = {}
        self._voice: Voice | None = None
        self._label = ""
        self._events = 0

    def line(self, line: str) -> None:
        """Read one line of the tune, whatever it is.

        Raises:
            AbcError: When the line says something that cannot be read.
        """
        if "%" in line:
            line = _COMMENT.split(line, maxsplit=1)[0]
        match = _FIELD.match(line)
        if match is None:
            if not self.in_header:
                self._music(line)
        elif self.in_header:
            self._header(match[1], match[2].strip())
        else:
            self._obey(match[1], match[2].strip())

    def _header(self, letter: str, value: str) -> None:
        if letter == "M":
            self._metre = parse_metre(value)
        elif letter == "L":
            self._unit = parse_unit(value)
        elif letter == "P":
            self.order = parse_order(value)
        elif letter == "V":
            identity, name = parse_voice(value)
            if len(self._names) < MAX_VOICES:
                self._names[identity] = (name, parse_shift(value))
        elif letter == "K":
            self._key, self._shift = parse_key(value), parse_shift(value)
            self.in_header = False
        self.fields.setdefault(letter, value)
        if letter == "K":
            self._unit = self._unit or default_unit(self._metre)
            tempo = parse_tempo(self.fields.get("Q", ""), self._unit)
            if tempo is not None:
                self.voice.mark("tempo", tempo)

    @property
    def metre(self) -> tuple[int, int] | None:
        """The metre of the header."""
        return self._metre

    @property
    def key(self) -> Signature:
        """The key of the header."""
        return self._key

    @property
    def voice(self) -> Voice:
        """The voice that is being written; the first one declared when none was begun."""
        if self._voice is None:
            self._voice = self._begin(next(iter(self._names), ""))
        return self._voice

    def _begin(self, identity: str) -> Voice:
        if identity not in self.voices:
            if len(self.voices) >= MAX_VOICES:
                raise AbcError(f"has more than {MAX_VOICES} voices")
            name, shift = self._names.get(identity, (identity, 0))
            unit = self._unit or default_unit(self._metre)
            self.voices[identity] = Voice(
                name, self._key, unit, self._metre, self._shift + shift, self._count
            )
            self.voices[identity].begin_section(self._label)
        return self.voices[identity]

    def _count(self) -> None:
        self._events += 1
        if self._events > MAX_EVENTS:
            raise AbcError(f"has more than {MAX_EVENTS:,} notes")

    def _obey(self, letter: str, value: str) -> None:
        """Obey a field in the body of the tune."""
        if letter == "V":
            identity, name = parse_voice(value)
            self._names.setdefault(identity, (name, parse_shift(value)))
            self._voice = self._begin(identity)
        elif letter == "K":
            self.voice.set_key(parse_key(value, self.voice.key))
            if "octave=" in value or "transpose=" in value:
                self.voice.shift = parse_shift(value)
        elif letter == "M":
            self.voice.set_metre(parse_metre(value))
        elif letter == "L":
            self.voice.unit = parse_unit(value)
        elif letter == "P":
            self._label = value[:1]
            for voice in self.voices.values():
                voice.begin_section(self._label)
        elif letter == "Q":
            tempo = parse_tempo(value, self.voice.unit)
            if tempo is not None:
                self.voice.mark("tempo", tempo)

    def _music(self, line: str) -> None:
        voice = self.voice
        for match in _SIGN.finditer(line):
            kind = match.lastgroup
            if kind == "note":
                voice.note(*match.group(2, 3, 4, 5))
            elif kind == "inline":
                self._obey(match["letter"], match["value"].strip())
                voice = self.voice
            elif kind in _SIGNS:
                _SIGNS[kind](voice, match)
