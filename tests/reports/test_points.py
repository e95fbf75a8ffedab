"""Scatters: what is shown follows from what is known, and what lies outside is counted."""

from __future__ import annotations

import numpy as np
from matplotlib.image import imread

from partimento.datasets.mixtures import Ring
from partimento.reports.points import CENTRES, REAL, SAMPLES, draw_points, draw_walk, view_of

RING = Ring(samples=400)


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def pixels_of(path, colour: str) -> int:
    picture = imread(path)[..., :3]
    return int((np.abs(picture - rgb(colour)).max(axis=-1) < 0.01).sum())


def test_samples_real_points_and_modes_are_seen(tmp_path):
    real = RING.examples("train").x
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (100, 1, 2))
    path = tmp_path / "deep" / "points.png"
    draw_points(samples, path, real=real, centres=RING.oracle.centres, title="$ is no formula")
    for colour in (SAMPLES, CENTRES, REAL):
        assert pixels_of(path, colour) > 20, colour
    draw_points(samples, tmp_path / "alone.png")
    assert (
        pixels_of(tmp_path / "alone.png", REAL) == pixels_of(tmp_path / "alone.png", CENTRES) == 0
    )


def test_the_view_does_not_follow_the_samples():
    real = RING.examples("train").x
    far = np.array([[50.0, 0.0], [np.nan, 0.0], [0.1, 0.1]])
    figures = [draw_points(samples, real=real) for samples in (far, np.zeros((1, 2)))]
    axes = [figure.axes[0] for figure in figures]
    assert axes[0].get_xlim() == axes[1].get_xlim()
    assert [text.get_text() for text in axes[0].texts] == ["2 of 3 outside"]
    assert not axes[1].texts


def test_odd_sets_can_be_drawn():
    for samples in (np.zeros((0, 2)), np.full((3, 2), np.nan), np.full((3, 2), 7.0)):
        assert draw_points(samples).axes[0].get_aspect() == 1
    middle, half = view_of(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert middle.tolist() == [2.0, 5.0]
    assert half == 1.3


def test_a_walk_is_drawn_over_its_cloud(tmp_path):
    walk = np.stack([np.linspace(-1, 1, 9), np.zeros(9)], axis=1)[:, None]
    cloud = RING.examples("train").x
    figure = draw_walk(walk, tmp_path / "deep" / "walk.png", cloud=cloud, title="from 1 to 2")
    (axes,) = figure.axes
    (line,) = axes.get_lines()
    assert np.array_equal(line.get_xydata(), walk[:, 0])
    assert [text.get_text() for text in axes.texts] == ["1", "9"]
    assert pixels_of(tmp_path / "deep" / "walk.png", SAMPLES) > 100
    assert pixels_of(tmp_path / "deep" / "walk.png", REAL) > 100


def test_a_walk_out_of_its_cloud_is_seen_whole():
    walk = np.array([[0.0, 0.0], [9.0, 0.0]])
    (axes,) = draw_walk(walk, cloud=np.zeros((5, 2))).axes
    assert axes.get_xlim()[1] > 9
