"""A folder of the user's: every kind of file, bad ones skipped with reasons, and whole groups."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from partimento.datasets.chorales import PARTS, RANGES, corpus_folder
from partimento.datasets.folder import Folder, files_below, selected
from partimento.datasets.grouping import skyline_hash
from partimento.datasets.inputs import read_bach
from partimento.errors import UserError
from partimento.music import Piece, to_muspy
from partimento.reports.midi import write_midi

COLUMNS = ("onset", "duration", "pitch", "part", "velocity")
ABC = "X:1\nT:Scale\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n"


@pytest.fixture(scope="module")
def music(tmp_path_factory) -> Path:
    """A folder with good files of each kind, and bad ones."""
    import muspy

    root = tmp_path_factory.mktemp("music")
    for number in ("253", "254", "255"):
        shutil.copy(corpus_folder() / f"bwv{number}.mxl", root)
    (root / "deep" / "er").mkdir(parents=True)
    write_midi(read_bach("253").transposed(3), root / "deep" / "other key.MID")
    (root / "deep" / "tune.abc").write_text(ABC)
    muspy.save_json(root / "deep" / "er" / "saved.json", to_muspy(read_bach("256")))
    (root / "deep" / "bad.mid").write_bytes(b"MThd\0\0\0\6\0\1")
    (root / "empty.xml").write_text("")
    (root / "readme.txt").write_text("no music")
    (root / ".hidden.mid").write_text("")
    return root


def test_files_of_every_kind_are_read_and_bad_ones_told(music, tmp_path):
    corpus = Folder(str(music), workers=0).prepare(str(tmp_path))
    assert [piece.id for piece in corpus.pieces] == [
        "bwv253.mxl",
        "bwv254.mxl",
        "bwv255.mxl",
        "deep/er/saved.json",
        "deep/other key.MID",
        "deep/tune.abc",
    ]
    assert [item.source for item in corpus.skipped] == ["deep/bad.mid", "empty.xml"]
    assert all(str(music) not in item.reason for item in corpus.skipped)
    assert corpus.card.counts["files"] == 8
    assert corpus.card.counts["files left out"] == 2
    assert corpus.card.counts["notes"] == sum(map(len, corpus.pieces))
    assert corpus.pieces[5].pitch.tolist() == [60, 62, 64, 65, 67, 69, 71, 72]
    assert (
        corpus.pieces[0].difference(read_bach("253").with_notes(parts=corpus.pieces[0].parts))
        is None
    )
    # The same chorale in another key and another format is never on the other side of a split.
    assert corpus.groups[4] == corpus.groups[0]
    assert len(set(corpus.groups)) == 5


def test_without_a_cache_the_shards_go_with_the_corpus(music):
    corpus = Folder(str(music), workers=0).prepare(None)
    folder = corpus.pieces.folder
    assert len(corpus.pieces) == 6
    assert folder.is_dir()
    del corpus
    assert not folder.exists()


def test_the_fingerprint_follows_the_files_and_not_their_place(music, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(music, moved)
    assert Folder(str(moved)).fingerprint() == Folder(str(music)).fingerprint()
    marks = {Folder(str(moved)).fingerprint(), Folder(str(moved), pattern="*.mxl").fingerprint()}
    marks.add(Folder(str(moved), parts=PARTS, ranges=RANGES).fingerprint())
    os.utime(moved / "bwv253.mxl", (1, 1))
    marks.add(Folder(str(moved)).fingerprint())
    (moved / "bwv253.mxl").rename(moved / "renamed.mxl")
    marks.add(Folder(str(moved)).fingerprint())
    assert len(marks) == 5
    assert Folder(str(moved), workers=3).fingerprint() == Folder(str(moved)).fingerprint()


def test_a_pattern_crosses_folders_and_knows_no_capitals(music):
    assert [f.name for f in files_below(music, "*.mid")] == ["deep/bad.mid", "deep/other key.MID"]
    assert [f.name for f in files_below(music, "deep/er/*")] == ["deep/er/saved.json"]


def test_a_link_to_a_folder_is_no_endless_way(tmp_path):
    (tmp_path / "a.mid").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [file.name for file in files_below(tmp_path)] == ["a.mid"]


def test_mistakes_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"^dataset\.path: there is no folder '.*absent'\.$"):
        Folder(str(tmp_path / "absent")).fingerprint()
    (tmp_path / "file.mid").write_text("x")
    with pytest.raises(UserError, match=r"is a file, where its folder is wanted\.$"):
        Folder(str(tmp_path / "file.mid")).fingerprint()
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match=r"bare' holds no file of music\.$"):
        Folder(str(tmp_path / "bare")).prepare(None)
    with pytest.raises(UserError, match=r"holds no file that matches '\*\.mxl'\.$"):
        Folder(str(tmp_path), pattern="*.mxl").prepare(None)
    with pytest.raises(
        UserError, match=r"None of the 1 files of the dataset can be used; 'file\.mid', for"
    ):
        Folder(str(tmp_path), workers=0).prepare(None)
    with pytest.raises(UserError, match=r"one range for each of dataset\.parts, not 4 for 0\.$"):
        Folder(str(tmp_path), ranges=RANGES)


def test_parts_and_ranges_select(music, tmp_path):
    dataset = Folder(str(music), parts=PARTS, ranges=RANGES, workers=0)
    corpus = dataset.prepare(str(tmp_path))
    assert {piece.parts for piece in corpus.pieces} == {PARTS}
    assert [p.id for p in corpus.pieces][:3] == ["bwv253.mxl", "bwv254.mxl", "bwv255.mxl"]
    (reason,) = [item.reason for item in corpus.skipped if item.source == "deep/tune.abc"]
    assert "not soprano, alto, tenor, bass" in reason


def test_parts_are_put_in_order_and_ranges_kept():
    piece = Piece("p", 4, [0, 0], [4, 4], [48, 72], [0, 1], parts=("Bass", "soprano "))
    chosen = selected(piece, ("soprano", "bass"), ((60, 80), (40, 60)))
    assert isinstance(chosen, Piece)
    assert (chosen.parts, chosen.pitch.tolist()) == (("soprano", "bass"), [72, 48])
    assert selected(piece, ("soprano", "bass"), ((60, 70), (40, 60))) == (
        "leaves the range of soprano, 60 to 70"
    )


def test_the_top_line_is_what_duplicates_share():
    piece = read_bach("253")
    doubled = piece.with_notes(
        resolution=2 * piece.resolution,
        onset=2 * piece.onset,
        duration=2 * piece.duration,
        velocity=np.full(len(piece), 100),
    )
    added = {name: np.append(getattr(piece, name), getattr(piece, name)[:1]) for name in COLUMNS}
    fuller = piece.with_notes(**{**added, "pitch": np.append(piece.pitch, 30)})
    assert skyline_hash(piece) == skyline_hash(doubled) == skyline_hash(piece.transposed(-5))
    assert skyline_hash(piece) == skyline_hash(fuller)
    later = piece.with_notes(pitch=np.where(np.arange(len(piece)) == 0, 80, piece.pitch))
    assert skyline_hash(later) != skyline_hash(piece)
    assert skyline_hash(Piece("", 4, [0], [4], [60], [0])) != skyline_hash(
        Piece("", 4, [0], [8], [60], [0])
    )


def test_a_folder_trains_by_command_and_tells_what_it_skipped(cli, tiny, music, tmp_path):
    from conftest import only_runs

    folder = tmp_path / "many"
    folder.mkdir()
    for path in sorted(corpus_folder().glob("bwv2[5-9]?.mxl")):
        shutil.copy(path, folder)
    (folder / "bad.mxl").write_text("x")
    words = ["dataset=folder", "dataset.parts=[soprano,alto,tenor,bass]", "dataset.workers=0"]
    words.append(f"dataset.ranges={json.dumps([list(pair) for pair in RANGES])}".replace(" ", ""))
    result = cli("train", *tiny(*words, f"dataset.path={folder}", "trainer.max_epochs=1"))
    assert result.code == 0, result.err
    (run,) = only_runs(tmp_path / "outputs")
    lines = (run / "skipped.csv").read_text().splitlines()
    assert lines[0] == "source,reason"
    assert any(line.startswith("bad.mxl,") for line in lines)
    # Neither the number of processes nor a download changes a result, so nor the run's name.
    again = cli(
        "train",
        *tiny(
            *words[:2],
            words[3],
            f"dataset.path={folder}",
            "trainer.max_epochs=1",
            "dataset.workers=1",
        ),
    )
    assert again.code == 0, again.err
    assert only_runs(tmp_path / "outputs") == [run]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dataset=folder"], "dataset.path"),
        (["dataset=folder", "dataset.path={music}"], "dataset=folder"),
        (
            [
                "dataset=folder",
                "dataset.path={music}/none",
                "dataset.parts=[soprano,alto,tenor,bass]",
                "dataset.ranges=[[57,81],[53,74],[48,69],[36,64]]",
            ],
            "there is no folder",
        ),
    ],
)
def test_the_command_says_what_a_folder_needs(cli, tiny, music, words, sentence):
    result = cli("train", *tiny(*(word.format(music=music) for word in words)))
    assert result.code != 0
    assert sentence in result.sentence
    assert "Traceback" not in result.err
