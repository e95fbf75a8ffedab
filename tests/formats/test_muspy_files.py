"""Muspy's JSON and YAML against muspy itself, and one sentence for whatever is not its music."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from partimento.datasets.chorales import corpus_files, corpus_folder
from partimento.errors import UserError
from partimento.formats import muspy_files
from partimento.formats.files import read_piece
from partimento.formats.musicxml import read_musicxml
from partimento.formats.muspy_files import piece_of_muspy
from partimento.music import Bar, Chord, Key, Piece, Tempo, from_muspy, to_muspy

CHORALES = ("bwv253", "bwv66.6", "bwv269", "bwv1.6")
NOTE = {"time": 0, "pitch": 60, "duration": 24}


def read(music: Any, **more: Any) -> Piece:
    data = music if isinstance(music, bytes) else json.dumps(music).encode()
    return piece_of_muspy(data, more.get("language", "json"), id="x", source="x", name="x.json")


def song(**more: Any) -> dict[str, Any]:
    return {"tracks": [{"notes": [NOTE]}]} | more


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml"])
@pytest.mark.parametrize("name", CHORALES)
def test_chorales_that_muspy_saved(name: str, suffix: str, tmp_path: Path) -> None:
    import muspy

    piece = read_musicxml(corpus_files(corpus_folder())[name])
    path = tmp_path / f"{name}{suffix}"
    music = to_muspy(piece)
    music.save(path, kind=suffix.lstrip(".").replace("yml", "yaml"))
    again = read_piece(path)
    by_muspy = from_muspy(muspy.load(path, kind="json" if suffix == ".json" else "yaml"), id=name)
    parts = tuple(piece.parts[index] for index in sorted(set(piece.part.tolist())))
    assert again.parts == parts
    if parts == piece.parts:
        keys = tuple(key._replace(mode="") for key in piece.keys)
        assert again.difference(dataclasses.replace(piece, keys=keys, end=again.end)) is None
        assert again.difference(by_muspy) is None


def test_chord_symbols_survive(tmp_path: Path) -> None:
    path = corpus_folder().parent / "leadSheet" / "fosterBrownHair.mxl"
    piece = read_musicxml(path)
    to_muspy(piece).save_json(tmp_path / "x.json")
    chords = read_piece(tmp_path / "x.json").chords
    assert [chord[::2] for chord in chords] == [chord[::2] for chord in piece.chords]
    assert chords[:-1] == piece.chords[:-1]


def test_everything_that_is_kept() -> None:
    music = {
        "metadata": {"title": " Ein \n Lied ", "creators": ["N. N."]},
        "resolution": 4,
        "tempos": [{"time": 0, "qpm": 60}, {"time": 99, "qpm": 61.0}],
        "key_signatures": [
            {"time": 0, "root": 9, "mode": "minor"},
            {"time": 2, "root": 4, "mode": "major"},
            {"time": 3, "root_str": "C"},
            {"time": 4, "fifths": -2},
        ],
        "time_signatures": [{"time": 0, "numerator": 2, "denominator": 4}],
        "annotations": [
            {"time": 0, "annotation": "Am", "group": "chord"},
            {"time": 4, "annotation": "E7", "group": "chord"},
            {"time": 4, "annotation": "loud", "group": "dynamics"},
        ],
        "tracks": [
            {"name": "Flöte", "notes": [{"time": 0, "pitch": 69, "duration": 8, "velocity": 9}]},
            {"is_drum": True, "notes": [{"time": 0, "pitch": 35, "duration": 8}]},
            {"notes": []},
            {
                "notes": [{"time": 3, "pitch": 1, "duration": 0}],
                "chords": [{"time": 8, "pitches": [60, 64], "duration": 4}],
            },
        ],
    }
    piece = read(music)
    columns = (piece.onset, piece.duration, piece.pitch, piece.part, piece.velocity)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == [
        (0, 8, 69, 0, 9),
        (8, 4, 60, 1, 64),
        (8, 4, 64, 1, 64),
    ]
    assert piece.parts == ("Flöte", "Part 2")
    assert piece.bars == (Bar(0, 2, 4), Bar(8, 2, 4))
    assert piece.keys == (Key(0, 0, "minor"), Key(2, 4, "major"), Key(4, -2))
    assert piece.tempos == (Tempo(0, 60.0),)
    assert piece.chords == (Chord(0, 4, "Am"), Chord(4, 8, "E7"))
    assert piece.metadata == {
        "title": "Ein Lied",
        "drum notes dropped": "1",
        "notes of no length dropped": "1",
        "impossible marks dropped": "1",
    }


def test_bar_lines_of_the_file_under_the_metre_in_force() -> None:
    music = song(
        resolution=8,
        barlines=[{"time": time} for time in (2, 18, 99)],
        time_signatures=[
            {"time": 2, "numerator": 2, "denominator": 4},
            {"time": 10, "numerator": 3, "denominator": 8},
        ],
    )
    assert read(music).bars == (Bar(0, 4, 4), Bar(2, 2, 4), Bar(18, 3, 8))


NO_MUSIC = {
    "'x.json' is JSON, but no music that muspy wrote: it has no 'tracks'.": [1, 2],
    "'x.json' is no music that muspy wrote: 'pitch' is missing.": {
        "tracks": [{"notes": [{"time": 1}]}]
    },
    "'x.json' is no music that muspy wrote: a pitch is outside 0 to 127.": {
        "tracks": [{"notes": [NOTE | {"pitch": 128}]}]
    },
    "'x.json' is no music that muspy wrote: a time is outside 0 to 2147483647.": {
        "tracks": [{"notes": [NOTE | {"time": -1}]}]
    },
    "'x.json' is no music that muspy wrote: a time is a str, where a whole number was expected.": {
        "tracks": [{"notes": [NOTE | {"time": "1"}]}]
    },
    "'x.json' is no music that muspy wrote: its 'notes' are no list of mappings.": {
        "tracks": [{"notes": [1]}]
    },
    "'x.json' is no music that muspy wrote: a tempo is not above zero.": song(
        tempos=[{"time": 0, "qpm": float("nan")}]
    ),
    "'x.json' is no music that muspy wrote: a numerator is outside 1 to 1024.": song(
        time_signatures=[{"time": 0, "numerator": 0, "denominator": 4}]
    ),
    "'x.json' lasts longer than 100000 quarter notes or 2147483647 ticks, the most that is read.": {
        "tracks": [{"notes": [NOTE | {"duration": 2_400_001}]}]
    },
    "'x.json' has more than 200000 bars, the most that is read.": {
        "time_signatures": [{"time": 0, "numerator": 1, "denominator": 64}],
        "tracks": [{"notes": [NOTE | {"duration": 2_400_000}]}],
    },
}


@pytest.mark.parametrize("sentence", NO_MUSIC)
def test_what_is_no_music(sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read(NO_MUSIC[sentence])
    assert str(caught.value) == sentence


ALIASES = "a: &a [1, 1]\n" + "".join(
    f"{new}: &{new} {{<<: [*{old}, *{old}]}}\n"
    for old, new in zip("bcdefghijklmnopqrstuvwx", "cdefghijklmnopqrstuvwxy", strict=True)
)


@pytest.mark.parametrize(
    ("language", "data", "sentence"),
    [
        ("json", b"[" * 100_000, "'x.json' is not JSON: maximum recursion depth exceeded"),
        ("json", b'{"tracks": ' + b"9" * 9000 + b"}", "'x.json' is not JSON: Exceeds the limit"),
        ("json", b"\xff\xfe\x00", "'x.json' is not JSON: "),
        ("yaml", b"[" * 100_000, "'x.json' is not YAML: it is nested more than 32 deep."),
        ("yaml", b"tracks: [", "'x.json' is not YAML: while parsing a flow"),
        ("yaml", b"!!python/object/apply:os.getcwd []", "'x.json' is not YAML: could not"),
        ("yaml", b"? [a]\n: 1", "'x.json' is not YAML: while constructing a mapping"),
        ("yaml", b"!!int x", "'x.json' is not YAML: invalid literal"),
        ("yaml", b"b: &b {x: 1}\n" + ALIASES.encode(), "'x.json' is not YAML: could not determine"),
        ("yaml", b"&a [*a]", "'x.json' is YAML, but no music that muspy wrote"),
    ],
)
def test_hostile_text(language: str, data: bytes, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read(data, language=language)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_a_track_named_a_million_times(monkeypatch: pytest.MonkeyPatch) -> None:
    from partimento.formats import limits

    monkeypatch.setattr(limits, "MAX_NOTES", 1000)
    note = "{time: 0, pitch: 60, duration: 1}"
    drum = "{is_drum: true, notes: [" + ", ".join([note] * 300) + "]}"
    data = f"t: &t {drum}\ntracks: [" + ", ".join(["*t"] * 5000) + "]"
    with pytest.raises(UserError, match="has more than 1000 notes"):
        read(data.encode(), language="yaml")


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(muspy_files.MAX_BYTES, "json", 10)
    with pytest.raises(UserError, match="is larger than 0 MiB, the most that is read of muspy's J"):
        read(song())


def test_reading_imports_neither_muspy_nor_music21() -> None:
    code = (
        "import sys; from partimento.formats.files import read_pieces; "
        "print(sorted({'muspy', 'music21', 'torch', 'symusic', 'mido', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
