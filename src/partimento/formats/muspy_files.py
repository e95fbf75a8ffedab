"""Reader of muspy's own files, JSON and YAML, without muspy (whose import takes some seconds)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from partimento.errors import UserError
from partimento.formats.limits import MAX_NOTES, MAX_TICK, check_count, check_length, count_bars
from partimento.music import DEFAULT_VELOCITY, Bar, Chord, Key, Piece, Tempo, lay_bars

READER_VERSION = 1
"""Raised whenever a file would be read as different music than before; part of every cache key."""

# Python objects take some thirty times the bytes of their text; YAML is slow to read besides.
MAX_BYTES = {"json": 16 * 2**20, "yaml": 4 * 2**20}
"""Largest file that is read, by its language."""

_MAX_DEPTH = 32  # muspy's own files are five deep
_RESOLUTION = 24  # of a file that states none (muspy.DEFAULT_RESOLUTION)


def piece_of_muspy(data: bytes, language: str, *, id: str, source: str, name: str) -> Piece:
    """Return the music of a file that `muspy.save_json` or `save_yaml` wrote (schema 0.2).

    Each track with notes is a part; notes of its chords are notes. Bar lines are the file's, else
    laid from its time signatures (4/4 until the first); of several marks at one time the last
    holds. Annotations of the group "chord" are chord symbols, each up to the next. Drum tracks,
    notes of no length and impossible marks are left out and counted in the metadata; lyrics,
    beats, programs and other annotations are left out.

    Args:
        data: The whole file.
        language: "json" or "yaml".
        id: Id of the piece.
        source: Where the piece comes from.
        name: What to call the file in an error.

    Raises:
        UserError: When the bytes are no music of muspy's, or beyond all measure.
    """
    if len(data) > MAX_BYTES[language]:
        raise UserError(
            f"'{name}' is larger than {MAX_BYTES[language] // 2**20} MiB, the most that is read "
            f"of muspy's {language.upper()} files."
        )
    try:
        music = _LOADERS[language](data)
    except (ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise UserError(f"'{name}' is not {language.upper()}: {reason}.") from error
    if not isinstance(music, dict) or not isinstance(music.get("tracks"), list):
        raise UserError(
            f"'{name}' is {language.upper()}, but no music that muspy wrote: it has no 'tracks'."
        )
    try:
        return _piece(music, id=id, source=source, name=name)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(f"'{name}' is no music that muspy wrote: {reason}.") from error


def _load_yaml(data: bytes) -> Any:
    """Return what a YAML file holds.

    Raises:
        ValueError: When it is not YAML, or nested too deeply for the parser's stack.
    """
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):
        def flatten_mapping(self, node: Any) -> None:
            """Merge keys ("<<") of merge keys double with every level; muspy writes none."""

    try:
        depth = 0
        for event in yaml.parse(data, Loader=base):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                raise ValueError(f"it is nested more than {_MAX_DEPTH} deep")
        return yaml.load(data, Loader=Loader)
    except (yaml.YAMLError, TypeError, AttributeError) as error:
        # TypeError and AttributeError: values that the tags before them do not suit.
        raise ValueError(str(error)) from error


_LOADERS: Mapping[str, Callable[[bytes], Any]] = {"json": json.loads, "yaml": _load_yaml}


def whole(value: Any, low: int, high: int, what: str) -> int:
    """Return a whole number within bounds.

    Raises:
        ValueError: When it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise ValueError(f"{what} is a {type(value).__name__}, where a whole number was expected")
    if not low <= value <= high:
        raise ValueError(f"{what} is outside {low} to {high}")
    return int(value)


def _time(mark: Mapping[str, Any]) -> int:
    return whole(mark["time"], 0, MAX_TICK, "a time")


def _rows(music: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return a list of mappings; none when it is left out."""
    rows = music.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"its '{name}' are no list of mappings")
    return rows


def _piece(music: Mapping[str, Any], *, id: str, source: str, name: str) -> Piece:
    resolution = whole(music.get("resolution", _RESOLUTION), 1, MAX_TICK, "the resolution")
    table, names, dropped = _table(music, name)
    end = int((table[:, 0] + table[:, 1]).max()) if len(table) else 0
    check_length(end, resolution, name)
    keys, odd_keys = _keys(music, end)
    about = music.get("metadata")
    title = _text(about.get("title")) if isinstance(about, dict) else ""
    dropped["impossible marks dropped"] = odd_keys
    return Piece(
        id=id,
        resolution=resolution,
        onset=table[:, 0],
        duration=table[:, 1],
        pitch=table[:, 2],
        part=table[:, 4],
        velocity=table[:, 3],
        parts=tuple(names) or ("",),
        end=end,
        bars=_bars(music, end, resolution, name),
        keys=keys,
        chords=_chords(music, end),
        tempos=_tempos(music, end),
        source=source,
        metadata=({"title": title} if title else {})
        | {what: str(count) for what, count in dropped.items() if count},
    )


def _table(music: Mapping[str, Any], name: str) -> tuple[np.ndarray, list[str], dict[str, int]]:
    """Return rows of onset, duration, pitch, velocity, part; the parts' names; what was dropped."""
    tables = [np.zeros((0, 5), np.int64)]
    names: list[str] = []
    drums = empty = total = 0
    for track in _rows(music, "tracks"):
        notes = _notes(track)
        # At every track: a YAML file may name one track a million times.
        total += len(notes)
        check_count(total, 0, name)
        if track.get("is_drum"):
            drums += len(notes)
            continue
        kept = notes[notes[:, 1] > 0]
        empty += len(notes) - len(kept)
        if len(kept):
            tables.append(np.column_stack([kept, np.full(len(kept), len(names))]))
            names.append(_text(track.get("name")) or f"Part {len(names) + 1}")
    dropped = {"drum notes dropped": drums, "notes of no length dropped": empty}
    return np.concatenate(tables), names, dropped


def _text(value: Any) -> str:
    return " ".join(value[:1000].split())[:200] if isinstance(value, str) else ""


def _notes(track: Mapping[str, Any]) -> np.ndarray:
    """Return rows of onset, duration, pitch and velocity; a chord is as many notes."""
    found = [_note(note, note["pitch"]) for note in _rows(track, "notes")]
    for chord in _rows(track, "chords"):
        if len(found) > MAX_NOTES or not isinstance(chord["pitches"], list):
            raise ValueError("its chords are no lists of pitches, or too many")
        found += [_note(chord, pitch) for pitch in chord["pitches"]]
    return np.array(found, np.int64).reshape(-1, 4)


def _note(note: Mapping[str, Any], pitch: Any) -> tuple[int, int, int, int]:
    return (
        _time(note),
        whole(note["duration"], 0, MAX_TICK, "a duration"),
        whole(pitch, 0, 127, "a pitch"),
        # muspy leaves out velocities that are not known.
        whole(note.get("velocity") or DEFAULT_VELOCITY, 0, 127, "a velocity"),
    )


def _marks(music: Mapping[str, Any], name: str, end: int) -> list[tuple[int, Mapping[str, Any]]]:
    """Return marks in time, before the end, and of several at one time the last."""
    latest = {_time(mark): mark for mark in _rows(music, name)}
    return [(onset, latest[onset]) for onset in sorted(latest) if onset < max(end, 1)]


def _bars(music: Mapping[str, Any], end: int, resolution: int, name: str) -> tuple[Bar, ...]:
    metres = [
        (
            onset,
            whole(mark["numerator"], 1, 1024, "a numerator"),
            whole(mark["denominator"], 1, 1024, "a denominator"),
        )
        for onset, mark in _marks(music, "time_signatures", end)
    ]
    if not metres or metres[0][0] > 0:
        metres.insert(0, (0, 4, 4))
    lines = [onset for onset, _ in _marks(music, "barlines", end)]
    if not lines:
        check_count(0, count_bars(metres, end, resolution), name)
        return lay_bars(metres, end, resolution)
    bars: list[Bar] = []
    following = iter([*metres[1:], (MAX_TICK + 1, 0, 0)])
    metre, upcoming = metres[0], next(following)
    for line in sorted({0, *lines}):
        while upcoming[0] <= line:
            metre, upcoming = upcoming, next(following)
        bars.append(Bar(line, *metre[1:]))
    return tuple(bars)


def _keys(music: Mapping[str, Any], end: int) -> tuple[tuple[Key, ...], int]:
    """Return the key signatures, and how many say nothing of sharps and flats."""
    found = [(onset, _fifths(m), m) for onset, m in _marks(music, "key_signatures", end)]
    keys = tuple(
        Key(onset, fifths, _text(m.get("mode"))) for onset, fifths, m in found if fifths is not None
    )
    return keys, len(found) - len(keys)


def _fifths(mark: Mapping[str, Any]) -> int | None:
    fifths, root = mark.get("fifths"), mark.get("root")
    if fifths is not None:
        return whole(fifths, -7, 7, "the fifths of a key")
    if root is None:
        return None
    # The circle of fifths; a minor key has the signature of the major three semitones up.
    major = whole(root, 0, 11, "the root of a key") + 3 * (mark.get("mode") == "minor")
    return (7 * major + 5) % 12 - 5


def _tempos(music: Mapping[str, Any], end: int) -> tuple[Tempo, ...]:
    found = [(onset, float(mark["qpm"])) for onset, mark in _marks(music, "tempos", end)]
    if any(not 0 < qpm < math.inf for _, qpm in found):
        raise ValueError("a tempo is not above zero")
    return tuple(Tempo(*tempo) for tempo in found)


def _chords(music: Mapping[str, Any], end: int) -> tuple[Chord, ...]:
    """Return the annotations that `music.to_muspy` writes for chord symbols."""
    symbols = {
        _time(mark): _text(mark.get("annotation"))
        for mark in _rows(music, "annotations")
        if mark.get("group") == "chord"
    }
    found = sorted((onset, text) for onset, text in symbols.items() if onset < end)
    return tuple(
        Chord(onset, stop - onset, text)
        for (onset, text), (stop, _) in pairwise([*found, (end, "")])
    )
