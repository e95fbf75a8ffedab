"""Damaged and malicious ABC: a piece or a reason, soon, whatever the text."""

from __future__ import annotations

import random
import time
import tracemalloc
from pathlib import Path

import pytest
from abc_references import corpus_tunes
from hypothesis import given, settings
from hypothesis import strategies as st

from partimento.errors import UserError
from partimento.formats.abc import Unreadable, read_tunes
from partimento.formats.abc_expand import MAX_EVENTS
from partimento.formats.files import read_piece, read_pieces
from partimento.music import Piece

SIGNS = (
    ":|", "|:", "[1", "|2", "::", "(3", "(9", ">", "<<", "-", "^", "__", "{", "}", "[", "]", '"', "!",
    "/", "999999", "z", "Z99", "&", "[K:F#loc]", "[M:7/8]", "[L:1/64]", "[V:2]", "\nK:", "\nM:",
    "\nX:9\n", "\nP:A\n", "\n\n", "%", "\\", "\0", "é", "♯", "+", "$", "~", "c''''", "C,,,,,",
)  # fmt: skip
SECONDS = 5


def mutated(text: str, rng: random.Random) -> str:
    """Cut, double, swap or sow signs into a text."""
    for _ in range(rng.randint(1, 12)):
        at, stop = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        kind = rng.randrange(5)
        if kind == 0:
            text = text[:at] + rng.choice(SIGNS) + text[at:]
        elif kind == 1:
            text = text[:at] + text[min(stop, at + 20) :]
        elif kind == 2:
            text = text[:at] + text[at : at + 40] * 3 + text[at + 40 :]
        elif kind == 3:
            text = text[:at] + chr(rng.randrange(1, 256)) + text[at + 1 :]
        else:
            text = text[: max(at, 10)] if rng.random() < 0.2 else text + rng.choice(SIGNS)
    return text


def checked(text: str) -> list[Piece | Unreadable]:
    """Read a text and check what holds of any reading."""
    begun = time.process_time()
    found = read_tunes(text)
    assert time.process_time() - begun < SECONDS
    for tune in found:
        if isinstance(tune, Unreadable):
            assert tune.reason
            assert "\n" not in tune.reason
            assert len(tune.reason) < 200
        else:
            assert 0 < len(tune) <= MAX_EVENTS * 130
            assert (tune.duration > 0).all()
            assert (tune.onset >= 0).all()
            assert (tune.onset.astype("int64") + tune.duration <= tune.end).all()
            assert 0 <= tune.pitch.min() <= tune.pitch.max() <= 127
            assert (tune.bar_lengths() > 0).all()
            assert all(chord.duration > 0 for chord in tune.chords)
    return found


def test_600_mutated_tunes() -> None:
    rng = random.Random(1850)
    texts = [text for name in ("oneills1850", "airdsAirs") for _, text in corpus_tunes(name)]
    reasons = pieces = 0
    for _ in range(600):
        for tune in checked(mutated(rng.choice(texts), rng)):
            reasons += isinstance(tune, Unreadable)
            pieces += isinstance(tune, Piece)
    assert pieces >= 300
    assert reasons >= 10


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*SIGNS, "C", "d2", "e/", "|", " "]), max_size=60))
def test_any_signs(signs: list[str]) -> None:
    checked("X:1\nK:C\nC" + "".join(signs))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    checked(text)
    checked("X:1\nK:" + text)


BOMBS = {
    "a long note": "C999999999",
    "a longer note": "C" + "9" * 100_000,
    "a short note": "C" + "/" * 60,
    "no length": "C0",
    "no denominator": "C/0",
    "many lengths": " ".join(f"C1/{n}" for n in range(1, 2000)),
    "a large tuplet": "(9999999 CDE",
    "a larger tuplet": "(" + "9" * 100_000 + "CDE",
    "a tuplet into nothing": "(3:0:0 CDE",
    "many bars of rest": "Z" + "9" * 50,
    "some bars of rest": "Z999 " * 200 + "C",
    "a high note": "c" + "'" * 100_000,
    "endings": "|:C[1-64D:|[2-64E:|" * 400,
    "a high ending": "|:C[9999999D:|",
    "opened brackets": "[" * 300_000,
    "opened quotes": '"' * 300_001,
    "opened graces": "{" * 300_000,
    "opened decorations": "!a" * 30_000 + "C",
    "opened fields": "[K:" * 100_000,
    "opened parentheses": "(" * 300_000,
    "bars": "|" * 300_000,
    "spaces": " " * 300_000 + "C",
    "dots": ":" * 300_000,
    "broken rhythm": "C" + ">" * 300_000 + "D",
    "very broken rhythm": "C>>>>>>D" * 10 + "C>" * 3000 + "D",
    "voices": "".join(f"[V:{n}]C" for n in range(5000)),
    "a wide chord": "[" + "CDEFGABc" * 20_000 + "]",
    "notes": "CDEF|" * 30_000,
    "repeats in repeats": "|:C" * 5000 + ":|" * 5000,
    "a large octave": "[K:C octave=999]C",
    "tempos": "[Q:1/4=100]" * 30_000 + "C",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    tracemalloc.start()
    try:
        checked(f"X:1\nM:4/4\nL:1/8\nK:C\n{BOMBS[name]}\n")
        assert tracemalloc.get_traced_memory()[1] < 300 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("C9999", "has the note length '9999'"),
        ("C0", "has the note length '0'"),
        ("C/0", "has the note length '/0'"),
        ("C" + "1" * 17, "has a note length of 17 signs"),
        ("(99CDE", "has a tuplet of 99 notes"),
        ("(9999CDE", "has a tuplet of '9999' notes"),
        ("Z1001", "has '1001' bars of rest"),
        ("c''''''", "has the note 'c''''''', beyond the range of MIDI"),
        ("C[65D|", "has the variant ending '65'"),
        ("C/99/99/99/99", "has the note length '/99/99/99/99'"),
        ("C/7/11/13/17/19/23", "has a note length of 17 signs"),
        ("C/101 D/103 E/107 F/109", "has note lengths without a common unit of time"),
        ("[M:9/7]C", "has the metre '9/7', where one such as 6/8 is needed"),
        ("[L:0/8]C", "has the unit note length '0/8', where 1/8, say, is needed"),
        ("z4|", "holds no notes"),
        ("".join(f"[V:{n}]C" for n in range(70)), "has more than 64 voices"),
    ],
)
def test_reasons(body: str, reason: str) -> None:
    (found,) = read_tunes(f"X:1\nK:C\n{body}\n", id="tune", source="a.abc")
    assert found == Unreadable("tune", "a.abc", reason)


def test_a_tune_of_many_characters_is_refused() -> None:
    (found,) = read_tunes("X:1\nK:C\n" + "C " * 600_000)
    assert isinstance(found, Unreadable)
    assert found.reason == "is longer than 1,048,576 characters"


def test_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "book.abc"
    path.write_text("X:1\nK:C\nC|\n\nX:2\nK:C\nC0|\n\nX:3\nK:C\nD|\n")
    assert [piece.id for piece in read_pieces(path)] == ["book-1", "book-3"]
    assert "1 of 3 tunes" in caplog.text
    assert "book-2 has the note length '0'" in caplog.text
    path.write_text("X:1\nK:C\nC0|\n\nX:2\nK:C\nz|\n")
    for read in (read_piece, read_pieces):
        with pytest.raises(UserError, match=r"book\.abc' has the note length '0'\."):
            read(path)
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(UserError, match="is no ABC tune: it has no key"):
        read_pieces(path)
