"""Notes of well-formed MIDI files by symusic, which is written in C++ and several times as fast.

What symusic makes of malformed events is not defined, it drops notes that never end without a
word, and its times wrap at 32 bits. So it gets only tracks whose every event a regular expression
has accepted, with means added to see that no note was lost; other files are left to `midi_track`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from partimento.formats.midi_track import (
    END_OF_TRACK,
    META,
    TIMED,
    VOICE_BITS,
    Columns,
    Track,
    read_track,
    variable_length,
)

_MAX_TICKS = 2**30  # half of what symusic's 32 bits hold

# A time, then a message under its status byte or more of the same without it.
_TIME, _DATA = rb"[\x80-\xff]{0,3}+[\x00-\x7f]", rb"[\x00-\x7f]"
_TWO = rb"[\x80-\xbf\xe0-\xef]%b{2}(?:%b%b{2})*+" % (_DATA, _TIME, _DATA)
_ONE = rb"[\xc0-\xdf]%b(?:%b%b)*+" % (_DATA, _TIME, _DATA)
_MESSAGES = re.compile(rb"(?:%b(?:%b|%b))*+" % (_TIME, _TWO, _ONE))

# A time of one tick, and an end for every note of a channel that may still sound.
_TICK, _END = b"\x01\xff\x01\x00", b"\x00\xff\x2f\x00"
_CLOSING = {
    0x90 | channel: b"".join(bytes((0, 0x80 | channel, pitch, 0)) for pitch in range(128))
    for channel in range(16)
}
_ABOVE_127 = bytes(byte > 127 for byte in range(256))
_LABEL = b"track end "
_NO_NOTE_ON = bytes(byte for byte in range(256) if byte not in _CLOSING)


def fast_columns(chunks: Sequence[bytes], resolution: int) -> tuple[list[Track], Columns] | None:
    """Return what `midi_track` makes of the same chunks, or None for a file that it has to read.

    Args:
        chunks: The content of each track chunk.
        resolution: Ticks per quarter note.
    """
    tracks: list[Track] = []
    accepted: list[bytes] = []
    for index, data in enumerate(chunks):
        # As some bytes that are none may look like them, perhaps too many.
        statuses = data.translate(None, _NO_NOTE_ON)
        try:
            if not statuses:
                tracks.append(read_track(data))
                continue
            track = Track()
            events = _well_formed(data, track)
        except (IndexError, ValueError):
            return None
        if events is None or track.ignored or _LABEL in events:
            return None
        tracks.append(track)
        # symusic tells a track by its name; its end, by a marker, which it keeps for all tracks.
        name = b"%b%d" % (_LABEL, index)
        label = b"%c%b" % (len(name), name)
        closing = b"".join(_CLOSING[status] for status in set(statuses))
        ends = (b"\xff\x03", label, b"\x00\xff\x06", label, _TICK, closing, _END)
        accepted.append(events + b"".join(ends))
    return _by_symusic(accepted, tracks, resolution)


def _ends_in_time(data: bytes) -> bool:
    """Tell whether the times in a track surely add up to less than symusic can count."""
    if len(data) < 2**16 and b"\1\1" not in data.translate(_ABOVE_127):
        # All times have one or two bytes, so are below 2^14, and no event has less than two.
        return True
    # As if every byte were of a time: it weighs 128 for each step to a byte below 128.
    values = np.frombuffer(data, np.uint8)
    run = above = values > 127
    weights = np.ones(len(values), np.int64)
    for step in range(1, 4):
        weights[run] *= 128
        run = run & np.append(above[step:], np.zeros(step, bool))[: len(run)]
    return int(((values & 127) * weights).sum()) < _MAX_TICKS


def _well_formed(data: bytes, track: Track) -> bytes | None:
    """Return the events of a track up to the time of its end; None if there are irregular ones.

    Meta events are put into the track; those whose time matters must stand before all messages.

    Raises:
        ValueError: When a number is longer than four bytes.
        IndexError: When the data end within an event.
    """
    if not _ends_in_time(data):
        return None
    at = now = 0
    messages = False
    while at < len(data):
        found = _MESSAGES.match(data, at)
        if found and found.end() > at:
            messages, at = True, found.end()
            continue
        delta, place = variable_length(data, at)
        status, kind = data[place], data[place + 1]
        if status != META or (messages and kind in TIMED):
            return None
        length, body = variable_length(data, place + 2)
        at, now = body + length, now + delta
        if kind == END_OF_TRACK and at <= len(data):
            return data[:place]
        track.meta(kind, data[body:at], now)
    return data + b"\x00" if at == len(data) else None


def _by_symusic(
    accepted: Sequence[bytes], tracks: list[Track], resolution: int
) -> tuple[list[Track], Columns] | None:
    """Return the tracks with the times of their ends, and the notes; None when some never end."""
    import symusic

    head = b"MThd\0\0\0\6\0\1" + len(accepted).to_bytes(2, "big") + resolution.to_bytes(2, "big")
    bodies = (b"MTrk" + len(body).to_bytes(4, "big") + body for body in accepted)
    score: Any = symusic.Score.from_midi(head + b"".join(bodies))
    label = _LABEL.decode()
    for marker in score.markers:
        if marker.text.startswith(label):
            tracks[int(marker.text.removeprefix(label))].end = marker.time
    found = [own for own in score.tracks if len(own.notes)]
    parts = [own.notes.numpy() for own in found]
    owners = np.array([int(own.name.removeprefix(label)) for own in found], np.int64)
    counts = [len(own.notes) for own in found]
    time, duration, pitch, velocity = (
        np.concatenate([np.zeros(0, np.int64), *(part[name] for part in parts)])
        for name in ("time", "duration", "pitch", "velocity")
    )
    ends = np.array([track.end for track in tracks], np.int64)[owners]
    if (time + duration > np.repeat(ends, counts)).any():
        return None
    voices = owners << VOICE_BITS | np.arange(len(found))
    drums = np.array([own.is_drum for own in found], bool)
    return tracks, Columns(
        onset=time,
        duration=duration,
        pitch=pitch,
        velocity=velocity,
        voice=np.repeat(voices, counts),
        drum=np.repeat(drums, counts),
    )
