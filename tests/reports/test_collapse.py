"""Pictures of collapse: what they show is there, what lies outside is counted, files stay small."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.image import imread

from partimento.datasets.mixtures import ring_centres
from partimento.reports.collapse import Scene, draw_dependence, draw_plane, draw_scenes
from partimento.reports.pianoroll import COLOURS
from partimento.reports.points import CENTRES, REAL, SAMPLES

RING = ring_centres(8, 1.0)


def coloured(path, colour: str) -> int:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return int((np.abs(imread(path)[..., :3] - wanted).max(axis=-1) < 0.01).sum())


def scene(**options) -> Scene:
    samples = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    return Scene(**{"title": "$D", "half": 1.6, "samples": samples, "centres": RING, **options})


def test_surface_boundary_arrows_and_points_are_seen(tmp_path):
    line = np.linspace(-1.6, 1.6, 41)
    surface = 1 - np.hypot(*np.meshgrid(line, line))
    path = tmp_path / "deep" / "scene.png"
    plain = scene(real=RING + 0.1)
    full = scene(surface=surface, highest=np.array([0.2, 0.1]), steps=0.2 * plain.samples)
    figure = draw_scenes([plain, full], path)
    for colour in (SAMPLES, CENTRES, REAL, COLOURS[2]):
        assert coloured(path, colour) > 10, colour  # thin lines are mostly blended
    labels = {text.get_text() for text in figure.axes[1].get_legend().get_texts()}
    assert labels == {"real", "modes", "samples", "top of the hill"}
    assert path.stat().st_size < 150_000


def test_the_boundary_lies_where_the_surface_is_0():
    """A surface that rises to the right is 0 on a line at 0.4, whatever the axes' order."""
    line = np.linspace(-1.6, 1.6, 65)
    surface = np.meshgrid(line, line)[0] - 0.4
    axes = draw_scenes([scene(surface=surface)]).axes[0]
    paths = [path.vertices for found in axes.collections for path in found.get_paths()]
    on_line = [p for p in paths if len(p) > 20 and np.allclose(p[:, 0], 0.4, atol=1e-6)]
    assert on_line


def test_samples_outside_are_counted():
    far = np.array([[9.0, 0.0], [0.0, 0.0], [0.0, -2.0]])
    axes = draw_scenes([scene(samples=far)]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["2 of 3 samples outside"]


def test_each_seed_is_a_line_and_each_case_a_panel():
    curves = {"a": ([0, 1, 2], [[1, 0.1, 0.0], [1, 1, 1]]), "b": ([0, 5], [[0.5, 0.2]])}
    figure = draw_dependence(curves, (1, 2))
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]
    assert figure.axes[0].lines[0].get_ydata()[1] == pytest.approx(0.1)


def test_a_ratio_is_drawn_at_its_mean():
    planes = {"ring": {"1:5": ([0.1, 0.3], [0.9, 0.7]), "5:1": ([1.0, 1.0], [0.2, 0.4])}}
    axes = draw_plane(planes, 0.98889).axes[0]
    means = [c.get_offsets()[0].tolist() for c in axes.collections if len(c.get_offsets()) == 1]
    np.testing.assert_allclose(means, [[0.2, 0.8], [1.0, 0.3]])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["1:5", "5:1"]
