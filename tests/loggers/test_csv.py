"""metrics.csv: appended, read back, cut back to where a run goes on, a torn line left out."""

from __future__ import annotations

import pytest

from partimento.loggers.csv import COLUMNS, CsvLogger, cut_back, read_metrics


def axes(updates: int) -> dict[str, int]:
    return {
        "updates": updates,
        "batches_seen": updates,
        "examples_seen": 32 * updates,
        "epoch": updates // 6,
    }


@pytest.fixture
def path(tmp_path):
    logger = CsvLogger(tmp_path)
    for updates in (5, 10):
        logger.log_metrics({"train/loss": 3.0 / updates, **axes(updates)})
    logger.log_metrics({"valid/nll": 0.1, "valid/accuracy": 0.75, **axes(12)})
    logger.log_metrics({"test/nll": 1e-17, **axes(12)})
    return tmp_path / "metrics.csv"


def test_values_read_back_as_they_were(path):
    rows = read_metrics(path)
    assert [(row["updates"], row["name"]) for row in rows] == [
        (5, "train/loss"),
        (10, "train/loss"),
        (12, "valid/nll"),
        (12, "valid/accuracy"),
        (12, "test/nll"),
    ]
    assert rows[1] == {**axes(10), "name": "train/loss", "value": 3.0 / 10}
    assert rows[-1]["value"] == 1e-17
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)


def test_a_second_logger_goes_on_in_the_same_file(path):
    before = path.read_text()
    CsvLogger(path.parent).log_metrics({"train/loss": 0.5, **axes(15)})
    assert path.read_text().startswith(before)
    assert len(read_metrics(path)) == 6
    assert path.read_text().count("updates") == 1


@pytest.mark.parametrize(
    ("updates", "left"),
    [
        (12, ["train/loss", "train/loss", "valid/nll", "valid/accuracy"]),
        (11, ["train/loss", "train/loss"]),
        (5, ["train/loss"]),
        (0, []),
    ],
)
def test_cutting_back_drops_what_comes_later_and_all_test_values(path, updates, left):
    cut_back(path, updates)
    assert [row["name"] for row in read_metrics(path)] == left
    once = path.read_bytes()
    cut_back(path, updates)
    assert path.read_bytes() == once


@pytest.mark.parametrize("bytes_lost", [1, 2, 3, 8, 20, 30])
def test_a_torn_last_line_is_dropped(path, bytes_lost):
    """A kill in the middle of a write; the value 0.75 must not become 0.7."""
    cut_back(path, 12)
    whole = path.read_bytes()
    kept = read_metrics(path)
    path.write_bytes(whole[:-bytes_lost])
    cut_back(path, 12)
    assert read_metrics(path) == kept[:-1]
    assert path.read_bytes().endswith(b"\n")
    CsvLogger(path.parent).log_metrics({"valid/accuracy": 0.75, **axes(12)})
    assert read_metrics(path) == kept


@pytest.mark.parametrize("torn", ["13", "13,13,416,2,train/loss", "13,13,416,2,train/loss,0.7"])
def test_a_torn_line_is_not_read_either(path, torn):
    path.write_text(path.read_text() + torn)
    assert len(read_metrics(path)) == 5


def test_nothing_there_is_nothing_read(tmp_path):
    assert read_metrics(tmp_path / "metrics.csv") == []
    cut_back(tmp_path / "metrics.csv", 3)
    assert list(tmp_path.iterdir()) == []


def test_not_a_number_and_infinity_read_back(tmp_path):
    CsvLogger(tmp_path).log_metrics({"a": float("nan"), "b": float("inf"), **axes(1)})
    a, b = (row["value"] for row in read_metrics(tmp_path / "metrics.csv"))
    assert a != a
    assert b == float("inf")


def test_a_value_without_counters_has_no_axes(tmp_path):
    CsvLogger(tmp_path).log_metrics({"a": 1.0})
    assert read_metrics(tmp_path / "metrics.csv") == [{"name": "a", "value": 1.0}]
