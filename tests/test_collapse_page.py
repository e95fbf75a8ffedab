"""docs/collapse.md says what the result file says, and its verdicts follow from the figures."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pages():
    path = ROOT / "benchmarks" / "collapse_pages.py"
    spec = importlib.util.spec_from_file_location("collapse_pages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_result(pages):
    text = (ROOT / "docs" / "collapse.md").read_text()
    figures = json.loads((ROOT / "benchmarks" / "results" / "collapse.json").read_text())["figures"]
    for name in pages.TABLES:
        assert f"<!-- table {name} -->\n|" in text
    assert pages.with_tables(text, figures) == text


def test_the_pictures_are_there_and_small():
    text = (ROOT / "docs" / "collapse.md").read_text()
    names = re.findall(r"\]\((collapse/[\w-]+\.png)\)", text)
    assert len(names) >= 5
    for name in names:
        assert 5_000 < (ROOT / "docs" / name).stat().st_size < 150_000, name


def row(iteration: int, score: float, spread: float) -> dict[str, float]:
    return {"iteration": iteration, "score": score, "latent_spread": spread}


def test_a_point_collapse_is_told_by_the_rule(pages):
    rows = [row(500, 0.0, 1.0), row(1300, 0.95, 0.04), row(1500, 0.1, 0.5)]
    said = pages.frozen_verdict({"curve": rows, "highest": {"score": 1.0}})
    assert said["way"] == pytest.approx(0.95)
    assert said["collapsed"]
    assert said["back"]
    for changed in (row(1300, 0.95, 0.06), row(1300, 0.85, 0.04)):
        said = pages.frozen_verdict(
            {"curve": [rows[0], changed, rows[2]], "highest": {"score": 1.0}}
        )
        assert not said["collapsed"]


def test_an_end_appears_only_when_every_seed_says_so(pages):
    assert pages.end_verdict([1, 2, 3], [2, 3, 4]) == "appears"
    assert pages.end_verdict([2, 3, 4], [1, 2, 3]) == "reversed"
    assert pages.end_verdict([1, 3, 3], [2, 2, 4]) == "undecided"
    assert pages.end_verdict([1, 1], [1, 2]) == "undecided"


def test_ratios_run_from_few_updates_of_the_discriminator_to_many(pages):
    figures = {f"ratio-ring-{name}-10": {} for name in ("5to1", "1to2", "1to1", "1to5", "2to1")}
    assert pages.ratios_of(figures)["ring"] == ["1:5", "1:2", "1:1", "2:1", "5:1"]
