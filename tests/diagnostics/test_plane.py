"""The plane of fidelity and diversity: places relative to a perfect model, and a picture of them."""

from __future__ import annotations

import numpy as np
import pytest

from partimento.diagnostics.calibration import Interval
from partimento.diagnostics.plane import Place, box_of, draw_trajectory, place_of

INTERVALS = {
    "precision": Interval(low=0.8, middle=0.9, high=0.99, level=0.99),
    "coverage": Interval(low=0.4, middle=0.5, high=0.6, level=0.99),
}


def test_a_perfect_model_is_at_one_and_one_inside_its_box():
    place = place_of(7, {"precision": 0.9, "coverage": 0.5}, INTERVALS)
    assert place == Place(7, 1.0, 1.0)
    assert box_of(INTERVALS) == pytest.approx((0.8, 1.2, 0.8 / 0.9, 1.1))


def test_one_mode_made_well_is_at_the_generators_end():
    place = place_of(0, {"precision": 0.9, "coverage": 0.05}, INTERVALS)
    assert (place.diversity, place.fidelity) == pytest.approx((0.1, 1.0))


def test_the_picture_shows_the_way_and_the_box(tmp_path):
    import matplotlib.image

    places = [Place(50 * step, 0.1 * step, 0.5, step == 8) for step in range(9)]
    draw_trajectory(places, INTERVALS, tmp_path / "new" / "plane.png", "a run")
    picture = matplotlib.image.imread(tmp_path / "new" / "plane.png")[..., :3]
    green = np.abs(picture - np.array([0xBB, 0xF7, 0xD0]) / 255).max(axis=2) < 0.02
    rows, columns = np.nonzero(green)
    assert len(rows) > 500  # the box, above the way and to its right
    assert columns.mean() > 0.5 * picture.shape[1]
    # One evaluation is a picture too, and another way is another picture.
    draw_trajectory(places[:1], INTERVALS, tmp_path / "one.png")
    one = matplotlib.image.imread(tmp_path / "one.png")[..., :3]
    assert one.shape == picture.shape
    assert not np.array_equal(one, picture)
