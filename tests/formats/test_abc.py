"""ABC sign by sign: tunes whose notes follow from the standard by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from partimento.errors import UserError
from partimento.formats.abc import Unreadable, decode_abc, read_abc, read_tunes
from partimento.music import Bar, Chord, Key, Piece, Tempo

HEADER = "X:1\nT:Test\nM:4/4\nL:1/4\nK:C\n"


def tune(body: str, header: str = HEADER) -> Piece:
    (piece,) = read_tunes(header + body + "\n")
    assert isinstance(piece, Piece), piece
    return piece


def pitches(body: str, header: str = HEADER) -> list[int]:
    return tune(body, header).pitch.tolist()


def notes(body: str, header: str = HEADER) -> list[tuple[float, float, int]]:
    """Return (onset, duration, pitch) in quarter notes."""
    piece = tune(body, header)
    columns = (piece.onset, piece.duration, piece.pitch)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [(on / piece.resolution, length / piece.resolution, pitch) for on, length, pitch in rows]


def lengths(body: str, header: str = HEADER) -> list[float]:
    return [round(length, 9) for _, length, _ in notes(body, header)]


def key(text: str) -> str:
    return HEADER.replace("K:C", f"K:{text}")


def test_octaves() -> None:
    assert pitches("C,, C, C c c' c''|C', c,") == [36, 48, 60, 72, 84, 96, 60, 60]
    assert pitches("CDEFGABc") == [60, 62, 64, 65, 67, 69, 71, 72]


def test_accidentals() -> None:
    assert pitches("^C|_D|=E|^^F|__B|^c") == [61, 61, 64, 67, 69, 73]


def test_an_accidental_holds_for_its_letter_in_all_octaves_to_the_end_of_the_bar() -> None:
    assert pitches("^F f F,|F") == [66, 78, 54, 65]
    assert pitches("^F =F F|^FF F") == [66, 65, 65, 66, 66, 66]
    assert pitches("_B c b :| b") == [70, 72, 82, 70, 72, 82, 83]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("C2 C/2 C/ C// C3/2 C/4 C3/ C15/8", [2, 0.5, 0.5, 0.25, 1.5, 0.25, 1.5, 1.875]),
        ("C>D E<F", [1.5, 0.5, 0.5, 1.5]),
        ("C>>D E>>>F", [1.75, 0.25, 1.875, 0.125]),
        ("C<<D", [0.25, 1.75]),
        ("C2>D2", [3, 1]),
        ("C2>D", [3, 0.5]),
        ("C > {g}D", [1.5, 0.5]),
        ("(3CDE", [2 / 3] * 3),
        ("(2CD (4CDEF (6CDEFGA (8CDEFGABc", [1.5] * 2 + [0.75] * 4 + [2 / 6] * 6 + [3 / 8] * 8),
        ("(5CDEFG (7CDEFGAB", [2 / 5] * 5 + [2 / 7] * 7),
        ("(3:2:4CDEF G", [2 / 3] * 4 + [1]),
        ("(3:4 CDE", [4 / 3] * 3),
        ("(3::2 C2D E", [4 / 3, 2 / 3, 1]),
        ("(3C>DE", [1, 1 / 3, 2 / 3]),
        ("(3C/D/E/ F", [1 / 3] * 3 + [1]),
        ("(CD) ((3EFG)", [1, 1] + [2 / 3] * 3),
        ("(1C D", [1, 1]),
    ],
)
def test_lengths(body: str, expected: list[float]) -> None:
    assert lengths(body) == [round(length, 9) for length in expected]


def test_five_notes_take_the_time_of_three_in_compound_metres() -> None:
    for metre, time in (("6/8", 3), ("9/8", 3), ("12/8", 3), ("3/4", 2), ("2/2", 2)):
        assert lengths("(5CDEFG", f"X:1\nM:{metre}\nL:1/4\nK:C\n") == [time / 5] * 5


def test_ticks_are_just_fine_enough() -> None:
    assert tune("C2D2").resolution == 24
    assert tune("C///// D").resolution == 96  # a 128th note is 3 ticks
    assert tune("(5CDEFG (7CDEFGAB").resolution == 24 * 35


def test_ties_join_and_carry_accidentals_over_the_bar_line() -> None:
    assert notes("C-C") == [(0, 2, 60)]
    assert notes("^f2-|f2 f") == [(0, 4, 78), (4, 1, 77)]
    assert notes("d3 -d2") == [(0, 5, 74)]
    assert notes("d3-|-d2") == [(0, 5, 74)]
    assert notes("c-c-c c") == [(0, 3, 72), (3, 1, 72)]


def test_a_tie_to_another_pitch_or_over_a_rest_is_none() -> None:
    assert notes("C-D C") == [(0, 1, 60), (1, 1, 62), (2, 1, 60)]
    assert notes("C-z C") == [(0, 1, 60), (2, 1, 60)]


def test_a_tie_reaches_into_both_endings() -> None:
    assert notes("c4-|1 c4:|2 c2d2|") == [(0, 8, 72), (8, 6, 72), (14, 2, 74)]


def test_chords() -> None:
    assert notes("[CEG]2 [C2E2]/ c") == [
        (0, 2, 60), (0, 2, 64), (0, 2, 67), (2, 1, 60), (2, 1, 64), (3, 1, 72),
    ]  # fmt: skip
    assert notes("[CE]-[CG]") == [(0, 2, 60), (0, 1, 64), (1, 1, 67)]
    assert notes("[C-E][CE]") == [(0, 2, 60), (0, 1, 64), (1, 1, 64)]
    assert notes("[CE]>[DF]") == [(0, 1.5, 60), (0, 1.5, 64), (1.5, 0.5, 62), (1.5, 0.5, 65)]


def test_rests_and_spacing() -> None:
    assert notes("z2 C x D y E Z F|") == [(2, 1, 60), (4, 1, 62), (5, 1, 64), (10, 1, 65)]
    piece = tune("C4|Z3|D4|z4|")
    assert piece.onset.tolist() == [0, 4 * 4 * 24]
    assert len(piece.bars) == 6
    assert piece.end == 6 * 96


def test_grace_notes_are_counted_and_left_out() -> None:
    piece = tune("{g}C {/ab}D {}E")
    assert piece.pitch.tolist() == [60, 62, 64]
    assert piece.metadata["grace notes dropped"] == "3"
    assert "grace notes dropped" not in tune("C").metadata


def test_what_is_no_note_is_skipped() -> None:
    body = "!trill!C ~D .E HF uG vA +f+B (c `d) !4!e %fg\n%%MIDI program 1\nw:lyr-ics ABC\nf\\\ng"
    assert pitches(body) == [60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79]
    assert pitches("C [r:remark CDE] D [N:note] E") == [60, 62, 64]
    assert pitches("C\n%%begintext\nCDE\n%%endtext\nD") == [60, 62]
    assert pitches("C ! D") == [60, 62]  # the line break of old


@pytest.mark.parametrize(
    ("text", "fifths", "mode", "name"),
    [
        ("G", 1, "major", "G major"),
        ("Bb", -2, "major", "Bb major"),
        ("F#m", 3, "minor", "F# minor"),
        ("D dor", 0, "dorian", "D dorian"),
        ("A Mixolydian", 2, "mixolydian", "A mixolydian"),
        ("AMIX", 2, "mixolydian", "A mixolydian"),
        ("Ephr", 0, "phrygian", "E phrygian"),
        ("F lydian", 0, "lydian", "F lydian"),
        ("Bloc", 0, "locrian", "B locrian"),
        ("Cion", 0, "major", "C major"),
        ("Aaeolian", 0, "minor", "A minor"),
        ("GM", -2, "minor", "G minor"),
        ("Hp", 2, "mixolydian", "A mixolydian"),
        ("G clef=bass", 1, "major", "G major"),
        ("C#", 7, "major", "C# major"),
        ("Cb", -7, "major", "Cb major"),
        ("Abm", -7, "minor", "Ab minor"),
        ("Dmix=c", 1, "mixolydian", "D mixolydian"),
    ],
)
def test_keys(text: str, fifths: int, mode: str, name: str) -> None:
    piece = tune("C", key(text))
    assert piece.keys == (Key(0, fifths, mode),)
    assert piece.metadata["key"] == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C", [60, 62, 64, 65, 67, 69, 71]),
        ("D", [61, 62, 64, 66, 67, 69, 71]),
        ("Eb", [60, 62, 63, 65, 67, 68, 70]),
        ("C#", [61, 63, 65, 66, 68, 70, 72]),
        ("Cb", [59, 61, 63, 64, 66, 68, 70]),
        ("Ador", [60, 62, 64, 66, 67, 69, 71]),
        ("D Phr ^f", [60, 62, 63, 66, 67, 69, 70]),
        ("Dmix=c", [60, 62, 64, 66, 67, 69, 71]),
        ("D =c", [60, 62, 64, 66, 67, 69, 71]),
        ("D exp _b ^f", [60, 62, 64, 66, 67, 69, 70]),
        ("none", [60, 62, 64, 65, 67, 69, 71]),
        ("", [60, 62, 64, 65, 67, 69, 71]),
        ("HP", [61, 62, 64, 66, 67, 69, 71]),
    ],
)
def test_signatures(text: str, expected: list[int]) -> None:
    assert pitches("CDEFGAB", key(text)) == expected


def test_changes_of_key_metre_and_unit() -> None:
    piece = tune("FC|\nK:D\nFC|[K:F]B2|[M:3/4]F3|\nL:1/8\nF6|")
    assert piece.pitch.tolist() == [65, 60, 66, 61, 70, 65, 65]
    assert [(k.onset // 24, k.fifths) for k in piece.keys] == [(0, 0), (2, 2), (4, -1)]
    assert [bar[1:] for bar in piece.bars] == [(4, 4)] * 3 + [(3, 4)] * 2
    assert piece.end == 24 * 12


def test_a_key_inside_a_bar_and_the_key_of_a_repeat() -> None:
    piece = tune("|:F2 [K:G] F2:|")
    assert piece.pitch.tolist() == [65, 66, 65, 66]
    assert [(k.onset // 24, k.fifths) for k in piece.keys] == [(0, 0), (2, 1), (4, 0), (6, 1)]


@pytest.mark.parametrize(
    ("metre", "bar", "eighths"),
    [
        ("C", (4, 4), 1), ("C|", (2, 2), 1), ("6/8", (6, 8), 1), ("3/4", (3, 4), 1),
        ("2/4", (2, 4), 0.5), ("5/8", (5, 8), 0.5), ("none", (4, 4), 1), ("(2+3)/8", (5, 8), 0.5),
        ("3+2+2/8", (7, 8), 1), ("9/8", (9, 8), 1),
    ],
)  # fmt: skip
def test_metres_and_their_unit_note_length(
    metre: str, bar: tuple[int, int], eighths: float
) -> None:
    piece = tune("C", f"X:1\nM:{metre}\nK:C\n")
    assert piece.bars == (Bar(0, *bar),)
    assert piece.duration.tolist() == [12 * eighths]


def test_without_metre_the_unit_is_an_eighth() -> None:
    piece = tune("C", "X:1\nK:C\n")
    assert piece.duration.tolist() == [12]
    assert "metre" not in piece.metadata


def test_bars_as_written_with_pickup() -> None:
    piece = tune("G|c4|d2 || e2|f4:|")
    assert [bar.onset // 24 for bar in piece.bars] == [0, 1, 5, 7, 9, 13, 15]
    assert piece.pickup == 24
    assert tune("|:G|c4|").pickup == 24
    assert tune("CDEF|G4|").pickup == 0


@pytest.mark.parametrize(
    ("text", "qpm"),
    [("1/4=120", 120), ("3/8=60", 90), ('"Slow" 1/2=40', 80), ("1/4 3/8=40", 100), ("80", 80)],
)
def test_tempos(text: str, qpm: float) -> None:
    piece = tune("C4|[Q:1/4=66]D4|", HEADER.replace("K:", f"Q:{text}\nK:"))
    assert piece.tempos == (Tempo(0, qpm), Tempo(96, 66))


@pytest.mark.parametrize("text", ["Allegro", "1/0=50", "0", "1/4=0", "1/4=99999", ""])
def test_a_tempo_that_is_none_is_left_out(text: str) -> None:
    assert tune("C4", HEADER.replace("K:", f"Q:{text}\nK:")).tempos == ()


def test_chord_symbols_are_kept_and_not_played() -> None:
    piece = tune('"Am7"C2 "D/F#"D2|E2 "(E7)"E2|"C"[CEG]4|')
    assert piece.chords == (
        Chord(0, 48, "Am7"), Chord(48, 96, "D/F#"), Chord(144, 48, "E7"), Chord(192, 96, "C"),
    )  # fmt: skip
    assert piece.pitch.tolist() == [60, 62, 64, 64, 60, 64, 67]
    assert sum(chord.duration for chord in piece.chords) == piece.end


@pytest.mark.parametrize(
    "symbol",
    [
        "C",
        "Am",
        "F#m7",
        "Bb",
        "Gsus4",
        "Cmaj7",
        "Ddim",
        "E+",
        "A7/c+",
        "D/f#",
        "N.C.",
        "G7b9",
        "Gd",
    ],
)
def test_what_is_a_chord(symbol: str) -> None:
    assert tune(f'"{symbol}"C').chords == (Chord(0, 24, symbol),)


@pytest.mark.parametrize(
    "text",
    [
        "D.C.", "D.S.", "DC", "D.C. al Fine", "Fine", "fine", "End", "Dance", "Coda", "Segno", "f",
        "^Am", "_C", "<D", ">E", "@1,1 G", "4", "", " ", "cresc.", "SEGUE", "Slow", "Ad lib.",
    ],
)  # fmt: skip
def test_what_is_no_chord(text: str) -> None:
    piece = tune(f'"{text}"C')
    assert piece.chords == ()
    assert piece.pitch.tolist() == [60]


def test_chords_go_on_through_repeats() -> None:
    piece = tune('|:"C"c4|"G"d4:|')
    assert piece.chords == tuple(Chord(96 * i, 96, "CG"[i % 2]) for i in range(4))


def test_voices_are_parts() -> None:
    header = 'X:1\nM:4/4\nL:1/4\nV:1 name="Air"\nV:2 clef=bass\nK:F\n'
    piece = tune("[V:1]|:B4:|d4|\n[V:2]|:F,4:|D,4|\n", header)
    assert piece.parts == ("Air", "2")
    assert piece.notes(0)["pitch"].tolist() == [70, 70, 74]
    assert piece.notes(1)["pitch"].tolist() == [53, 53, 50]
    assert [bar.onset // 24 for bar in piece.bars] == [0, 4, 8]
    body = "V:1\nC4|\nV:2\nE4|\nV:1\nD4|\nV:2\nF4|"
    assert tune(body, header).notes(1)["onset"].tolist() == [0, 96]


def test_repeats_of_the_first_voice_hold_for_voices_of_as_many_measures() -> None:
    piece = tune("V:1\n|:C4|D4:|\nV:2\nE4|F4|")
    assert piece.notes(1)["pitch"].tolist() == [64, 65, 64, 65]


def test_accidentals_of_one_voice_do_not_reach_another() -> None:
    piece = tune("[V:1]^F4|[V:2]F4|")
    assert sorted(piece.pitch.tolist()) == [65, 66]


def test_an_overlay_begins_again_at_the_bar_line() -> None:
    piece = tune("C4|c4 & E2 G2|D4|")
    rows = zip(piece.onset.tolist(), piece.duration.tolist(), piece.pitch.tolist(), strict=True)
    assert list(rows) == [(0, 96, 60), (96, 48, 64), (96, 96, 72), (144, 48, 67), (192, 96, 62)]


def test_octave_and_transpose_fields() -> None:
    assert pitches("C", key("C octave=-1")) == [48]
    assert pitches("C", key("C transpose=2")) == [62]
    assert pitches("V:1 octave=1\nC") == [72]
    assert pitches("[V:1]C", "X:1\nL:1/4\nV:1 octave=1\nK:C\n") == [72]


def test_fields_and_metadata() -> None:
    text = "X: 12\nT: The Tune\nT: Another Name\nC: Trad.\nR: Reel\nM:C\nK:Ador\nA4|\nW: words\n"
    (piece,) = read_tunes(text, id="book", source="book.abc")
    assert isinstance(piece, Piece)
    assert (piece.id, piece.source, piece.parts) == ("book", "book.abc", ("melody",))
    assert dict(piece.metadata) == {
        "number": "12", "title": "The Tune", "composer": "Trad.", "rhythm": "Reel", "metre": "C",
        "key": "A dorian",
    }  # fmt: skip


def test_a_line_of_music_that_looks_like_a_field() -> None:
    assert pitches("C2\nA:|\nG|") == [60, 69, 60, 69, 67]
    assert pitches("|:C2|\nB::\nG:|") == [60, 71, 60, 71, 67, 67]


def test_tunes_of_a_file() -> None:
    text = (
        "%abc-2.1\nM:3/4\nL:1/4\nR:waltz\n\nfree text\n\nX:3\nT:One\nK:F\nFAc|\n\nfree DEF text\n\n"
        "X:4\nT:Two\nT:No key\nccc|\n\nX:4\nK:C\nM:4/4\nc4|\nX:5\nK:C\nz4|\n"
    )
    first, second, third, last = read_tunes(text, id="book", source="book.abc")
    assert isinstance(first, Piece)
    assert (first.id, first.pitch.tolist()) == ("book-3", [65, 69, 72])
    assert first.bars[0][1:] == (3, 4)
    assert first.metadata["rhythm"] == "waltz"
    reason = "is no ABC tune: it has no key (a line such as 'K:G')"
    assert second == Unreadable("book-4", "book.abc", reason)
    assert isinstance(third, Piece)
    assert third.id == "book-4(2)"
    assert last == Unreadable("book-5", "book.abc", "holds no notes")


def test_read_abc(tmp_path: Path) -> None:
    path = tmp_path / "a.abc"
    path.write_text("X:1\nT:\xe9t\xe9\nK:C\nC|\n\nX:2\nK:C\nD|\n", encoding="latin-1")
    piece = read_abc(path)
    assert (piece.id, piece.pitch.tolist(), piece.metadata["title"]) == ("a", [60], "été")
    with pytest.raises(UserError, match=r"There is no file '.*b\.abc'\."):
        read_abc(tmp_path / "b.abc")
    path.write_text("X:1\nK:C\nz|\n\nX:2\nK:C\nD|\n")
    with pytest.raises(UserError, match=r"a\.abc' holds no notes\."):
        read_abc(path)


def test_decoding_of_bytes() -> None:
    assert decode_abc("\ufeffX:1\r\nT:é\rK:C".encode()) == "X:1\nT:é\nK:C"
    assert decode_abc(b"T:\xe9") == "T:é"
