"""`partimento inspect`: what it prints of the chorales, and that its files are music again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from partimento.formats.files import read_piece

ROOT = Path(__file__).resolve().parents[2]


def test_chorales(cli, cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "a, b"
    result = cli("inspect", f"output={out}", f"cache={cache}", "count=2")
    assert result.code == 0, result.err
    assert "365 in 231 groups that share music" in result.out
    assert "291 pieces, 18,177 examples of 64 x 4" in result.out
    assert "5 off-grid onsets" in result.out
    assert (out / "examples.png").read_bytes().startswith(b"\x89PNG")
    trips = sorted(out.glob("*.round_trip.mid"))
    assert len(trips) == 2
    for path in trips:
        before = read_piece(path.with_name(path.name.replace("round_trip", "original")))
        after = read_piece(path)
        rows = [
            sorted(zip(p.onset * 4 // p.resolution, p.pitch, strict=True)) for p in (before, after)
        ]
        assert rows[0] == rows[1]


def test_a_wrong_name_is_one_sentence(cli) -> None:
    result = cli("inspect", "dataset=chorale")
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "chorales" in result.err


def test_the_script_does_not_hide_pythons_inspect() -> None:
    for name in ("inspect", "matrix", "train"):
        command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), "--help"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
