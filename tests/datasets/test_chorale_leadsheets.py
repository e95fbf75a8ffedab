"""Inferred chords: on music whose chords are plain, and on all chorales."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from partimento.chords import parse_chord
from partimento.datasets.chorale_leadsheets import ChoraleLeadsheets, explained, lead_sheet
from partimento.datasets.chorales import Chorales
from partimento.datasets.inferred_chords import infer_chords, span_edges
from partimento.errors import UserError
from partimento.music import Bar, Key, Piece, lay_bars

CONF = Path(__file__).parents[2] / "conf" / "dataset" / "chorale_leadsheets.yaml"


def satb(columns: str, *, fifths: int | None = 0, bars=None, length: int = 2, **fields) -> Piece:
    """Make four voices from chords such as "72 67 64 48", one to the beat; "-" is a rest."""
    rows = [
        (index * length, length, int(pitch), part)
        for index, column in enumerate(columns.split(","))
        for part, pitch in enumerate(column.split())
        if pitch != "-"
    ]
    onset, duration, pitch, part = np.array(rows).T
    end = length * len(columns.split(","))
    return Piece(
        "by hand", 2, onset, duration, pitch, part, parts=("s", "a", "t", "b"), end=end,
        bars=lay_bars([(0, 4, 4)], end, 2) if bars is None else bars,
        keys=() if fifths is None else (Key(0, fifths),), **fields,
    )  # fmt: skip


def symbols(piece: Piece, span="beat") -> list[tuple[float, str]]:
    chords = infer_chords(piece, (1, 2, 3), span)
    assert [c.onset + c.duration for c in chords] == [*[c.onset for c in chords[1:]], piece.end]
    return [(chord.onset / 2, chord.symbol) for chord in chords]


def test_a_cadence() -> None:
    # I IV V7 I, then vi ii6/5 V I in C, and V of D minor with its C sharp.
    piece = satb(
        "72 67 64 48, 72 69 65 53, 71 65 62 55, 72 64 60 48,"
        "72 64 60 57, 74 69 65 53, 74 67 59 55, 72 64 55 48, 69 64 61 57, 69 65 62 50"
    )
    assert symbols(piece) == [
        (0, "C"), (1, "F"), (2, "G"), (3, "C"), (4, "Am"), (5, "F"), (6, "G"), (7, "C"), (8, "A"),
        (9, "Dm"),
    ]  # fmt: skip


def test_the_soprano_has_no_say() -> None:
    one = satb("72 67 64 48, 72 69 65 53")
    other = satb("73 67 64 48, 61 69 65 53")
    assert symbols(one) == symbols(other) == [(0, "C"), (1, "F")]


def test_how_ties_are_decided() -> None:
    # C and G alone fit C, Cm; the key decides: C major, C minor in three flats.
    assert symbols(satb("76 67 60 48", fifths=0)) == [(0, "C")]
    assert symbols(satb("75 67 60 48", fifths=-3)) == [(0, "Cm")]
    # Without a key the major one.
    assert symbols(satb("75 67 60 48", fifths=None)) == [(0, "C")]
    # A C E G: C and Am fit equally, the bass decides.
    assert symbols(satb("72 67 64 57, 72 69 64 60", length=2))[0] == (0, "Am")
    # G gives way to A over a C: A C E sounds as long as C E G does.
    columns = [(0, 2, 72, 0), (0, 1, 67, 1), (1, 1, 69, 1), (0, 2, 64, 2), (0, 2, 60, 3)]
    onset, duration, pitch, part = np.array(columns).T
    seventh = satb("72 67 64 60").with_notes(
        onset=onset, duration=duration, pitch=pitch, part=part, velocity=None
    )
    assert symbols(seventh) == [(0, "C")]
    # E and C in the upper voices over a silent bass: what was before goes on, if it fits.
    assert symbols(satb("72 64 60 57, 72 64 60 -")) == [(0, "Am")]
    assert symbols(satb("72 64 60 48, 72 64 60 -")) == [(0, "C")]


def test_silence_is_no_chord() -> None:
    piece = satb("72 - - -, 72 67 64 48, 72 - - -")
    assert symbols(piece) == [(0, "N.C."), (1, "C"), (2, "N.C.")]


def test_longer_spans_take_what_sounds_longest() -> None:
    piece = satb("72 67 64 48, 72 67 64 48, 72 69 65 53, 72 67 64 48")
    assert symbols(piece, "beat") == [(0, "C"), (2, "F"), (3, "C")]
    assert symbols(piece, "half bar")[0] == (0, "C")
    assert symbols(piece, "bar") == [(0, "C")]


def bars_piece(lengths: list[int], metre: tuple[int, int]) -> Piece:
    """Return an empty piece of two ticks to the quarter with bars of these lengths (ticks)."""
    edges = np.cumsum([0, *lengths]).tolist()
    none = np.zeros(0, int)
    bars = tuple(Bar(edge, *metre) for edge in edges[:-1])
    return Piece("empty", 2, none, none, none, none, bars=bars, end=edges[-1])


@pytest.mark.parametrize(
    ("lengths", "metre", "span", "starts"),
    [
        ([8, 8], (4, 4), "beat", [0, 2, 4, 6, 8, 10, 12, 14]),
        ([8, 8], (4, 4), "half bar", [0, 4, 8, 12]),
        ([8, 8], (4, 4), "bar", [0, 8]),
        ([2, 8], (4, 4), "half bar", [0, 2, 6]),  # a pick-up of a beat
        ([6, 8], (4, 4), "half bar", [0, 2, 6, 10]),  # a pick-up of three beats
        ([8, 6, 2, 8], (4, 4), "half bar", [0, 4, 8, 12, 14, 16, 20]),  # a bar divided
        ([6, 6], (3, 4), "half bar", [0, 6]),
        ([6, 6], (3, 4), "beat", [0, 2, 4, 6, 8, 10]),
        ([6, 6], (6, 8), "beat", [0, 3, 6, 9]),
        ([6, 6], (6, 8), "half bar", [0, 3, 6, 9]),
        ([12], (3, 2), "beat", [0, 4, 8]),
        ([10, 8], (4, 4), "half bar", [0, 4, 8, 10, 14]),  # a bar that is too long
    ],
)
def test_spans_keep_to_the_metre(lengths, metre, span, starts) -> None:
    edges = span_edges(bars_piece(lengths, metre), span)
    assert [start for start, _ in edges] == starts
    assert [stop for _, stop in edges] == [*starts[1:], sum(lengths)]


def test_all_chorales(cache: Path) -> None:
    chorales = Chorales().prepare(str(cache))
    corpus = ChoraleLeadsheets().prepare(str(cache))
    assert [p.id for p in corpus.pieces] == [p.id for p in chorales.pieces]
    assert corpus.groups == chorales.groups
    for chorale, sheet in zip(chorales.pieces, corpus.pieces, strict=True):
        assert sheet.parts == ("melody",)
        assert np.array_equal(sheet.pitch, chorale.notes(0)["pitch"])
        assert np.array_equal(sheet.onset, chorale.notes(0)["onset"])
        assert (sheet.bars, sheet.keys, sheet.end) == (chorale.bars, chorale.keys, chorale.end)
        ends = [chord.onset + chord.duration for chord in sheet.chords]
        assert ends == [*[chord.onset for chord in sheet.chords[1:]], sheet.end]
        for chord in sheet.chords:
            parsed = parse_chord(chord.symbol)
            assert parsed.root is None or parsed.triad is not None
    counts = corpus.card.counts
    assert counts == {
        "pieces": 365, "groups": 231, "files left out": 45, "notes": 18557, "spans": 19852,
        "chords": 15611, "chords N.C.": 212,
    }  # fmt: skip
    pairs = zip(chorales.pieces, corpus.pieces, strict=True)
    total, inside = (sum(column) for column in zip(*(explained(*p) for p in pairs), strict=True))
    # The rest is passing notes, suspensions and sevenths.
    assert 0.86 < inside / total < 0.88
    assert "86.8 %" in corpus.card.notes[0]
    assert "no person has written or checked them" in corpus.card.notes[0]


def test_the_opening_of_a_known_chorale(cache: Path) -> None:
    """BWV 253 in A major: the first line goes I, V, I, IV and ends on the tonic."""
    piece = next(p for p in ChoraleLeadsheets().prepare(str(cache)).pieces if p.id == "bwv253")
    beats = [(c.onset / piece.resolution, c.symbol) for c in piece.chords[:4]]
    assert beats == [(0, "A"), (2, "E"), (3, "A"), (4, "D")]
    assert piece.chords[-1].symbol == "A"


def test_explained_time_of_a_plain_triad_and_a_seventh() -> None:
    triad = satb("72 67 64 48")
    assert explained(triad, lead_sheet(triad)) == (6, 6)
    seventh = satb("71 65 62 55")
    assert explained(seventh, lead_sheet(seventh)) == (6, 4)


def test_options_and_fingerprint() -> None:
    marks = {ChoraleLeadsheets(span=span).fingerprint() for span in ("beat", "half bar", "bar")}
    marks |= {ChoraleLeadsheets(metre="4/4").fingerprint(), Chorales().fingerprint()}
    assert len(marks) == 5
    with pytest.raises(UserError, match="span is one of beat, half bar, bar, not 'quarter'"):
        ChoraleLeadsheets(span="quarter")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="metre is 'any' or '4/4', not '3/4'"):
        ChoraleLeadsheets(metre="3/4")  # type: ignore[arg-type]


def test_the_config_gives_the_constructors_defaults() -> None:
    config = OmegaConf.to_container(OmegaConf.load(CONF))
    assert isinstance(config, dict)
    assert config.pop("name") == "chorale_leadsheets"
    name = f"{ChoraleLeadsheets.__module__}.{ChoraleLeadsheets.__qualname__}"
    assert config.pop("_target_") == name
    parameters = inspect.signature(ChoraleLeadsheets).parameters
    assert config == {name: parameter.default for name, parameter in parameters.items()}
