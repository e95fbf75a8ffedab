"""The study of gan_celtic: its rules on made-up figures, and a page that says what was found."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
REAL = {
    "pitch_class": [0.002, 0.003, 0.005],
    "interval": [0.003, 0.004, 0.006],
    "duration": [0.0, 0.001, 0.002],
    "coverage": [0.9, 0.95, 1.0],
    "copies": [0.0, 0.0, 0.0],
    "near_copies": [0.0, 0.01, 0.02],
    "copied_halves": [0.0, 0.02, 0.03],
    "unique": [0.96, 0.98, 1.0],
}
MIDDLING = {
    "pitch_class": [0.02, 0.03, 0.02],
    "interval": [0.05, 0.04, 0.06],
    "duration": [0.003, 0.004, 0.003],
    "coverage": [0.6, 0.5, 0.7],
    "copies": [0.0, 0.0, 0.0],
    "near_copies": [0.01, 0.0, 0.0],
    "copied_halves": [0.0, 0.0, 0.0],
    "unique": [1.0, 1.0, 1.0],
}
GOOD = {
    **MIDDLING,
    "pitch_class": [0.004, 0.004, 0.004],
    "interval": [0.01, 0.01, 0.01],
    "coverage": [0.9, 0.95, 0.9],
}


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("gan_celtic")


def judged(study: ModuleType, earlier: Any, later: Any) -> dict[str, Any]:
    return study.verdict({"0500": earlier, "5000": later}, REAL)


def test_better_worse_and_mixed(study: ModuleType) -> None:
    found = judged(study, MIDDLING, GOOD)
    assert found["outcome"] == "better"
    assert found["seeds_better"] == {
        "pitch_class": 3,
        "interval": 3,
        "duration": 0,  # equal in all seeds: neither
        "coverage": 3,
    }
    assert found["as_real"] == {
        "pitch_class": True,
        "interval": False,
        "duration": False,
        "coverage": True,
    }
    one_seed_less = {**GOOD, "coverage": [0.5, 0.95, 0.9]}
    assert judged(study, MIDDLING, one_seed_less)["outcome"] == "mixed"
    assert judged(study, GOOD, MIDDLING)["outcome"] == "worse"


def test_equal_figures_are_neither_better_nor_worse(study: ModuleType) -> None:
    assert judged(study, MIDDLING, MIDDLING)["outcome"] == "mixed"
    assert not any(judged(study, MIDDLING, MIDDLING)["seeds_better"].values())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"coverage": [0.2, 0.3, 0.2]}, "collapsed"),
        ({"unique": [0.4, 0.6, 0.4]}, "collapsed"),
        ({"copies": [0.03, 0.0, 0.01]}, "copies"),
        ({"near_copies": [0.1, 0.1, 0.1]}, "nearly_copies"),
    ],
)
def test_collapse_and_copying(study: ModuleType, change: dict[str, list[float]], told: str) -> None:
    names = ("collapsed", "copies", "nearly_copies")
    before = judged(study, MIDDLING, MIDDLING)
    after = judged(study, MIDDLING, {**MIDDLING, **change})
    assert [before[name] for name in names] == [False] * 3
    assert [name for name in names if after[name]] == [told]


def test_the_page_has_the_table_of_the_result_file(study: ModuleType) -> None:
    text = (ROOT / "docs" / "gan_celtic.md").read_text()
    path = ROOT / "benchmarks" / "results" / "gan_celtic.json"
    assert study.paged(text, json.loads(path.read_text())["figures"]) == text


def test_what_the_page_shows_is_there() -> None:
    import re

    text = (ROOT / "docs" / "gan_celtic.md").read_text()
    links = re.findall(r"\]\(([\w./-]+)\)", text)
    assert len(links) >= 4
    for link in links:
        assert (ROOT / "docs" / link).is_file(), link
