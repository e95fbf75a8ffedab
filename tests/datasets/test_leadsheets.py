"""Lead sheets from files: small ones written here, and two real collections where they are at hand."""

from __future__ import annotations

import inspect
import logging
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from partimento.chords import parse_chord
from partimento.datasets.base import Corpus
from partimento.datasets.leadsheets import LeadSheets, chord_counts, music_files
from partimento.datasets.nottingham import Nottingham
from partimento.errors import UserError
from partimento.music import Chord, Key
from partimento.representations.bar_chords import single_triad, triads_between
from partimento.representations.bars import Bars
from partimento.representations.grid import full_bars

CONF = Path(__file__).parents[2] / "conf" / "dataset"

# Two bars of 4/4 after an upbeat, a repeat, and a tune without chords.
BOOK = """X:1
T:One
M:4/4
L:1/4
K:D
A|"D"d2 "A7/c+"e2|"Gd"B4:|

X:2
T:Two
M:4/4
L:1/4
K:C
CDEF|

X:3
M:4/4
L:1/4
K:G
"G"G4|"Ea"[EG]4|
"""

# The same notes as the first tune, a fourth higher, in other values.
COUSIN = "X:1\nM:2/4\nL:1/8\nK:G\n" + '"G"GABc|dedc|BcdB|GABG|ABcA|G4|\n'


def musicxml(chords: bool = True, pitches: str = "CDEF") -> str:
    """Return a bar of four quarters with two chord symbols, and a second part of one note."""
    harmony = (
        "<harmony><root><root-step>{}</root-step></root><kind>{}</kind></harmony>" if chords else ""
    )
    marks = {0: harmony.format("C", "major"), 2: harmony.format("G", "dominant")}
    notes = "".join(
        f"{marks.get(index, '')}<note><pitch><step>{step}</step><octave>4</octave></pitch>"
        "<duration>1</duration></note>"
        for index, step in enumerate(pitches)
    )
    attributes = (
        "<attributes><divisions>1</divisions><key><fifths>0</fifths></key>"
        "<time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
    )
    bass = "<note><pitch><step>C</step><octave>3</octave></pitch><duration>4</duration></note>"
    return (
        '<score-partwise><part-list><score-part id="P1"><part-name>Voice</part-name></score-part>'
        '<score-part id="P2"><part-name>Bass</part-name></score-part></part-list>'
        f'<part id="P1"><measure number="1">{attributes}{notes}</measure></part>'
        f'<part id="P2"><measure number="1">{attributes}{bass}</measure></part></score-partwise>'
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of good and bad files, mixed and nested."""
    home = tmp_path / "sheets"
    (home / "more").mkdir(parents=True)
    (home / "book.abc").write_text(BOOK)
    (home / "more" / "cousin.abc").write_text(COUSIN)
    (home / "song.xml").write_text(musicxml())
    with zipfile.ZipFile(home / "more" / "song.mxl", "w") as archive:
        archive.writestr("song.xml", musicxml(pitches="GFED"))
    (home / "plain.musicxml").write_text(musicxml(chords=False))
    (home / "broken.xml").write_text("<score-partwise>")
    (home / "nothing.abc").write_text("Dear diary")
    (home / "README.txt").write_text("No music.")
    return home


def test_what_is_read_and_what_is_left_out(folder: Path) -> None:
    corpus = LeadSheets(str(folder)).prepare(cache=None)
    assert [piece.id for piece in corpus.pieces] == [
        "book-1",
        "book-3",
        "more/cousin",
        "more/song",
        "song",
    ]
    assert {skip.source: skip.reason for skip in corpus.skipped} == {
        "book.abc (book-2)": "has no chord symbols",
        "plain.musicxml": "has no chord symbols",
        "broken.xml": "is not XML, so not a MusicXML score: no element found: line 1, column 16",
        "nothing.abc": "is no ABC tune: it has no key (a line such as 'K:G')",
    }
    assert corpus.card.counts == {
        "pieces": 5, "notes": 4 + 3 + 21 + 4 + 4, "groups": 5, "pieces in the largest group": 1,
        "left out without chord symbols": 2, "left out for other reasons": 2,
        "chord symbols": 10, "chord symbols without a third": 0, "chord symbols not understood": 2,
        "bars of 4/4": 6, "bars of 4/4 with a chord": 6, "bars of 4/4 with a triad": 4,
    }  # fmt: skip
    assert corpus.card.name == "leadsheets"
    assert corpus.card.source == str(folder)
    for piece in corpus.pieces:
        assert piece.parts == ("melody",)
        assert not piece.part.any()


def test_a_piece_keeps_melody_chords_key_and_upbeat(folder: Path) -> None:
    pieces = {piece.id: piece for piece in LeadSheets(str(folder)).prepare(cache=None).pieces}
    tune = pieces["book-1"]
    quarter = tune.resolution
    assert tune.pitch.tolist() == [69, 74, 76, 71]
    assert tune.pickup == quarter
    assert tune.end == 9 * quarter
    assert tune.keys[0].fifths == 2
    assert tune.chords == (
        Chord(quarter, 2 * quarter, "D"),
        Chord(3 * quarter, 2 * quarter, "A7/c+"),
        Chord(5 * quarter, 4 * quarter, "Gd"),
    )
    song = pieces["song"]
    assert song.pitch.tolist() == [60, 62, 64, 65]
    assert song.chords == (Chord(0, 2, "C"), Chord(2, 2, "G7"))
    assert song.keys == (Key(0, 0, ""),)
    bass = LeadSheets(str(folder / "song.xml"), part=1).prepare(cache=None).pieces[0]
    assert bass.pitch.tolist() == [48]
    assert bass.chords == song.chords


def test_repeats_as_written_or_played(folder: Path) -> None:
    def pitches(repeats: str) -> list[int]:
        path = str(folder / "book.abc")
        return LeadSheets(path, repeats).prepare(cache=None).pieces[0].pitch.tolist()  # type: ignore[arg-type]

    assert pitches("written") == [69, 74, 76, 71]
    assert pitches("played") == [69, 74, 76, 71] * 2


def test_nottinghams_own_chord_signs(folder: Path) -> None:
    corpus = Nottingham(str(folder / "book.abc")).prepare(cache=None)
    symbols = [[chord.symbol for chord in piece.chords] for piece in corpus.pieces]
    assert symbols == [["D", "A7/c+", "Gdim"], ["G", "Eaug"]]
    assert corpus.card.name == "nottingham"
    sheet = Nottingham("anywhere")
    assert [sheet.symbol(text) for text in ("F#d", "Bbd7", "Fa7", "Ea/g+", "Dm", "D", "N.C.")] == [
        "F#dim", "Bbdim7", "Faug7", "Eaug/g+", "Dm", "D", "N.C.",
    ]  # fmt: skip


def test_names_that_clash_keep_their_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text(COUSIN)
    (tmp_path / "a.xml").write_text(musicxml())
    corpus = LeadSheets(str(tmp_path)).prepare(cache=None)
    assert [piece.id for piece in corpus.pieces] == ["a.abc", "a.xml"]


def test_one_melody_in_two_keys_is_one_group(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text(COUSIN)
    moved = COUSIN.replace("K:G", "K:D").translate(str.maketrans("GABcde", "DEFGAB"))
    (tmp_path / "b.abc").write_text(moved)
    (tmp_path / "c.xml").write_text(musicxml())
    corpus = LeadSheets(str(tmp_path)).prepare(cache=None)
    assert corpus.groups == ("a", "a", "c")
    assert corpus.card.counts["pieces in the largest group"] == 2


def same(one: Corpus, other: Corpus) -> bool:
    return (one.pieces, one.groups, one.skipped, one.card) == (
        other.pieces, other.groups, other.skipped, other.card,
    )  # fmt: skip


def test_cache(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = tmp_path / "cache"
    sheets = LeadSheets(str(folder))
    with caplog.at_level(logging.WARNING):
        fresh = sheets.prepare(str(cache))
        assert same(sheets.prepare(str(cache)), fresh)
    assert not caplog.records
    assert [p.name for p in cache.iterdir()] == [f"leadsheets-{sheets.fingerprint()}.npz"]


def test_fingerprint_tells_files_and_options(folder: Path) -> None:
    marks = [LeadSheets(str(folder)).fingerprint()]
    marks.append(LeadSheets(str(folder), "played").fingerprint())
    marks.append(LeadSheets(str(folder), part=1).fingerprint())
    marks.append(Nottingham(str(folder)).fingerprint())
    (folder / "README.txt").write_text("Still no music.")
    assert LeadSheets(str(folder)).fingerprint() == marks[0]
    (folder / "song.xml").write_text(musicxml(pitches="CDEG"))
    marks.append(LeadSheets(str(folder)).fingerprint())
    (folder / "song.xml").rename(folder / "other.xml")
    marks.append(LeadSheets(str(folder)).fingerprint())
    assert len(set(marks)) == 6


def test_files_are_found_in_stable_order(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in music_files(folder)]
    assert names == sorted(names)
    assert "README.txt" not in names
    assert music_files(folder / "README.txt") == [folder / "README.txt"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "There is no file or folder '.*absent', where lead sheets are to be."),
        ("empty", r"'.*empty' holds no lead sheets; MusicXML \(.mxl, .musicxml, .xml\) and ABC"),
        ("bad", "'.*bad' holds no lead sheet that can be used: 'x.abc' is no ABC tune"),
    ],
)
def test_nothing_to_read(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.abc").write_text("Dear diary")
    with pytest.raises(UserError, match=message):
        LeadSheets(str(tmp_path / name)).prepare(cache=None)


def test_senseless_arguments() -> None:
    with pytest.raises(UserError, match="leadsheets: repeats is one of written, played, not 'al"):
        LeadSheets("x", "all")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="nottingham: part must be 0 or more, not -1."):
        Nottingham("x", part=-1)


@pytest.mark.parametrize("kind", [LeadSheets, Nottingham])
def test_the_configs_give_the_constructors_defaults(kind: type[LeadSheets]) -> None:
    config = OmegaConf.to_container(OmegaConf.load(CONF / f"{kind.name}.yaml"), resolve=False)
    assert isinstance(config, dict)
    assert config.pop("name") == kind.name
    assert config.pop("_target_") == f"{kind.__module__}.{kind.__qualname__}"
    assert config.pop("path") == "???"
    parameters = list(inspect.signature(kind).parameters.values())[1:]
    assert config == {parameter.name: parameter.default for parameter in parameters}


def test_preparing_loads_no_heavy_package(folder: Path) -> None:
    code = (
        "import sys; from partimento.datasets.leadsheets import LeadSheets; "
        f"LeadSheets({str(folder)!r}).prepare(None); "
        "sys.exit(','.join({'torch', 'muspy', 'music21', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# --- real collections --------------------------------------------------------------------------


def data(name: str) -> str:
    folder = Path(os.environ.get("PARTIMENTO_TEST_DATA", "absent")) / name
    if not folder.is_dir():
        pytest.skip(f"PARTIMENTO_TEST_DATA has no folder {name}")
    return str(folder)


@pytest.fixture(scope="module")
def nottingham() -> Corpus:
    return Nottingham(data("nottingham_abc_cleaned")).prepare(cache=None)


@pytest.fixture(scope="module")
def openewld() -> Corpus:
    return LeadSheets(data("openewld")).prepare(cache=None)


def shared_runs_across_groups(corpus: Corpus, run: int = 16) -> int:
    """Count the runs of intervals that occur in more than one group, recomputed from the notes."""
    homes: dict[tuple[int, ...], set[str]] = {}
    for piece, group in zip(corpus.pieces, corpus.groups, strict=True):
        highest = {int(on): int(p) for on, p in zip(piece.onset, piece.pitch, strict=True)}
        line = np.diff([highest[onset] for onset in sorted(highest)]).tolist()
        for start in range(len(line) - run + 1):
            homes.setdefault(tuple(line[start : start + run]), set()).add(group)
    assert len(homes) > 1000
    return sum(len(groups) > 1 for groups in homes.values())


def test_nottingham(nottingham: Corpus) -> None:
    counts = nottingham.card.counts
    assert len(nottingham.pieces) == 1021
    assert len(nottingham.pieces) + len(nottingham.skipped) == 1034
    assert {skip.reason for skip in nottingham.skipped} == {"has no chord symbols"}
    assert (counts["groups"], counts["pieces in the largest group"]) == (943, 3)
    assert shared_runs_across_groups(nottingham) == 0
    assert "chord symbols not understood" not in counts
    assert counts["chord symbols without a third"] == 0
    pitch = np.concatenate([piece.pitch for piece in nottingham.pieces])
    assert Nottingham.ranges == ((pitch.min(), pitch.max()),)


def test_nottinghams_d_and_a_are_diminished_and_augmented(nottingham: Corpus) -> None:
    """The melody over them says so: it sings their thirds and fifths, not those of the major."""
    time = {"dim": np.zeros(12), "aug": np.zeros(12)}
    for piece in nottingham.pieces:
        for chord in piece.chords:
            kind = chord.symbol[-3:]
            if kind not in time:
                continue
            end = np.minimum(piece.onset + piece.duration, chord.onset + chord.duration)
            sounds = np.clip(end - np.maximum(piece.onset, chord.onset), 0, None)
            step = (piece.pitch - (parse_chord(chord.symbol).root or 0)) % 12
            time[kind] += np.bincount(step, sounds / piece.resolution, 12)
    dim, aug = (row / row.sum() for row in time.values())
    assert dim[[0, 3, 6, 9]].sum() > 0.7
    assert dim[[4]].sum() < 0.05
    assert aug[8] > 0.3
    assert aug[7] == 0


def test_openewld(openewld: Corpus) -> None:
    counts = openewld.card.counts
    assert (len(openewld.pieces), len(openewld.skipped)) == (502, 0)
    assert (counts["groups"], counts["pieces in the largest group"]) == (501, 2)
    assert shared_runs_across_groups(openewld) == 0
    assert counts["chord symbols not understood"] == 2


def yields(corpus: Corpus) -> Counter[str]:
    """Count full bars of 4/4, those with a chord and with one triad, and pairs of such bars."""
    found: Counter[str] = Counter()
    for piece in corpus.pieces:
        for run in full_bars(piece):
            ticks = [triads_between(piece, t, t + 4 * piece.resolution) for t in run]
            found["bars"] += len(run)
            found["with a chord"] += sum(map(bool, ticks))
            found["one triad"] += sum(single_triad(times) is not None for times in ticks)
            found["pairs"] += len(run) - 1
    return found


# Counts of an independent small reader; it takes bars divided by a repeat sign for two short ones.
@pytest.mark.parametrize(
    ("name", "expected", "more"),
    [
        (
            "nottingham",
            {"bars": 9983, "with a chord": 9982, "one triad": 6803, "pairs": 9080},
            0.07,
        ),
        ("openewld", {"bars": 8862, "with a chord": 8776, "one triad": 6045, "pairs": 8485}, 0.05),
    ],
)
def test_yield_for_midinet(name, expected, more, request: pytest.FixtureRequest) -> None:
    corpus = request.getfixturevalue(name)
    found = yields(corpus)
    for key, count in expected.items():
        assert count <= found[key] <= (1 + more) * count, key
    counts = chord_counts(corpus.pieces)
    assert counts["bars of 4/4"] == found["bars"]
    assert counts["bars of 4/4 with a chord"] == found["with a chord"]
    bars, with_rest = Bars(), 0
    for piece in corpus.pieces:
        examples = bars.windows(piece, stride=1)
        with_rest += len(examples)
        if len(examples):
            assert (examples.condition["chord"][:, :12].sum(1) == 1).all()
    # Two bars of Nottingham begin between two sixteenths.
    assert counts["bars of 4/4 with a triad"] - with_rest == (2 if name == "nottingham" else 0)


@pytest.mark.parametrize("name", ["nottingham", "openewld"])
def test_round_trips_of_real_lead_sheets(name: str, request: pytest.FixtureRequest) -> None:
    whole = 0
    bars = Bars(hold=True)
    for piece in request.getfixturevalue(name).pieces:
        back = bars.decode(bars.encode(piece), piece.frame())
        losses = bars.loss_of(piece)
        assert (back == piece) == (not losses), piece.id
        whole += not losses
    assert whole > 400
