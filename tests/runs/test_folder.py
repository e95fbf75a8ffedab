"""Run folders: records, and the lease that keeps a second process out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from partimento.errors import UserError
from partimento.runs.folder import RunFolder

HOLD = """
import sys, time
from partimento.runs.folder import RunFolder
with RunFolder(sys.argv[1]).lease():
    print("held", flush=True)
    time.sleep(600)
"""


def test_records(tmp_path):
    folder = RunFolder(tmp_path / "run")
    assert folder.read() == {}
    assert folder.config() == {}
    folder.update(status="running", wall_s=1.5)
    assert folder.update(status="finished") == {"status": "finished", "wall_s": 1.5}
    assert RunFolder(str(tmp_path / "run")).read() == {"status": "finished", "wall_s": 1.5}
    folder.write_yaml("config.yaml", {"b": [1, None], "a": "é"})
    assert folder.config() == {"b": [1, None], "a": "é"}
    assert list(folder.config()) == ["b", "a"]  # in the order of the config, not the alphabet's
    assert folder.last == folder / "checkpoints" / "last.ckpt"


def test_a_damaged_record_is_told(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "run.json").write_text('{"status": "fin')
    with pytest.raises(UserError, match=r"run\.json cannot be read as JSON: .*column"):
        folder.read()


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_lease_holds_between_processes_and_ends_with_a_kill(tmp_path):
    folder = RunFolder(tmp_path / "run")
    process = holder(folder.path)
    try:
        sentence = rf"run is in use by process {process.pid} on .* since \d{{4}}-"
        with pytest.raises(UserError, match=sentence), folder.lease():
            pytest.fail("two processes hold one run")
        # Who was refused must not take away the holder's name.
        with pytest.raises(UserError, match=sentence), folder.lease():
            pytest.fail("two processes hold one run")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with folder.lease():
        assert folder.read_json("lease.json")["pid"] == os.getpid()
    assert not (folder / "lease.json").exists()


def test_the_lease_ends_with_an_error_inside(tmp_path):
    folder = RunFolder(tmp_path)
    with pytest.raises(ZeroDivisionError), folder.lease():
        _ = 1 / 0
    with folder.lease():
        assert (tmp_path / "lease.json").exists()


def test_setting_aside_takes_a_free_name(tmp_path):
    for number in (1, 2):
        folder = RunFolder(tmp_path / "run")
        folder.update(number=number)
        assert folder.set_aside() == tmp_path / f"run.old{number}"
        assert not folder.path.exists()
    assert RunFolder(tmp_path / "run.old2").read() == {"number": 2}
