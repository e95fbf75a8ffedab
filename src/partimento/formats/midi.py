"""Fast reader of standard MIDI files that no bytes bring down and that counts what it drops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from partimento.errors import UserError
from partimento.formats.limits import check_count, check_length, count_bars
from partimento.formats.midi_track import Columns, Track, columns, read_track
from partimento.music import Bar, Key, Piece, Tempo, lay_bars

READER_VERSION = 1
"""Raised whenever a file would be read as different music than before; part of every cache key."""

MAX_BYTES = 16 * 2**20
"""Largest file that is read: two million notes take no more."""

# Names of the `Piece.metadata` entries that count them; absent when there were none.
DRUM_NOTES = "drum notes dropped"
EMPTY_NOTES = "notes of no length dropped"
UNENDED_NOTES = "notes ended by the end of their track"
OVERLAPPING_NOTES = "notes begun over the same pitch"
IGNORED_MARKS = "impossible marks dropped"


def read_midi(path: str | Path, *, id: str | None = None, source: str = "") -> Piece:
    """Return the music of a MIDI file; see `piece_of_midi` for what is read.

    Args:
        path: File to read.
        id: Id of the piece; the file's name without suffix when not given.
        source: Where the piece comes from; the file's name when not given.

    Raises:
        UserError: When the file is missing, too large, damaged, or of a kind that is not read.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file '{path}'.")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    return piece_of_midi(data, id=id or path.stem, source=source or path.name, name=path.name)


def piece_of_midi(data: bytes, *, id: str, source: str, name: str) -> Piece:
    """Return the music of a MIDI file's bytes, in its own ticks.

    Each instrument (program) of each channel of each track that plays notes is a part, under the
    name of its track. Of equal notes that overlap, the first begun ends first, and all are kept;
    notes that are never ended last until the end of their track. Bar lines are laid from the time
    signatures (4/4 until the first), and of several marks at one time the last holds. A rest at
    the end is kept up to the end of the last note's bar.

    Left out and counted in the metadata: drums (channel 10), notes of no length, marks with
    impossible values. Counted there, too: overlapping equal notes and unended ones. Left out
    without a count: programs, controllers (so that a note lasts as long as its key is down,
    whatever the pedal does), pitch bends, lyrics and other text.

    Args:
        data: The whole file.
        id: Id of the piece.
        source: Where the piece comes from.
        name: What to call the file in an error.

    Raises:
        UserError: When the bytes are no MIDI file of format 0 or 1, or one beyond all measure.
    """
    if len(data) > MAX_BYTES:
        raise UserError(
            f"'{name}' is larger than {MAX_BYTES // 2**20} MiB, the most that is read of MIDI."
        )
    try:
        kind, resolution, tracks = _read_file(data)
    except ValueError as error:
        raise UserError(f"'{name}' is no MIDI file that can be read: {error}.") from error
    check_count(sum(len(track.begun) for track in tracks), 0, name)
    notes = columns(tracks)
    # General MIDI plays drums on channel 10, which counts from 0 here.
    drums, empty = notes.channel == 9, notes.duration == 0
    kept = ~(drums | empty)
    onset, duration = notes.onset[kept], notes.duration[kept]
    end = int((onset + duration).max()) if len(onset) else 0
    check_length(end, resolution, name)
    bars = _bars(tracks, end, resolution, name)
    part, parts = _parts(notes, kept, tracks)
    dropped = {DRUM_NOTES: int(drums.sum()), EMPTY_NOTES: int((empty & ~drums).sum())}
    return Piece(
        id=id,
        resolution=resolution,
        onset=onset,
        duration=duration,
        pitch=notes.pitch[kept],
        part=part,
        velocity=notes.velocity[kept],
        parts=parts,
        end=_end(tracks, bars, end, resolution),
        bars=bars,
        keys=_keys(tracks, end),
        tempos=_tempos(tracks, end),
        source=source,
        metadata=_metadata(kind, tracks, dropped),
    )


def _read_file(data: bytes) -> tuple[int, int, list[Track]]:
    """Return format, ticks per quarter note and tracks."""
    # Some files are wrapped in RIFF, with the MIDI data some bytes in.
    at = data.find(b"MThd", 0, 64) if data.startswith(b"RIFF") else 0
    if at < 0 or data[at : at + 4] != b"MThd":
        raise ValueError("it does not begin with 'MThd'")
    length, kind, announced, resolution = (
        int.from_bytes(data[at + start : at + stop], "big")
        for start, stop in ((4, 8), (8, 10), (10, 12), (12, 14))
    )
    if len(data) < at + 14 or length < 6:
        raise ValueError("its header is cut short")
    if kind > 1:
        raise ValueError(f"it is of format {kind}, where 0 or 1 was expected")
    if not 0 < resolution < 2**15:
        raise ValueError("it does not count time in parts of a quarter note")
    tracks: list[Track] = []
    for chunk in _chunks(data, at + 8 + length, announced):
        try:
            tracks.append(read_track(chunk))
        except ValueError as error:
            raise ValueError(f"in track {len(tracks) + 1}, {error}") from error
    return kind, resolution, tracks


def _chunks(data: bytes, at: int, announced: int) -> Iterator[bytes]:
    """Yield the content of as many track chunks as the header announces; others are skipped."""
    found = 0
    while found < announced:
        length = int.from_bytes(data[at + 4 : at + 8], "big")
        if at + 8 + length > len(data):
            raise ValueError(f"it is cut short in track {found + 1} of {announced}")
        if data[at : at + 4] == b"MTrk":
            found += 1
            yield data[at + 8 : at + 8 + length]
        at += 8 + length


def _parts(
    notes: Columns, kept: np.ndarray, tracks: Sequence[Track]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the part of each kept note, and the names of the parts."""
    voices = (notes.track << 11 | notes.channel << 7 | notes.program)[kept]
    found, part = np.unique(voices, return_inverse=True)
    names = [text_of(tracks[voice >> 11].name) for voice in found.tolist()]
    return part, tuple(name or f"Part {i + 1}" for i, name in enumerate(names)) or ("",)


def text_of(raw: bytes) -> str:
    """Return a name in UTF-8, else in Latin-1 (which any bytes are), on one line of bounded length."""
    raw = raw[:1000]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(printable.split())[:200]


def _bars(tracks: Sequence[Track], end: int, resolution: int, name: str) -> tuple[Bar, ...]:
    found = chain.from_iterable(track.metres for track in tracks)
    latest = {metre[0]: metre for metre in found if metre[0] < max(end, 1)}
    metres = [latest[onset] for onset in sorted(latest)]
    if not metres or metres[0][0] > 0:
        metres.insert(0, (0, 4, 4))
    check_count(0, count_bars(metres, end, resolution), name)
    return lay_bars(metres, end, resolution)


def _end(tracks: Sequence[Track], bars: Sequence[Bar], end: int, resolution: int) -> int:
    """Return the end of the tracks, or of the last note's bar when that comes before."""
    onset, beats, beat_type = bars[-1]
    full = onset + 4 * resolution * beats // beat_type
    return max(end, min(full, max((track.end for track in tracks), default=0)))


def _keys(tracks: Sequence[Track], end: int) -> tuple[Key, ...]:
    found = chain.from_iterable(track.keys for track in tracks)
    latest = {
        onset: Key(onset, sharps, "minor" if minor else "major") for onset, sharps, minor in found
    }
    return tuple(latest[onset] for onset in sorted(latest) if onset < max(end, 1))


def _tempos(tracks: Sequence[Track], end: int) -> tuple[Tempo, ...]:
    found = chain.from_iterable(track.tempos for track in tracks)
    latest = {onset: Tempo(onset, 60e6 / microseconds) for onset, microseconds in found}
    return tuple(latest[onset] for onset in sorted(latest) if onset < max(end, 1))


def _metadata(kind: int, tracks: Sequence[Track], dropped: dict[str, int]) -> dict[str, str]:
    """Return the title, which the first track of a file holds as its name, and the counts.

    In format 1 the name of a first track that plays is that of its part instead.
    """
    titled = bool(tracks) and (kind == 0 or not tracks[0].begun)
    title = text_of(tracks[0].name) if titled else ""
    counts = dropped | {
        UNENDED_NOTES: sum(track.unended for track in tracks),
        OVERLAPPING_NOTES: sum(track.overlapping for track in tracks),
        IGNORED_MARKS: sum(track.ignored for track in tracks),
    }
    found = {what: str(count) for what, count in counts.items() if count}
    return ({"title": title} if title else {}) | found
