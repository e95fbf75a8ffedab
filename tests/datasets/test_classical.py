"""Keyboard and quartet music from the installed music21: what there is, and movements kept together."""

from __future__ import annotations

import pytest

from partimento.data.splits import split_by_group
from partimento.datasets.classical import Classical, work_of
from partimento.datasets.inputs import read_bach
from partimento.errors import UserError
from partimento.reports.midi import write_midi


def test_the_files_of_the_corpus_without_reading_them():
    counts = {}
    for music in ("all", "keyboard", "quartets"):
        dataset = Classical(music=music)
        counts[music] = len(list(dataset.files(dataset.root(None))))
    assert counts == {"all": 58, "keyboard": 7, "quartets": 51}
    marks = {Classical(music=music).fingerprint() for music in ("all", "keyboard", "quartets")}
    assert len(marks) == 3


def test_the_keyboard_music(tmp_path):
    corpus = Classical(music="keyboard", workers=0).prepare(str(tmp_path))
    notes = {piece.id: len(piece) for piece in corpus.pieces}
    assert (len(notes), corpus.card.counts["notes"]) == (7, 5506)
    assert notes["joplin/maple_leaf_rag.mxl"] == 1489
    assert not corpus.skipped
    ragtime = next(piece for piece in corpus.pieces if piece.id.startswith("joplin"))
    # Joplin, Maple Leaf Rag: two flats would be wrong; A flat major, 2/4.
    assert ragtime.keys[0].fifths == -4
    assert ragtime.bars[5][1:] == (2, 4)


@pytest.mark.full
def test_all_of_it_is_read_and_movements_of_a_work_stay_together(tmp_path):
    corpus = Classical().prepare(str(tmp_path))
    assert corpus.card.counts == {
        "pieces": 58,
        "notes": 196_458,
        "groups": 24,
        "files": 58,
        "files left out": 0,
    }
    ids = [piece.id for piece in corpus.pieces]
    splits = split_by_group(ids, corpus.groups)
    works = {name: {work_of(id) for id in members} for name, members in splits.items()}
    assert not works["train"] & works["test"]
    assert not works["train"] & works["valid"]


def test_a_folder_of_midi_files(tmp_path):
    for number in ("253", "254"):
        write_midi(read_bach(number), tmp_path / "own" / f"{number}.mid")
    (tmp_path / "own" / "tune.abc").write_text("X:1\nK:C\nC\n")
    corpus = Classical(path=str(tmp_path / "own"), workers=0).prepare(str(tmp_path / "cache"))
    assert [piece.id for piece in corpus.pieces] == ["253.mid", "254.mid"]
    with pytest.raises(UserError, match="there is no folder"):
        Classical(path=str(tmp_path / "none")).fingerprint()
