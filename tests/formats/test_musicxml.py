"""The MusicXML reader against music21 on real chorales, and on scores checked by eye."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from partimento.datasets.chorales import corpus_files, corpus_folder
from partimento.errors import UserError
from partimento.formats.musicxml import read_musicxml
from partimento.formats.musicxml_file import load_score, part_names
from partimento.music import Bar, Chord, Key, Piece, Tempo

SATB = ("Soprano", "Alto", "Tenor", "Bass")
Note = tuple[Fraction, Fraction, int]


def sample_of_bach(count: int) -> list[str]:
    names = sorted(corpus_files(corpus_folder()))
    return sorted(random.Random(0).sample(names, count))


def own_notes(piece: Piece, part: int) -> list[Note]:
    notes = piece.notes(part)
    rows = zip(*(notes[name].tolist() for name in ("onset", "duration", "pitch")), strict=True)
    r = piece.resolution
    return sorted((Fraction(on, r), Fraction(length, r), pitch) for on, length, pitch in rows)


def music21_notes(part: Any) -> list[Note]:
    found = []
    part.stripTies(inPlace=True)
    for element in part.flatten().notes:
        if element.duration.isGrace or "Harmony" in element.classes:
            continue
        onset, length = Fraction(element.offset), Fraction(element.quarterLength)
        found += [(onset, length, pitch.midi) for pitch in element.pitches]
    return sorted(found)


def compare_with_music21(path: Path) -> None:
    import music21

    piece = read_musicxml(path)
    score = music21.converter.parseFile(
        path, format="musicxml", forceSource=True, storePickle=False
    )
    assert len(piece.parts) == len(score.parts)
    bars = [Fraction(m.offset) for m in score.parts[0].getElementsByClass("Measure")]
    assert [Fraction(bar.onset, piece.resolution) for bar in piece.bars] == bars, path.name
    metres = [m.timeSignature for m in score.parts[0].getElementsByClass("Measure")]
    in_force = None
    for bar, metre in zip(piece.bars, metres, strict=True):
        in_force = metre or in_force
        assert (bar.beats, bar.beat_type) == (in_force.numerator, in_force.denominator), path.name
    key = score.parts[0].recurse().getElementsByClass("KeySignature").first()
    assert piece.keys[0].fifths == key.sharps, path.name
    for index, part in enumerate(score.parts):
        assert own_notes(piece, index) == music21_notes(part), f"{path.name}, part {index}"


def satb_only(names: list[str]) -> list[Path]:
    files = corpus_files(corpus_folder())
    return [files[name] for name in names if part_names(load_score(files[name])) == SATB]


def test_a_hundred_chorales_read_as_music21_reads_them() -> None:
    paths = satb_only(sample_of_bach(115))
    assert len(paths) >= 100
    for path in paths:
        compare_with_music21(path)


@pytest.mark.full
def test_every_chorale_reads_as_music21_reads_it() -> None:
    paths = satb_only(sorted(corpus_files(corpus_folder())))
    assert len(paths) == 365
    for path in paths:
        compare_with_music21(path)


def test_lead_sheet_of_the_corpus() -> None:
    path = corpus_folder().parent / "leadSheet" / "fosterBrownHair.mxl"
    compare_with_music21(path)
    chords = read_musicxml(path).chords
    assert [chord.symbol for chord in chords[:8]] == ["F", "Bb", "F", "C", "F", "Bb", "F", "G7"]
    assert all(a.onset + a.duration == b.onset for a, b in pairwise(chords))


def note(pitch: str, duration: int, *inner: str, chord: bool = False) -> str:
    step, alter, octave = pitch[0], {"#": 1, "b": -1}.get(pitch[1:2], 0), pitch[-1]
    return (
        f"<note>{'<chord/>' if chord else ''}<pitch><step>{step}</step><alter>{alter}</alter>"
        f"<octave>{octave}</octave></pitch><duration>{duration}</duration>{''.join(inner)}</note>"
    )


def rest(duration: int) -> str:
    return f"<note><rest/><duration>{duration}</duration></note>"


def score(*parts: str, names: tuple[str, ...] = ("Voice", "Piano", "Bass")) -> str:
    listed = "".join(
        f'<score-part id="P{i}"><part-name>{name}</part-name></score-part>'
        for i, name in zip(range(len(parts)), names, strict=False)
    )
    bodies = "".join(f'<part id="P{i}">{part}</part>' for i, part in enumerate(parts))
    return f"<score-partwise><part-list>{listed}</part-list>{bodies}</score-partwise>"


def write(folder: Path, text: str, name: str = "tiny.musicxml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def rows(piece: Piece) -> list[tuple[int, ...]]:
    columns = (piece.onset, piece.duration, piece.pitch, piece.part)
    return [tuple(map(int, row)) for row in zip(*columns, strict=True)]


ATTRIBUTES = (
    "<attributes><divisions>4</divisions><key><fifths>-1</fifths><mode>minor</mode></key>"
    "<time><beats>3</beats><beat-type>4</beat-type></time></attributes>"
)
TIE_START, TIE_STOP = '<tie type="start"/>', '<tie type="stop"/>'


def test_pickup_tie_chord_grace_harmony_and_tempo(tmp_path: Path) -> None:
    grace = "<note><grace/><pitch><step>E</step><octave>5</octave></pitch></note>"
    harmony = (
        "<harmony><root><root-step>F</root-step><root-alter>1</root-alter></root>"
        '<kind text="m7">minor-seventh</kind></harmony>'
    )
    dominant = "<harmony><root><root-step>C</root-step></root><kind>dominant</kind></harmony>"
    text = score(
        f'<measure number="0">{ATTRIBUTES}<direction><sound tempo="72"/></direction>'
        f"{note('A4', 4)}</measure>"
        f'<measure number="1">{harmony}{note("D5", 8)}{grace}{note("F5", 4, TIE_START)}</measure>'
        f'<measure number="2">{note("F5", 4, TIE_STOP, TIE_START)}{dominant}'
        f"{note('F5', 6, TIE_STOP)}{note('F5', 2)}</measure>",
        f'<measure number="0">{ATTRIBUTES}{rest(4)}</measure>'
        f'<measure number="1">{note("D3", 12)}{note("Bb3", 12, chord=True)}</measure>'
        f'<measure number="2">{rest(12)}</measure>',
    )
    piece = read_musicxml(write(tmp_path, text))
    # The finest time is the eighth note, so two ticks to the quarter.
    assert piece.resolution == 2
    assert rows(piece) == [
        (0, 2, 69, 0),
        (2, 4, 74, 0),
        (2, 6, 50, 1),
        (2, 6, 58, 1),
        (6, 7, 77, 0),
        (13, 1, 77, 0),
    ]
    assert piece.bars == (Bar(0, 3, 4), Bar(2, 3, 4), Bar(8, 3, 4))
    assert (piece.pickup, piece.end) == (2, 14)
    assert piece.keys == (Key(0, -1, "minor"),)
    assert piece.tempos == (Tempo(0, 72.0),)
    assert piece.chords == (Chord(2, 8, "F#m7"), Chord(10, 4, "C7"))
    assert piece.parts == ("Voice", "Piano")
    assert piece.metadata["grace notes dropped"] == "1"
    assert (piece.id, piece.source) == ("tiny", "tiny.musicxml")


def test_second_voice_by_backup_and_forward(tmp_path: Path) -> None:
    text = score(
        f'<measure number="1">{ATTRIBUTES}{note("C5", 12)}<backup><duration>12</duration></backup>'
        f"<forward><duration>4</duration></forward>{note('E4', 4, TIE_START)}"
        f"{note('E4', 4, TIE_STOP)}</measure>"
    )
    assert rows(read_musicxml(write(tmp_path, text))) == [(0, 3, 72, 0), (1, 2, 64, 0)]


def test_unison_ties_in_two_voices_stay_two_notes(tmp_path: Path) -> None:
    held = note("C5", 4, TIE_START) + note("C5", 8, TIE_STOP)
    text = score(
        f'<measure number="1">{ATTRIBUTES}{held}<backup><duration>12</duration></backup>'
        f"{held}</measure>"
    )
    assert rows(read_musicxml(write(tmp_path, text))) == [(0, 3, 72, 0)] * 2


def test_different_divisions_share_exact_ticks(tmp_path: Path) -> None:
    triplets = "".join(note("C5", 1) for _ in range(3))
    text = score(
        f'<measure number="1"><attributes><divisions>3</divisions></attributes>{triplets}'
        "</measure>",
        f'<measure number="1"><attributes><divisions>4</divisions></attributes>{note("C3", 1)}'
        f"{note('D3', 3)}</measure>",
    )
    piece = read_musicxml(write(tmp_path, text))
    assert piece.resolution == 12
    assert rows(piece) == [
        (0, 4, 72, 0),
        (0, 3, 48, 1),
        (3, 9, 50, 1),
        (4, 4, 72, 0),
        (8, 4, 72, 0),
    ]


def test_metre_needs_no_note_of_its_beat(tmp_path: Path) -> None:
    text = score(
        '<measure number="1"><attributes><divisions>1</divisions><time><beats>6</beats>'
        f"<beat-type>8</beat-type></time></attributes>{note('C5', 3)}</measure>"
    )
    piece = read_musicxml(write(tmp_path, text))
    assert piece.resolution == 2
    assert piece.nominal_bar_length(0) == piece.end == 6
    assert piece.pickup == 0


def test_bar_left_short_in_one_part_moves_no_later_note(tmp_path: Path) -> None:
    text = score(
        f'<measure number="1">{ATTRIBUTES}{note("C5", 4)}</measure>'
        f'<measure number="2">{note("D5", 12)}</measure><measure number="3"/>',
        f'<measure number="1">{ATTRIBUTES}{note("C3", 12)}</measure>'
        f'<measure number="2">{note("D3", 12)}</measure><measure number="3"/>',
    )
    piece = read_musicxml(write(tmp_path, text))
    assert rows(piece) == [(0, 1, 72, 0), (0, 3, 48, 1), (3, 3, 74, 0), (3, 3, 50, 1)]
    assert [bar.onset for bar in piece.bars] == [0, 3, 6]
    assert piece.end == 9


@pytest.mark.parametrize(
    ("transpose", "sounding", "fifths"),
    [
        ("<diatonic>-1</diatonic><chromatic>-2</chromatic>", 72, 0),
        ("<chromatic>-2</chromatic><octave-change>-1</octave-change>", 60, 0),
        ("<chromatic>0</chromatic><octave-change>-1</octave-change>", 62, 2),
        ("<chromatic>3</chromatic>", 77, -1),
    ],
    ids=["clarinet in B flat", "bass clarinet", "double bass", "clarinet in E flat"],
)
def test_transposing_instrument_sounds(
    tmp_path: Path, transpose: str, sounding: int, fifths: int
) -> None:
    text = score(
        '<measure number="1"><attributes><divisions>1</divisions><key><fifths>2</fifths></key>'
        f"<transpose>{transpose}</transpose></attributes>{note('D5', 4)}</measure>"
    )
    piece = read_musicxml(write(tmp_path, text))
    assert rows(piece) == [(0, 4, sounding, 0)]
    assert piece.keys == (Key(0, fifths),)


def test_composite_metre_and_change(tmp_path: Path) -> None:
    mixed = (
        "<attributes><divisions>2</divisions><time><beats>3+2</beats><beat-type>8</beat-type>"
        "<beats>1</beats><beat-type>4</beat-type></time></attributes>"
    )
    plain = "<attributes><time><beats>2</beats><beat-type>4</beat-type></time></attributes>"
    text = score(
        f'<measure number="1">{mixed}{note("C5", 7)}</measure>'
        f'<measure number="2">{plain}{note("C5", 4)}</measure>'
    )
    assert read_musicxml(write(tmp_path, text)).bars == (Bar(0, 7, 8), Bar(7, 2, 4))


def test_cue_and_unpitched_notes_are_left_out_and_counted(tmp_path: Path) -> None:
    cue = note("G5", 4).replace("<note>", "<note><cue/>")
    drum = "<note><unpitched/><duration>4</duration></note>"
    text = score(f'<measure number="1">{ATTRIBUTES}{cue}{drum}{note("C5", 4)}</measure>')
    piece = read_musicxml(write(tmp_path, text))
    assert rows(piece) == [(2, 1, 72, 0)]
    assert piece.metadata["cue notes dropped"] == "1"
    assert piece.metadata["unpitched notes dropped"] == "1"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            f'<measure number="7">{ATTRIBUTES}{note("H4", 4)}</measure>',
            "'tiny.musicxml' has a mistake in bar 7 of the part 'Voice': "
            "'H' is not a step from A to G.",
        ),
        (
            f'<measure number="2">{ATTRIBUTES}<backup><duration>4</duration></backup></measure>',
            "'tiny.musicxml' has a mistake in bar 2 of the part 'Voice': "
            "<backup> goes back beyond the start of the bar.",
        ),
        (
            '<measure number="1"><note><pitch><step>C</step><octave>4</octave></pitch></note>'
            "</measure>",
            "'tiny.musicxml' has a mistake in bar 1 of the part 'Voice': a note has no duration.",
        ),
        (
            f'<measure number="1">{ATTRIBUTES}{note("C4", 1).replace(">1</d", ">1e99999999</d")}'
            "</measure>",
            "'tiny.musicxml' has a mistake in bar 1 of the part 'Voice': "
            "'1e99999999' is not a number.",
        ),
        (
            '<measure number="1"><attributes><divisions>0</divisions></attributes></measure>',
            "'tiny.musicxml' has a <divisions> or <beat-type> that is not above zero.",
        ),
        ("", "'tiny.musicxml' is a MusicXML score without music in it."),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path: Path, body: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read_musicxml(write(tmp_path, score(body)))
    assert str(caught.value) == sentence


def test_parts_of_different_length_are_refused(tmp_path: Path) -> None:
    bar = f'<measure number="1">{ATTRIBUTES}{note("C5", 12)}</measure>'
    with pytest.raises(UserError, match="2 bars in the part 'Piano' and 1 in 'Voice'"):
        read_musicxml(write(tmp_path, score(bar, bar * 2)))
