"""Pieces written to one file come back the same, and a damaged file never gives wrong ones."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from partimento.datasets.store import cached_pieces, read_pieces, write_pieces
from partimento.music import Bar, Chord, Key, Piece, Tempo

FULL = Piece(
    id="Bach – „Jesu“ (1723), 2",
    resolution=12,
    onset=[0, 12, 12],
    duration=[12, 6, 24],
    pitch=[60, 64, 67],
    part=[0, 0, 1],
    velocity=[1, 64, 127],
    parts=("Flöte", ""),
    end=48,
    bars=(Bar(0, 1, 4), Bar(12, 3, 4)),
    keys=(Key(0, -3, "minor"), Key(12, 2)),
    chords=(Chord(0, 12, "F#m7"),),
    tempos=(Tempo(0, 72.5),),
    source="folder/a, b.mxl",
    metadata={"title": "Größe"},
)
BARE = Piece("bare", 1, [], [], [], [])
PIECES = [FULL, BARE, Piece("c", 2, [0], [3], [50], [0])]


def same(one: list[Piece], other: list[Piece]) -> bool:
    outside = [[(p.id, p.source, dict(p.metadata)) for p in pieces] for pieces in (one, other)]
    return one == other and outside[0] == outside[1]


def build() -> tuple[list[Piece], dict[str, Any]]:
    return PIECES, {"skipped": [["x", "y"]]}


@pytest.mark.parametrize("pieces", [PIECES, [BARE], []])
def test_round_trip(tmp_path: Path, pieces: list[Piece]) -> None:
    path = tmp_path / "deep" / "er" / "store.npz"
    write_pieces(path, pieces, {"n": 1})
    read, extra = read_pieces(path)
    assert same(read, pieces)
    assert extra == {"n": 1}
    assert [file.name for file in path.parent.iterdir()] == ["store.npz"]


def test_reading_from_the_cache_does_not_build(tmp_path: Path) -> None:
    path = tmp_path / "store.npz"
    first = cached_pieces(path, build)

    def fail() -> tuple[list[Piece], dict[str, Any]]:
        raise AssertionError("built again")

    second = cached_pieces(path, fail)
    assert same(first[0], second[0])
    assert first[1] == second[1]


def test_no_cache_builds_each_time() -> None:
    assert cached_pieces(None, build) == build()


def test_damaged_cache_is_built_anew_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "store.npz"
    for content in (b"", b"PK\x03\x04 not really", b"\x93NUMPY", b"text"):
        path.write_bytes(content)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            pieces, _ = cached_pieces(path, build)
        assert same(pieces, PIECES)
        assert "cannot be used" in caplog.text
        assert same(read_pieces(path)[0], PIECES)


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "store.npz"
    write_pieces(path, PIECES)
    data = path.read_bytes()
    noticed = []
    for at in range(0, len(data), 2):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1 :])
        try:
            assert same(read_pieces(path)[0], PIECES)
        except ValueError as error:
            noticed.append(str(error))
    assert len(noticed) > len(data) // 4
    assert all("damaged" in sentence for sentence in noticed)
    for length in range(0, len(data), 29):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match="damaged"):
            read_pieces(path)


def test_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_pieces(tmp_path / "absent.npz")


def test_failed_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.npz"
    write_pieces(path, PIECES)
    before = path.read_bytes()
    monkeypatch.setattr("numpy.savez_compressed", _half_written)
    with pytest.raises(OSError, match="No space left"):
        write_pieces(path, [BARE])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def _half_written(file: Any, **arrays: Any) -> None:
    file.write(b"PK")
    raise OSError(28, "No space left on device")


def test_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        pieces, _ = cached_pieces(blocked / "store.npz", build)
    assert same(pieces, PIECES)
    assert "cannot be written" in caplog.text


def test_error_of_the_builder_passes(tmp_path: Path) -> None:
    def fail() -> tuple[list[Piece], dict[str, Any]]:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        cached_pieces(tmp_path / "store.npz", fail)
