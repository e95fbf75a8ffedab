"""Small music of one's own for every dataset that reads files: written by the tests that need it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from partimento.music import Bar, Piece
from partimento.reports.midi import write_midi

COUNT = 24
BARS = 32  # enough for a window of 100 notes
SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def melody(seed: int) -> list[int]:
    """Return a pitch for each quarter note of a tune; each seed gives another tune."""
    return [int(pitch) for pitch in np.random.default_rng(seed).choice(SCALE, 4 * BARS)]


def tune(seed: int) -> Piece:
    """Return a tune; every eighth one has a bass of semibreves."""
    upper = melody(seed)
    lower = melody(seed + 1000)[::4] if seed % 8 == 0 else []
    return Piece(
        f"tune{seed}", 4,
        onset=[*range(0, 16 * BARS, 4), *range(0, 16 * len(lower), 16)],
        duration=[4] * len(upper) + [16] * len(lower),
        pitch=[*upper, *(pitch - 24 for pitch in lower)],
        part=[0] * len(upper) + [1] * len(lower),
        parts=("melody", "bass") if lower else ("melody",),
        bars=tuple(Bar(onset, 4, 4) for onset in range(0, 16 * BARS, 16)),
    )  # fmt: skip


def abc(seed: int) -> str:
    """Return a tune in ABC with a chord to the bar."""
    names = dict(zip(SCALE, ["C", "D", "E", "F", "G", "A", "B", "c"], strict=True))
    letters = [names[pitch] for pitch in melody(seed)]
    bars = [" ".join(letters[at : at + 4]) for at in range(0, len(letters), 4)]
    music = " | ".join(f'"{"CGFC"[index % 4]}"{bar}' for index, bar in enumerate(bars))
    return f"X:{seed}\nT:Tune {seed}\nM:4/4\nL:1/4\nK:C\n{music} |]\n"


def write_midi_folder(folder: Path) -> Path:
    """Write MIDI files of two voices."""
    for seed in range(COUNT):
        write_midi(tune(seed), folder / f"tune{seed:02}.mid")
    return folder


def write_abc_folder(folder: Path) -> Path:
    """Write one ABC file with all tunes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tunes.abc").write_text("\n".join(abc(seed) for seed in range(1, COUNT + 1)))
    return folder


def write_rolls(path: Path) -> Path:
    """Write frames of a canonical piano-roll set as JSON, with its three splits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pieces = [[[pitch, pitch - 12] for pitch in melody(seed)] for seed in range(12)]
    splits = {"train": pieces[:8], "valid": pieces[8:10], "test": pieces[10:]}
    path.write_text(json.dumps(splits))
    return path


def overrides_of(dataset: str, folder: Path) -> list[str]:
    """Write what a dataset reads, where it reads files, and return the overrides that say so."""
    if dataset == "folder":
        write_midi_folder(folder / "mixed")
        return [f"dataset.path={write_abc_folder(folder / 'mixed')}"]
    if dataset in ("classical_midi", "lakh", "maestro", "pop909"):
        source = write_midi_folder(folder / "midi")
        extra = ["dataset.pattern='*.mid'"] if dataset == "pop909" else []
        return [f"dataset.path={source}", *extra]
    if dataset in ("nottingham", "leadsheets"):
        return [f"dataset.path={write_abc_folder(folder / 'abc')}"]
    if dataset in ("jsb_chorales", "nottingham_rolls", "musedata", "piano_midi"):
        return [f"dataset.path={write_rolls(folder / 'rolls.json')}"]
    if dataset in ("ring", "grid"):
        return ["dataset.samples=200"]
    if dataset in ("chorale_modes", "stacked_chorale"):
        return ["dataset.samples=100"]
    return []
