"""The chorales: known counts and ranges, the same from source and cache, and what is said if absent."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from partimento.datasets.base import Corpus
from partimento.datasets.chorales import PARTS, RANGES, Chorales, corpus_folder, read_bach
from partimento.errors import UserError


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def fresh(cache: Path) -> Corpus:
    return Chorales().prepare(str(cache))


def test_counts(fresh: Corpus) -> None:
    counts = fresh.card.counts
    assert len(fresh.pieces) == len(fresh.groups) == counts["pieces"] == 365
    in_four = [piece for piece in fresh.pieces if {bar[1:] for bar in piece.bars} == {(4, 4)}]
    assert len(in_four) == counts["pieces in 4/4 throughout"] == 326
    assert counts["notes"] == sum(len(piece.pitch) for piece in fresh.pieces) == 84_910
    assert len(set(fresh.groups)) == counts["groups"]
    assert 220 <= counts["groups"] <= 240
    assert counts["grace notes dropped"] == 3
    # music21 9.9 has 410 MusicXML files of Bach's.
    assert len(fresh.skipped) == counts["files left out"] == 410 - 365


def test_every_piece_is_four_voices_within_the_declared_ranges(fresh: Corpus) -> None:
    lowest, highest = [127] * 4, [0] * 4
    for piece in fresh.pieces:
        assert piece.parts == PARTS
        assert piece.bars[0].onset == 0
        assert (piece.bar_lengths() > 0).all()
        assert (piece.onset + piece.duration <= piece.end).all()
        for voice in range(4):
            pitch = piece.notes(voice)["pitch"]
            lowest[voice] = min(lowest[voice], int(pitch.min()))
            highest[voice] = max(highest[voice], int(pitch.max()))
    assert tuple(zip(lowest, highest, strict=True)) == RANGES


def test_voices_sing_one_note_at_a_time(fresh: Corpus) -> None:
    for piece in fresh.pieces:
        for voice in range(4):
            notes = piece.notes(voice)
            assert (notes["onset"][1:] >= (notes["onset"] + notes["duration"])[:-1]).all()


def test_beginning_of_a_known_chorale(fresh: Corpus) -> None:
    """BWV 253, "Ach bleib bei uns, Herr Jesu Christ": A major, pick-up of one quarter."""
    piece = next(piece for piece in fresh.pieces if piece.id == "bwv253")
    assert piece.pickup == piece.resolution
    assert piece.keys[0].fifths == 3
    soprano = piece.notes(0)
    assert soprano["pitch"][:6].tolist() == [73, 73, 74, 76, 73, 69]
    assert piece.source == "music21/corpus/bach/bwv253.mxl"


def test_only_four_four() -> None:
    corpus = Chorales(metre="4/4").prepare(cache=None)
    assert len(corpus.pieces) == corpus.card.counts["pieces"] == 326
    reasons = [skip.reason for skip in corpus.skipped]
    assert reasons.count("is not in 4/4 throughout") == 365 - 326


def test_wrong_metre() -> None:
    with pytest.raises(UserError, match=r"metre is 'any' or '4/4', not '3/4'\."):
        Chorales(metre="3/4")  # type: ignore[arg-type]


def same(one: Corpus, other: Corpus) -> bool:
    names = [(piece.id, piece.source, dict(piece.metadata)) for piece in one.pieces]
    return (
        dataclasses.astuple(dataclasses.replace(one, pieces=()))
        == dataclasses.astuple(dataclasses.replace(other, pieces=()))
        and one.pieces == other.pieces
        and names == [(p.id, p.source, dict(p.metadata)) for p in other.pieces]
    )


def test_cache_gives_the_same_corpus(
    fresh: Corpus, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = cache.iterdir()
    assert path.name == f"chorales-{Chorales().fingerprint()}.npz"
    monkeypatch.setattr(Chorales, "_build", _never)
    assert same(Chorales().prepare(str(cache)), fresh)


def test_damaged_cache_is_read_anew_with_the_same_result(
    fresh: Corpus, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (path,) = cache.iterdir()
    damaged = tmp_path / path.name
    damaged.write_bytes(path.read_bytes()[:50_000])
    with caplog.at_level(logging.WARNING):
        assert same(Chorales().prepare(str(tmp_path)), fresh)
    assert "cannot be used" in caplog.text
    assert damaged.stat().st_size == path.stat().st_size


def _never(self: Chorales) -> None:
    raise AssertionError("read anew despite the cache")


def test_fingerprint_tells_versions_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = {Chorales().fingerprint(), Chorales(metre="4/4").fingerprint()}
    monkeypatch.setattr("partimento.datasets.chorales.READER_VERSION", 99)
    marks.add(Chorales().fingerprint())
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "10.5.1")
    marks.add(Chorales().fingerprint())
    assert len(marks) == 4
    assert Chorales().fingerprint() == Chorales().fingerprint()


def test_without_music21(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"music21, which is not installed here; install it with"):
        Chorales().prepare(cache=None)

    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(UserError, match=r"music21, which is not installed here; install it with"):
        Chorales().fingerprint()


def test_music21_without_its_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "music21").mkdir()
    (tmp_path / "music21" / "__init__.py").write_text("")
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: importlib.machinery.PathFinder.find_spec(name, [str(tmp_path)]),
    )
    with pytest.raises(UserError, match="comes without its corpus here"):
        corpus_folder()


@pytest.mark.parametrize("number", ["253", "bwv253", " BWV 253 "])
def test_by_number(fresh: Corpus, number: str) -> None:
    piece = read_bach(number)
    assert piece == next(p for p in fresh.pieces if p.id == piece.id == "bwv253")


def test_by_number_with_other_parts() -> None:
    assert read_bach("1.6").parts == ("Horn 2", "Soprano", "Alto", "Tenor", "Bass")


def test_by_unknown_number() -> None:
    with pytest.raises(UserError, match=r"has no 'bwv2533'; the nearest is 'bwv253'\."):
        read_bach("2533")


def test_preparing_loads_no_heavy_package() -> None:
    code = (
        "import sys; from partimento.datasets.chorales import read_bach; read_bach('253'); "
        "import partimento.formats.files; "
        "sys.exit(','.join({'torch', 'muspy', 'music21', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
