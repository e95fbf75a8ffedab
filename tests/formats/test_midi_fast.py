"""The fast way to read MIDI tracks against the careful one, and which files it leaves to that."""

from __future__ import annotations

import random

import numpy as np
import pytest
from fuzzing import damage, sound_files
from hostile_midi import midi, vlq

from partimento.formats.midi_fast import fast_columns
from partimento.formats.midi_track import VOICE_BITS, Columns, Track, columns, read_track

ON, OFF = b"\x90\x3c\x40", b"\x80\x3c\0"
END = b"\0\xff\x2f\0"


def regular_track(draw: random.Random) -> bytes:
    """Every kind of channel message, under running status and not; every note is ended."""
    events, status, sounding = [b"\0\xff\x03\x02\xc3\xa9"], 0, []
    if draw.random() < 0.5:
        events.append(b"\1\xff\x58\4\3\3\x18\x08\2\xff\x59\2\xfd\1\3\xff\x51\3\7\xa1\x20")
    for _ in range(draw.randint(0, 80)):
        pitch, channel = draw.randint(60, 63), draw.choice([0, 1, 9])
        kind = draw.choice([0x80, 0x90, 0x90, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0])
        body = bytes([draw.randint(0, 3)]) if kind in (0xC0, 0xD0) else bytes([pitch, 64])
        if kind == 0x90:
            sounding.append((channel, pitch))
        elif kind == 0x80 and sounding:
            channel, pitch = sounding.pop(draw.randrange(len(sounding)))
            kind, body = draw.choice([(0x80, 9), (0x90, 0)])
            body = bytes([pitch, body])
        time = vlq(draw.choice([0, 0, 1, 24, 200, 16_000, 20_000, 3_000_000]))
        running = (
            b"" if status == kind | channel and draw.random() < 0.8 else bytes([kind | channel])
        )
        status = kind | channel
        events.append(time + running + body)
        if draw.random() < 0.05:
            events.append(b"\1\xff\x05\2ab")
            status = 0
    events += [b"\2%c%c\0" % (0x80 | channel, pitch) for channel, pitch in sounding]
    return b"".join(events) + draw.choice([END, b"\x83\0\xff\x2f\0", b""])


def rows(notes: Columns) -> list[tuple[int, ...]]:
    """Notes with their part, whatever the number of its voice."""
    part = np.unique(notes.voice, return_inverse=True)[1]
    table = (
        part, notes.voice >> VOICE_BITS, notes.onset, notes.duration, notes.pitch, notes.velocity,
        notes.drum,
    )  # fmt: skip
    return sorted(zip(*(column.tolist() for column in table), strict=True))


def compare(chunks: list[bytes]) -> bool:
    """Compare both ways, and tell whether the fast one was taken."""
    fast = fast_columns(chunks, 96)
    if fast is None:
        return False
    tracks = [read_track(chunk) for chunk in chunks]
    assert rows(fast[1]) == rows(columns(tracks))
    for one, other in zip(fast[0], tracks, strict=True):
        assert (one.name, one.end, one.unended) == (other.name, other.end, 0)
        assert (one.metres, one.keys, one.tempos) == (other.metres, other.keys, other.tempos)
    return True


def test_regular_tracks_are_read_alike_and_fast() -> None:
    for seed in range(400):
        draw = random.Random(seed)
        assert compare([regular_track(draw) for _ in range(draw.randint(1, 4))])


def chunks_of(data: bytes) -> list[bytes]:
    found, at = [], 14
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "big")
        found.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    return found


def test_damaged_files_are_read_alike_or_left() -> None:
    files = sound_files()[".mid"]
    assert all(compare(chunks_of(data)) for data in files)
    taken = 0
    for seed in range(1500):
        draw = random.Random(seed)
        try:
            taken += compare(chunks_of(damage(draw.choice(files), draw)))
        except ValueError as error:
            pytest.fail(f"{seed}: the careful way refuses what the fast one reads: {error}")
    assert 100 < taken < 1500


@pytest.mark.parametrize(
    "events",
    [
        b"\0" + ON + END,  # never ended
        b"\0" + ON + b"\1" + ON + b"\1" + OFF + END,  # one of two never ended
        b"\0" + ON + b"\0\xf0\1\xf7\1" + OFF + END,  # system exclusive
        b"\0" + ON + b"\1\xff\x51\3\7\xa1\x20\1" + OFF + END,  # a tempo amid the notes
        b"\0" + ON + b"\1\xff\x01\0\1\x3c\0" + END,  # running status over a meta event
        b"\0\xff\x51\3\0\0\0\0" + ON + b"\1" + OFF + END,  # an impossible tempo
        b"\0\x90\x3c\xff\1" + OFF + END,  # a velocity of 255
        b"\0" + ON + b"\1\x80\x3c",  # cut short
        b"\0" + ON + (b"\xff\xff\xff\x7f" + OFF) * 5 + END,  # beyond 2**30 ticks
        (b"\xff\x7f" + ON + b"\xff\x7f" + OFF) * 40_000 + END,  # the same by short times
    ],
)
def test_what_is_left_to_the_careful_way(events: bytes) -> None:
    assert fast_columns([events], 96) is None


def test_a_long_track_is_read_fast() -> None:
    events = (b"\1" + ON + b"\x10" + OFF) * 40_000 + END
    assert compare([events])


def test_markers_of_the_file_are_not_taken_for_its_ends() -> None:
    other = b"\x60\xff\x06\x010" + b"\0\xff\x06\x05track"
    tracks = [b"\x10" + ON + b"\x10" + OFF + END, b"\1" + ON + b"\1" + OFF + other + END]
    fast = fast_columns(tracks, 96)
    assert fast is not None
    assert [track.end for track in fast[0]] == [32, 98]
    forged = b"\x60\xff\x06\x0btrack end 0"
    assert fast_columns([tracks[0], tracks[1].replace(other, forged)], 96) is None


def test_tracks_without_notes_keep_their_marks() -> None:
    data = midi(b"\5\xff\x58\4\3\3\x18\x08" + END, b"\0" + ON + b"\1" + OFF + END)
    fast = fast_columns(chunks_of(data), 96)
    assert fast is not None
    assert fast[0][0] == Track(metres=[(5, 3, 8)], end=5)


def test_thousands_of_tracks() -> None:
    tracks = [b"\0" + ON + vlq(index % 100 + 1) + OFF + END for index in range(5000)]
    assert compare(tracks)
