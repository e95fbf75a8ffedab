"""Two processes (gloo) with unequal parts of the examples compute what one with all of them does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gathering import CASES, computed

import partimento

SCRIPT = Path(__file__).parents[1] / "gathering.py"


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("two")
    places = [str(Path(partimento.__file__).parents[1]), str(SCRIPT.parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), "2", str(folder)],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        for process in started:
            _, told = process.communicate(timeout=120)
            assert process.returncode == 0, told
    finally:
        for process in started:
            process.kill()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def of_one() -> dict:
    return computed()


@pytest.mark.parametrize("name", CASES)
def test_two_processes_compute_what_one_does(name: str, of_two: list[dict], of_one: dict):
    first, second = (found[name] for found in of_two)
    assert first == second
    # The same examples, in the same order, and no sum depends on how they were divided.
    assert first == pytest.approx(of_one[name], rel=1e-6, abs=1e-9, nan_ok=True)
