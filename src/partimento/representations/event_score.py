"""Pure functions between pieces and symusic scores, from which MidiTok makes its tokens."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from partimento.music import Bar, Piece, Tempo, lay_bars
from partimento.representations.grid import refined

FIELDS = ("time", "duration", "pitch", "velocity")


class Notes(NamedTuple):
    """Notes of a score in ticks, track by track; every field has shape `(notes,)`."""

    time: np.ndarray
    duration: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    track: np.ndarray


def lead_in(piece: Piece) -> int:
    """Return the ticks of silence before a pick-up that complete its bar.

    A piece that ends within its first bar has no pick-up, but an end.
    """
    if len(piece.bars) < 2:
        return 0
    return max(piece.nominal_bar_length(0) - piece.bars[1].onset + piece.bars[0].onset, 0)


def metre_changes(piece: Piece) -> list[tuple[int, int, int]]:
    """Return (onset, beats, beat type) of each change of metre, the pick-up's bar completed."""
    shift = lead_in(piece)
    changes: list[tuple[int, int, int]] = []
    for bar in piece.bars:
        if not changes or changes[-1][1:] != (bar.beats, bar.beat_type):
            onset = bar.onset + shift if changes else 0
            changes.append((onset, bar.beats, bar.beat_type))
    return changes


def score_of(piece: Piece, *, merged: bool) -> Any:
    """Return the piece as a symusic score, its pick-up made a full bar by a rest before it.

    Args:
        piece: Any piece.
        merged: True: all notes in one track; False: a track per part, whose number is its program.
    """
    from symusic import Note, Score, Tempo, TimeSignature, Track

    score: Any = Score(piece.resolution)
    shift, velocity = lead_in(piece), np.asarray(piece.velocity)
    order = np.lexsort((velocity, piece.pitch, piece.duration, piece.onset))
    part = np.zeros(len(order), np.int32) if merged else piece.part[order]
    time, duration = piece.onset[order] + shift, piece.duration[order]
    pitch, velocity = piece.pitch[order].astype(np.int8), velocity[order].astype(np.int8)
    for program in np.unique(part).tolist():
        here = slice(None) if merged else part == program
        track: Any = Track(program=program)
        columns = (time[here], duration[here], pitch[here], velocity[here])
        track.notes = Note.from_numpy(*columns)
        score.tracks.append(track)
    score.time_signatures = [TimeSignature(*change) for change in metre_changes(piece)]
    score.tempos = [
        Tempo(mark.onset + (shift if mark.onset else 0), mark.qpm) for mark in piece.tempos
    ]
    return score


def silent_score(resolution: int) -> Any:
    """Return a score without notes, in 4/4."""
    from symusic import Score, TimeSignature

    score: Any = Score(resolution)
    score.time_signatures = [TimeSignature(0, 4, 4)]
    return score


def in_order(score: Any) -> Any:
    """Sort the notes of every track as symusic does on reading a file: time, duration, pitch.

    Notes that a grid brings to one onset stand in the order of their onsets before; without this
    the same music would have several encodings.
    """
    from symusic import Note

    for track in score.tracks:
        notes = track.notes.numpy()
        keys = ("velocity", "pitch", "duration", "time")
        order = np.lexsort([notes[name] for name in keys])
        if (np.diff(order) < 0).any():
            track.notes = Note.from_numpy(*(notes[name][order] for name in FIELDS))
    return score


def first_in_first_out(score: Any) -> Any:
    """Let notes of one pitch end in the order in which they began, as bare note-offs are read."""
    from symusic import Note

    for track in score.tracks:
        notes = {name: column.astype(np.int64) for name, column in track.notes.numpy().items()}
        end = notes["time"] + notes["duration"]
        begun = np.lexsort((end, notes["time"], notes["pitch"]))
        ended = np.lexsort((end, notes["pitch"]))
        if (end[begun] != end[ended]).any():
            notes["duration"][begun] = end[ended] - notes["time"][begun]
            types = (np.int32, np.int32, np.int8, np.int8)
            columns = (notes[name].astype(t) for name, t in zip(FIELDS, types, strict=True))
            track.notes = Note.from_numpy(*columns)
    return score


def notes_of(score: Any) -> Notes:
    """Return the notes of all tracks."""
    tracks = [track.notes.numpy() for track in score.tracks]
    if not tracks:
        return Notes(*(np.zeros(0, np.int64) for _ in Notes._fields))
    columns = [np.concatenate([track[name] for track in tracks]) for name in FIELDS]
    program = [np.full(len(track["time"]), index) for index, track in enumerate(tracks)]
    columns.append(np.concatenate(program))
    return Notes(*(column.astype(np.int64) for column in columns))


def bars_of(score: Any, end: int) -> tuple[Bar, ...]:
    """Return the bar lines that the metres of a score lay, up to `end` (ticks)."""
    metres = [(m.time, m.numerator, m.denominator) for m in score.time_signatures]
    return lay_bars(metres or [(0, 4, 4)], end, score.ticks_per_quarter)


def piece_of(score: Any, frame: Piece | None, parts: tuple[str, ...]) -> Piece:
    """Return a decoded score as a piece.

    Args:
        score: What MidiTok decoded; the program of a track is the index of its part.
        frame: Bar lines, tempos and the rest; None: bars as the score's metres lay them, ending
            with the last bar that has a note.
        parts: Names of the parts, where those of the frame do not serve.
    """
    notes, ticks = notes_of(score), score.ticks_per_quarter
    # Tokens can end a note where it begins: no music.
    notes = Notes(*(column[notes.duration > 0] for column in notes))
    onset, end = notes.time, notes.time + notes.duration
    if frame is None:
        frame = _bare_frame(score, int(end.max()) if len(end) else 0)
    else:
        frame = refined(frame, np.concatenate([onset, end]), ticks)
        shift = lead_in(frame)
        onset, end = (time * frame.resolution // ticks - shift for time in (onset, end))
        # Music before a pick-up has no place in its frame.
        onset, end = np.maximum(onset, 0), np.maximum(end, 1)
        frame = dataclasses.replace(frame, end=max(frame.end, int(end.max()) if len(end) else 0))
    part = np.array([track.program for track in score.tracks] or [0])[notes.track]
    needed = int(part.max(initial=0)) + 1
    fits = len(frame.parts) == 1 if len(parts) == 1 else needed <= len(frame.parts) <= len(parts)
    return dataclasses.replace(
        frame,
        onset=onset,
        duration=end - onset,
        pitch=notes.pitch,
        part=part,
        velocity=notes.velocity,
        parts=frame.parts if fits else parts,
    )


def _bare_frame(score: Any, last: int) -> Piece:
    """Return an empty piece in whole bars of all the score's metres, up to tick `last` or more."""
    ticks = score.ticks_per_quarter
    bars = bars_of(score, max(last, score.time_signatures[-1].time + 1))
    end = bars[-1].onset + 4 * ticks * bars[-1].beats // bars[-1].beat_type
    tempos = tuple(Tempo(mark.time, round(mark.tempo, 2)) for mark in score.tempos)
    none = np.zeros(0, np.int32)
    columns = (none, none, none, none)
    return Piece("untitled", ticks, *columns, parts=(), end=end, bars=bars, tempos=tempos)
