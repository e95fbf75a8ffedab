"""The studies of BEGAN and of styles: their rules on made-up figures, and tables that say them."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(params=["began", "style"])
def script(request, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module(request.param)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ...]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return tuple(importlib.import_module(name) for name in ("began", "style", "fidelity"))


def rows(*of_gamma: tuple[float, float, float]) -> dict[str, list[dict[str, float]]]:
    """Return three equal seeds a gamma, of (coverage, precision, M), a little apart."""
    return {
        gamma: [
            {"coverage": c + 0.001 * seed, "precision": p + 0.001 * seed, "M": m - 0.0001 * seed}
            for seed in range(3)
        ]
        for gamma, (c, p, m) in zip(("0.3", "0.5", "0.7"), of_gamma, strict=True)
    }


@pytest.mark.parametrize(
    ("figures", "claim", "m", "costs"),
    [
        (rows((0.2, 0.9, 0.3), (0.4, 0.8, 0.2), (0.6, 0.7, 0.1)), "holds", "a sign", True),
        (rows((0.6, 0.9, 0.3), (0.4, 0.8, 0.2), (0.2, 0.7, 0.1)), "refuted", "no sign", True),
        (rows((0.2, 0.7, 0.1), (0.6, 0.8, 0.3), (0.4, 0.9, 0.2)), "open", "no sign", False),
    ],
)
def test_the_rules_of_gamma(modules, figures, claim, m, costs) -> None:
    found = modules[0].verdict(figures)
    assert (found["papers_claim"], found["m"], found["costs_fidelity"]) == (claim, m, costs)
    assert found["sets_variety"] is (claim == "holds")


def style_run(precision: float, coverage: float, layers: list[float]) -> dict[str, object]:
    half = {"precision": precision, "coverage": coverage}
    return {
        "truncation": {"0.5": half, "1.0": {"precision": 0.5, "coverage": 0.5}},
        "layers": layers,
    }


@pytest.mark.parametrize(
    ("runs", "outcome", "coarse"),
    [
        ([style_run(0.6, 0.4, [0.5, 0.1])] * 3, "trades", True),
        ([style_run(0.4, 0.6, [0.1, 0.5])] * 3, "refuted", False),
        ([style_run(0.6, 0.6, [0.5, 0.1])] * 3, "mixed", True),
        ([style_run(0.6, 0.4, [0.5, 0.1])] * 2 + [style_run(0.4, 0.4, [0.1, 0.5])], "mixed", False),
    ],
)
def test_the_rules_of_truncation(modules, runs, outcome, coarse) -> None:
    found = modules[1].verdict(runs)
    assert (found["truncation"], found["coarse_layers_decide_more"]) == (outcome, coarse)


def test_a_table_says_means_and_each_seed_beside_a_perfect_model(modules) -> None:
    made = modules[2].table(
        {"a": [{"coverage": 0.25, "M": 1.0}, {"coverage": 0.75, "M": 2.0}]},
        {"coverage": [0.8, 0.9, 1]},
    )
    lines = made.splitlines()
    assert lines[0] == "| | coverage | M |"
    assert lines[2] == "| a | 0.500 (0.250, 0.750) | 1.500 (1.000, 2.000) |"
    assert lines[3] == "| a perfect model | 0.900 [0.800, 1.000] |  |"


def test_a_page_has_a_place_for_what_the_study_finds(script, modules) -> None:
    text = script.PAGE.read_text()
    name = script.PAGE.stem
    assert f"<!-- table: {name} -->\n" in text
    once = modules[2].paged(text, name, "made")
    assert f"<!-- table: {name} -->\nmade\n<!-- end -->" in once
    assert modules[2].paged(once, name, "made") == once


def test_what_was_found_is_kept_under_its_key(modules, tmp_path) -> None:
    asked = []

    def find() -> int:
        asked.append(None)
        return len(asked)

    path = tmp_path / "run" / "study.json"
    kept = modules[2].kept
    assert [kept(path, {"sets": 1}, find), kept(path, {"sets": 1}, find)] == [1, 1]
    assert kept(path, {"sets": 2}, find) == 2
