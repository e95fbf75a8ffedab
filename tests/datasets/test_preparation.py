"""Shards of pieces: the same bytes whatever kills the preparation, and one bad file costs itself only."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import preparing
import pytest
from preparing import read_tune, sized, write_tunes

from partimento.datasets import preparation
from partimento.datasets.preparation import prepare_files, shard_size, shards_of
from partimento.datasets.progress import Progress
from partimento.datasets.shards import PieceShards, entry_of, write_shard
from partimento.errors import UserError
from partimento.music import Piece
from partimento.workers import Task, WorkerFailure, run_tasks


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "shard_size", lambda total: 20)


def prepare(source: Path, names: list[str], out: Path, **options) -> PieceShards:
    files = sized(source, names)
    return prepare_files(files, source, read_tune, out, total=len(names), **options)


def content(folder: Path) -> dict[str, str]:
    """Return the hash of every file of a prepared folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_the_number_of_processes_changes_no_byte(tmp_path):
    names = write_tunes(tmp_path / "in", 90, {7: "wrong", 50: "60 62|64 65 67", 51: "x", 80: ""})
    inside = prepare(tmp_path / "in", names, tmp_path / "inside", workers=0)
    prepare(tmp_path / "in", names, tmp_path / "two", workers=2)
    assert content(tmp_path / "inside") == content(tmp_path / "two")
    assert len(inside) == 90 - 3 + 1
    assert inside.ids == [piece.id for piece in inside]
    assert [inside[45].id, inside[-1].id] == ["004/00046.tune", "008/00089.tune"]
    assert [piece.id for piece in inside if "00050" in piece.id] == [
        "005/00050.tune#1",
        "005/00050.tune#2",
    ]
    for piece in inside[0:3]:
        (again,) = read_tune(tmp_path / "in" / piece.id)
        assert piece.difference(again) is None
    assert (tmp_path / "two" / "skipped.csv").read_text() == (
        "source,reason\n"
        "000/00007.tune,'000/00007.tune' is wrong.\n"
        "005/00051.tune,cannot be read (ValueError: invalid literal for int() with base 10: 'x')\n"
        "008/00080.tune,holds no notes\n"
    )


def test_a_file_that_kills_or_holds_its_process_costs_itself_only(tmp_path, caplog):
    mark = tmp_path / "mark"
    special = {3: "crash", 5: f"once {mark}", 25: "hang", 26: "memory"}
    names = write_tunes(tmp_path / "in", 40, special)
    with caplog.at_level(logging.INFO):
        shards = prepare(tmp_path / "in", names, tmp_path / "out", workers=1, seconds=1.0)
    reasons = dict(shards.skipped())
    assert reasons == {
        names[3]: "ended the process that read it (SIGSEGV)",
        names[25]: "took longer than 1 s",
        names[26]: "needs more memory than a reading process may take",
    }
    # The file that crashed once was tried again, alone, and is there.
    assert shards.ids == [n for n in names if n not in reasons]
    assert "Read 37 pieces" in caplog.text
    assert "from 40 files; 3 skipped, most of them as it" in caplog.text


def test_a_preparation_killed_in_the_middle_goes_on_to_the_same_bytes(tmp_path):
    notes = "slow 60 62 64 65"
    names = write_tunes(tmp_path / "in", 80, dict.fromkeys(range(20, 40), notes))
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {os.path.dirname(preparing.__file__)!r})
        from pathlib import Path
        from preparing import read_tune, sized
        from partimento.datasets import preparation
        preparation.shard_size = lambda total: 20
        source, names = Path({str(tmp_path / "in")!r}), {names!r}
        preparation.prepare_files(sized(source, names), source, read_tune,
                                  Path({str(tmp_path / "out")!r}), total=80, workers=1)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    first, out = tmp_path / "out" / "shard-000000", tmp_path / "out"
    while not first.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "index.json").exists()
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("shard-*")}
    assert 1 <= len(kept) < 4
    with pytest.raises(ValueError, match="holds no complete shards"):
        PieceShards(out)
    assert len(prepare(tmp_path / "in", names, out, workers=0)) == 80
    assert all((out / name).stat().st_mtime_ns == when for name, when in kept.items())
    prepare(tmp_path / "in", names, tmp_path / "whole", workers=0)
    assert content(out) == content(tmp_path / "whole")


def test_a_complete_folder_is_opened_without_its_files(tmp_path):
    names = write_tunes(tmp_path / "in", 5)
    files = sized(tmp_path / "in", names)
    prepare(tmp_path / "in", names, tmp_path / "out", workers=0)
    (tmp_path / "in" / names[0]).unlink()
    shards = prepare_files(files, tmp_path / "in", read_tune, tmp_path / "out", total=5)
    assert len(shards) == 5
    assert shards[0].id == names[0]


def test_shards_are_mapped_and_travel_as_their_folder(tmp_path):
    names = write_tunes(tmp_path / "in", 50)
    shards = prepare(tmp_path / "in", names, tmp_path / "out", workers=0)
    assert isinstance(shards._open(0).notes, np.memmap)
    assert len(pickle.dumps(shards)) < 500
    assert [p.id for p in pickle.loads(pickle.dumps(shards))] == names
    with pytest.raises(IndexError):
        shards[50]


def test_a_changed_byte_is_noticed(tmp_path):
    names = write_tunes(tmp_path / "in", 50)
    prepare(tmp_path / "in", names, tmp_path / "out", workers=0)
    path = tmp_path / "out" / "shard-000001" / "notes.npy"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    shards = PieceShards(tmp_path / "out")
    assert shards[0].id == names[0]
    with pytest.raises(UserError, match=r"shard-000001' is damaged \(notes.npy has changed"):
        shards[25]
    # A preparation that goes on does not take it for finished.
    (tmp_path / "out" / "index.json").unlink()
    prepare(tmp_path / "in", names, tmp_path / "out", workers=0)
    prepare(tmp_path / "in", names, tmp_path / "whole", workers=0)
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_every_field_of_a_piece_survives(tmp_path):
    piece = Piece(
        "é/ü\n.mid",
        480,
        [0, 480, 480],
        [480, 240, 2**31 - 481],
        [60, 127, -3],
        [0, 1, 300],
        velocity=[1, 127, 64],
        parts=tuple(f"p{i}" for i in range(301)),
        bars=((0, 4, 4), (1920, 3, 8)),
        keys=((0, -3, "minor"),),
        chords=((0, 480, "C♯m7"),),
        tempos=((0, 120.5),),
        source="s",
        metadata={"title": "Ständchen"},
    )
    silent = Piece("silent", 1, [], [], [], [])
    entries = [
        entry_of(p, id=p.id, source="s", group=group) for p, group in ((piece, "g"), (silent, "h"))
    ]
    info = write_shard(tmp_path / "shard-0", ["f"], entries, [("b", "why")])
    assert (info.pieces, info.notes, info.skipped) == (2, 3, 1)
    preparation.write_index(tmp_path, [info])
    again, empty = PieceShards(tmp_path)
    assert again.difference(piece) is None
    assert (again.id, again.source, again.metadata) == (piece.id, "s", {"title": "Ständchen"})
    assert empty.difference(silent) is None
    assert PieceShards(tmp_path).groups == ["g", "h"]


def test_a_number_too_large_for_a_shard_is_a_reason(tmp_path):
    names = write_tunes(tmp_path / "in", 2, {1: "60 99999"})
    shards = prepare(tmp_path / "in", names, tmp_path / "out", workers=0)
    assert list(shards.skipped()) == [
        (names[1], "cannot be read (ValueError: a pitch does not fit into 16 bits)")
    ]


def test_shards_are_cut_by_number_and_by_size(monkeypatch):
    monkeypatch.setattr(preparation, "BYTES_PER_SHARD", 100)
    files = [(f"{i}", 60 if i < 3 else 1) for i in range(30)]
    cut = list(shards_of(files, 20))
    assert [len(names) for names in cut] == [1, 1, 20, 8]
    assert [name for names in cut for name in names] == [name for name, _ in files]
    assert [shard_size(total) for total in (0, 58, 1600, 10**6)] == [8, 8, 100, 500]
    assert list(shards_of([("huge", 10**9)], 20)) == [("huge",)]


class Broken(Task):
    """Fails outside its items."""

    def run(self, without, begin):
        begin(0)
        begin(None)
        return 1 // 0

    def probe(self, item):
        raise NotImplementedError


def test_a_fault_of_the_program_is_not_blamed_on_a_file():
    with pytest.raises(WorkerFailure, match="ZeroDivisionError"):
        list(run_tasks([Broken()], 1))
    with pytest.raises(ZeroDivisionError):
        list(run_tasks([Broken()], 0))


def test_the_time_left_is_told_now_and_then(caplog):
    with caplog.at_level(logging.INFO), Progress("Reading", "files", 1000, interval=0) as progress:
        progress.show(200)
        assert progress.line(400, 10.0) == "Reading: 400 of 1,000 files, time left 30 s"
        assert "time left unknown" in caplog.text


def test_the_index_says_which_files_are_done(tmp_path):
    names = write_tunes(tmp_path / "in", 25)
    prepare(tmp_path / "in", names, tmp_path / "out", workers=0)
    index = json.loads((tmp_path / "out" / "shard-000001" / "index.json").read_text())
    assert index["files"] == names[20:]
