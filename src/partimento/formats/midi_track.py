"""One track of a standard MIDI file, read event by event into notes and marks."""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

META, END_OF_TRACK = 0xFF, 0x2F
_TRACK_NAME, _TEMPO, _METRE, _KEY = 0x03, 0x51, 0x58, 0x59
TIMED = frozenset((_TEMPO, _METRE, _KEY))
"""Kinds of meta events whose time counts."""
VOICE_BITS = 32
# Data bytes after each status byte, of channel messages and of the system messages that do not
# belong in a file but do stand in some (MIDI 1.0, tables 1 and 5).
_DATA_BYTES = {status: 1 if status >> 4 in (0xC, 0xD) else 2 for status in range(0x80, 0xF0)} | {
    0xF1: 1,
    0xF2: 2,
    0xF3: 1,
    0xF6: 0,
    0xF8: 0,
    0xFA: 0,
    0xFB: 0,
    0xFC: 0,
    0xFE: 0,
}


@dataclass
class Track:
    """What a track says; times are ticks from its beginning.

    Attributes:
        begun: For each note onset x 2^14 + program x 2^7 + velocity.
        ended: For each note end x 2^11 + channel x 2^7 + pitch.
        name: Its name as bytes; empty when it has none.
        end: Time of its last event.
        metres: (onset, beats, beat type).
        keys: (onset, sharps, minor).
        tempos: (onset, microseconds per quarter note).
        unended: How many notes its end cut off, since no note-off did.
        ignored: How many metres, keys and tempos hold impossible values.
    """

    begun: array[int] = field(default_factory=lambda: array("q"))
    ended: array[int] = field(default_factory=lambda: array("q"))
    name: bytes = b""
    end: int = 0
    metres: list[tuple[int, int, int]] = field(default_factory=list)
    keys: list[tuple[int, int, bool]] = field(default_factory=list)
    tempos: list[tuple[int, int]] = field(default_factory=list)
    unended: int = 0
    ignored: int = 0

    def meta(self, kind: int, body: bytes, now: int) -> None:
        """Take in a meta event; those that mean nothing for the notes are passed over."""
        if kind == _TRACK_NAME:
            self.name = self.name or body
        elif kind == _TEMPO:
            self.tempo(body, now)
        elif kind == _METRE:
            self.metre(body, now)
        elif kind == _KEY:
            self.key(body, now)

    def tempo(self, body: bytes, now: int) -> None:
        if len(body) >= 3 and any(body[:3]):
            self.tempos.append((now, int.from_bytes(body[:3], "big")))
        else:
            self.ignored += 1

    def metre(self, body: bytes, now: int) -> None:
        # The beat type is a power of two, of which 64 is the shortest that is ever written.
        if len(body) >= 2 and body[0] > 0 and body[1] <= 6:
            self.metres.append((now, body[0], 2 ** body[1]))
        else:
            self.ignored += 1

    def key(self, body: bytes, now: int) -> None:
        sharps = (body[0] ^ 128) - 128 if len(body) >= 2 else 8
        if -7 <= sharps <= 7 and body[1] <= 1:
            self.keys.append((now, sharps, body[1] == 1))
        else:
            self.ignored += 1


def variable_length(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of one to four 7-bit groups and the place behind it.

    Raises:
        ValueError: When it is longer than four bytes.
        IndexError: When the data end within it.
    """
    value = 0
    for place in range(at, at + 4):
        byte = data[place]
        value = value << 7 | byte & 127
        if byte < 128:
            return value, place + 1
    raise ValueError(f"the number at byte {at} is longer than four bytes")


@dataclass
class Columns:
    """The notes of several tracks, one array for each property, shape `(notes,)`.

    The voice is track x 2^32 + a number for each instrument of each channel, in their order.
    """

    onset: np.ndarray
    duration: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    voice: np.ndarray
    drum: np.ndarray


def columns(tracks: Sequence[Track]) -> Columns:
    """Return all notes of the tracks, which are counted from 0."""
    begun = np.frombuffer(b"".join(track.begun for track in tracks), np.int64)
    ended = np.frombuffer(b"".join(track.ended for track in tracks), np.int64)
    track = np.repeat(np.arange(len(tracks)), [len(track.begun) for track in tracks])
    onset, channel = begun >> 14, ended >> 7 & 15
    return Columns(
        onset=onset,
        duration=(ended >> 11) - onset,
        pitch=ended & 127,
        velocity=begun & 127,
        voice=track << VOICE_BITS | channel << 7 | begun >> 7 & 127,
        # General MIDI plays drums on channel 10, which counts from 0 here.
        drum=channel == 9,
    )


class _Reader:
    """A track while its events are read: of equal notes, the first begun ends first."""

    def __init__(self) -> None:
        self.track = Track()
        self.programs = [0] * 16
        # By channel x 128 + pitch: the note that sounds, and those that began over it.
        self.sounding: dict[int, int] = {}
        self.waiting: defaultdict[int, deque[int]] = defaultdict(deque)

    def read(self, data: bytes) -> None:
        """Go through the events (some 0.4 microseconds each, so that little is called here)."""
        sounding, waiting, programs = self.sounding, self.waiting, self.programs
        begin, end, stop = self.track.begun.append, self.track.ended.append, len(data)
        at = now = running = numbers = 0
        while 0 <= at < stop:
            delta = data[at]
            at += 1
            if delta > 127:
                delta, at = variable_length(data, at - 1)
            now += delta
            status = data[at]
            if status < 0x80:
                status = running
            else:
                at += 1
            if 0x80 <= status < 0xA0:
                running = status
                pitch, velocity = data[at], data[at + 1]
                numbers |= pitch | velocity
                at += 2
                key = (status & 15) << 7 | pitch
                if velocity and status >= 0x90:
                    begun = now << 14 | programs[status & 15] << 7 | velocity
                    if key in sounding:
                        waiting[key].append(begun)
                    else:
                        sounding[key] = begun
                elif key in sounding:
                    begin(sounding.pop(key))
                    end(now << 11 | key)
                    if waiting:
                        self.follow(key)
            else:
                running = running if status == META else status
                at = self.other(data, at, status, now)
        if numbers > 127:
            raise ValueError("a note has a number above 127")
        self.close(now)

    def follow(self, key: int) -> None:
        """Let the next note sound that began over one that has ended."""
        queue = self.waiting.get(key)
        if queue:
            self.sounding[key] = queue.popleft()

    def close(self, now: int) -> None:
        """End the track, and all that still sounds."""
        track = self.track
        track.end = now
        for key, first in self.sounding.items():
            begun = (first, *self.waiting.get(key, ()))
            track.begun.extend(begun)
            track.ended.extend([now << 11 | key] * len(begun))
            track.unended += len(begun)

    def other(self, data: bytes, at: int, status: int, now: int) -> int:
        """Pass an event that is no note; return the place behind it, or -1 at the track's end."""
        if status < 0x80:
            raise ValueError(f"the event at byte {at} has no status byte")
        kind, length = -1, _DATA_BYTES.get(status)
        if length is not None:
            if any(byte > 127 for byte in data[at : at + length]):
                raise ValueError(f"the event at byte {at} has a data byte above 127")
        elif status in (0xF0, 0xF7):
            length, at = variable_length(data, at)
        elif status == META:
            kind = data[at]
            length, at = variable_length(data, at + 1)
        else:
            raise ValueError(f"the status byte {status:#x} before byte {at} is none of MIDI's")
        body = data[at : at + length]
        if len(body) < length:
            raise IndexError(at)
        if status >> 4 == 0xC:
            self.programs[status & 15] = body[0]
        self.track.meta(kind, body, now)
        return -1 if kind == END_OF_TRACK else at + length


def read_track(data: bytes) -> Track:
    """Return what the events of a track chunk say (Standard MIDI Files 1.0, MMA 1996).

    Running status outlasts meta events, as in most programs.

    Args:
        data: The chunk's content, without its type and length.

    Raises:
        ValueError: When the bytes are no MIDI events.
    """
    reader = _Reader()
    try:
        reader.read(data)
    except IndexError as error:
        raise ValueError("it ends within an event") from error
    return reader.track
