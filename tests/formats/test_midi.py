"""The MIDI reader against mido, muspy and symusic, on chorales, on random events and on damage."""

from __future__ import annotations

import io
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from partimento.datasets.chorales import corpus_files, corpus_folder
from partimento.errors import UserError
from partimento.formats import midi as midi_reader
from partimento.formats.midi import (
    DRUM_NOTES,
    EMPTY_NOTES,
    IGNORED_MARKS,
    OVERLAPPING_NOTES,
    UNENDED_NOTES,
    piece_of_midi,
    read_midi,
)
from partimento.formats.musicxml import read_musicxml
from partimento.music import Bar, Key, Piece, Tempo
from partimento.reports.midi import write_midi

Message, Meta = mido.Message, mido.MetaMessage
Note = tuple[int, int, int, int]
HEAD = b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk"


def on(pitch: int, time: int = 0, channel: int = 0, velocity: int = 70) -> Any:
    return Message("note_on", note=pitch, time=time, channel=channel, velocity=velocity)


def off(pitch: int, time: int = 0, channel: int = 0) -> Any:
    return Message("note_off", note=pitch, time=time, channel=channel)


def saved(*tracks: Sequence[Any], kind: int = 1, charset: str = "latin-1") -> bytes:
    file = mido.MidiFile(type=kind, ticks_per_beat=96, charset=charset)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def read(data: bytes) -> Piece:
    return piece_of_midi(data, id="x", source="x.mid", name="x.mid")


def track(*events: bytes) -> bytes:
    """A file of one track at 96 ticks from raw events."""
    body = b"".join(events)
    return HEAD + len(body).to_bytes(4, "big") + body


def notes_of(piece: Piece, part: int | None = None) -> list[Note]:
    columns = (piece.onset, piece.duration, piece.pitch, piece.velocity)
    keep = slice(None) if part is None else piece.part == part
    return sorted(
        zip(*(column[keep].tolist() for column in columns), strict=True)  # type: ignore[arg-type]
    )


def notes_by_mido(data: bytes) -> list[Note]:
    """All notes but drums as mido's messages tell them: of equal ones the first begun ends first."""
    found: list[Note] = []
    for events in mido.MidiFile(file=io.BytesIO(data)).tracks:
        now, sounding = 0, defaultdict(list)
        for message in events:
            now += message.time
            if message.type not in ("note_on", "note_off"):
                continue
            begun = sounding[message.channel, message.note]
            if message.type == "note_on" and message.velocity:
                begun.append((now, message.velocity))
            elif begun:
                onset, velocity = begun.pop(0)
                found.append((onset, now - onset, message.note, velocity, message.channel))
        found += [
            (onset, now - onset, pitch, velocity, channel)
            for (channel, pitch), begun in sounding.items()
            for onset, velocity in begun
        ]
    return sorted(note[:4] for note in found if note[4] != 9 and note[1])


def chorale_files(count: int) -> list[Path]:
    files = corpus_files(corpus_folder())
    return [files[name] for name in sorted(random.Random(1).sample(sorted(files), count))]


def test_a_hundred_chorales_are_read_back_as_written(tmp_path: Path) -> None:
    for path in chorale_files(100):
        piece = read_musicxml(path)
        file = write_midi(piece, tmp_path / "x.mid")
        again = read_midi(file, id=piece.id, source=piece.source)
        sounding = sorted(set(piece.part.tolist()))
        assert again.parts == tuple(piece.parts[index] for index in sounding)
        for name in ("onset", "duration", "pitch", "velocity"):
            assert np.array_equal(getattr(again, name), getattr(piece, name)), (path, name)
        assert [sounding[index] for index in again.part] == piece.part.tolist()
        assert (again.resolution, again.end) == (piece.resolution, piece.end)
        assert [bar.onset for bar in again.bars] == [bar.onset for bar in piece.bars], path
        assert [key[:2] for key in again.keys] == [key[:2] for key in piece.keys]
        tempos = [tempo.qpm for tempo in piece.tempos] or [100]
        assert [tempo.qpm for tempo in again.tempos] == pytest.approx(tempos, rel=1e-5)
        assert notes_of(again) == notes_by_mido(file.read_bytes())
        compare_with_symusic(file, again)


def compare_with_symusic(file: Path, piece: Piece) -> None:
    score = symusic.Score(file)
    assert score.ticks_per_quarter == piece.resolution
    assert tuple(own.name for own in score.tracks if own.notes) == piece.parts
    for index, own in enumerate(own for own in score.tracks if own.notes):
        rows = [(n.time, n.duration, n.pitch, n.velocity) for n in own.notes]
        assert notes_of(piece, index) == sorted(rows)


def random_tracks(seed: int) -> list[list[Any]]:
    """Events such as programs write them at their worst: everything overlaps, little is ended."""
    draw = random.Random(seed)
    tracks = []
    for _ in range(draw.randint(1, 4)):
        events: list[Any] = [Meta("track_name", name=draw.choice(["", "Flöte", "Piano"]))]
        for _ in range(draw.randint(0, 150)):
            time = draw.choice([0, 0, 1, 24, 200, 20_000])
            pitch, channel = draw.randint(60, 63), draw.choice([0, 1, 9])
            velocity = draw.choice([0, 1, 64, 127])
            events.append(
                draw.choice(
                    [
                        on(pitch, time, channel, velocity),
                        on(pitch, time, channel, velocity),
                        off(pitch, time, channel),
                        Message("program_change", program=3, time=time, channel=channel),
                        Message("control_change", control=64, value=127, time=time),
                        Message("pitchwheel", pitch=-5, time=time, channel=channel),
                        Message("sysex", data=(1, 2, 3), time=time),
                        Meta("text", text="é", time=time),
                        Meta("set_tempo", tempo=draw.randint(1, 2**24 - 1), time=time),
                        Meta("time_signature", numerator=draw.randint(1, 9), time=time),
                    ]
                )
            )
        tracks.append(events)
    return tracks


@pytest.mark.parametrize("seed", range(150))
def test_random_events_give_the_notes_that_mido_tells(seed: int) -> None:
    tracks = random_tracks(seed)
    data = saved(*tracks, kind=0 if len(tracks) == 1 else 1)
    piece = read(data)
    assert notes_of(piece) == notes_by_mido(data)


@pytest.mark.parametrize("seed", range(30))
def test_random_events_give_the_notes_of_muspy(seed: int, tmp_path: Path) -> None:
    import muspy

    path = tmp_path / "x.mid"
    path.write_bytes(saved(*random_tracks(seed)))
    piece = read_midi(path)
    music = muspy.read_midi(path)
    rows = [
        (note.time, note.duration, note.pitch, note.velocity)
        for own in music.tracks
        if not own.is_drum
        for note in own.notes
        if note.duration
    ]
    assert notes_of(piece) == sorted(rows)


@given(
    st.lists(
        st.tuples(st.integers(0, 2**27), st.integers(0, 127), st.integers(1, 127)), max_size=20
    )
)
@settings(max_examples=60, deadline=None)
def test_times_of_every_length(rows: list[tuple[int, int, int]]) -> None:
    events, expected, now = [], [], 0
    for length, pitch, velocity in rows:
        events += [on(pitch, 0, 0, velocity), off(pitch, length)]
        if length:
            expected.append((now, length, pitch, velocity))
        now += length
    data = saved(events)
    if now > 96 * 100_000 and expected:
        with pytest.raises(UserError, match="lasts longer than 100000 quarter notes"):
            read(data)
    else:
        assert notes_of(read(data)) == sorted(expected)


def test_parts_are_programs_of_channels_of_tracks() -> None:
    data = saved(
        [Meta("track_name", name="Title")],
        [
            Meta("track_name", name="Flöte"),
            on(60, 0, 3),
            off(60, 5, 3),
            Message("program_change", program=7, channel=2),
            on(61, 0, 2),
            off(61, 5, 2),
            Message("program_change", program=6, channel=2),
            on(62, 0, 2),
            # The program at the beginning of a note counts.
            Message("program_change", program=9, channel=2),
            off(62, 5, 2),
        ],
        [on(70), off(70, 4)],
    )
    piece = read(data)
    assert piece.parts == ("Flöte", "Flöte", "Flöte", "Part 4")
    assert [notes_of(piece, part)[0][2] for part in range(4)] == [62, 61, 60, 70]
    assert piece.metadata == {"title": "Title"}


def test_format_0_is_divided_by_channels() -> None:
    events = [Meta("track_name", name="T"), on(60), on(40, 0, 5), off(60, 9), off(40, 0, 5)]
    piece = read(saved(events, kind=0))
    assert (piece.parts, piece.metadata) == (("T", "T"), {"title": "T"})
    assert [notes_of(piece, part) for part in (0, 1)] == [[(0, 9, 60, 70)], [(0, 9, 40, 70)]]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Flöte".encode(), "Flöte"),
        ("Flöte".encode("latin-1"), "Flöte"),
        ("バイオリン".encode(), "バイオリン"),
        (b" a\r\n\0b \x07", "a b"),
        (b"", "Part 1"),
        (b"x" * 5000, "x" * 200),
    ],
)
def test_names_in_any_bytes(raw: bytes, name: str) -> None:
    length = bytes([0x80 | len(raw) >> 7, len(raw) & 127])
    note = b"\0\x90\x3c\x40\x10\x80\x3c\0"
    assert read(track(b"\0\xff\x03", length, raw, note)).parts == (name,)


def test_equal_pitches_that_overlap_and_notes_that_never_end() -> None:
    piece = read(saved([on(60), on(60, 10), off(60, 10), off(60, 10), on(64), on(65, 5)]))
    assert notes_of(piece) == [(0, 20, 60, 70), (10, 20, 60, 70), (30, 5, 64, 70)]
    assert piece.metadata == {OVERLAPPING_NOTES: "1", UNENDED_NOTES: "2", EMPTY_NOTES: "1"}


def test_a_note_that_begins_when_its_equal_ends_does_not_overlap() -> None:
    piece = read(saved([on(60), on(60, 10), off(60), off(60, 10)]))
    assert notes_of(piece) == [(0, 10, 60, 70), (10, 10, 60, 70)]
    assert not piece.metadata


def test_drums_and_empty_notes_are_dropped_and_counted() -> None:
    events = [on(60), off(60), on(35, 0, 9), off(35, 5, 9), on(36, 0, 9), off(36, 5, 9)]
    piece = read(saved([*events, on(61), off(61, 9)]))
    assert notes_of(piece) == [(10, 9, 61, 70)]
    assert piece.metadata == {DRUM_NOTES: "2", EMPTY_NOTES: "1"}
    assert piece.parts == ("Part 1",)


def test_marks_of_all_tracks_and_the_last_of_several_at_one_time() -> None:
    marks = [
        Meta("key_signature", key="C"),
        Meta("time_signature", numerator=2, denominator=4),
        Meta("set_tempo", tempo=1_000_000),
        Meta("set_tempo", tempo=500_000, time=192),
    ]
    more = [
        Meta("key_signature", key="Bbm"),
        Meta("time_signature", numerator=3, denominator=8, time=192),
        on(60),
        off(60, 288),
        Meta("key_signature", key="E", time=1),
    ]
    piece = read(saved(marks, more))
    assert piece.keys == (Key(0, -5, "minor"),)
    assert piece.tempos == (Tempo(0, 60.0), Tempo(192, 120.0))
    assert piece.bars == (Bar(0, 2, 4), Bar(192, 3, 8), Bar(336, 3, 8))
    assert piece.end == 480


def test_impossible_marks_are_dropped_and_counted() -> None:
    marks = [
        b"\0\xff\x51\x03\0\0\0",  # no time for a quarter note
        b"\0\xff\x51\x01\7",
        b"\0\xff\x58\x04\0\2\x18\x08",  # no beats
        b"\0\xff\x58\x04\4\x20\x18\x08",  # a beat of 2**-32
        b"\0\xff\x59\x02\x09\0",  # nine sharps
        b"\0\xff\x59\x02\0\7",
        b"\0\xff\x59\0",
    ]
    piece = read(track(*marks, b"\0\x90\x3c\x40\x60\x80\x3c\0"))
    assert (piece.keys, piece.tempos, piece.bars) == ((), (), (Bar(0, 4, 4),))
    assert piece.metadata == {IGNORED_MARKS: "7"}


def test_a_rest_at_the_end_is_kept_within_its_bar() -> None:
    def end(rest: int) -> int:
        return read(saved([on(60), off(60, 96), Meta("end_of_track", time=rest)])).end

    assert [end(rest) for rest in (0, 100, 288, 300, 100_000)] == [96, 196, 384, 384, 384]


def test_running_status_over_meta_events_and_other_chunks() -> None:
    note = b"\0\x90\x3c\x40\0\xff\x01\1x\x10\x3c\0"
    data = track(note, b"\0\xff\x2f\0")
    other = b"XFIH\0\0\0\3abc"
    assert notes_of(read(data)) == [(0, 16, 60, 64)]
    assert read(data[:14] + other + data[14:]) == read(data + b"rubbish") == read(data)
    riff = b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + data
    assert read(riff) == read(data)


DAMAGED = {
    "it does not begin with 'MThd'": b"MThx",
    "its header is cut short": b"MThd\0\0\0\6\0\1",
    "it is of format 2, where 0 or 1 was expected": b"MThd\0\0\0\6\0\2\0\1\0\x60",
    "it does not count time in parts of a quarter note": b"MThd\0\0\0\6\0\1\0\1\xe7\x28",
    "it is cut short in track 1 of 65535": b"MThd\0\0\0\6\0\1\xff\xff\0\x60",
    "it is cut short in track 1 of 1": HEAD + b"\xff\xff\xff\xff\0",
    "in track 1, it ends within an event": track(b"\0\x90\x3c"),
    "in track 1, the event at byte 1 has no status byte": track(b"\0\x3c\x40"),
    "in track 1, the number at byte 0 is longer than four bytes": track(b"\xff" * 9),
    "in track 1, a note has a number above 127": track(b"\0\x90\x3c\xf0"),
    "in track 1, the event at byte 2 has a data byte above 127": track(b"\0\xb0\xff\0"),
    "in track 1, the status byte 0xf4 before byte 2 is none of MIDI's": track(b"\0\xf4\0\0"),
}


@pytest.mark.parametrize("reason", DAMAGED)
def test_damage_is_told(reason: str) -> None:
    with pytest.raises(UserError) as caught:
        read(DAMAGED[reason])
    assert str(caught.value) == f"'x.mid' is no MIDI file that can be read: {reason}."


def test_every_cut_is_refused() -> None:
    data = saved([on(60), off(60, 9)], [on(62), off(62, 9)])
    for length in range(len(data)):
        with pytest.raises(UserError, match="is no MIDI file that can be read"):
            read(data[:length])


def test_too_large_too_long_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    far = b"\xff\xff\xff\x7f"
    with pytest.raises(UserError, match="lasts longer than 100000 quarter notes"):
        read(track(*[far + b"\x90\x3c\x40" + far + b"\x80\x3c\0"] * 30))
    note_of_quarters = b"\0\x90\x3c\x40\xff\xff\x7f\x80\x3c\0"
    with pytest.raises(UserError, match="has more than 200000 bars, the most that is read"):
        read(track(b"\0\xff\x58\x02\1\6", note_of_quarters))
    assert len(read(track(note_of_quarters)).bars) == -(-(2**21 - 1) // (4 * 96))
    monkeypatch.setattr(midi_reader, "MAX_BYTES", 100)
    with pytest.raises(UserError, match="the most that is read of MIDI"):
        read(track(b"\0" * 100))


def test_a_missing_file() -> None:
    with pytest.raises(UserError, match=r"There is no file 'absent\.mid'\."):
        read_midi("absent.mid")
