"""Our ABC reader beside abc2midi and music21, tune by tune, on printed collections."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest
from abc_references import (
    REFUSES,
    abc2midi,
    bare,
    by_abc2midi,
    by_music21,
    by_us,
    corpus_tunes,
    data_folder,
    near,
    restarts,
    tunes_of,
)

from partimento.formats.abc import decode_abc, read_tunes
from partimento.formats.files import read_pieces
from partimento.music import Piece

COLLECTIONS = ("oneills1850", "ryansMammoth", "airdsAirs")


def sample(collection: str, count: int) -> list[tuple[str, str]]:
    return random.Random(f"{collection} {count}").sample(corpus_tunes(collection), count)


def verdict(text: str, folder: Path, *, repeats: bool) -> str:
    """Say how our reading stands to abc2midi's, and why they differ where the reason is known."""
    plain = bare(text, repeats=repeats)
    theirs, said = by_abc2midi(plain, folder)
    if near(by_us(plain), theirs):
        return "equal"
    if REFUSES.search(said):
        return "abc2midi refuses a sign"
    if repeats and restarts(plain):
        return "a :| after a double bar"
    if re.search(r"\([579]", plain) and re.search(r"^M: *3/4", plain, re.MULTILINE):
        return "quintuplets in 3/4"
    return "other"


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_written_notes_beside_abc2midi(collection: str, tmp_path: Path) -> None:
    """Pitches and onsets without repeats; both say what they do with every sign."""
    found = Counter(verdict(text, tmp_path, repeats=False) for _, text in sample(collection, 60))
    assert found["equal"] >= 48
    assert found["other"] <= 1, found


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_repeats_beside_abc2midi(collection: str, tmp_path: Path) -> None:
    found = Counter(verdict(text, tmp_path, repeats=True) for _, text in sample(collection, 40))
    assert found["equal"] >= 30
    assert found["other"] <= 2, found


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_written_notes_beside_music21(collection: str, tmp_path: Path) -> None:
    """Where music21 reads otherwise, abc2midi reads as we do."""
    equal, against = 0, []
    for name, text in sample(collection, 12):
        plain = bare(text, repeats=False)
        if near(by_us(plain), by_music21(plain)):
            equal += 1
        elif verdict(text, tmp_path, repeats=False) not in ("equal", "abc2midi refuses a sign"):
            against.append(name)
    assert equal >= 8
    assert not against


@pytest.mark.full
@pytest.mark.parametrize(
    ("collection", "tunes", "written", "expanded"),
    [
        ("oneills1850", 2009, 1985, 1945),
        ("ryansMammoth", 1059, 957, 915),
        ("airdsAirs", 1180, 1175, 1110),
    ],
)
def test_every_tune_beside_abc2midi(
    collection: str, tunes: int, written: int, expanded: int, tmp_path: Path
) -> None:
    texts = [text for _, text in corpus_tunes(collection)]
    assert len(texts) == tunes
    for repeats, equal, other in ((False, written, 4), (True, expanded, 16)):
        found = Counter(verdict(text, tmp_path, repeats=repeats) for text in texts)
        assert found["equal"] >= equal, found
        assert found["other"] <= other, found


@pytest.mark.full
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_many_tunes_beside_music21(collection: str, tmp_path: Path) -> None:
    found: Counter[str] = Counter()
    for _, text in sample(collection, 300):
        plain = bare(text, repeats=False)
        ours, theirs = by_us(plain), by_music21(plain)
        told = "equal" if near(ours, theirs) else verdict(text, tmp_path, repeats=False)
        # Against both we stand alone.
        found["music21 differs, abc2midi does not" if told == "equal" and not near(ours, theirs)
              else told] += 1  # fmt: skip
    assert found["equal"] >= 200, found
    assert found["other"] + found["quintuplets in 3/4"] <= 3, found


@pytest.mark.full
def test_every_celtic_tune_can_be_read() -> None:
    counts = []
    for collection in COLLECTIONS:
        tunes = [text for _, text in corpus_tunes(collection)]
        pieces = [piece for text in tunes for piece in read_tunes(text)]
        assert all(isinstance(piece, Piece) for piece in pieces)
        # Quoted words in these collections are no chords; three letters look like some.
        chords = [c.symbol for p in pieces if isinstance(p, Piece) for c in p.chords]
        assert set(chords) <= {"A", "B", "C", "D", "E", "F", "G"}
        assert len(chords) <= 2
        counts.append(len(pieces))
    assert counts == [2009, 1059, 1180]


def test_nottingham() -> None:
    folder = data_folder("nottingham_abc_cleaned")
    pieces = [piece for path in sorted(folder.glob("*.abc")) for piece in read_pieces(path)]
    assert len(pieces) == len({piece.id for piece in pieces}) == 1034
    assert sum(bool(piece.chords) for piece in pieces) == 1021
    assert sum(map(len, pieces)) == 174_630
    symbols = Counter(chord.symbol for piece in pieces for chord in piece.chords)
    assert {"G", "D", "A7", "F#m", "D/f+", "E7"} <= set(symbols)
    # As written in the files, where the cleaned ones quote them.
    quoted = [
        text
        for path in sorted(folder.glob("*.abc"))
        for line in decode_abc(path.read_bytes()).split("\n")
        if not re.match("[A-Z]:(?![|:])|%", line)
        for text in re.findall('"([^"]*)"', line)
    ]
    known = {re.sub(r"[\s()]", "", text) for text in quoted}
    assert len(known - set(symbols)) <= 8


@pytest.mark.full
def test_every_nottingham_tune_beside_abc2midi(tmp_path: Path) -> None:
    abc2midi()
    texts = [text for _, text in tunes_of(data_folder("nottingham_abc_cleaned"))]
    for repeats, equal, other in ((False, 1028, 3), (True, 1004, 6)):
        found = Counter(verdict(text, tmp_path, repeats=repeats) for text in texts)
        assert found["equal"] >= equal, found
        assert found["other"] <= other, found
