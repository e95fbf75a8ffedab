"""The study of calibration: its statistics against closed forms, its resumption, its page."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, mannwhitneyu, spearmanr

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "calibration.json"
TABLES = 7


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import calibration

        yield calibration
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def statistics(study: ModuleType) -> ModuleType:
    import calibration_statistics  # type: ignore[import-not-found]

    return calibration_statistics


@pytest.fixture(scope="module")
def figures(study: ModuleType) -> ModuleType:
    import calibration_figures  # type: ignore[import-not-found]

    return calibration_figures


@pytest.mark.parametrize(("hits", "total"), [(0, 20), (3, 20), (20, 20), (4, 400)])
def test_exact_intervals_leave_out_a_fortieth_on_each_side(
    statistics: ModuleType, hits: int, total: int
) -> None:
    low, high = statistics.clopper_pearson(hits, total)
    assert low == 0 if hits == 0 else binom.sf(hits - 1, total, low) == pytest.approx(0.025)
    assert high == 1 if hits == total else binom.cdf(hits, total, high) == pytest.approx(0.025)


def test_auroc_is_the_statistic_of_mann_and_whitney(statistics: ModuleType) -> None:
    rng = np.random.default_rng(0)
    healthy, failing = rng.integers(0, 6, 40), rng.integers(2, 9, 30)
    expected = mannwhitneyu(failing, healthy).statistic / (40 * 30)
    assert statistics.auroc(healthy, failing) == pytest.approx(expected)
    assert statistics.auroc([0.0, 1.0], [math.inf, 2.0]) == 1


def test_rank_correlation_is_spearmans(statistics: ModuleType) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 5, 30), rng.integers(0, 5, 30)
    expected = spearmanr(first, second).statistic
    assert statistics.spearman(first, second) == pytest.approx(expected)
    assert statistics.spearman([1, 2, 3], [0.0, 4.0, math.inf]) == 1
    assert statistics.spearman([1, 2, 3], [5.0, 5.0, 5.0]) == 0


def test_a_detected_severity_has_no_undetected_one_above(statistics: ModuleType) -> None:
    assert statistics.smallest_detected({0.1: 0.2, 0.5: 0.95, 1.0: 1.0}, 0.95) == 0.5
    assert statistics.smallest_detected({0.1: 1.0, 0.5: 0.9, 1.0: 1.0}, 0.95) == 1.0
    assert statistics.smallest_detected({0.1: 1.0, 1.0: 0.9}, 0.95) is None


def test_macro_f1_of_known_tables(statistics: ModuleType) -> None:
    assert statistics.macro_f1({"a": {"a": 1.0}, "b": {"b": 1.0}}) == 1
    # All said to be "a": precision 1/2 and recall 1 for a, nothing for b.
    assert statistics.macro_f1({"a": {"a": 1.0}, "b": {"a": 1.0}}) == pytest.approx(1 / 3)
    assert statistics.macro_f1({"a": {"b": 1.0}, "b": {"a": 1.0}}) == 0


def test_a_value_is_bad_on_its_bad_side_alone(figures: ModuleType) -> None:
    assert figures.score("precision", -2.0) == 2
    assert figures.score("precision", 2.0) == -2
    assert figures.score("recall", -2.0) == figures.score("recall", 2.0) == 2
    assert figures.score("spread_ratio", math.nan) == math.inf


def test_only_an_alarm_names_a_failure(figures: ModuleType) -> None:
    cell = {
        "states": ["healthy", "critical"],
        "fidelity": ["healthy", "healthy"],
        "failures": [[], ["rotation", "memorisation"]],
    }
    assert figures.word(cell) == "rotation"
    assert figures.word(cell | {"failures": [[], []]}) == "unnamed"
    assert figures.word(cell | {"states": ["critical", "healthy"]}) == "healthy"


@pytest.fixture
def small(study: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The study of the ring alone, with few failures at full severity."""
    monkeypatch.setattr(study, "WORLDS", ("ring",))
    monkeypatch.setattr(study, "FAILURES", ("point_collapse", "off_manifold"))
    monkeypatch.setattr(study, "SEVERITIES", (1.0,))
    monkeypatch.setattr(study, "HEALTHY_TURNS", 2)
    monkeypatch.setattr(study, "COUNT", 64)
    monkeypatch.setattr(study, "POOL", 256)
    return study


def test_a_kill_costs_a_block_and_cells_made_anew_are_the_same(
    small: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small.run(small.Study(5, tmp_path, 1), repeats=2, healthy=3)
    names = sorted(path.stem for path in tmp_path.glob("*.json"))
    assert names == ["ring-failing-000", "ring-failing-001", "ring-healthy-000", "ring-intervals-0"]
    cells = small.kept(small.Study(5, tmp_path, 1), 2, 3)["ring"]
    assert len(cells) == 3 + 2 * 2
    told = {cell["failure"]: cell for cell in cells}
    assert told["point_collapse"]["failures"][-1][0] == "point_collapse"
    assert told["off_manifold"]["failures"][-1][0] == "off_manifold"
    assert told[None]["failures"] == [[], []]
    assert abs(told[None]["excess"]["coverage"]) < 1.5
    killed = tmp_path / "ring-failing-001.json"
    before = killed.read_text()
    killed.unlink()
    capsys.readouterr()
    small.run(small.Study(5, tmp_path, 1), repeats=2, healthy=3)
    assert killed.read_text() == before
    assert capsys.readouterr().out.count("\n") == 1  # nothing else was made again
    assert small.check(small.Study(5, tmp_path, 1), 2, 3, share=1.0, choice=0)
    rows = json.loads(before)
    rows[0]["turns"][-1]["coverage"] += 0.01
    killed.write_text(json.dumps(rows))
    assert not small.check(small.Study(5, tmp_path, 1), 2, 3, share=1.0, choice=0)


def test_a_cell_alone_is_the_cell_of_the_study(small: ModuleType, tmp_path: Path) -> None:
    one = small.Study(5, tmp_path, 1)
    cells = tuple(small.Cell(failure, 1.0, 0) for failure in small.FAILURES)
    rows = list(one.made(small.Block("", "ring", cells)))
    alone = list(small.Study(5, tmp_path, 1).made(small.Block("", "ring", cells[1:])))
    assert alone == rows[1:]


def test_what_is_judged_afterwards_is_what_the_monitor_says(
    small: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    observe = small.Monitor.observe

    def listen(self: Any, *arguments: Any, **names: Any) -> Any:
        said.append(observe(self, *arguments, **names))
        return said[-1]

    monkeypatch.setattr(small.Monitor, "observe", listen)
    monkeypatch.setattr(small, "FAILURES", ("rotation",))
    small.run(small.Study(6, tmp_path, 1), repeats=1, healthy=0)
    (cell,) = small.kept(small.Study(6, tmp_path, 1), 1, 0)["ring"]
    alarms, (thorough,) = said[:-1], said[-1:]
    assert cell["states"] == [seen.state for seen in alarms]
    assert cell["fidelity"] == [seen.fidelity for seen in alarms]
    assert cell["failures"] == [list(seen.failures) for seen in alarms]
    assert cell["failures"][-1] == ["rotation"]
    expected = {**thorough.excess, **alarms[-1].excess}
    assert cell["excess"] == pytest.approx(expected, rel=1e-2, abs=1e-2)


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    if not RESULT.exists():
        pytest.skip("the study has not been run")
    return json.loads(RESULT.read_text())["figures"]


def test_the_tables_of_the_page_are_those_of_the_result(
    study: ModuleType, result: dict[str, Any]
) -> None:
    import calibration_pages  # type: ignore[import-not-found]

    written = (ROOT / "docs" / "diagnostics.md").read_text()
    assert len(calibration_pages.TABLES) == TABLES
    assert calibration_pages.with_tables(written, result) == written


def test_the_picture_is_there_and_small() -> None:
    assert "](diagnostics/heatmap.png)" in (ROOT / "docs" / "diagnostics.md").read_text()
    size = (ROOT / "docs" / "diagnostics" / "heatmap.png").stat().st_size
    assert 10_000 < size < 300_000


def test_the_committed_figures_are_of_every_cell(study: ModuleType, result: dict[str, Any]) -> None:
    import calibration_rule as rule  # type: ignore[import-not-found]

    size = result["size"]
    failing = len(study.FAILURES) * len(rule.SEVERITIES) * size["repeats"]
    for world in rule.WORLDS:
        assert result[world]["cells"] == size["healthy"] + failing
        rows = result[world]["diagnostics"].items()
        counted = {name: row["false_positives"]["of"] for name, row in rows}
        # Of drift nothing is said before there are earlier evaluations of the same kind.
        assert 0.9 * size["healthy"] <= counted.pop("drift") <= size["healthy"]
        assert set(counted.values()) == {size["healthy"]}
        confusion = result[world]["attribution"]["confusion"]
        assert len(confusion) == 1 + len(study.FAILURES)
        assert all(sum(row.values()) == pytest.approx(1, abs=1e-3) for row in confusion.values())
