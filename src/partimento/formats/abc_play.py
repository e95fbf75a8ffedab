"""The measures of ABC voices as notes and marks in ticks, in the order in which they are played."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from partimento.formats.abc_expand import Measure
from partimento.formats.abc_header import AbcError, Signature
from partimento.formats.abc_music import Mark, Sound, Voice
from partimento.music import Bar, Chord, Key, Tempo

BASE_RESOLUTION = 24
"""Ticks per quarter note, of which the resolution of every tune is a multiple."""
MAX_RESOLUTION = 2**20
MAX_TICKS = 2**31 - 1


class Played(NamedTuple):
    """One voice played out: notes `(onset, duration, pitch)` and marks `(onset, kind, value)`."""

    notes: list[tuple[int, int, int]]
    marks: list[tuple[int, str, object]]
    bars: list[Bar]
    end: int


def common_resolution(voices: Sequence[Voice]) -> int:
    """Return the ticks per quarter note in which all lengths are whole numbers."""
    denominators = {
        event.denominator
        for voice in voices
        for measure in voice.measures
        for event in measure.events
        if isinstance(event, Sound)
    }
    resolution = BASE_RESOLUTION
    for denominator in denominators:
        resolution = math.lcm(resolution, denominator // math.gcd(denominator, 4))
        if resolution > MAX_RESOLUTION:
            raise AbcError("has note lengths without a common unit of time")
    return resolution


def play(measures: Sequence[Measure], order: Sequence[int], resolution: int) -> Played:
    """Return the notes of a voice in ticks, in the order in which its measures are played."""
    notes: list[tuple[int, int, int]] = []
    marks: list[tuple[int, str, object]] = []
    bars: list[Bar] = []
    open_ties: dict[int, int] = {}
    start = 0
    for index in order:
        measure = measures[index]
        bars.append(Bar(start, *(measure.metre or (4, 4))))
        marks.append((start, "key", measure.key))
        now = end = start
        for event in measure.events:
            if isinstance(event, Mark):
                now = start if event.kind == "overlay" else now
                marks.append((now, event.kind, event.value))
                continue
            length = 4 * resolution * event.numerator // event.denominator
            for pitch in event.pitches:
                begun = open_ties.pop(pitch, None)
                if begun is not None and sum(notes[begun][:2]) == now:
                    onset, duration, _ = notes[begun]
                    notes[begun] = (onset, duration + length, pitch)
                else:
                    begun = len(notes)
                    notes.append((now, length, pitch))
                if pitch in event.tied:
                    open_ties[pitch] = begun
            now += length
            end = max(end, now)
        start = end
        if start > MAX_TICKS:
            raise AbcError("is longer than any music")
    return Played(notes, marks, bars, start)


def marks_of(marks: list[tuple[int, str, object]], end: int) -> dict[str, tuple[object, ...]]:
    """Return keys, chords and tempos where they change, from the marks of all voices."""
    found: dict[str, dict[int, object]] = {"key": {}, "chord": {}, "tempo": {}}
    for onset, kind, value in sorted(marks, key=lambda mark: mark[0]):
        if kind in found and onset < end:
            if kind == "key":
                # Voices state their keys one by one; the first has the word.
                found[kind].setdefault(onset, value)
            else:
                found[kind][onset] = value
    onsets = [*found["chord"], end]
    chords = [
        Chord(onset, following - onset, str(found["chord"][onset]))
        for onset, following in pairwise(onsets)
    ]
    keys = [
        Key(onset, value.fifths, value.mode)
        for onset, value in found["key"].items()
        if isinstance(value, Signature)
    ]
    tempos = [Tempo(onset, float(str(value))) for onset, value in found["tempo"].items()]
    return {
        "keys": tuple(_changes(keys)),
        "chords": tuple(chords),
        "tempos": tuple(_changes(tempos)),
    }


def _changes(marks: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Return the marks that say something else than the one before."""
    return [
        mark
        for before, mark in zip([None, *marks], marks, strict=False)
        if before is None or before[1:] != mark[1:]
    ]
