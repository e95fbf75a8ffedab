"""Chord symbols as lead-sheet text, and exact numbers."""

from __future__ import annotations

from fractions import Fraction
from xml.etree.ElementTree import fromstring

import pytest

from partimento.formats.musicxml_part import chord_symbol, number


def harmony(root: str, kind: str, more: str = "") -> str:
    return f"<harmony>{root}<kind>{kind}</kind>{more}</harmony>"


def root_of(step: str, alter: int = 0, tag: str = "root") -> str:
    return f"<{tag}><{tag}-step>{step}</{tag}-step><{tag}-alter>{alter}</{tag}-alter></{tag}>"


FLAT_NINE = (
    "<degree><degree-value>9</degree-value><degree-alter>-1</degree-alter>"
    "<degree-type>add</degree-type></degree>"
)
OMITTED = (
    "<degree><degree-value>5</degree-value><degree-alter>0</degree-alter>"
    "<degree-type>subtract</degree-type></degree>"
)


@pytest.mark.parametrize(
    ("xml", "symbol"),
    [
        (harmony(root_of("C"), "major"), "C"),
        (harmony(root_of("B", -1), "major-seventh"), "Bbmaj7"),
        (harmony(root_of("F", 1), "minor-seventh", root_of("C", 1, "bass")), "F#m7/C#"),
        (harmony(root_of("G"), "dominant", FLAT_NINE), "G7(addb9)"),
        (harmony(root_of("C"), "none"), "N.C."),
        (harmony("<function>V</function>", "major"), None),
        (harmony(root_of("C"), "dominant-13th", OMITTED), "C13(no5)"),
        # Kinds that MusicXML does not have, or that say nothing: as the score shows them.
        (harmony(root_of("C"), "augmented-ninth").replace("<kind", '<kind text="9+"'), "C9+"),
        (harmony(root_of("C"), "other", FLAT_NINE).replace("<kind", '<kind text="7b9"'), "C7b9"),
        (harmony(root_of("C"), "other", FLAT_NINE), "C(other)(addb9)"),
        (harmony(root_of("C"), "Neapolitan"), "C(Neapolitan)"),
        (harmony(root_of("C"), ""), "C(no kind)"),
    ],
)
def test_chord_symbol(xml: str, symbol: str | None) -> None:
    assert chord_symbol(fromstring(xml)) == symbol


def test_number_is_exact() -> None:
    assert number(" 2.5 ") == Fraction(5, 2)
    assert number("-3") == -3


@pytest.mark.parametrize("text", [None, "", "1e9", "1/3", "nan", "9" * 19])
def test_number_refuses(text: str | None) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        number(text)
