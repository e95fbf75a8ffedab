"""Chord symbols: tones by the book, what is refused, transposition, MidiNet's vector."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from partimento.chords import (
    Triad,
    chord_vector,
    parse_chord,
    transposed_symbol,
    triad_of,
    vector_triad,
)
from partimento.formats.musicxml import read_musicxml
from partimento.formats.musicxml_part import _KINDS

NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
TRIADS = [Triad(root, minor) for root in range(12) for minor in (False, True)]


@pytest.mark.parametrize(
    ("symbols", "tones"),
    [
        ("C Cmaj CM", "C E G"),
        ("Cm Cmin Cmi C-", "C Eb G"),
        ("Cdim Co C°", "C Eb F#"),
        ("Caug C+", "C E Ab"),
        ("C5 C(no3) C(omit3)", "C G"),
        ("Csus4 Csus", "C F G"),
        ("Csus2", "C D G"),
        ("C6", "C E G A"),
        ("Cm6", "C Eb G A"),
        ("C6/9 C69 C6(add9)", "C E G A D"),
        ("C7", "C E G Bb"),
        ("Cmaj7 CM7 CMaj7 Cma7 Cj7 C^7 CΔ CΔ7", "C E G B"),
        ("Cm7 Cmin7 Cmi7 C-7", "C Eb G Bb"),
        ("Cm(maj7) CmM7 CmMaj7", "C Eb G B"),
        ("Cdim7 Co7", "C Eb F# A"),
        ("Cm7b5 Cm7(b5) Cø Cø7", "C Eb F# Bb"),
        ("Caug7 C+7 C7+ C7#5 C7(#5)", "C E Ab Bb"),
        ("C7b5 C7-5 C7(b5)", "C E F# Bb"),
        ("C7sus4 C7sus Csus4(add7)", "C F G Bb"),
        ("C9 C7(9) C7(add9)", "C E G Bb D"),
        ("C7b9 C7(b9) C7(addb9)", "C E G Bb Db"),
        ("C7#9", "C E G Bb Eb"),
        ("Cmaj9", "C E G B D"),
        ("Cadd9 C(add9)", "C E G D"),
        ("C11", "C E G Bb D F"),
        ("C13", "C E G Bb D F A"),
        ("C9#11 C9(#11)", "C E G Bb D F#"),
        ("C7b9#11 C7(b9,#11) C7(b9)(#11)", "C E G Bb Db F#"),
    ],
)
def test_tones(symbols: str, tones: str) -> None:
    expected = frozenset(NAMES.index(name) for name in tones.split())
    for symbol in symbols.split():
        chord = parse_chord(symbol)
        assert (chord.root, chord.bass, chord.pitch_classes) == (0, 0, expected), symbol


@pytest.mark.parametrize(
    ("symbol", "root", "bass"),
    [
        ("F#m7", 6, 6), ("Bb/D", 10, 2), ("Cb", 11, 11), ("E♯7", 5, 5), ("A♭m", 8, 8),
        ("Bbb", 9, 9), ("F##/A#", 7, 10), ("G/f+", 7, 6), ("Gm/bb", 7, 10), ("C6/9/G", 0, 7),
        ("(E7)", 4, 4), (" D m ", 2, 2),
    ],
)  # fmt: skip
def test_root_and_bass(symbol: str, root: int, bass: int) -> None:
    chord = parse_chord(symbol)
    assert (chord.root, chord.bass) == (root, bass)
    assert bass in chord.pitch_classes


@pytest.mark.parametrize("symbol", ["N.C.", "NC", "n.c.", "No chord"])
def test_no_chord(symbol: str) -> None:
    chord = parse_chord(symbol)
    assert (chord.root, chord.pitch_classes, chord.triad) == (None, frozenset(), None)
    assert transposed_symbol(symbol, 3) == symbol


@pytest.mark.parametrize(
    ("symbol", "reason"),
    [
        ("", "'' does not begin with a note from A to G"),
        ("H7", "'H7' does not begin with a note"),
        ("d7", "'d7' does not begin with a note"),
        ("C2", "'2' in the chord symbol 'C2' is not known"),
        ("C4", "'4' in the chord symbol"),
        ("Calt", "'alt' in the chord symbol"),
        ("C7alt", "'alt' in the chord symbol"),
        ("C67", "'67' in"),
        ("C77", "'77' in"),
        ("C/", "'/' in"),
        ("C/H", "'/H' in"),
        ("D.C.", "'.C.' in"),
        ("D.S. al Fine", "'.S.alFine' in"),
        ("Fine", "'ine' in"),
        ("End", "'nd' in"),
        ("Coda", "'da' in"),
        ("From A.Train's song", "is not known"),
        ("Gd", "'d' in"),
        ("C" + "7" * 100, "'C7777777777777777777...' is too long for a chord symbol"),
        ("C(Neapolitan)", "'Neapolitan' in"),
    ],
)
def test_what_is_no_chord_symbol_is_not_guessed_at(symbol: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_chord(symbol)
    assert triad_of(symbol) is None
    assert transposed_symbol(symbol, 5) == symbol


@given(st.text(alphabet="ABCDEFGabdgijmnosu#b+-°øΔ0123456789/()., ♯♭^M", max_size=12))
def test_any_text_gives_a_chord_or_a_reason(text: str) -> None:
    try:
        chord = parse_chord(text)
    except ValueError as error:
        chord, reason = None, str(error)
    if chord is None:
        assert "chord symbol" in reason or "does not begin" in reason
        assert triad_of(text) is None
    else:
        assert chord.root is None or chord.root in chord.pitch_classes


@pytest.mark.parametrize(
    ("symbol", "triad"),
    [
        ("C", "C"), ("Am7", "Am"), ("F#m7b5", "F#m"), ("Bbdim7", "Bbm"), ("Eaug", "E"),
        ("G7#9", "G"), ("D/F#", "D"), ("Asus4", None), ("A5", None), ("N.C.", None),
    ],
)  # fmt: skip
def test_nearest_triad(symbol: str, triad: str | None) -> None:
    found = triad_of(symbol)
    assert (found and found.symbol) == triad


def test_triads_are_their_symbols() -> None:
    for triad in TRIADS:
        assert triad_of(triad.symbol) == triad
        assert parse_chord(triad.symbol).pitch_classes == frozenset(triad.pitch_classes)
    assert Triad(9, True).symbol == "Am"
    assert Triad(9, True).pitch_classes == (9, 0, 4)


# MusicXML 4.0, "kind-value": what each value says, in the words of the standard, as semitones.
MUSICXML = {
    "major": "0 4 7", "minor": "0 3 7", "augmented": "0 4 8", "diminished": "0 3 6",
    "dominant": "0 4 7 10", "major-seventh": "0 4 7 11", "minor-seventh": "0 3 7 10",
    "diminished-seventh": "0 3 6 9", "augmented-seventh": "0 4 8 10",
    "half-diminished": "0 3 6 10", "major-minor": "0 3 7 11", "major-sixth": "0 4 7 9",
    "minor-sixth": "0 3 7 9", "dominant-ninth": "0 2 4 7 10", "major-ninth": "0 2 4 7 11",
    "minor-ninth": "0 2 3 7 10", "dominant-11th": "0 2 4 5 7 10", "major-11th": "0 2 4 5 7 11",
    "minor-11th": "0 2 3 5 7 10", "dominant-13th": "0 2 4 5 7 9 10",
    "major-13th": "0 2 4 5 7 9 11", "minor-13th": "0 2 3 5 7 9 10", "suspended-second": "0 2 7",
    "suspended-fourth": "0 5 7", "power": "0 7",
}  # fmt: skip


def test_every_kind_of_musicxml() -> None:
    assert set(_KINDS) == set(MUSICXML)
    for kind, suffix in _KINDS.items():
        assert parse_chord("C" + suffix).intervals == tuple(map(int, MUSICXML[kind].split())), kind


@given(st.sampled_from(TRIADS), st.sampled_from(["", "7", "/G", "(add9)"]), st.integers(-12, 12))
def test_transposition_moves_all_tones(triad: Triad, more: str, semitones: int) -> None:
    chord = parse_chord(triad.symbol + more)
    moved = parse_chord(transposed_symbol(triad.symbol + more, semitones))
    assert moved.intervals == chord.intervals
    assert moved.pitch_classes == {(tone + semitones) % 12 for tone in chord.pitch_classes}


def test_transposed_spelling() -> None:
    assert transposed_symbol("C#m7/G#", 1) == "Dm7/A"
    assert transposed_symbol("C", 1) == "Db"
    assert transposed_symbol("E", 2) == "F#"
    assert transposed_symbol("D#dim", 12) == "D#dim"
    assert transposed_symbol("G/f+", 2) == "A/Ab"


def test_midinets_vector() -> None:
    assert chord_vector(Triad(0, False)) == (1, *[0] * 12)
    assert chord_vector(Triad(9, True)) == (*[0] * 9, 1, 0, 0, 1)
    assert chord_vector(Triad(9, True), "relative") == (1, *[0] * 11, 1)
    assert chord_vector(Triad(2, True), "relative") == (*[0] * 5, 1, *[0] * 6, 1)
    for way in ("root", "relative"):
        vectors = [chord_vector(triad, way) for triad in TRIADS]
        assert len(set(vectors)) == 24
        assert [vector_triad(vector, way) for vector in vectors] == TRIADS
    assert vector_triad((0,) * 13) is None
    for wrong in ((1,) * 13, (1,) * 12, ()):
        with pytest.raises(ValueError, match="a chord has 13 numbers"):
            vector_triad(wrong)


def corpus(name: str) -> Path:
    folder = Path(os.environ.get("PARTIMENTO_TEST_DATA", "absent")) / name
    if not folder.is_dir():
        pytest.skip(f"PARTIMENTO_TEST_DATA has no folder {name}")
    return folder


def unread(symbols: Counter[str]) -> dict[str, int]:
    """Return the symbols that cannot be read, counted."""
    found = {}
    for symbol, count in symbols.items():
        try:
            parse_chord(symbol)
        except ValueError:
            found[symbol] = count
    return found


def test_every_symbol_of_openewld() -> None:
    pieces = [read_musicxml(path) for path in sorted(corpus("openewld").glob("*.mxl"))]
    symbols = Counter(chord.symbol for piece in pieces for chord in piece.chords)
    assert len(pieces) == 502
    assert symbols.total() > 19_000
    assert unread(symbols) == {"Ab(no kind)": 2}
    without_third = sum(n for symbol, n in symbols.items() if triad_of(symbol) is None)
    assert without_third == 85


def test_every_quoted_text_of_nottingham() -> None:
    texts = [p.read_text("latin-1") for p in sorted(corpus("nottingham_abc_cleaned").glob("*.abc"))]
    symbols = Counter(text for tune in texts for text in re.findall(r'"([^"]*)"', tune))
    assert symbols.total() > 27_000
    odd = unread(symbols)
    assert odd.pop(" ") == 5
    assert odd.pop("From A.Train's song") == 1
    # The rest is the collection's own "d" for diminished and "a" for augmented.
    assert all(re.fullmatch(r"[A-G][#b]?(d|a|a7)", symbol) for symbol in odd)
    assert sum(odd.values()) == 53
