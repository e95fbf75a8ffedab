"""Finding the score in a file, and what is said when there is none."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from partimento.datasets.chorales import corpus_folder
from partimento.errors import UserError
from partimento.formats import musicxml_file
from partimento.formats.musicxml_file import load_score, part_names

SCORE = (
    '<score-partwise><part-list><score-part id="P1"/></part-list><part id="P1"/></score-partwise>'
)
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="music/real.xml"/></rootfiles></container>'
)


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def test_container_names_the_score(tmp_path: Path) -> None:
    members = {"META-INF/container.xml": CONTAINER, "a.xml": "<other/>", "music/real.xml": SCORE}
    assert part_names(load_score(zipped(tmp_path / "x.mxl", members))) == ("P1",)


def test_without_a_container_the_first_xml_is_the_score(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.mxl", {"mimetype": "", "META-INF/x.xml": "<no/>", "a.xml": SCORE})
    assert load_score(path).tag == "score-partwise"


def test_a_container_that_is_no_xml_is_passed_over(tmp_path: Path) -> None:
    broken = CONTAINER.replace('"music/real.xml"', "''O sole mio.xml'")
    path = zipped(tmp_path / "x.mxl", {"META-INF/container.xml": broken, "'O sole mio.xml": SCORE})
    assert load_score(path).tag == "score-partwise"


def test_a_container_with_entities_is_refused(tmp_path: Path) -> None:
    members = {"META-INF/container.xml": ENTITIES, "a.xml": SCORE}
    with pytest.raises(UserError, match="defines XML entities, which no score needs"):
        load_score(zipped(tmp_path / "x.mxl", members))


def test_content_counts_not_suffix(tmp_path: Path) -> None:
    plain = tmp_path / "plain.mxl"
    plain.write_text(SCORE)
    assert load_score(plain).tag == load_score(zipped(tmp_path / "z.xml", {"a.xml": SCORE})).tag


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.xml"
    path.write_text(SCORE, encoding=encoding)
    assert load_score(path).tag == "score-partwise"


ENTITIES = '<!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><score-partwise>&b;</score-partwise>'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "'x.xml' is empty, where a MusicXML score was expected."),
        ("Hello", "'x.xml' is not XML, so not a MusicXML score: syntax error: line 1, column 0."),
        (
            '<?xml version="1.0" encoding="klingon"?><a/>',
            "'x.xml' is not XML, so not a MusicXML score: unknown encoding: klingon.",
        ),
        ("<html/>", "'x.xml' is XML but not a MusicXML score: it holds <html>."),
        (
            "<score-timewise/>",
            "'x.xml' is a time-wise MusicXML score; save it part-wise, as most programs do.",
        ),
        (ENTITIES, "'x.xml' defines XML entities, which no score needs."),
    ],
)
def test_what_is_no_score(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "x.xml"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        load_score(path)
    assert str(caught.value) == sentence


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no file"):
        load_score(tmp_path / "absent.xml")


def test_damaged_zip_files(tmp_path: Path) -> None:
    """Every cut and every flipped byte gives the score or one sentence, never another exception."""
    data = (corpus_folder() / "bwv253.mxl").read_bytes()
    path = tmp_path / "bwv253.mxl"
    damaged = [data[:length] for length in range(2, len(data), len(data) // 40)]
    for at in range(0, len(data), len(data) // 150):
        damaged.append(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    sentences = []
    for content in damaged:
        path.write_bytes(content)
        try:
            assert load_score(path).tag == "score-partwise"
        except UserError as error:
            sentences.append(str(error))
    assert len(sentences) > len(damaged) // 2
    assert all("'bwv253.mxl'" in sentence for sentence in sentences)


def test_zip_without_a_score(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'x.mxl' is a zip file without a MusicXML score in it\."):
        load_score(zipped(tmp_path / "x.mxl", {"readme.txt": "hello"}))


def test_too_large_plain_and_decompressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(musicxml_file, "MAX_BYTES", 2**20)
    bomb = zipped(tmp_path / "bomb.mxl", {"a.xml": " " * (2**20 + 1) + SCORE})
    assert bomb.stat().st_size < 10_000
    plain = tmp_path / "plain.xml"
    plain.write_text(" " * (2**20 + 1))
    for path in (bomb, plain):
        with pytest.raises(UserError, match=f"'{path.name}' is larger than 1 MiB"):
            load_score(path)


def test_a_member_larger_than_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decompressed is bounded, too, not only what is announced."""
    monkeypatch.setattr(musicxml_file, "MAX_BYTES", 2**20)
    asked = []
    real = zipfile.ZipExtFile.read

    def read(self: zipfile.ZipExtFile, size: int | None = -1) -> bytes:
        asked.append(size)
        return real(self, size)

    monkeypatch.setattr(zipfile.ZipExtFile, "read", read)
    path = zipped(tmp_path / "x.mxl", {"a.xml": " " * 2**24 + SCORE})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\1\2")
    data[at + 24 : at + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(UserError, match="'x.mxl' is a damaged compressed MusicXML file"):
        load_score(path)
    assert asked == [2**20 + 1]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_than_deflate(tmp_path: Path, method: int) -> None:
    path = tmp_path / "x.mxl"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.xml", SCORE)
    with pytest.raises(UserError, match="compressed by another method than 'deflate'"):
        load_score(path)


def test_more_members_and_elements_than_any_score(tmp_path: Path) -> None:
    many = zipped(tmp_path / "x.mxl", {f"{index}.xml": "" for index in range(1001)})
    with pytest.raises(UserError, match="is a zip file of more than 1000 files, and no score"):
        load_score(many)
    path = tmp_path / "x.xml"
    for unit in ("<a/>" * 2, "<a b='' c=''/>"):
        path.write_text(f"<score-partwise>{unit * 1_000_000}</score-partwise>")
        with pytest.raises(UserError, match="has more XML elements or attributes than any score"):
            load_score(path)
