"""Repeats, endings and ordered sections of ABC, played out: bars are named by their only note."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partimento.formats.abc import Unreadable, read_tunes
from partimento.formats.abc_expand import MAX_EVENTS
from partimento.music import Piece

LETTERS = {60: "C", 62: "D", 64: "E", 65: "F", 67: "G", 69: "A", 71: "B", 72: "c", 74: "d", 76: "e"}

SIGNS = ["C", "D|", "E|", ":|", "|:", "::", "||", "|1", ":|2", "[3", "|]", "|1,2-4", "|::", "::|"]
SIGNS += ["[P:A]", "[P:B]"]


def played(body: str, header: str = "") -> str:
    (piece,) = read_tunes(f"X:1\n{header}M:1/4\nL:1/4\nK:C\n{body}\n")
    assert isinstance(piece, Piece), piece
    return "".join(LETTERS[pitch] for pitch in piece.pitch.tolist())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("C|D|E|", "CDE"),
        ("|:C|D:|E|", "CDCDE"),
        ("C|D:|E|", "CDCDE"),
        ("C|:D:|E|", "CDDE"),
        ("C::D:|", "CCDD"),
        ("|:C:|:D:|", "CCDD"),
        ("|:C:||:D:|", "CCDD"),
        ("|: C :|\n|: D :|", "CCDD"),
        ("|:C| |:D:|", "CDD"),
        ("C:|D:|E:|", "CCDDEE"),
        ("|::C::|D|", "CCCD"),
        ("|::C:|D|", "CCCD"),
        ("|:C::|D|", "CCCD"),
        # An end without beginning goes back to the last double bar, but not past a beginning.
        ("C||D:|E|", "CDDE"),
        ("C|]D:|E|", "CDDE"),
        ("C[|D:|E|", "CDDE"),
        ("C|.|D:|", "CDCD"),
        ("|:C||D:|E|", "CDCDE"),
        ("C||D|\nE:|", "CDEDE"),
        # Endings.
        ("|:C|1D:|2E|F|", "CDCEF"),
        ("|:C|[1D:|[2E|F|", "CDCEF"),
        ("|:C [1D:| [2E||F|", "CDCEF"),
        ("C|1D:|2E||F|", "CDCEF"),
        ("|:C|1D|E:|2F|G||A|", "CDECFGA"),
        ("|:C|1D:|2E:|F|", "CDCEF"),
        ("|:C|1D:|2E|:F|1G:|2A|", "CDCEFGFA"),
        ("|:C|1D:|2E:|:F|1G:|2A:|", "CDCEFGFA"),
        ("|:C|1,3D:|2,4E:|F|", "CDCECDCEF"),
        ("|:C|1-3D:|4E|F|", "CDCDCDCEF"),
        ("|:C|1D:|2E:|3F|G|", "CDCECFG"),
        ("|:C:|2,4D:|", "CCDCCD"),
        ("|:C:|2D|E|", "CCDE"),
        # An ending that another follows goes back even where :| is left out.
        ("|:C|1D|2E|F|", "CDCEF"),
        ("|:C|1D||2E|F|", "CDCEF"),
        # What has only one ending.
        ("|:C|1D:|E|", "CDCE"),
        ("C|2D|E|", "CDE"),
        # An ending inside a bar.
        ("|:C [1D:|[2E F|", "CDCEF"),
        # After a repeat the next section begins.
        ("C:|D|1E:|2F|", "CCDEDF"),
        ("|:C:|D||E:|", "CCDEE"),
        # D.C. and Fine are words.
        ('C"Fine"|D"D.C."|', "CD"),
        ("C!fine!|D!D.C.!|", "CD"),
        # Empty measures and signs without effect.
        ("||C|||D||", "CD"),
        ("| C | | D : E |", "CDE"),
        (":|C|", "C"),
        ("|:|:C:|", "CC"),
    ],
)
def test_repeats(body: str, expected: str) -> None:
    assert played(body) == expected


@pytest.mark.parametrize(
    ("order", "body", "expected"),
    [
        ("ABA", "P:A\nC|D|\nP:B\nE|\n", "CDECD"),
        ("AAB", "P:A\nC|\nP:B\nE:|\n", "CCEE"),
        ("A2B", "P:A\nC|\nP:B\nE|\n", "CCE"),
        ("(AB)2C", "P:A\nC|\nP:B\nD|\nP:C\nE|\n", "CDCDE"),
        ("((AB)2A)2", "P:A\nC|\nP:B\nD|\n", "CDCDCCDCDC"),
        ("BA", "[P:A]C|[P:B]|:D:|", "DDC"),
        ("A.B", "P:A\nC|\nP:B\nD|\n", "CD"),
        # Orders that say nothing: written order holds.
        ("AXA", "P:A\nC|\nP:B\nD|\n", "CD"),
        ("", "P:A\nC|\nP:B\nD|\n", "CD"),
        ("(AB", "P:A\nC|\nP:B\nD|\n", "CD"),
        ("A)B", "P:A\nC|\nP:B\nD|\n", "CD"),
    ],
)
def test_ordered_sections(order: str, body: str, expected: str) -> None:
    assert played(body, f"P:{order}\n") == expected


def test_ordered_sections_of_several_voices() -> None:
    body = "P:A\n[V:1]C|\n[V:2]E|\nP:B\n[V:1]D|\n[V:2]F|\n"
    (piece,) = read_tunes(f"X:1\nP:ABA\nM:1/4\nL:1/4\nK:C\n{body}")
    assert isinstance(piece, Piece)
    assert piece.notes(0)["pitch"].tolist() == [60, 62, 60]
    assert piece.notes(1)["pitch"].tolist() == [64, 65, 64]


def test_bars_of_repeats_follow_each_other() -> None:
    (piece,) = read_tunes("X:1\nM:2/4\nL:1/4\nK:C\nG|:C D|E:|\n")
    assert isinstance(piece, Piece)
    assert [bar.onset // 24 for bar in piece.bars] == [0, 1, 3, 4, 6]
    assert piece.end == 24 * 7


@st.composite
def sections(draw) -> tuple[str, str]:
    """Sections as a musician would write them, and what they sound like."""
    text = sound = ""
    for _ in range(draw(st.integers(1, 5))):
        bars = draw(st.lists(st.sampled_from("CDEFGAB"), min_size=1, max_size=4))
        kind = draw(st.sampled_from(["plain", "twice", "thrice", "endings"]))
        body = "|".join(bars)
        if kind == "plain":
            text, sound = f"{text} {body} ||", sound + "".join(bars)
        elif kind == "endings":
            first, second = draw(st.tuples(st.sampled_from("CDE"), st.sampled_from("FGA")))
            text += f" |: {body} |1 {first} :|2 {second} ||"
            sound += "".join([*bars, first, *bars, second])
        else:
            times = 2 if kind == "twice" else 3
            colons = ":" * (times - 1)
            text, sound = f"{text} |{colons} {body} {colons}|", sound + "".join(bars) * times
    return text, sound


@settings(max_examples=200, deadline=None)
@given(sections())
def test_written_sections_sound_as_meant(section: tuple[str, str]) -> None:
    text, sound = section
    assert played(text) == sound


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(SIGNS),
        max_size=25,
    ),
    st.sampled_from(["", "P:ABA\n", "P:B3\n"]),
)
def test_any_signs_end_and_lose_no_bar_but_to_endings(signs: list[str], header: str) -> None:
    body = "".join(signs)
    (piece,) = read_tunes(f"X:1\n{header}M:1/4\nL:1/4\nK:C\n{body}\n")
    written = re.findall("[CDE]", re.sub(r"\[P:.\]", "", body))
    if isinstance(piece, Unreadable):
        assert not written or "has the variant ending" in piece.reason
        return
    heard = [LETTERS[pitch] for pitch in piece.pitch.tolist()]
    assert set(heard) <= set(written)
    endings = any(digit in body for digit in "123")
    if not endings and not header:
        assert len(heard) >= len(written)
        assert heard[0] == written[0]


def test_music_that_would_never_end_is_refused() -> None:
    for body in (
        "|" + ":" * 50_000 + "C|D" + ":" * 50_000 + "|",
        "|:C D E F:|" * 20_000,
    ):
        (found,) = read_tunes(f"X:1\nK:C\n{body}\n")
        assert isinstance(found, Unreadable)
        assert re.fullmatch(f"has more than {MAX_EVENTS:,} notes.*", found.reason)
    for order in ("A99999999", "(((A9)9)9)9", "A" * 2000):
        (found,) = read_tunes(f"X:1\nP:{order}\nK:C\nP:A\nC|\n")
        assert isinstance(found, Unreadable)
        assert found.reason == "plays more than 1000 sections by its P: field"
