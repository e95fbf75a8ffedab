"""Calibrations are kept for the same data and settings, and for no others."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from planted import ring

from partimento.diagnostics import tiers
from partimento.diagnostics.tiers import kept_calibrations, read_calibrations, write_calibrations

X = ring(90, 8)
GROUP = np.arange(90) // 3


@pytest.fixture
def counted(monkeypatch) -> list[int]:
    """How many samples were calibrated for, each time it was done."""
    made: list[int] = []
    before = tiers.calibrate

    def counting(features, group, measures, count, **more):
        made.append(count)
        return before(features, group, measures, count, **more)

    monkeypatch.setattr(tiers, "calibrate", counting)
    return made


def test_the_same_data_and_settings_are_calibrated_once(tmp_path, counted, caplog):
    caplog.set_level(logging.INFO)
    folder = tmp_path / "calibrations"
    first, seconds = kept_calibrations(folder, X, GROUP, {"alarm": 14}, resamples=199)
    assert seconds > 0
    assert "199 divisions of 90 real examples" in caplog.text
    assert "It took" in caplog.text
    again, seconds = kept_calibrations(folder, X.clone(), GROUP, {"alarm": 14}, resamples=199)
    assert seconds == 0
    assert again == first
    assert counted == [14]
    changes = [
        (X + 0.1, GROUP, {"alarm": 14}),
        (X, np.arange(90) // 2, {"alarm": 14}),
        (X, GROUP, {"alarm": 12}),
        (X, GROUP, {"thorough": 14}),
    ]
    for features, group, counts in changes:
        kept_calibrations(folder, features, group, counts, resamples=199)
    assert counted == [14, 14, 14, 12, 14]


def test_without_a_folder_nothing_is_kept(tmp_path, counted, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        kept_calibrations(None, X, GROUP, {"alarm": 12}, resamples=199)
    assert counted == [12, 12]
    assert not list(tmp_path.iterdir())


def test_a_file_gives_back_what_was_written(tmp_path):
    found, _ = kept_calibrations(None, X, GROUP, {"alarm": 12}, resamples=199)
    write_calibrations(tmp_path / "kept.json", found)
    assert read_calibrations(tmp_path / "kept.json") == found
    # No more samples than there are examples for three sides.
    wanted, _ = kept_calibrations(None, X, GROUP, {"alarm": 500}, resamples=199)
    assert wanted["alarm"].count == 28
