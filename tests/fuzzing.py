"""A seeded corpus of hostile music files, and a guarded process that reads them.

Run by the tests as `python fuzzing.py FOLDER`, with the indexes of the files to read, as a JSON
list, on standard input; a line of JSON for each comes out.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hostile
import hostile_midi
from hostile import Maker

SECONDS = 5  # of processor time for one file
MEMORY = 2**30  # bytes beyond what the process holds before it reads a file
SEED = 20240311
HEAVY_EVERY = 100

# What makes files of some kilobytes ...
LIGHT: dict[str, tuple[Maker, ...]] = {
    ".mid": (
        hostile_midi.midi_track_count, hostile_midi.midi_division, hostile_midi.midi_chunk_length,
        hostile_midi.midi_far_apart, hostile_midi.midi_running_status, hostile_midi.midi_metas,
        hostile_midi.midi_metre_at_every_tick,
    ),
    ".xml": (
        hostile.xml_absurd_number, hostile.xml_entities, hostile.xml_encoding, hostile.xml_deep,
        hostile.xml_structure, hostile.xml_divisions,
    ),
    ".mxl": (
        hostile.zip_paths, hostile.zip_header, hostile.zip_nested, hostile.zip_entities,
    ),
    ".abc": (hostile.abc_body, hostile.abc_header, hostile.abc_many_tunes),
}  # fmt: skip
# ... and what makes files that cost megabytes, or some seconds, by design.
HEAVY: tuple[tuple[str, Maker], ...] = (
    (".mxl", hostile.zip_bomb), (".mid", hostile_midi.midi_queue), (".xml", hostile.xml_huge_chord),
    (".mxl", hostile.zip_bomb_bz2), (".mid", hostile_midi.midi_never_ended),
    (".xml", hostile.xml_million_elements), (".mxl", hostile.zip_many_members),
    (".mid", hostile_midi.midi_many_notes), (".abc", hostile.abc_long), (".xml", hostile.xml_huge_text),
    (".mid", hostile_midi.midi_many_tracks),
)  # fmt: skip
SUFFIXES = (".mid", ".xml", ".mxl", ".abc")


@dataclass(frozen=True)
class Case:
    """One hostile file: how it was made, its suffix and its bytes."""

    maker: str
    suffix: str
    data: bytes


@cache
def sound_files() -> dict[str, tuple[bytes, ...]]:
    """Return whole files of each kind, to be damaged: chorales, a book of tunes, tiny scores."""
    import tempfile
    from xml.etree.ElementTree import tostring

    from partimento.datasets.chorales import corpus_files, corpus_folder
    from partimento.formats.musicxml import read_musicxml
    from partimento.formats.musicxml_file import load_score
    from partimento.reports.midi import write_midi

    files = corpus_files(corpus_folder())
    chosen = [files[name] for name in ("bwv253", "bwv66.6", "bwv269", "bwv1.6")]
    with tempfile.TemporaryDirectory() as folder:
        written = [write_midi(read_musicxml(path), f"{folder}/x.mid") for path in chosen[:1]]
        midi = [written[0].read_bytes()]
        for path in chosen[1:]:
            midi.append(write_midi(read_musicxml(path), f"{folder}/x.mid").read_bytes())
    book = sorted((corpus_folder().parent / "airdsAirs").glob("*.abc"))[0]
    tunes = book.read_bytes().split(b"\n\n")[1:5]
    return {
        ".mid": (*midi, hostile_midi.midi(hostile_midi.midi_notes(random.Random(0)))),
        ".xml": (
            *(tostring(load_score(path)) for path in chosen[:2]),
            hostile.score(hostile.NOTE.format(duration=1) * 4),
        ),
        ".mxl": tuple(path.read_bytes() for path in chosen),
        ".abc": (*tunes, (hostile.TUNE + 'D2|"G"G2 B2 d2-|d2 [FA]2 z2|G6|]\n').encode()),
    }


def damage(data: bytes, draw: random.Random) -> bytes:
    """Return bytes flipped, cut, inserted, repeated, deleted or exchanged, or digits for others."""
    kinds = ["flip", "flip", "bytes", "cut", "insert", "repeat", "delete", "swap", "digits"]
    kind = draw.choice(kinds)
    at = draw.randrange(len(data))
    length = draw.choice([1, 4, 40, 400])
    if kind == "cut":
        return data[:at]
    if kind == "insert":
        return data[:at] + draw.choice([draw.randbytes(length), b"\xff" * length]) + data[at:]
    if kind == "repeat":
        return data[:at] + data[at : at + length] * draw.choice([2, 100]) + data[at + length :]
    if kind == "delete":
        return data[:at] + data[at + length :]
    if kind == "swap":
        other = draw.randrange(len(data))
        return data[:at] + data[other : other + length] + data[at + length :]
    changed = bytearray(data)
    if kind == "digits":
        digits = [place for place, byte in enumerate(data) if 48 <= byte < 58]
        for place in draw.sample(digits, min(len(digits), draw.choice([1, 3, 30]))):
            changed[place] = draw.randrange(45, 58)
        return bytes(changed)
    for _ in range(draw.choice([1, 1, 3, 20])):
        place = draw.randrange(len(data))
        changed[place] = (
            changed[place] ^ 1 << draw.randrange(8) if kind == "flip" else draw.randrange(256)
        )
    return bytes(changed)


def case(index: int, seed: int = SEED) -> Case:
    """Return file `index` of the corpus, always the same for one seed."""
    draw = random.Random(f"{seed}:{index}")
    if index % HEAVY_EVERY == HEAVY_EVERY - 1:
        suffix, maker = HEAVY[index // HEAVY_EVERY % len(HEAVY)]
        return Case(maker.__name__, suffix, maker(draw))
    suffix = SUFFIXES[index % len(SUFFIXES)]
    # One half of the files is damaged music, the other is made up.
    if index // len(SUFFIXES) % 2:
        return Case("damage", suffix, damage(draw.choice(sound_files()[suffix]), draw))
    maker = draw.choice(LIGHT[suffix])
    return Case(maker.__name__, suffix, maker(draw))


class Stopped(BaseException):
    """Raised by the guard, past every `except Exception`."""


class Guard:
    """An audit hook that notes whatever a reader does beyond reading its input."""

    FORBIDDEN = (
        "socket.",
        "subprocess.",
        "os.",
        "shutil.",
        "urllib.",
        "ftplib.",
        "http.",
        "ctypes.",
    )
    HARMLESS = ("os.listdir", "os.scandir")  # Python's own importer looks into its folders

    def __init__(self) -> None:
        self.input: str | None = None
        self.seen: list[str] = []
        self.libraries = tuple({sys.prefix, sys.base_prefix, *filter(None, sys.path[1:])})

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.input is None:
            return
        if event == "open":
            path, mode = str(arguments[0]), arguments[1] or "r"
            code = path.startswith(self.libraries) and path.endswith((".py", ".pyc"))
            if mode not in ("r", "rb") or (path != self.input and not code):
                self.seen.append(f"open {path}")
        elif event.startswith(self.FORBIDDEN) and event not in self.HARMLESS:
            self.seen.append(event)


def stop(*_: Any) -> None:
    raise Stopped("out of time")


def address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def check(pieces: Sequence[Any]) -> None:
    """Raise AssertionError for pieces that no later stage could take."""
    import numpy as np

    assert pieces
    for piece in pieces:
        assert len(piece)
        assert piece.resolution > 0
        assert (piece.onset >= 0).all()
        assert (piece.duration > 0).all()
        assert int((piece.onset + piece.duration.astype(np.int64)).max()) <= piece.end < 2**31
        assert ((piece.pitch >= 0) & (piece.pitch < 128)).all()
        assert ((piece.velocity >= 0) & (piece.velocity < 128)).all()
        assert ((piece.part >= 0) & (piece.part < len(piece.parts))).all()
        bars = np.array(piece.bars, np.int32).reshape(-1, 3)
        assert (np.diff(bars[:, 0]) > 0).all()
        assert (bars[:, 1:] > 0).all()
        assert all(0 < tempo.qpm < float("inf") for tempo in piece.tempos)
        json.dumps([piece.keys, piece.chords, dict(piece.metadata), piece.parts])


def read(path: Path, guard: Guard) -> tuple[str, str]:
    """Return what became of a file, a "piece", "refused" or "failure", and the reason."""
    from partimento.errors import UserError
    from partimento.formats.files import read_pieces

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + MEMORY, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    guard.seen.clear()
    guard.input = str(path)
    try:
        pieces = read_pieces(path)
        outcome = "piece", ""
    except UserError as error:
        outcome = "refused", str(error)
    except BaseException as error:
        outcome = "failure", f"{type(error).__name__}: {error}"[:500]
    finally:
        guard.input = None
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    if guard.seen:
        return "failure", f"it did {guard.seen[:5]}"
    if outcome[0] == "piece":
        try:
            check(pieces)
        except Exception as error:
            return "failure", f"a piece that is none: {type(error).__name__} {error}"[:500]
    return outcome


def main(folder: str) -> None:
    guard = Guard()
    sys.addaudithook(guard)
    signal.signal(signal.SIGPROF, stop)
    import symusic  # noqa: F401 - which on import sets variables of the environment

    for index in json.load(sys.stdin):
        made = case(index)
        path = Path(folder) / f"case{made.suffix}"
        path.write_bytes(made.data)
        begun = time.process_time()
        # Told before it is read, since a crash leaves no time to tell.
        print(json.dumps({"reading": index, "maker": made.maker}), flush=True)
        outcome, reason = read(path, guard)
        seconds = time.process_time() - begun
        line = {"index": index, "maker": made.maker, "suffix": made.suffix, "outcome": outcome}
        print(json.dumps(line | {"reason": reason, "seconds": round(seconds, 3)}), flush=True)
        os.unlink(path)


if __name__ == "__main__":
    main(sys.argv[1])
