"""Readers of ABC that are independent of ours: abc2midi, and music21."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest

from partimento.datasets.music21_corpus import collection_folder
from partimento.formats.abc import decode_abc, read_tunes, split_tunes
from partimento.music import Piece

Rows = list[tuple[float, int]]
"""Onset in quarter notes, rounded to a 720th, and MIDI number of each note, sorted."""

# What makes abc2midi give up on a sign: it says so, and goes on without.
REFUSES = re.compile(
    "Cannot apply broken rhythm|Could not find note to be tied|Cannot find note before tie|"
    "unequal notes in chord|Attempt to nest|Chord already|middle of line ignored"
)
_FIELD = re.compile(r"[A-Za-z]:(?![|:])")
_BARS = re.compile(r"\[\s?\d[\d,.-]*|\[\||\|\]|(?<!\[[A-Za-z]):*(?:\|+|::):*\]?(?:\d[\d,.-]*)?")


def data_folder(name: str) -> Path:
    """Return a folder of music that is no part of the project, or skip the test."""
    root = os.environ.get("PARTIMENTO_TEST_DATA", "")
    if not root or not (Path(root) / name).exists():
        pytest.skip(f"PARTIMENTO_TEST_DATA names no folder with {name}")
    return Path(root) / name


def abc2midi() -> str:
    """Return the program's path, or skip the test; symusic brings a copy."""
    spec = importlib.util.find_spec("symusic")
    bundled = Path(spec.origin).parent / "bin" / "abc2midi" if spec and spec.origin else None
    if bundled is not None and bundled.is_file():
        return str(bundled)
    found = shutil.which("abc2midi")
    if found is None:
        pytest.skip("abc2midi is not installed")
    return found


def tunes_of(folder: Path) -> list[tuple[str, str]]:
    """Return name and text of every tune in the ABC files of a folder."""
    found = []
    for path in sorted(folder.glob("*.abc")):
        shared, tunes = split_tunes(decode_abc(path.read_bytes()))
        for number, lines in tunes:
            text = "\n".join(["X:1", *shared, *lines])
            found.append((f"{path.stem}:{number}", text))
    return found


def corpus_tunes(collection: str) -> list[tuple[str, str]]:
    return tunes_of(collection_folder(collection, "The tunes are"))


def bare(text: str, *, repeats: bool = True) -> str:
    """Return a tune without what sounds in one reader only: ornaments, words, grace notes.

    Without repeats every bar line becomes a single one, and endings follow each other.
    """
    lines = []
    for line in text.split("\n"):
        if line.startswith(("R:", "%", "w:", "W:")) or (not repeats and line.startswith("P:")):
            continue  # abc2midi plays hornpipes in a swing of its own
        if not _FIELD.match(line):
            line = re.sub(r'"[^"]*"|![^! |]*!|\+[^+ |]*\+|\{[^{}]*\}|[!`]', "", line)
            line = line if repeats else _BARS.sub("|", line)
            line = re.sub(r"(?<![\[:])[~H-WJuvh-wj](?!:)", "", line)
        lines.append(line)
    return "\n".join(lines)


def by_us(text: str) -> Rows:
    (piece,) = read_tunes(text)
    assert isinstance(piece, Piece), piece
    return rounded(
        (onset / piece.resolution, pitch)
        for onset, pitch in zip(piece.onset.tolist(), piece.pitch.tolist(), strict=True)
    )


def rounded(rows) -> Rows:
    return sorted((round(onset * 720) / 720, pitch) for onset, pitch in rows)


def by_abc2midi(text: str, folder: Path) -> tuple[Rows, str]:
    """Return the notes that abc2midi makes, and what it says."""
    import symusic

    source, target = folder / "tune.abc", folder / "tune.mid"
    source.write_text(text + "\n", encoding="utf-8")
    target.unlink(missing_ok=True)
    options = ["-NGRA", "-NGUI", "-NCOM", "-NFER", "-NFNP", "-quiet"]
    command = [abc2midi(), str(source), "-o", str(target), *options]
    done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    said = done.stdout.decode("utf-8", "replace")
    if not target.exists():
        return [], said
    score = symusic.Score(str(target))
    # It begins notes one tick late, and those of a chord ten ticks apart.
    rows = [((n.time - 1) / score.tpq, n.pitch) for track in score.tracks for n in track.notes]
    return rounded(rows), said


def by_music21(text: str) -> Rows:
    """Return the notes that music21 reads, in written order; none where it gives up."""
    from music21 import converter
    from music21.exceptions21 import Music21Exception

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            score = converter.parse(text, format="abc", forceSource=True)
        except Music21Exception:
            return []
        notes = [note for note in score.stripTies().flatten().notes if not note.duration.isGrace]
    return rounded((float(note.offset), pitch.midi) for note in notes for pitch in note.pitches)


def near(ours: Rows, theirs: Rows) -> bool:
    """Tell whether two readings have the same pitches at the same times, chords spread or not."""
    if len(ours) != len(theirs) or not ours:
        return False
    times = np.unique([onset for onset, _ in ours])
    late = np.array([onset for onset, _ in theirs])
    place = times[np.maximum(np.searchsorted(times, late + 0.005, side="right") - 1, 0)]
    aligned = sorted(zip(place.tolist(), (pitch for _, pitch in theirs), strict=True))
    return aligned == ours and float(np.abs(late - place).max()) < 0.1


def restarts(text: str) -> bool:
    """Tell whether a :| without |: follows a double bar, to which the standard goes back.

    abc2midi goes back to the beginning or the last repeat sign instead (ABC 2.1, section 4.8).
    """
    body = "\n".join(line for line in text.split("\n") if not _FIELD.match(line))
    opened = double = False
    for sign in _BARS.findall(body):
        sign = sign.strip("0123456789,.- ")
        if sign.startswith(":"):
            if double and not opened:
                return True
            opened = double = False
        double = double or "||" in sign or "]" in sign or "[|" in sign
        opened = opened or sign.endswith(":")
    return False
