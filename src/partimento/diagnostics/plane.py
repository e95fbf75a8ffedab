"""The course's plane: fidelity against diversity, both relative to unseen music, through training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from partimento.diagnostics.calibration import Interval
from partimento.reports.collapse import DPI
from partimento.reports.points import REAL

FIDELITY, DIVERSITY = "precision", "coverage"
"""The values on the two axes: of samples among reals, and of reals among samples."""
GENERATOR_AHEAD = "Generator > Discriminator"
DISCRIMINATOR_AHEAD = "Discriminator > Generator"


class Place(NamedTuple):
    """Where a model is on the plane; 1 is the median of a perfect model, 0 is nothing.

    Attributes:
        update: Generator updates made.
        diversity: Coverage over that of a perfect model.
        fidelity: Precision over that of a perfect model.
        checkpoint: Whether it is marked as one of the run's checkpoints.
    """

    update: int
    diversity: float
    fidelity: float
    checkpoint: bool = False


def place_of(update: int, values: Mapping[str, float], intervals: Mapping[str, Interval]) -> Place:
    """Return the place that the values of an evaluation have."""
    return Place(
        update,
        values[DIVERSITY] / intervals[DIVERSITY].middle,
        values[FIDELITY] / intervals[FIDELITY].middle,
    )


def box_of(intervals: Mapping[str, Interval]) -> tuple[float, float, float, float]:
    """Return the box of a perfect model: least and most diversity, least and most fidelity."""
    diversity, fidelity = intervals[DIVERSITY], intervals[FIDELITY]
    return (
        diversity.low / diversity.middle,
        diversity.high / diversity.middle,
        fidelity.low / fidelity.middle,
        fidelity.high / fidelity.middle,
    )


def draw_trajectory(
    places: Sequence[Place],
    intervals: Mapping[str, Interval],
    path: str | Path,
    title: str = "",
) -> None:
    """Draw the way of a training run over the plane.

    Every evaluation is a small dot, coloured by its update; checkpoints are larger, the last place
    has a ring and its update. The green box is the reference interval: where a perfect model is.

    Args:
        places: Evaluations in order, one at least.
        intervals: Reference intervals of the values on the axes.
        path: PNG file.
        title: Heading.
    """
    # No pyplot: its global list of figures grows and is not safe in a training process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(5.4, 4.6), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots()
    left, right, bottom, top = box_of(intervals)
    box = Rectangle((left, bottom), right - left, top - bottom, zorder=0)
    box.set(facecolor="#bbf7d0", edgecolor="#15803d", linewidth=1.0)
    axes.add_patch(box)
    axes.annotate(
        "unseen music", ((left + right) / 2, bottom), (0, -4), textcoords="offset points",
        ha="center", va="top", fontsize=7, color="#15803d",
    )  # fmt: skip
    x, y = [place.diversity for place in places], [place.fidelity for place in places]
    updates = [place.update for place in places]
    scale: dict[str, Any] = {"vmin": min(updates), "vmax": max(*updates, min(updates) + 1)}
    axes.plot(x, y, color=REAL, linewidth=0.6, zorder=1)
    dots = axes.scatter(x, y, c=updates, s=9, cmap="viridis", linewidths=0, zorder=2, **scale)
    marked = [place for place in places if place.checkpoint]
    axes.scatter(
        [p.diversity for p in marked], [p.fidelity for p in marked], c=[p.update for p in marked],
        s=46, cmap="viridis", edgecolors="white", linewidths=0.8, zorder=3, **scale,
    )  # fmt: skip
    axes.scatter(x[-1:], y[-1:], s=130, facecolors="none", edgecolors="#b91c1c", zorder=4)
    axes.annotate(
        f"{updates[-1]:,}", (x[-1], y[-1]), (9, 9), textcoords="offset points", fontsize=7,
        color="#b91c1c",
    )  # fmt: skip
    figure.colorbar(dots, ax=axes, label="generator updates", pad=0.02).ax.tick_params(labelsize=7)
    _label(axes, title)
    axes.set_xlim(-0.04, max(1.15, right + 0.1))
    axes.set_ylim(-0.04, max(1.15, top + 0.1))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI + 40)


def _label(axes: Any, title: str) -> None:
    """Write what the axes and the ends of the plane are."""
    ends: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 8, "color": "#475569"}
    axes.text(0.02, 0.98, f"{GENERATOR_AHEAD}\nfew things, made well", va="top", **ends)
    axes.text(0.98, 0.02, f"{DISCRIMINATOR_AHEAD}\nmany things, less exact", ha="right", **ends)
    axes.text(0.02, 0.02, "nothing learnt, or collapsed off the data", **ends)
    axes.set_xlabel("diversity (variability): coverage / that of unseen music", fontsize=8)
    axes.set_ylabel("fidelity (corpus conformance): precision / that of unseen music", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_title(title, fontsize=9, loc="left", parse_math=False)
