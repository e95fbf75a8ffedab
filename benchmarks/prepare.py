"""What preparing many MIDI files costs: against muspy and MidiTok, and in memory as files grow in number.

The files are made on the spot, each of three parts with some 400 notes, so that a file has as many
as one of GigaMIDI has on average (1.8 billion notes in 1.43 million files; Lee et al. 2025). Speeds
are files per second of processor time, in one process, of batches of the same files in turn:
`prepare_files`, which writes shards, against `muspy.read_midi` with its note arrays, which keeps
them in memory; and from the file by way of the shards to REMI tokens, which are written as mapped
arrays, against MidiTok's `tokenize_dataset`, which writes JSON files. Then all files are prepared
by all cores, a fifth of them first, in processes of their own, whose peak memory is read: it must
not grow with the files.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import in_turn, median_ratio, write

from partimento.data.mapped import map_examples
from partimento.datasets.folder import Folder, files_below
from partimento.datasets.preparation import prepare_files
from partimento.formats.files import read_pieces
from partimento.representations.base import Representation

TICKS = 480
PER_FOLDER = 1000
BATCH = 200  # files of one measurement


def varying(number: int) -> bytes:
    """Return a MIDI variable-length quantity."""
    shown = [number & 0x7F]
    while number := number >> 7:
        shown.insert(0, 0x80 | number & 0x7F)
    return bytes(shown)


def track(events: bytes) -> bytes:
    """Return a MIDI track of these events."""
    events += b"\0\xff\x2f\0"
    return b"MTrk" + len(events).to_bytes(4, "big") + events


def midi_file(rng: np.random.Generator) -> bytes:
    """Return a MIDI file of three parts that walk by steps and leaps in sixteenths to halves."""
    head = b"MThd\0\0\0\6\0\1\0\4" + TICKS.to_bytes(2, "big")
    tempo = b"\0\xff\x51\3" + int(60e6 / rng.integers(60, 180)).to_bytes(3, "big")
    tracks = [track(tempo + b"\0\xff\x58\4\4\2\x18\x08")]
    for channel, (middle, program) in enumerate(((72, 40), (60, 0), (45, 42))):
        count = int(rng.integers(300, 501))
        pitches = np.clip(middle + np.cumsum(rng.integers(-4, 5, count)), 24, 100).tolist()
        lengths = rng.choice([120, 240, 480, 960], count).tolist()
        velocities = rng.integers(40, 120, count).tolist()
        rests = np.where(rng.random(count) < 0.1, 480, 0).tolist()
        name = f"part {channel}".encode()
        events = [
            b"\0\xff\3" + bytes([len(name)]) + name + b"\0" + bytes([0xC0 + channel, program])
        ]
        events.extend(
            varying(rest)
            + bytes([0x90 + channel, pitch, velocity])
            + varying(length)
            + bytes([0x80 + channel, pitch, 0])
            for pitch, length, velocity, rest in zip(
                pitches, lengths, velocities, rests, strict=True
            )
        )
        tracks.append(track(b"".join(events)))
    return head + b"".join(tracks)


def make_files(folder: Path, count: int) -> None:
    """Write so many files, a thousand to a folder; the same ones every time."""
    rng = np.random.default_rng(0)
    for index in range(count):
        if index % PER_FOLDER == 0:
            below = folder / f"{index // PER_FOLDER:04d}"
            below.mkdir(parents=True, exist_ok=True)
        (below / f"{index:07d}.mid").write_bytes(midi_file(rng))


def prepared(root: Path, names: list[str], out: Path) -> Any:
    """Prepare some files in this process."""
    files = [(name, (root / name).stat().st_size) for name in names]
    # Shards of the size that many files are cut into.
    return prepare_files(files, root, read_pieces, out, total=10**5, workers=0)


def by_muspy(root: Path, names: list[str]) -> None:
    """Read files with muspy and make its note arrays."""
    import muspy

    for name in names:
        muspy.to_note_representation(muspy.read_midi(root / name))


def to_tokens(representation: Representation, root: Path, names: list[str], out: Path) -> None:
    """Prepare files and write their REMI tokens into mapped arrays."""
    shards = prepared(root, names, out / "shards")
    map_examples(
        shards, representation, stride=1, transpose=False, folder=out / "examples", workers=0
    )


def by_miditok(tokenizer: Any, root: Path, names: list[str], out: Path) -> None:
    """Tokenize files by MidiTok's own pipeline, on one core."""
    paths = [root / name for name in names]
    tokenizer.tokenize_dataset(paths, out, verbose=False, parallel_workers_size=1)


def rounds(root: Path, count: int) -> dict[str, Callable[[int], float]]:
    """Return what is measured in turn; every round takes other files, the same for all."""
    names = [file.name for file in files_below(root)]

    def one(function: Callable[..., Any], into: bool, index: int) -> float:
        batch = names[index * BATCH % len(names) :][:BATCH]
        with tempfile.TemporaryDirectory(dir=root.parent) as out, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target = (Path(out) / "out",) if into else ()
            start = time.process_time()
            function(root, batch, *target)
            return (time.process_time() - start) / len(batch)

    functions: dict[str, Callable[[int], float]] = {
        "prepare": functools.partial(one, prepared, True),
        "muspy": functools.partial(one, by_muspy, False),
    }
    if importlib.util.find_spec("partimento.representations.events"):
        from partimento.representations.events import Events

        tokens = Events()
        functions["tokens"] = functools.partial(one, functools.partial(to_tokens, tokens), True)
        tokenize = functools.partial(by_miditok, tokens.tokenizer)
        functions["miditok"] = functools.partial(one, tokenize, True)
    return functions


class Memory:
    """Reads, while open, the most memory that this process and its children have held together.

    From /proc, since what `getrusage` says of a child counts this process's memory too, from before
    the child's program was loaded.
    """

    def __init__(self) -> None:
        self.before = held(os.getpid())
        self.worker = self.peak = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        own = Path("/proc/self/task")
        while not self._stop.wait(0.05):
            children = {
                int(c) for task in own.iterdir() for c in (task / "children").read_text().split()
            }
            sizes = [held(child) for child in children if is_worker(child)]
            self.worker = max(self.worker, *sizes, 0.0)
            self.peak = max(self.peak, round(held(os.getpid()) + sum(sizes), 1))


def is_worker(process: int) -> bool:
    """Tell a worker from a copy of this process that is about to become one."""
    try:
        return b"serve" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def held(process: int) -> float:
    """Return the most memory that a process has held so far, in MiB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return round(int(found[1]) / 1024, 1) if found else 0.0


def whole(root: Path, out: Path, share: float) -> dict[str, float]:
    """Prepare the first files by all cores; return time, disk and peak memory of all processes."""
    dataset = Folder(str(root))
    everything = [(file.name, file.size) for file in dataset.files(root)]
    some = everything[: round(len(everything) * share)]
    start = time.perf_counter()
    with Memory() as memory:
        shards = prepare_files(some, root, read_pieces, out, total=len(some))
    seconds = time.perf_counter() - start
    disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    notes = sum(shard.notes for shard in shards.shards)
    return {
        "files": len(some),
        "notes": notes,
        "seconds": round(seconds, 1),
        "files_per_s": round(len(some) / seconds, 1),
        "bytes_per_note": round(disk / notes, 2),
        "mib_before": memory.before,
        "mib_of_a_worker": memory.worker,
        "peak_mib": memory.peak,
    }


def afresh(root: Path, share: float) -> dict[str, float]:
    """Return `whole` from a process of its own."""
    with tempfile.TemporaryDirectory(dir=root.parent) as out:
        command = [sys.executable, __file__, "--once", str(root), out, str(share)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Make files, measure, print, write benchmarks/results/prepare.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9, help="batches that are compared")
    parser.add_argument(
        "--folder", help="where to write (two gigabytes); a temporary one by default"
    )
    parser.add_argument("--once", nargs=3, help="prepare a share of a folder's files, and end")
    arguments = parser.parse_args()
    if arguments.once:
        root, out, share = arguments.once
        print(json.dumps(whole(Path(root), Path(out), float(share))))
        return
    place = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        make_files(place / "midi", arguments.files)
        write("prepare", measured(place / "midi", arguments.rounds))
    finally:
        shutil.rmtree(place)


def measured(root: Path, count: int) -> dict[str, Any]:
    """Return all figures of the files below a folder."""
    seconds = in_turn(rounds(root, count), count)
    per_s = {name: round(1 / statistics.median(taken), 1) for name, taken in seconds.items()}
    figures: dict[str, Any] = {"files_per_s_per_core": per_s}
    for name, ours, peer in (("vs_muspy", "prepare", "muspy"), ("vs_miditok", "tokens", "miditok")):
        if ours in seconds:
            ratio = median_ratio(seconds[peer], seconds[ours])
            figures |= {name: ratio["median_ratio"], f"{name}_interval": ratio["interval"]}
    fifth, all_of_it = afresh(root, 0.2), afresh(root, 1.0)
    return {
        **figures,
        "peak_mib": all_of_it["peak_mib"],
        "peak_mib_of_a_fifth": fifth["peak_mib"],
        "all_cores": all_of_it,
    }


if __name__ == "__main__":
    main()
