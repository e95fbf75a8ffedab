"""MIDI files made to bring a reader down: each function draws one from a random stream."""

from __future__ import annotations

import random


def vlq(value: int) -> bytes:
    """Return MIDI's variable-length form of a number."""
    groups = [value & 127]
    while value := value >> 7:
        groups.append(value & 127 | 128)
    return bytes(reversed(groups))


def midi(*tracks: bytes, kind: int = 1, announced: int | None = None, division: int = 96) -> bytes:
    count = len(tracks) if announced is None else announced
    head = b"MThd\0\0\0\6" + b"".join(n.to_bytes(2, "big") for n in (kind, count, division))
    return head + b"".join(b"MTrk" + len(own).to_bytes(4, "big") + own for own in tracks)


def midi_notes(draw: random.Random, count: int = 20) -> bytes:
    pitches = [draw.randrange(128) for _ in range(count)]
    return b"".join(b"\0\x90%c\x40\x10\x80%c\0" % (pitch, pitch) for pitch in pitches)


def midi_track_count(draw: random.Random) -> bytes:
    announced = draw.choice([0, 2, 255, 65535])
    return midi(midi_notes(draw), announced=announced, kind=draw.choice([0, 1, 2, 9]))


def midi_division(draw: random.Random) -> bytes:
    return midi(midi_notes(draw), division=draw.choice([0, 1, 0x7FFF, 0x8000, 0xE728, 0xFFFF]))


def midi_chunk_length(draw: random.Random) -> bytes:
    data = bytearray(midi(midi_notes(draw), midi_notes(draw)))
    data[18:22] = draw.choice([0, 1, 50, 2**31, 2**32 - 1]).to_bytes(4, "big")
    return bytes(data)


def midi_far_apart(draw: random.Random) -> bytes:
    """Times of a thousand million ticks and more between the events."""
    far = draw.choice([vlq(2**28 - 1), vlq(2**21), b"\xff\xff\xff\xff\x7f", vlq(10**9)])
    return midi((far + b"\x90\x3c\x40" + far + b"\x80\x3c\0") * draw.randint(1, 40))


def midi_running_status(draw: random.Random) -> bytes:
    """Status bytes of all kinds, each followed by data under its running status."""
    events = [
        bytes([draw.randrange(128), draw.randrange(128, 256)])
        + bytes(draw.randrange(128) for _ in range(draw.randint(0, 6)))
        for _ in range(draw.randint(1, 60))
    ]
    return midi(midi_notes(draw) + b"".join(events))


def midi_metas(draw: random.Random) -> bytes:
    """Meta and system-exclusive events of odd lengths and values."""
    events = []
    for _ in range(draw.randint(1, 30)):
        body = draw.randbytes(draw.choice([0, 1, 2, 3, 4, 5, 200]))
        length = vlq(len(body)) if draw.random() < 0.9 else vlq(draw.randrange(2**28))
        kind = draw.choice([1, 3, 0x20, 0x2F, 0x51, 0x54, 0x58, 0x59, 0x7F, draw.randrange(256)])
        start = draw.choice([b"\xff%c" % kind, b"\xff%c" % kind, b"\xf0", b"\xf7"])
        events.append(vlq(draw.randrange(300)) + start + length + body)
    return midi(b"".join(events) + midi_notes(draw), midi_notes(draw))


def midi_metre_at_every_tick(draw: random.Random) -> bytes:
    marks = b"".join(b"\1\xff\x58\4\1\6\x18\x08" for _ in range(draw.randint(1, 20_000)))
    return midi(marks, b"\0\x90\x3c\x40" + vlq(draw.randrange(2**24)) + b"\x80\x3c\0")


def midi_never_ended(_: random.Random) -> bytes:
    return midi(b"\0\x90\x3c\x40" + b"\0\x3c\x40" * 2_700_000)


def midi_many_notes(_: random.Random) -> bytes:
    return midi(b"\0\x90\x3c\x40" + b"\1\x3c\0\1\x3c\x40" * 1_390_000)


def midi_queue(_: random.Random) -> bytes:
    """A million equal notes that all begin before the first ends."""
    return midi(b"\0\x90\x3c\x40" + b"\0\x3c\x40" * 1_000_000 + b"\1\x3c\0" * 1_000_000)


def midi_many_tracks(draw: random.Random) -> bytes:
    return midi(*[midi_notes(draw, 1)] * 65535)
