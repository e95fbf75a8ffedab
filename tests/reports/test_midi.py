"""MIDI files: notes, names, metre, key, tempo and pick-up as other programs read them."""

from __future__ import annotations

import mido
import muspy
import numpy as np
import pytest

from partimento.datasets.chorales import corpus_folder
from partimento.errors import UserError
from partimento.formats.musicxml import read_musicxml
from partimento.music import Bar, Key, Piece, Tempo, from_muspy, lay_bars
from partimento.reports.midi import sounding_metres, write_midi

# A pick-up, a bar divided by a repeat, 3/4, an overlong last bar, 32nd notes.
CHORALES = ("bwv66.6", "bwv9.7", "bwv269", "bwv119.9", "bwv432")


def chorale(name: str) -> Piece:
    return read_musicxml(corpus_folder() / f"{name}.mxl")


@pytest.mark.parametrize("name", CHORALES)
def test_muspy_reads_back_the_same_notes_and_bar_lines(name: str, tmp_path) -> None:
    piece = chorale(name)
    read = from_muspy(muspy.read_midi(write_midi(piece, tmp_path / "x.mid")), id=name)
    assert read.resolution == piece.resolution
    assert read.parts == ("Soprano", "Alto", "Tenor", "Bass")
    for column in ("onset", "duration", "pitch", "part", "velocity"):
        assert np.array_equal(getattr(read, column), getattr(piece, column)), column
    assert [bar.onset for bar in read.bars] == [bar.onset for bar in piece.bars]


def test_pretty_midi_hears_the_same_notes_at_the_same_time(tmp_path) -> None:
    pretty_midi = pytest.importorskip("pretty_midi")
    piece = chorale("bwv66.6")
    midi = pretty_midi.PrettyMIDI(str(write_midi(piece, tmp_path / "x.mid")))
    assert [instrument.name for instrument in midi.instruments] == list(piece.parts)
    assert {instrument.program for instrument in midi.instruments} == {52}
    for index, instrument in enumerate(midi.instruments):
        notes = piece.notes(index)
        assert [note.pitch for note in instrument.notes] == notes["pitch"].tolist()
        seconds = notes["onset"] / piece.resolution * 60 / 96
        assert [note.start for note in instrument.notes] == pytest.approx(seconds.tolist())


def test_a_repeated_note_is_not_cut_off_by_its_predecessor(tmp_path) -> None:
    piece = Piece("repeat", 4, [0, 4, 8], [4, 4, 4], [60, 60, 60], [0, 0, 0])
    track = mido.MidiFile(write_midi(piece, tmp_path / "x.mid")).tracks[1]
    kinds = [message.type for message in track if message.type.startswith("note")]
    assert kinds == ["note_on", "note_off"] * 3


def test_key_metre_tempo_title_and_length_are_written(tmp_path) -> None:
    piece = Piece(
        "id",
        12,
        [0],
        [12],
        [60],
        [0],
        end=72,
        parts=("Oboe d’amore",),
        bars=lay_bars([(0, 6, 8)], 72, 12),
        keys=(Key(0, -3, "minor"), Key(36, 4, "major")),
        tempos=(Tempo(0, 80), Tempo(36, 60)),
        metadata={"title": "Choral «Ä»"},
    )
    file = mido.MidiFile(write_midi(piece, tmp_path / "x.mid"), charset="utf-8")
    messages = [message for message in file.tracks[0] if message.is_meta]
    said = [(message.type, next(iter(message.dict().values())) and message) for message in messages]
    by_type = {kind: [m for k, m in said if k == kind] for kind, _ in said}
    assert [m.name for m in by_type["track_name"]] == ["Choral «Ä»"]
    assert [(m.numerator, m.denominator) for m in by_type["time_signature"]] == [(6, 8)]
    assert [m.key for m in by_type["key_signature"]] == ["Cm", "E"]
    assert [m.tempo for m in by_type["set_tempo"]] == [750_000, 1_000_000]
    assert sum(message.time for message in file.tracks[0]) == 72
    assert file.tracks[1].name == "Oboe d’amore"


def test_without_tempo_the_file_says_one_hundred(tmp_path) -> None:
    path = write_midi(Piece("x", 1, [0], [1], [60], [0]), tmp_path / "x.mid")
    (tempo,) = (m for m in mido.MidiFile(path).tracks[0] if m.type == "set_tempo")
    assert mido.tempo2bpm(tempo.tempo) == 100


def test_parts_never_play_on_the_drum_channel(tmp_path) -> None:
    count = 20
    piece = Piece(
        "many", 1, [0] * count, [1] * count, [60] * count, range(count), parts=("p",) * 20
    )
    file = mido.MidiFile(write_midi(piece, tmp_path / "x.mid"))
    channels = [m.channel for track in file.tracks for m in track if m.type == "note_on"]
    assert len(channels) == count
    assert set(channels) == set(range(16)) - {9}


def metres(*bars: tuple[int, int, int], end: int) -> list[tuple[int, int, int]]:
    return sounding_metres(Piece("x", 2, [], [], [], [], bars=[Bar(*bar) for bar in bars], end=end))


def test_a_pickup_has_a_time_signature_of_its_length() -> None:
    assert metres((0, 4, 4), (2, 4, 4), (10, 4, 4), end=16) == [(0, 1, 4), (2, 4, 4)]
    assert metres((0, 4, 4), (3, 4, 4), (11, 4, 4), end=19) == [(0, 3, 8), (3, 4, 4)]
    assert metres((0, 6, 8), (1, 6, 8), (7, 6, 8), end=13) == [(0, 1, 8), (1, 6, 8)]


def test_a_last_bar_cut_short_keeps_its_metre_and_an_overlong_one_does_not() -> None:
    assert metres((0, 4, 4), (8, 4, 4), end=14) == [(0, 4, 4)]
    assert metres((0, 4, 4), (8, 4, 4), end=24) == [(0, 4, 4), (8, 8, 4)]
    assert metres(end=24) == []


def test_a_resolution_that_midi_cannot_hold_is_refused(tmp_path) -> None:
    piece = Piece("fine", 40_000, [0], [1], [60], [0])
    with pytest.raises(UserError, match="'fine' has 40000 ticks per quarter note"):
        write_midi(piece, tmp_path / "x.mid")


def test_an_empty_piece_is_a_file(tmp_path) -> None:
    file = mido.MidiFile(write_midi(Piece("e", 4, [], [], [], [], end=8), tmp_path / "x.mid"))
    assert len(file.tracks) == 2
