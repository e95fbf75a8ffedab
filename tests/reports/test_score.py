"""MusicXML and all files at once: two independent readers give back what was written."""

from __future__ import annotations

import dataclasses
import wave
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import mido
import numpy as np
import pytest
from matplotlib.image import imread

from partimento.datasets.chorales import corpus_files, corpus_folder
from partimento.formats.musicxml import read_musicxml
from partimento.music import Bar, Chord, Key, Piece, Tempo
from partimento.reports.score import write_all, write_musicxml

Notes = list[tuple[Fraction, Fraction, int, int]]

# A pick-up, a bar divided by a repeat, 3/4, overlong bars, 32nd notes, 3/2.
CHORALES = ("bwv66.6", "bwv9.7", "bwv269", "bwv119.9", "bwv324", "bwv432")


def chorale(name: str) -> Piece:
    return read_musicxml(corpus_folder() / f"{name}.mxl")


def notes_of(piece: Piece) -> Notes:
    columns = (piece.onset, piece.duration, piece.pitch, piece.part)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    beat = piece.resolution
    return sorted((Fraction(o, beat), Fraction(d, beat), p, i) for o, d, p, i in rows)


def notes_by_music21(path: Path) -> Notes:
    import music21

    score = music21.converter.parse(path, forceSource=True).stripTies()
    return sorted(
        (
            Fraction(note.getOffsetInHierarchy(score)),
            Fraction(note.quarterLength),
            pitch.midi,
            index,
        )
        for index, part in enumerate(score.parts)
        for note in part.recurse().notes
        for pitch in note.pitches
    )


def times(marks, piece: Piece) -> list[tuple]:
    return [(Fraction(mark.onset, piece.resolution), *mark[1:]) for mark in marks]


def check_round_trip(piece: Piece, path: Path) -> None:
    read = read_musicxml(write_musicxml(piece, path))
    assert notes_of(read) == notes_of(piece)
    assert read.parts == piece.parts
    assert times(read.bars, read) == times(piece.bars, piece)
    assert times(read.keys, read) == times(piece.keys, piece)
    assert times(read.tempos, read) == times(piece.tempos, piece)
    assert Fraction(read.end, read.resolution) == Fraction(piece.end, piece.resolution)


@pytest.mark.parametrize("name", CHORALES)
def test_our_reader_gives_the_chorale_back(name: str, tmp_path) -> None:
    check_round_trip(chorale(name), tmp_path / "x.musicxml")


@pytest.mark.parametrize("name", ["bwv66.6", "bwv9.7", "bwv432"])
def test_music21_gives_the_chorale_back(name: str, tmp_path) -> None:
    piece = chorale(name)
    path = write_musicxml(piece, tmp_path / "x.musicxml")
    assert notes_by_music21(path) == notes_of(piece)


@pytest.mark.full
def test_every_work_of_the_corpus_comes_back(tmp_path) -> None:
    pieces = [read_musicxml(path) for path in corpus_files(corpus_folder()).values()]
    chorales = [piece for piece in pieces if len(piece.parts) == 4]
    assert len(chorales) > 300
    for piece in chorales:
        check_round_trip(piece, tmp_path / "x.musicxml")


def test_parts_clefs_and_pickup_are_those_of_a_chorale(tmp_path) -> None:
    piece = chorale("bwv66.6")
    lower = dataclasses.replace(piece, parts=tuple(name.lower() for name in piece.parts))
    root = ElementTree.parse(write_musicxml(lower, tmp_path / "x.musicxml")).getroot()
    assert [e.text for e in root.iter("part-name")] == ["soprano", "alto", "tenor", "bass"]
    clefs = [
        (clef.findtext("sign"), clef.findtext("line"), clef.findtext("clef-octave-change"))
        for clef in root.iter("clef")
    ]
    assert clefs == [("G", "2", None), ("G", "2", None), ("G", "2", "-1"), ("F", "4", None)]
    first, second = root.find("part").findall("measure")[:2]
    assert (first.get("number"), first.get("implicit")) == ("0", "yes")
    assert (second.get("number"), second.get("implicit")) == ("1", "no")
    assert root.find("part").findtext(".//key/fifths") == "3"


def test_a_note_over_a_bar_line_is_two_tied_notes(tmp_path) -> None:
    bars = (Bar(0, 4, 4), Bar(4, 4, 4))
    piece = Piece("tie", 1, [2], [4], [60], [0], end=8, bars=bars)
    root = ElementTree.parse(write_musicxml(piece, tmp_path / "x.musicxml")).getroot()
    sounding = [note for note in root.iter("note") if note.find("rest") is None]
    assert [note.findtext("type") for note in sounding] == ["half", "half"]
    assert [tie.get("type") for note in sounding for tie in note.findall("tie")] == [
        "start",
        "stop",
    ]


def test_beams_stems_and_accidentals_are_written(tmp_path) -> None:
    piece = Piece("x", 2, [0, 1, 2, 4], [1, 1, 2, 4], [66, 67, 65, 66], [0] * 4, keys=(Key(0, 1),))
    root = ElementTree.parse(write_musicxml(piece, tmp_path / "x.musicxml")).getroot()
    notes = list(root.iter("note"))
    assert [note.findtext("beam") for note in notes[:2]] == ["begin", "end"]
    assert [note.findtext("accidental") for note in notes] == [None, None, "natural", "sharp"]


def test_the_title_is_written_and_no_composer_is_invented(tmp_path) -> None:
    piece = Piece("id", 1, [0], [4], [60], [0], metadata={"title": "Ein’ <feste> Burg & Co"})
    path = write_musicxml(piece, tmp_path / "x.musicxml")
    assert read_musicxml(path).metadata == {"title": "Ein’ <feste> Burg & Co"}
    assert b"encoding-date" not in path.read_bytes()


def test_the_same_piece_is_written_as_the_same_file(tmp_path) -> None:
    piece = chorale("bwv9.7")
    paths = [write_musicxml(piece, tmp_path / f"{i}.musicxml") for i in (1, 2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_lead_sheet_keeps_its_chords_and_tempos(tmp_path) -> None:
    piece = Piece(
        "lead sheet",
        4,
        [0, 16, 32],
        [16, 16, 16],
        [60, 62, 64],
        [0] * 3,
        bars=(Bar(0, 4, 4), Bar(16, 4, 4), Bar(32, 4, 4)),
        chords=(Chord(0, 8, "C"), Chord(8, 8, "F#m7"), Chord(16, 16, "Bb"), Chord(32, 16, "no!")),
        tempos=(Tempo(0, 77.5), Tempo(16, 120)),
    )
    path = write_musicxml(piece, tmp_path / "x.musicxml")
    read = read_musicxml(path)
    assert [(Fraction(c.onset, read.resolution), c.symbol) for c in read.chords] == [
        (0, "C"),
        (2, "F#m7"),
        (4, "Bb"),
    ]
    assert "no!" in path.read_text(encoding="utf-8")
    assert times(read.tempos, read) == times(piece.tempos, piece)


@pytest.mark.parametrize("resolution", [4, 7, 480])
def test_a_played_piano_piece_keeps_its_notes(resolution: int, tmp_path) -> None:
    random = np.random.default_rng(resolution)
    count = 80
    piece = Piece(
        "played",
        resolution,
        random.integers(0, 16 * resolution, count),
        random.integers(1, 3 * resolution, count),
        random.integers(30, 90, count),
        random.integers(0, 2, count),
        parts=("Piano", "x & y"),
        keys=(Key(0, 3, "major"), Key(9 * resolution, -4)),
    )
    read = read_musicxml(write_musicxml(piece, tmp_path / "x.musicxml"))
    rounded = {
        ((2 * 48 * o + resolution) // (2 * resolution), p, i)
        for o, p, i in zip(
            piece.onset.tolist(), piece.pitch.tolist(), piece.part.tolist(), strict=True
        )
    }
    found = {(int(onset * 48), pitch, part) for onset, _, pitch, part in notes_of(read)}
    assert found == rounded
    # A key inside a bar is written at its beginning.
    assert times(read.keys, read) == [(0, 3, "major"), (8, -4, "")]


def test_an_empty_piece_is_a_score_of_rests(tmp_path) -> None:
    read = read_musicxml(write_musicxml(Piece("e", 4, [], [], [], [], end=32), tmp_path / "x.xml"))
    assert len(read) == 0
    assert Fraction(read.end, read.resolution) == 8


def test_write_all_writes_four_readable_files(tmp_path) -> None:
    piece = chorale("bwv66.6")
    paths = write_all(piece, tmp_path / "samples" / "bwv66.6 (a)")
    assert {kind: path.name for kind, path in paths.items()} == {
        "midi": "bwv66.6 (a).mid",
        "musicxml": "bwv66.6 (a).musicxml",
        "png": "bwv66.6 (a).png",
        "wav": "bwv66.6 (a).wav",
    }
    assert len(mido.MidiFile(paths["midi"]).tracks) == 5
    assert notes_of(read_musicxml(paths["musicxml"])) == notes_of(piece)
    assert imread(paths["png"]).shape[1] > 1000
    with wave.open(str(paths["wav"]), "rb") as file:
        assert file.getnframes() > 20 * file.getframerate()
