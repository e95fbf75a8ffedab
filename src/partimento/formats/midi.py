"""Fast reader of standard MIDI files that no bytes bring down and that counts what it drops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from partimento.errors import UserError
from partimento.formats.limits import check_count, check_length, count_bars, read_bytes
from partimento.formats.midi_fast import fast_columns
from partimento.formats.midi_track import VOICE_BITS, Columns, Track, columns, read_track
from partimento.music import Bar, Key, Piece, Tempo, lay_bars

READER_VERSION = 1
"""Raised whenever a file would be read as different music than before; part of every cache key."""

MAX_BYTES = 8 * 2**20
"""Largest file that is read, of a million notes or more."""

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
    data = read_bytes(path, MAX_BYTES)
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
        kind, resolution, chunks = _split(data)
        tracks, notes = fast_columns(chunks, resolution) or _read_tracks(chunks)
    except ValueError as error:
        raise UserError(f"'{name}' is no MIDI file that can be read: {error}.") from error
    check_count(len(notes.onset), 0, name)
    kept = (notes.duration > 0) & ~notes.drum
    onset, duration, pitch = notes.onset[kept], notes.duration[kept], notes.pitch[kept]
    end = int((onset + duration).max()) if len(onset) else 0
    check_length(end, resolution, name)
    bars = _bars(tracks, end, resolution, name)
    found, part = np.unique(notes.voice[kept], return_inverse=True)
    dropped = {
        DRUM_NOTES: int(notes.drum.sum()),
        EMPTY_NOTES: len(kept) - int(kept.sum()) - int(notes.drum.sum()),
        OVERLAPPING_NOTES: _overlapping(onset, duration, part * 128 + pitch),
    }
    return Piece(
        id=id,
        resolution=resolution,
        onset=onset,
        duration=duration,
        pitch=pitch,
        part=part,
        velocity=notes.velocity[kept],
        parts=_names(tracks, found),
        end=_end(tracks, bars, end, resolution),
        bars=bars,
        keys=_keys(tracks, end),
        tempos=_tempos(tracks, end),
        source=source,
        metadata=_metadata(kind, tracks, found, dropped),
    )


def _split(data: bytes) -> tuple[int, int, list[bytes]]:
    """Return format, ticks per quarter note and the content of the track chunks."""
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
    return kind, resolution, list(_chunks(data, at + 8 + length, announced))


def _read_tracks(chunks: Sequence[bytes]) -> tuple[list[Track], Columns]:
    """Return tracks and notes event by event."""
    tracks: list[Track] = []
    for chunk in chunks:
        try:
            tracks.append(read_track(chunk))
        except ValueError as error:
            raise ValueError(f"in track {len(tracks) + 1}, {error}") from error
    return tracks, columns(tracks)


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


def _overlapping(onset: np.ndarray, duration: np.ndarray, key: np.ndarray) -> int:
    """Return how many notes still sound when the next of their part and pitch begins."""
    order = np.lexsort((onset, key))
    onset, end, key = onset[order], (onset + duration)[order], key[order]
    return int(((key[1:] == key[:-1]) & (onset[1:] < end[:-1])).sum())


def _names(tracks: Sequence[Track], voices: np.ndarray) -> tuple[str, ...]:
    """Return the names of the parts, which are those of their tracks."""
    names = [text_of(tracks[voice >> VOICE_BITS].name) for voice in voices.tolist()]
    return tuple(name or f"Part {i + 1}" for i, name in enumerate(names)) or ("",)


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


def _metadata(
    kind: int, tracks: Sequence[Track], voices: np.ndarray, dropped: dict[str, int]
) -> dict[str, str]:
    """Return the title, which the first track of a file holds as its name, and the counts.

    In format 1 the name of a first track that plays is that of its part instead.
    """
    titled = bool(tracks) and (kind == 0 or not len(voices) or voices[0] >> VOICE_BITS > 0)
    title = text_of(tracks[0].name) if titled else ""
    counts = dropped | {
        UNENDED_NOTES: sum(track.unended for track in tracks),
        IGNORED_MARKS: sum(track.ignored for track in tracks),
    }
    found = {what: str(count) for what, count in counts.items() if count}
    return ({"title": title} if title else {}) | found
