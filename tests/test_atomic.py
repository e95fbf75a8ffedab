"""Atomic writes: the new content or the old, never a part, whatever interrupts."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

from partimento import atomic as module
from partimento.atomic import write_atomically


def test_new_content_or_old_never_a_part(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file.json"
    write_atomically(path, "first")
    assert path.read_text() == "first"
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:

            def fail(*arguments: object) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(module.os, step, fail)
            with pytest.raises(OSError, match="No space left"):
                write_atomically(path, b"second" * 10_000)
        assert path.read_text() == "first"
        assert list(path.parent.iterdir()) == [path]
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"


def test_a_kill_in_the_middle_of_a_write_leaves_the_old_content(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from partimento import atomic\n"
        "atomic.os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "atomic.write_atomically(Path(sys.argv[1]), 'new' * 100000)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_files_get_the_permissions_that_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", "x")
        assert os.umask(0o027) == 0o027  # and the umask itself stays
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
