"""`make check-full`: every test, slow ones too; the result is kept as JSON and committed."""

from __future__ import annotations

import sys

sys.path.pop(0)  # this folder, whose inspect.py would hide Python's own

import json
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "check_full.json"


def run(command: list[str]) -> int:
    """Run a command in the clone and return its exit code."""
    print("+", *command, flush=True)
    return subprocess.run(command, cwd=ROOT).returncode


def output_of(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def main() -> int:
    """Run everything, write the result, return the exit code."""
    start = time.monotonic()
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        marks = ["-m", "full or not full", f"--junitxml={report}"]
        code = run([sys.executable, "-m", "pytest", "-q", *marks])
        suite = ElementTree.parse(report).getroot().find("testsuite")
    counts = {} if suite is None else suite.attrib
    result = {
        "name": "check_full",
        "date": time.strftime("%Y-%m-%d"),
        "commit": output_of("git", "rev-parse", "HEAD"),
        "dirty": bool(output_of("git", "status", "--porcelain", "--", "src", "tests", "conf")),
        "exit_code": code,
        "tests": {name: int(counts[name]) for name in ("tests", "failures", "errors", "skipped")},
        "seconds": round(time.monotonic() - start),
        "python": sys.version.split()[0],
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return code


if __name__ == "__main__":
    sys.exit(main())
