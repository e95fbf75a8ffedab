"""A user's files: what is read from each kind, and one sentence for whatever is wrong."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import mido
import pytest

from partimento.datasets.chorales import corpus_folder
from partimento.datasets.inputs import read_input
from partimento.errors import UserError
from partimento.formats import limits
from partimento.formats.files import read_piece, read_pieces
from partimento.music import Bar, Piece

TUNE = """X:7
T:Köçekçe
M:3/4
L:1/8
K:G
D2|"G"G2 B2 d2-|d2 [FA]2 z2|G6|]
"""
ODD_NAMES = ["plain", "with space", "a,b", "Bach (1723)", "Jesu, meine Freude – Übung é", "a=b{c}"]


def rows(piece: Piece) -> list[tuple[int, ...]]:
    columns = (piece.onset, piece.duration, piece.pitch, piece.part)
    return [tuple(map(int, row)) for row in zip(*columns, strict=True)]


def write_midi(path: Path, *, key: str = "Em") -> Path:
    """Two voices at 96 ticks: a pick-up bar of one quarter, then three quarters to the bar."""
    file = mido.MidiFile(ticks_per_beat=96)
    for name, pitches in (("Diskant", (64, 66, 67)), ("Baß", (52, 50, 48))):
        track = mido.MidiTrack()
        track.append(mido.MetaMessage("track_name", name=name.encode("ascii", "ignore").decode()))
        track.append(mido.MetaMessage("key_signature", key=key))
        track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(80)))
        track.append(mido.MetaMessage("time_signature", numerator=1, denominator=4))
        track.append(mido.MetaMessage("time_signature", numerator=3, denominator=4, time=96))
        track.append(mido.Message("note_on", note=pitches[0], velocity=70))
        for old, new in pairwise(pitches):
            track.append(mido.Message("note_off", note=old, time=144))
            track.append(mido.Message("note_on", note=new, velocity=70))
        track.append(mido.Message("note_off", note=pitches[-1], time=144))
        file.tracks.append(track)
    # A track that steers a controller and plays nothing is no part.
    silent = mido.MidiTrack([mido.Message("control_change", control=7, value=90, channel=3)])
    file.tracks.append(silent)
    file.save(path)
    return path


def test_midi(tmp_path: Path) -> None:
    piece = read_piece(write_midi(tmp_path / "two.mid"))
    assert piece.resolution == 96
    assert rows(piece) == [
        (96, 144, 64, 0),
        (96, 144, 52, 1),
        (240, 144, 66, 0),
        (240, 144, 50, 1),
        (384, 144, 67, 0),
        (384, 144, 48, 1),
    ]
    assert set(piece.velocity.tolist()) == {70}
    assert piece.bars == (Bar(0, 1, 4), Bar(96, 3, 4), Bar(384, 3, 4))
    assert [(key.onset, key.fifths) for key in piece.keys] == [(0, 1)]
    assert [(tempo.onset, round(tempo.qpm, 3)) for tempo in piece.tempos] == [(0, 80)]
    assert len(piece.parts) == 2
    assert piece.source == "two.mid"
    assert "None" not in piece.metadata.values()


@pytest.mark.parametrize(
    ("key", "fifths"),
    [("C", 0), ("Am", 0), ("F", -1), ("Dm", -1), ("A", 3), ("C#m", 4), ("Eb", -3), ("Bbm", -5)],
)
def test_midi_keys(tmp_path: Path, key: str, fifths: int) -> None:
    assert read_piece(write_midi(tmp_path / "two.mid", key=key)).keys[0].fifths == fifths


def test_abc(tmp_path: Path) -> None:
    path = tmp_path / "tune.abc"
    path.write_text(TUNE, encoding="utf-8")
    piece = read_piece(path)
    quarter = piece.resolution
    assert [(on / quarter, length / quarter, pitch) for on, length, pitch, _ in rows(piece)] == [
        (0, 1, 62),
        (1, 1, 67),
        (2, 1, 71),
        (3, 2, 74),
        (5, 1, 66),
        (5, 1, 69),
        (7, 3, 67),
    ]
    assert [bar.onset / quarter for bar in piece.bars] == [0, 1, 4, 7]
    assert {bar[1:] for bar in piece.bars} == {(3, 4)}
    assert piece.pickup == quarter
    assert piece.keys[0].fifths == 1
    assert piece.metadata["title"] == "Köçekçe"


def test_abc_first_tune_of_several_under_their_common_header(tmp_path: Path) -> None:
    path = tmp_path / "book.abc"
    text = "%abc-2.1\nM:3/4\nL:1/4\n\nX:3\nT:One\nK:F\nFAc|\n\nX:4\nT:Two\nK:C\nccc|\n"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    piece = read_piece(path)
    assert piece.pitch.tolist() == [65, 69, 72]
    assert piece.bars[0][1:] == (3, 4)
    assert piece.metadata["title"] == "One"


def test_abc_in_latin_1_without_number(tmp_path: Path) -> None:
    path = tmp_path / "old.abc"
    path.write_bytes(TUNE.removeprefix("X:7\n").encode("iso-8859-9"))
    assert len(read_piece(path)) == 7


def test_abc_without_metre_and_unit_counts_eighths(tmp_path: Path) -> None:
    path = tmp_path / "free.abc"
    path.write_text("X:1\nK:C\nCDEF|\n")
    piece = read_piece(path)
    assert (piece.duration * 2 == piece.resolution).all()


def test_abc_text_is_never_taken_for_a_path(tmp_path: Path) -> None:
    other = tmp_path / "secret.abc"
    other.write_text(TUNE)
    path = tmp_path / "link.abc"
    path.write_text(str(other))
    with pytest.raises(UserError, match="it has no key"):
        read_piece(path)


def test_musicxml_from_the_corpus_by_content(tmp_path: Path) -> None:
    source = corpus_folder() / "bwv253.mxl"
    misnamed = tmp_path / "bwv253.abc"
    shutil.copy(source, misnamed)
    assert read_piece(misnamed) == read_piece(source)


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("suffix", [".mid", ".MXL", ".abc"])
def test_odd_file_names(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / (name + suffix)
    if suffix == ".mid":
        write_midi(path)
    elif suffix == ".abc":
        path.write_text(TUNE, encoding="utf-8")
    else:
        shutil.copy(corpus_folder() / "bwv253.mxl", path)
    piece = read_input(f" {path} ")
    assert (piece.id, piece.source) == (name, name + suffix)
    assert len(piece) > 0


def test_chorale_by_number() -> None:
    assert read_input("bwv:253").id == "bwv253"
    assert read_input("BWV: 4.8").id == "bwv4.8"
    assert read_input("bwv:4.8").parts == ("soprano", "alto", "tenor", "bass")
    with pytest.raises(UserError, match=r"has no 'bwv99999'"):
        read_input("bwv:99999")


READABLE = (
    "MIDI (.mid, .midi), MusicXML (.musicxml, .xml, .mxl), ABC (.abc) and muspy's "
    "JSON and YAML (.json, .yaml, .yml) files can be read"
)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.mid", b"", f"'{{}}' is empty; {READABLE}."),
        ("a.abc", b" \n", f"'{{}}' is empty; {READABLE}."),
        ("a.txt", b"hello", f"'{{}}' is not a music file that is known here; {READABLE}."),
        (
            "a.mid",
            b"no music at all",
            "'{}' is no MIDI file that can be read: it does not begin with 'MThd'.",
        ),
        ("a.json", b'{"tracks": []}', "'{}' holds no notes."),
        ("a.yml", b"tracks: []", "'{}' holds no notes."),
        ("a.mid", b"MThd\0\0\0\6\0\1\0\0\0\x60", "'{}' holds no notes."),
        ("a.abc", b"X:1\nT:Silence\nK:C\nz4|\n", "'{}' holds no notes."),
        ("a.abc", b"hello", "'{}' is no ABC tune: it has no key (a line such as 'K:G')."),
        (
            "a.abc",
            b"X:1\nM:bad/0\nK:C\nCDEF|\n",
            "'{}' has the metre 'bad/0', where one such as 6/8 is needed.",
        ),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_piece(path)
    assert str(caught.value).startswith(sentence.replace("{}", str(path)))
    assert str(caught.value).count("\n") == 0
    assert str(caught.value).endswith(".")


def test_cause_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(b"no music at all")
    with pytest.raises(UserError) as caught:
        read_piece(path)
    assert isinstance(caught.value.__cause__, ValueError)


def test_pieces_of_a_file_are_a_list(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "two.mid")
    assert read_pieces(path) == [read_piece(path)]


def test_muspy_json_by_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(
        '{"resolution": 4, "tracks": [{"notes": [{"time": 0, "pitch": 60, "duration": 4}]}]}'
    )
    assert rows(read_piece(path)) == [(0, 4, 60, 0)]


def test_a_piece_beyond_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_midi(tmp_path / "two.mid")
    monkeypatch.setattr(limits, "MAX_NOTES", 5)
    with pytest.raises(UserError, match="has more than 5 notes, the most that is read"):
        read_piece(path)


def test_damaged_midi_gives_a_piece_or_a_sentence(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "two.mid")
    data = path.read_bytes()
    refused = 0
    for at in range(0, len(data), 3):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        try:
            assert len(read_piece(path)) > 0
        except UserError:
            refused += 1
    assert 0 < refused < len(data) / 3


def test_score_without_notes(tmp_path: Path) -> None:
    path = tmp_path / "rest.xml"
    path.write_text(
        '<score-partwise><part-list><score-part id="P1"/></part-list><part id="P1">'
        '<measure number="1"><note><rest/><duration>4</duration></note></measure></part>'
        "</score-partwise>"
    )
    with pytest.raises(UserError, match=r"rest\.xml' holds no notes\."):
        read_piece(path)


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "chorale.mid").write_bytes(b"x")
    (tmp_path / "a.mid").write_bytes(b"x")
    with pytest.raises(UserError, match=r"the nearest in its folder is 'chorale\.mid'\."):
        read_input(str(tmp_path / "choral.mid"))
    with pytest.raises(UserError, match=r"There is no file '[^;]*zzzzzzzzzz'\.$"):
        read_input(str(tmp_path / "zzzzzzzzzz"))
    with pytest.raises(UserError, match=r"absent/x\.mid', nor its folder\."):
        read_input(str(tmp_path / "absent" / "x.mid"))


def test_chorale_number_written_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"for the chorale, write 'bwv:253'\."):
        read_input("bwv253")


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is a folder, where one music file in it is wanted\.$"):
        read_input(str(tmp_path))
    write_midi(tmp_path / "b.mid")
    with pytest.raises(UserError, match=r"is wanted, such as 'b\.mid'\.$"):
        read_input(str(tmp_path))
