"""Pictures of points of the plane: samples among real points and the centres of the modes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from partimento.reports.pianoroll import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES, CENTRES = COLOURS[1], COLOURS[0]
REAL = "#9CA3AF"
MARGIN = 0.15
"""Room around the real points, as a share of their extent."""


def view_of(real: np.ndarray, centres: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Return the middle `(2,)` and half the side of the square to show.

    It follows from what is known, not from the samples, so that pictures can be compared.
    """
    known = real if centres is None else np.concatenate([real, centres])
    if not len(known):
        return np.zeros(2), 1.0
    low, high = known.min(axis=0), known.max(axis=0)
    half = float((high - low).max()) / 2
    return (low + high) / 2, (1 + 2 * MARGIN) * half if half > 0 else 1.0


def draw_points(
    samples: np.ndarray,
    path: str | Path | None = None,
    *,
    real: np.ndarray | None = None,
    centres: np.ndarray | None = None,
    title: str = "",
    dpi: int = 110,
) -> Figure:
    """Draw samples as a scatter, and save it where a path is given.

    What lies outside the picture, or is no number, is counted in its corner.

    Args:
        samples: Points `(samples, [1,] 2)`.
        path: File to write (its suffix decides on the format); None: only return the figure.
        real: Points that the samples should look like, `(points, [1,] 2)`, drawn below them.
        centres: Centres of the modes, `(modes, 2)`, drawn as crosses.
        title: Heading.
        dpi: Dots per inch of the file.
    """
    # No pyplot: its global list of figures grows and is not safe in a training process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points, behind = _plane(samples), _plane(np.zeros((0, 2)) if real is None else real)
    shown = behind if len(behind) else points[np.isfinite(points).all(axis=1)]
    middle, half = view_of(shown, centres)
    seen = (np.abs(points - middle) <= half).all(axis=1)
    figure = Figure(figsize=(6.0, 6.2), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.09, 0.07, 0.88, 0.86))
    dots: dict[str, Any] = {"linewidths": 0, "marker": "o"}
    if len(behind):
        axes.scatter(behind[:, 0], behind[:, 1], s=6, color=REAL, label="real", zorder=1, **dots)
    axes.scatter(
        points[seen, 0], points[seen, 1], s=9, color=SAMPLES, label="samples", zorder=2, **dots
    )
    if centres is not None:
        crosses: dict[str, Any] = {"s": 70, "marker": "+", "linewidths": 1.0}
        axes.scatter(
            centres[:, 0], centres[:, 1], color=CENTRES, label="modes", zorder=3, **crosses
        )
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=8)
    axes.set_title(title, fontsize=11, loc="left", parse_math=False)
    axes.legend(loc="upper right", frameon=False, fontsize=8)
    if not seen.all():
        place: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 8, "zorder": 4}
        axes.text(0.02, 0.02, f"{(~seen).sum()} of {len(points)} outside", **place)
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=dpi)
    return figure


def draw_walk(
    walk: np.ndarray,
    path: str | Path | None = None,
    *,
    cloud: np.ndarray,
    title: str = "",
    dpi: int = 110,
) -> Figure:
    """Draw a way through the plane, step by step, over a cloud, and save it where a path is given.

    Args:
        walk: Points in order, `(steps, [1,] 2)`; the first and the last are marked.
        path: File to write; None: only return the figure.
        cloud: What lies around, `(points, [1,] 2)`, such as samples of the same model.
        title: Heading.
        dpi: Dots per inch of the file.
    """
    points = _plane(walk)
    behind = np.concatenate([_plane(cloud), points])
    figure = draw_points(np.zeros((0, 2)), real=behind, title=title)
    axes = figure.axes[0]
    axes.get_legend().remove()  # type: ignore[union-attr]
    line: dict[str, Any] = {"color": SAMPLES, "linewidth": 1.2, "marker": "o", "markersize": 3.5}
    axes.plot(points[:, 0], points[:, 1], zorder=3, **line)
    style: dict[str, Any] = {"fontsize": 10, "fontweight": "bold", "color": CENTRES, "zorder": 4}
    for place, name in ((points[0], "1"), (points[-1], str(len(points)))):
        axes.annotate(name, place, xytext=(5, 5), textcoords="offset points", **style)
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=dpi)
    return figure


def _plane(points: np.ndarray) -> np.ndarray:
    return np.asarray(points, dtype=float).reshape(-1, 2)
