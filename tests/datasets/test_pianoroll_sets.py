"""The four piano-roll sets: pieces, published splits, cards, and where the file comes from."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rolls import SET, published, roll, write_set

from partimento.datasets.pianoroll_sets import FACTS, PianoRollSet, piece_of_roll
from partimento.errors import UserError
from partimento.music import Piece

NAMES = {
    split: tuple(f"jsb_chorales-{split}-{index:04d}" for index in range(len(pieces)))
    for split, pieces in SET.items()
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set.json")


def sounding(piece: Piece) -> list[list[int]]:
    """Return which pitches sound at each tick, by looking at every note."""
    return [
        sorted(
            int(p)
            for onset, duration, p in zip(piece.onset, piece.duration, piece.pitch, strict=True)
            if onset <= tick < onset + duration
        )
        for tick in range(piece.end)
    ]


@pytest.mark.parametrize("suffix", [".mat", ".pkl", ".json"])
def test_pieces_sound_as_the_frames_say_in_the_published_split(tmp_path, suffix):
    dataset = PianoRollSet("jsb_chorales", str(write_set(tmp_path / f"set{suffix}")))
    corpus = dataset.prepare(None)
    assert corpus.splits == NAMES
    pieces = {piece.id: piece for piece in corpus.pieces}
    for split, all_frames in SET.items():
        for name, frames in zip(NAMES[split], all_frames, strict=True):
            assert sounding(pieces[name]) == [sorted(frame) for frame in frames]
            assert pieces[name].resolution == 2
            assert pieces[name].parts == ("piano",)
    assert len(set(corpus.groups)) == len(corpus.pieces) == 6


def test_a_run_of_a_key_is_one_note():
    piece = piece_of_roll(roll([[60], [60, 64], [64], [60]]), "x", 1)
    rows = zip(piece.onset, piece.duration, piece.pitch, strict=True)
    assert [tuple(map(int, row)) for row in rows] == [(0, 2, 60), (1, 2, 64), (3, 1, 60)]
    assert piece.end == 4


def test_the_card_says_which_file_it_was(file):
    card = PianoRollSet("jsb_chorales", str(file)).prepare(None).card
    assert hashlib.sha256(file.read_bytes()).hexdigest() in card.source
    assert card.counts["train frames"] == 6 + 3 + 2
    assert card.counts["valid and test pieces equal to a train piece"] == 0
    assert "do not compare" in card.notes[0]
    assert "Boulanger-Lewandowski" in card.citation
    assert "licence" in card.licence


def test_a_piece_that_is_in_training_too_is_counted(tmp_path):
    pieces = {**SET, "test": [SET["train"][1], SET["test"][0]]}
    path = write_set(tmp_path / "set.json", pieces)
    counts = PianoRollSet("jsb_chorales", str(path)).prepare(None).card.counts
    assert counts["valid and test pieces equal to a train piece"] == 1


def test_the_cache_gives_the_same_corpus(file, tmp_path, monkeypatch):
    cache = str(tmp_path / "cache")
    dataset = PianoRollSet("musedata", str(file))
    first = dataset.prepare(cache)
    monkeypatch.setattr(PianoRollSet, "_build", None)  # it would be called to read the file anew
    second = dataset.prepare(cache)
    assert first.pieces == second.pieces
    assert (first.splits, first.card) == (second.splits, second.card)


def test_the_fingerprint_follows_content_and_options(file, tmp_path):
    def mark(path: Path, **options) -> str:
        return PianoRollSet("jsb_chorales", str(path), **options).fingerprint()

    copy = tmp_path / "elsewhere.json"
    copy.write_bytes(file.read_bytes())
    other = write_set(tmp_path / "other.json", {**SET, "test": [[[60]]]})
    assert mark(file) == mark(copy)
    assert len({mark(file), mark(other), mark(file, steps_per_quarter=4)}) == 3


def test_without_a_file_or_leave_to_download_there_is_one_sentence(tmp_path):
    dataset = PianoRollSet("piano_midi")  # building it is no work yet
    for ask in (dataset.fingerprint, lambda: dataset.prepare(None)):
        with pytest.raises(UserError, match=r"needs its file: give dataset\.path=FILE .*download"):
            ask()
    with pytest.raises(UserError, match="names no file"):
        PianoRollSet("piano_midi", str(tmp_path / "no.mat")).fingerprint()
    with pytest.raises(UserError, match=r"set paths\.cache"):
        PianoRollSet("piano_midi", download=True).prepare(None)
    with pytest.raises(UserError, match="is one of jsb_chorales, "):
        PianoRollSet("bach")  # type: ignore[arg-type]


def test_a_download_is_checked_and_kept(tmp_path):
    """From a file that stands in for the server; the way over HTTP has tests of its own."""
    kept = tmp_path / "cache" / "downloads" / "JSB_Chorales.mat"
    kept.parent.mkdir(parents=True)
    write_set(kept)
    right = hashlib.sha256(kept.read_bytes()).hexdigest()
    nowhere = ["http://127.0.0.1:1/nothing"]
    dataset = PianoRollSet("jsb_chorales", download=True, sha256=right, urls=nowhere)
    assert dataset.prepare(str(tmp_path / "cache")).splits == NAMES
    wrong = PianoRollSet("jsb_chorales", download=True, urls=nowhere, sha256="0" * 64)
    with pytest.raises(UserError, match=r"'JSB_Chorales\.mat' cannot be downloaded"):
        wrong.prepare(str(tmp_path / "cache"))
    assert dataset.fingerprint() != wrong.fingerprint()


def test_the_known_files_come_from_pinned_places():
    for name, facts in FACTS.items():
        dataset = PianoRollSet(name, download=True)  # type: ignore[arg-type]
        assert len(dataset.urls) >= 2
        assert all(url.startswith("https://") and url.endswith(facts.file) for url in dataset.urls)
        assert dataset.sha256 == facts.sha256
        assert dataset.fingerprint()


@pytest.mark.parametrize(
    ("name", "file", "spq"),
    [
        ("jsb_chorales", "JSB_Chorales.mat", 1),
        ("jsb_chorales", "jsb-chorales-quarter.json", 1),
        ("nottingham_rolls", "Nottingham.mat", 2),
    ],
)
def test_published_counts(name, file, spq):
    path = published(file)
    dataset = PianoRollSet(name, str(path), steps_per_quarter=spq)
    corpus, facts = dataset.prepare(None), FACTS[name]
    assert tuple(len(corpus.splits[split]) for split in SET) == facts.pieces
    ends = {piece.id: piece.end for piece in corpus.pieces}
    frames = tuple(sum(ends[id] for id in corpus.splits[split]) for split in SET)
    assert frames == facts.frames
    assert "are the published ones" in corpus.card.notes[0]
    if path.suffix == ".mat":
        assert hashlib.sha256(path.read_bytes()).hexdigest() == facts.sha256


def test_mean_polyphony_of_the_published_chorales():
    """3.870 and 3.887 keys to the frame, of which 29 and 17 are silent."""
    corpus = PianoRollSet("jsb_chorales", str(published("JSB_Chorales.mat"))).prepare(None)
    pieces = {piece.id: piece for piece in corpus.pieces}
    for split, mean, silent in (("valid", 3.870, 29), ("test", 3.887, 17)):
        frames = sum((sounding(pieces[id]) for id in corpus.splits[split]), [])
        assert np.mean([len(frame) for frame in frames]) == pytest.approx(mean, abs=5e-4)
        assert sum(not frame for frame in frames) == silent


def test_the_sixteenth_note_file_is_told_to_be_another_encoding():
    path = published("Jsb16thSeparated.json")
    corpus = PianoRollSet("jsb_chorales", str(path), steps_per_quarter=4).prepare(None)
    ends = {piece.id: piece.end for piece in corpus.pieces}
    frames = [sum(ends[id] for id in corpus.splits[split]) for split in SET]
    assert frames == [55_228, 18_408, 18_900]
    assert "do not compare" in corpus.card.notes[0]
    assert {piece.resolution for piece in corpus.pieces} == {4}


def test_importing_the_sets_stays_quick():
    code = (
        "import sys, partimento.datasets.pianoroll_sets;"
        "print([m for m in ('torch', 'scipy', 'pooch', 'requests', 'muspy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
