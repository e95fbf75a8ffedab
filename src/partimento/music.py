"""A piece of music as immutable arrays, and its borders with muspy (files, players, statistics)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from partimento.chords import transposed_symbol

if TYPE_CHECKING:
    import muspy

DEFAULT_VELOCITY = 64


class Key(NamedTuple):
    """A key signature from `onset` (ticks) on; `fifths` counts sharps (negative: flats)."""

    onset: int
    fifths: int
    mode: str = ""


class Chord(NamedTuple):
    """A chord symbol from `onset` for `duration` ticks, as written in a lead sheet; it is not played."""

    onset: int
    duration: int
    symbol: str


class Tempo(NamedTuple):
    """Quarter notes per minute from `onset` (ticks) on."""

    onset: int
    qpm: float


class Bar(NamedTuple):
    """A bar line at `onset` (ticks) and the metre in force: `beats` notes of value 1/`beat_type`."""

    onset: int
    beats: int
    beat_type: int


def _column(values: Any, name: str) -> np.ndarray:
    array = np.array(values, dtype=np.int32)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    array.flags.writeable = False
    return array


def _order(onset: np.ndarray, part: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Return the stable order by onset, part, pitch."""
    small = [not len(n) or (n.min() >= 0 and n.max() < 2**15) for n in (part, pitch)]
    if not all(small):
        return np.lexsort((pitch, part, onset))
    # One sort of one number, which takes a third of the time of three.
    return np.argsort(onset.astype(np.int64) << 30 | part << 15 | pitch, kind="stable")


@dataclass(frozen=True, eq=False)
class Piece:
    """One piece of music: note arrays in ticks, and what surrounds the notes.

    Notes are kept sorted by (onset, part, pitch). Times are integers in ticks; one quarter note
    lasts `resolution` ticks.

    Args:
        id: Stable name of the piece within its dataset.
        resolution: Ticks per quarter note.
        onset: Note onsets in ticks, shape `(notes,)`.
        duration: Note durations in ticks, shape `(notes,)`.
        pitch: MIDI note numbers, shape `(notes,)`.
        part: Index into `parts` for each note, shape `(notes,)`.
        velocity: MIDI velocities, shape `(notes,)`; 64 each when not given.
        parts: Names of the parts, highest first where that makes sense.
        end: End of the piece in ticks, trailing rests included; the last note's end when not given.
        bars: Bar lines with the metre in force; empty when unknown.
        keys: Key signatures.
        chords: Lead-sheet chord symbols.
        tempos: Tempo marks.
        source: Where the piece comes from (a path inside its corpus, say).
        metadata: Title, composer and the like.
    """

    id: str
    resolution: int
    onset: np.ndarray
    duration: np.ndarray
    pitch: np.ndarray
    part: np.ndarray
    velocity: np.ndarray | None = None
    parts: tuple[str, ...] = ("",)
    end: int = -1
    bars: tuple[Bar, ...] = ()
    keys: tuple[Key, ...] = ()
    chords: tuple[Chord, ...] = ()
    tempos: tuple[Tempo, ...] = ()
    source: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = {
            name: _column(getattr(self, name), name)
            for name in ("onset", "duration", "pitch", "part")
        }
        count = len(columns["onset"])
        velocity = np.full(count, DEFAULT_VELOCITY) if self.velocity is None else self.velocity
        columns["velocity"] = _column(velocity, "velocity")
        if any(len(column) != count for column in columns.values()):
            raise ValueError(f"{self.id}: note arrays differ in length")
        order = _order(columns["onset"], columns["part"], columns["pitch"])
        for name, column in columns.items():
            column = column[order]
            column.flags.writeable = False
            object.__setattr__(self, name, column)
        marks: dict[str, Any] = {"bars": Bar, "keys": Key, "chords": Chord, "tempos": Tempo}
        for name, kind in marks.items():
            given = getattr(self, name)
            if type(given) is not tuple or any(type(mark) is not kind for mark in given):
                object.__setattr__(self, name, tuple(kind(*mark) for mark in given))
        object.__setattr__(self, "parts", tuple(self.parts))
        if self.end < 0:
            end = int((columns["onset"] + columns["duration"]).max()) if count else 0
            object.__setattr__(self, "end", end)

    def __len__(self) -> int:
        return len(self.onset)

    def __eq__(self, other: object) -> bool:
        """Equal content: notes, parts, end, bar lines, keys, chords and tempos, in the same ticks."""
        if not isinstance(other, Piece):
            return NotImplemented
        return self.difference(other) is None

    __hash__ = None  # type: ignore[assignment]

    def difference(self, other: Piece) -> str | None:
        """Name the first thing in which the music of two pieces differs, or None."""
        for name in ("resolution", "parts", "end", "bars", "keys", "chords", "tempos"):
            if getattr(self, name) != getattr(other, name):
                return name
        for name in ("onset", "duration", "pitch", "part", "velocity"):
            if not np.array_equal(getattr(self, name), getattr(other, name)):
                return name
        return None

    def notes(self, part: int) -> dict[str, np.ndarray]:
        """Return the note columns of one part, in order of onset."""
        mask = self.part == part
        return {
            name: getattr(self, name)[mask] for name in ("onset", "duration", "pitch", "velocity")
        }

    def frame(self) -> Piece:
        """Return everything but the notes: parts, length, bar lines, keys, tempos."""
        empty = np.zeros(0, np.int32)
        return dataclasses.replace(
            self, onset=empty, duration=empty, pitch=empty, part=empty, velocity=empty
        )

    def transposed(self, semitones: int) -> Piece:
        """Return the piece moved by a number of semitones, key signatures and chord symbols with it."""
        if semitones == 0:
            return self
        keys = tuple(
            key._replace(fifths=(key.fifths + 7 * semitones + 6) % 12 - 6) for key in self.keys
        )
        chords = tuple(
            c._replace(symbol=transposed_symbol(c.symbol, semitones)) for c in self.chords
        )
        return dataclasses.replace(self, pitch=self.pitch + semitones, keys=keys, chords=chords)

    def with_notes(self, **columns: Any) -> Piece:
        """Return a copy with other note columns."""
        return dataclasses.replace(self, **columns)

    @property
    def pickup(self) -> int:
        """Length in ticks of an incomplete first bar; 0 when the first bar is full or unknown."""
        if not self.bars:
            return 0
        length = self.bar_lengths()[0]
        return 0 if length >= self.nominal_bar_length(0) else int(length)

    def nominal_bar_length(self, index: int) -> int:
        """Length in ticks that the metre in force gives bar `index`."""
        bar = self.bars[index]
        return 4 * self.resolution * bar.beats // bar.beat_type

    def bar_lengths(self) -> np.ndarray:
        """Return the actual length of each bar in ticks, shape `(bars,)`."""
        edges = np.array([bar.onset for bar in self.bars] + [self.end])
        return np.diff(edges)


def to_muspy(piece: Piece) -> muspy.Music:
    """Return the piece as a `muspy.Music`, one track per part.

    Keys become muspy key signatures with a root of the major or minor key; chord symbols become
    annotations, since muspy's chords are chords that sound.
    """
    import muspy

    tracks = [
        muspy.Track(name=name or None, notes=_muspy_notes(piece, index))
        for index, name in enumerate(piece.parts)
    ]
    return muspy.Music(
        metadata=muspy.Metadata(title=piece.metadata.get("title", piece.id)),
        resolution=piece.resolution,
        tempos=[muspy.Tempo(t.onset, t.qpm) for t in piece.tempos],
        key_signatures=[muspy.KeySignature(time=k.onset, fifths=k.fifths) for k in piece.keys],
        time_signatures=_metre_changes(piece),
        barlines=[muspy.Barline(time=bar.onset) for bar in piece.bars],
        annotations=[muspy.Annotation(c.onset, c.symbol, "chord") for c in piece.chords],
        tracks=tracks,
    )


def _muspy_notes(piece: Piece, index: int) -> list[Any]:
    import muspy

    notes = piece.notes(index)
    columns = (notes[name].tolist() for name in ("onset", "pitch", "duration", "velocity"))
    return [muspy.Note(*row) for row in zip(*columns, strict=True)]


def _metre_changes(piece: Piece) -> list[Any]:
    import muspy

    changes: list[Any] = []
    previous: tuple[int, int] | None = None
    for bar in piece.bars:
        if (bar.beats, bar.beat_type) != previous:
            previous = (bar.beats, bar.beat_type)
            changes.append(muspy.TimeSignature(bar.onset, bar.beats, bar.beat_type))
    return changes


def from_muspy(music: muspy.Music, *, id: str, source: str = "") -> Piece:
    """Return a piece from a `muspy.Music`; drum tracks are left out.

    Bar lines are taken from the music where it has them, else laid out from its time signatures
    (4/4 when it has none).
    """
    tracks = [track for track in music.tracks if not track.is_drum]
    rows = [
        (note.time, note.duration, note.pitch, index, note.velocity or DEFAULT_VELOCITY)
        for index, track in enumerate(tracks)
        for note in track.notes
        if note.duration > 0
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    end = int((table[:, 0] + table[:, 1]).max()) if len(table) else 0
    return Piece(
        id=id,
        resolution=music.resolution,
        onset=table[:, 0],
        duration=table[:, 1],
        pitch=table[:, 2],
        part=table[:, 3],
        velocity=table[:, 4],
        parts=tuple(track.name or f"Part {i + 1}" for i, track in enumerate(tracks)) or ("",),
        end=end,
        bars=_bars_of(music, end),
        keys=tuple(Key(k.time, k.fifths) for k in music.key_signatures if k.fifths is not None),
        tempos=tuple(Tempo(t.time, float(t.qpm)) for t in music.tempos),
        source=source,
        metadata={"title": music.metadata.title} if music.metadata and music.metadata.title else {},
    )


def _bars_of(music: muspy.Music, end: int) -> tuple[Bar, ...]:
    metres = [(s.time, s.numerator, s.denominator) for s in music.time_signatures]
    metres = sorted(metres) or [(0, 4, 4)]
    if metres[0][0] > 0:
        metres.insert(0, (0, 4, 4))
    lines = sorted({0, *(bar.time for bar in music.barlines if bar.time < end)})
    if not music.barlines:
        return lay_bars(metres, end, music.resolution)
    in_force = [max(metre for metre in metres if metre[0] <= line) for line in lines]
    return tuple(Bar(line, *metre[1:]) for line, metre in zip(lines, in_force, strict=True))


def lay_bars(metres: Sequence[tuple[int, int, int]], end: int, resolution: int) -> tuple[Bar, ...]:
    """Lay bar lines from metre changes `(onset, beats, beat_type)` up to `end` (ticks)."""
    bars: list[Bar] = []
    for index, (onset, beats, beat_type) in enumerate(metres):
        stop = metres[index + 1][0] if index + 1 < len(metres) else end
        if stop <= onset and (bars or index + 1 < len(metres)):
            continue  # no music follows this metre before the next one, or the end
        length = max(1, 4 * resolution * beats // beat_type)
        bars.extend(Bar(t, beats, beat_type) for t in range(onset, max(stop, onset + 1), length))
    return tuple(bars)
