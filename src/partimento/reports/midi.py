"""Standard MIDI files: a named track for each part, with metre, pick-up, key and tempo."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partimento.errors import UserError
from partimento.music import Piece

if TYPE_CHECKING:
    import mido

# Tempo of a piece that states none: an ordinary pace for a chorale. MIDI and audio share it, so
# that both last equally long.
DEFAULT_QPM = 100.0
VOICES = ("soprano", "alto", "tenor", "bass")
CHOIR_AAHS, GRAND_PIANO = 52, 0  # General MIDI programs, counted from 0
MAX_TICKS = 32767  # per quarter note, in a MIDI header (15 bits)
MAJOR_KEYS = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
MINOR_KEYS = ("Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")


def write_midi(piece: Piece, path: str | Path) -> Path:
    """Write a standard MIDI file, format 1, one named track for each part.

    Ticks are those of the piece. A bar shorter or longer than its metre (a pick-up) gets a time
    signature of its own length, so that the bar lines of a reader fall where those of the piece
    do. Chord symbols are markers. Without a tempo the file says `DEFAULT_QPM`.

    Raises:
        UserError: When the piece counts time more finely than a MIDI file can.
    """
    import mido

    if piece.resolution > MAX_TICKS:
        raise UserError(
            f"'{piece.id}' has {piece.resolution} ticks per quarter note, and a MIDI file holds "
            f"at most {MAX_TICKS}; reduce the resolution of the piece."
        )
    file = mido.MidiFile(type=1, ticks_per_beat=piece.resolution, charset="utf-8")
    title = piece.metadata.get("title", "") or piece.id
    file.tracks.append(_track(title, _frame_events(piece), piece.end))
    for index, name in enumerate(piece.parts):
        channel = [c for c in range(16) if c != 9][index % 15]
        file.tracks.append(_track(name, _note_events(piece, index, channel), piece.end))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)
    return path


def _track(name: str, events: list[tuple[int, int, Any]], end: int) -> mido.MidiTrack:
    """Return a track of events `(tick, rank, message)`; of one tick, the lower rank is first."""
    import mido

    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(0, end - now)))
    return track


def _note_events(piece: Piece, index: int, channel: int) -> list[tuple[int, int, Any]]:
    import mido

    name = piece.parts[index].lower()
    program = CHOIR_AAHS if name in VOICES else GRAND_PIANO
    events = [(0, 0, mido.Message("program_change", program=program, channel=channel))]
    notes = piece.notes(index)
    columns = (notes[key].tolist() for key in ("onset", "duration", "pitch", "velocity"))
    for onset, duration, pitch, velocity in zip(*columns, strict=True):
        message = {"note": pitch, "channel": channel}
        # Ends before beginnings: a repeated note would otherwise be cut off by its predecessor.
        events.append((onset + duration, 1, mido.Message("note_off", velocity=0, **message)))
        events.append((onset, 2, mido.Message("note_on", velocity=max(1, velocity), **message)))
    return events


def _frame_events(piece: Piece) -> list[tuple[int, int, Any]]:
    import mido

    events: list[tuple[int, int, Any]] = []
    for onset, beats, beat_type in sounding_metres(piece):
        message = mido.MetaMessage("time_signature", numerator=beats, denominator=beat_type)
        events.append((onset, 0, message))
    for key in piece.keys:
        minor = key.mode == "minor"
        name = (MINOR_KEYS if minor else MAJOR_KEYS)[max(-7, min(7, key.fifths)) + 7]
        message = mido.MetaMessage("key_signature", key=name + "m" * minor)
        events.append((key.onset, 0, message))
    events += [
        (chord.onset, 0, mido.MetaMessage("marker", text=chord.symbol)) for chord in piece.chords
    ]
    tempos = [(tempo.onset, tempo.qpm) for tempo in piece.tempos] or [(0, DEFAULT_QPM)]
    for onset, qpm in tempos:
        message = mido.MetaMessage("set_tempo", tempo=min(round(60e6 / qpm), 2**24 - 1))
        events.append((onset, 0, message))
    return events


def sounding_metres(piece: Piece) -> list[tuple[int, int, int]]:
    """Return metre changes `(onset, beats, beat_type)` that put every bar line where it is.

    A bar whose length no time signature expresses keeps its nominal one, and so does a last bar
    that is cut short: no bar line depends on it.
    """
    changes: list[tuple[int, int, int]] = []
    lengths = piece.bar_lengths() if piece.bars else ()
    for index, (bar, length) in enumerate(zip(piece.bars, lengths, strict=True)):
        nominal = piece.nominal_bar_length(index)
        beats, beat_type = bar.beats, bar.beat_type
        ratio = Fraction(int(length), 4 * piece.resolution)
        cut_short = index + 1 == len(piece.bars) and length < nominal
        if length != nominal and not cut_short and 64 % ratio.denominator == 0 and ratio > 0:
            beat_type = max(beat_type, ratio.denominator)
            beats = int(ratio * beat_type)
        if not changes or changes[-1][1:] != (beats, beat_type):
            changes.append((bar.onset, beats, beat_type))
    return changes
