"""The generate command: every kind of input, names of every kind, what comes out, and one sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import muspy
import numpy as np
import pytest
from conftest import only_runs

import partimento
from partimento.datasets.chorales import PARTS, RANGES, read_bach
from partimento.formats.files import read_piece
from partimento.music import Bar, Piece
from partimento.reports.score import write_midi, write_musicxml

# The soprano of "Freude, schöner Götterfunken", in quarter notes and one dotted.
TUNE = """X:1
T:Freude
M:4/4
L:1/4
K:D
F F G A|A G F E|D D E F|F>E E2|F F G A|A G F E|D D E F|E>D D2|]
"""
NAMES = (
    "plain",
    "with two spaces",
    "a,b (1723) [c]",
    "Jesu, meine Freude – Übung é",
    "Bach's {own} \\ name",
    'quoted "so" = it',
    "#1 & more; $HOME ~ !",
)


def melody_of(bars: int = 8, transposed: int = 0) -> Piece:
    """A scale up and down in quarter notes, `bars` bars of 4/4."""
    steps = np.array([62, 64, 66, 67, 69, 67, 66, 64])
    count = 4 * bars
    pitch = steps[np.arange(count) % 8] + transposed
    return Piece(
        "scale",
        24,
        onset=24 * np.arange(count),
        duration=np.full(count, 24),
        pitch=pitch,
        part=np.zeros(count),
        parts=("Flute",),
        bars=tuple(Bar(96 * bar, 4, 4) for bar in range(bars)),
    )


def notes_of(piece: Piece, part: int) -> list[tuple[float, float, int]]:
    """Return (onset, duration, pitch) of a part's notes, times in quarter notes."""
    notes = piece.notes(part)
    onset, duration = (notes[name] / piece.resolution for name in ("onset", "duration"))
    return list(zip(onset.tolist(), duration.tolist(), notes["pitch"].tolist(), strict=True))


def part_named(piece: Piece, name: str) -> list[tuple[float, float, int]]:
    return notes_of(piece, [part.lower() for part in piece.parts].index(name))


def assert_all_files(stem: Path, given: str, expected: list[tuple[float, float, int]]) -> Piece:
    """Assert that all files are there and hold four named parts with the given one unchanged."""
    for suffix in (".mid", ".musicxml", ".png", ".wav"):
        path = stem.parent / (stem.name + suffix)
        assert path.stat().st_size > 100, suffix
    piece = read_piece(stem.parent / f"{stem.name}.musicxml")
    assert tuple(part.lower() for part in piece.parts) == PARTS
    assert part_named(piece, given) == expected
    again = read_piece(stem.parent / f"{stem.name}.mid")
    assert part_named(again, given) == expected
    for voice, (low, high) in zip(PARTS, RANGES, strict=True):
        if voice != given:
            pitches = [pitch for _, _, pitch in part_named(piece, voice)]
            assert pitches == [pitch for _, _, pitch in part_named(again, voice)]
            assert all(low - 12 <= pitch <= high + 12 for pitch in pitches)
    return piece


def test_a_chorale_of_the_corpus(cli, tiny_run, tmp_path):
    output = tmp_path / "out" / "chorale"
    result = cli("generate", f"run={tiny_run}", "input=bwv:253", f"output={output}")
    assert result.code == 0, result.err
    chorale = read_bach("253")
    piece = assert_all_files(output, "soprano", notes_of(chorale, 0))
    assert piece.pickup * chorale.resolution == chorale.pickup * piece.resolution
    assert [key.fifths for key in piece.keys] == [key.fifths for key in chorale.keys]
    assert "Traceback" not in result.out + result.err
    for kind in (".mid", ".musicxml", ".png", ".wav"):
        assert f"chorale{kind}" in result.out


def test_without_output_it_goes_below_the_run_folder(cli, tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    result = cli("generate", f"run={run}", "input=bwv:269")
    assert result.code == 0, result.err
    assert_all_files(run / "generated" / "bwv269", "soprano", notes_of(read_bach("269"), 0))


def test_the_same_command_writes_the_same_music(cli, tiny_run, tmp_path):
    for name in ("one", "two"):
        options = [f"output={tmp_path / name}", "strategy.temperature=1", "seed=4"]
        assert cli("generate", f"run={tiny_run}", "input=bwv:254", *options).code == 0
    other = [f"output={tmp_path / 'three'}", "strategy.temperature=1", "seed=5"]
    assert cli("generate", f"run={tiny_run}", "input=bwv:254", *other).code == 0
    one, two, three = ((tmp_path / f"{n}.mid").read_bytes() for n in ("one", "two", "three"))
    assert one == two != three


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_kind(cli, tiny_run, tmp_path, name):
    """Input, output and their folder carry the name; the shell's and Hydra's signs mean nothing."""
    folder = tmp_path / name
    folder.mkdir()
    source = write_midi(melody_of(4), folder / f"{name}.mid")
    result = cli("generate", f"run={tiny_run}", f"input={source}", f"output={folder / name} out")
    assert result.code == 0, result.err
    assert_all_files(folder / f"{name} out", "soprano", notes_of(melody_of(4), 0))


@pytest.mark.parametrize("kind", ["mid", "musicxml", "abc"])
def test_files_of_every_kind(cli, tiny_run, tmp_path, kind):
    source = tmp_path / f"tune.{kind}"
    if kind == "abc":
        source.write_text(TUNE)
        expected = notes_of(read_piece(source), 0)
        assert len(expected) == 30
        assert expected[:4] == [(0, 1, 66), (1, 1, 66), (2, 1, 67), (3, 1, 69)]
    else:
        (write_midi if kind == "mid" else write_musicxml)(melody_of(), source)
        expected = notes_of(melody_of(), 0)
    result = cli("generate", f"run={tiny_run}", f"input={source}", f"output={tmp_path / 'made'}")
    assert result.code == 0, result.err
    assert_all_files(tmp_path / "made", "soprano", expected)


def test_other_programs_read_the_midi(cli, tiny_run, tmp_path):
    """Through muspy, which has a reader of its own on top of mido."""
    result = cli("generate", f"run={tiny_run}", "input=bwv:253", f"output={tmp_path / 'a'}")
    assert result.code == 0, result.err
    music = muspy.read_midi(tmp_path / "a.mid")
    names = [track.name for track in music.tracks if track.notes]
    assert "soprano" in names
    assert set(names) <= set(PARTS)


def test_a_long_piece(cli, tiny_run, tmp_path):
    """Forty bars, ten windows' worth; the last bar is harmonised like the first."""
    source = write_midi(melody_of(40), tmp_path / "long.mid")
    result = cli("generate", f"run={tiny_run}", f"input={source}", f"output={tmp_path / 'made'}")
    assert result.code == 0, result.err
    piece = assert_all_files(tmp_path / "made", "soprano", notes_of(melody_of(40), 0))
    assert len(piece.bars) == 40
    assert piece.end == 40 * 4 * piece.resolution


@pytest.mark.parametrize(("octaves", "told"), [(2, -12), (-1, 12)])
def test_out_of_range_is_transposed_and_back_and_said_in_a_line(
    cli, tiny_run, tmp_path, octaves, told
):
    """The soprano goes from 57 to 81; the scale from 62 to 69 lies two octaves up or one down."""
    melody = melody_of(4, transposed=12 * octaves)
    source = write_midi(melody, tmp_path / "far.mid")
    result = cli("generate", f"run={tiny_run}", f"input={source}", f"output={tmp_path / 'made'}")
    assert result.code == 0, result.err
    lines = [line for line in result.out.splitlines() if "ransposed" in line]
    (line,) = lines
    shift = int(line.split("by ")[1].split()[0])
    low, high = 62 + 12 * octaves, 69 + 12 * octaves
    assert 57 <= low + shift <= high + shift <= 81
    assert min(abs(low + shift - 57), abs(high + shift - 81)) == 0  # no further than needed
    assert (shift > 0) == (told > 0)
    assert "back afterwards" in line
    again = read_piece(tmp_path / "made.mid")
    assert part_named(again, "soprano") == notes_of(melody, 0)


def test_a_bass_is_realised_by_a_model_of_basses(cli, tiny, tmp_path):
    partimento.train(tiny("model.given=[bass]"))
    (run,) = only_runs(tmp_path)
    result = cli("generate", f"run={run}", "input=bwv:255", f"output={tmp_path / 'made'}")
    assert result.code == 0, result.err
    assert_all_files(tmp_path / "made", "bass", notes_of(read_bach("255"), 3))
    # One line alone, in a clef of its own, is a bass as well.
    source = write_midi(melody_of(4, transposed=-17), tmp_path / "continuo.mid")
    result = cli("generate", f"run={run}", f"input={source}", f"output={tmp_path / 'line'}")
    assert result.code == 0, result.err
    assert_all_files(tmp_path / "line", "bass", notes_of(melody_of(4, transposed=-17), 0))


# -- one sentence -----------------------------------------------------------------------------------


def assert_refused(result, *words: str) -> None:
    assert result.code == 1
    lines = [line for line in result.err.splitlines() if line.strip()]
    assert len(lines) == 1, result.err
    assert lines[0].startswith("partimento: ")
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in result.out + result.err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.mid", None, ("missing.mid",)),
        ("empty.mid", b"", ("is empty", "MIDI (.mid, .midi)")),
        ("notes.txt", b"Dear diary", ("not a music file",)),
        ("broken.mid", b"MThd\x00\x00", ("no MIDI file that can be read",)),
        ("broken.musicxml", b"<score-partwise><part", ("broken.musicxml",)),
        ("silent.abc", b"X:1\nT:x\nM:4/4\nL:1/4\nK:C\nz4|z4|]\n", ("holds no notes",)),
    ],
)
def test_a_bad_input_is_told_in_one_sentence(cli, tiny_run, tmp_path, name, content, words):
    source = tmp_path / name
    if content is not None:
        source.write_bytes(content)
    result = cli("generate", f"run={tiny_run}", f"input={source}", f"output={tmp_path / 'made'}")
    assert_refused(result, name, *words)
    assert not list(tmp_path.glob("made*"))


def test_a_chorale_that_there_is_not(cli, tiny_run):
    result = cli("generate", f"run={tiny_run}", "input=bwv:9999")
    assert_refused(result, "no 'bwv9999'", "the nearest is")


def test_a_melody_that_is_too_wide(cli, tiny_run, tmp_path):
    wide = melody_of(4)
    wide = wide.with_notes(pitch=np.where(np.arange(16) == 5, 30, wide.pitch))
    source = write_midi(wide, tmp_path / "wide.mid")
    result = cli("generate", f"run={tiny_run}", f"input={source}")
    assert_refused(result, "from MIDI number 30 to 69", "24 semitones of the soprano's range")


def test_no_run_folder(cli, tmp_path):
    result = cli("generate", f"run={tmp_path / 'no run'}", "input=bwv:253")
    assert_refused(result, "There is no run folder or checkpoint at", "no run")
    (tmp_path / "empty").mkdir()
    result = cli("generate", f"run={tmp_path / 'empty'}", "input=bwv:253")
    assert_refused(result, "is no run folder with a checkpoint")


def test_what_must_be_given(cli, tiny_run):
    assert_refused(cli("generate", f"run={tiny_run}"), "input=", "missing")
    assert_refused(cli("generate", "input=bwv:253"), "run=", "missing")
    assert_refused(cli("generate", f"run={tiny_run}", "input=bwv:253", "tempo=3"), "'tempo'")


def test_a_place_that_cannot_be_written_to(cli, tiny_run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = cli(
        "generate", f"run={tiny_run}", "input=bwv:253", f"output={tmp_path / 'file' / 'made'}"
    )
    assert result.code == 1
    assert result.err == f"partimento: {tmp_path / 'file'}: file exists; choose another place.\n"


def test_the_run_folder_is_as_it_was(cli, tiny_run, tmp_path):
    """Generating adds music; it is no run and leaves records and weights alone."""
    before = {
        name: (tiny_run / name).read_bytes()
        for name in ("run.json", "config.yaml", "metrics.csv", "checkpoints/best.ckpt")
    }
    here = sorted(path.name for path in Path.cwd().iterdir())
    result = cli("generate", f"run={tiny_run}", "input=bwv:253", f"output={tmp_path / 'made'}")
    assert result.code == 0
    assert before == {name: (tiny_run / name).read_bytes() for name in before}
    assert sorted(path.name for path in Path.cwd().iterdir()) == here
