"""Curves of statistics through training, a panel per model, real music's values beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partimento.reports.pianoroll import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 80


@dataclass(frozen=True)
class Curve:
    """One statistic through training.

    Attributes:
        name: What the legend says.
        place: Epochs at which it was measured.
        seeds: Values of each seed at these places.
        real: Value of real music; None: not drawn.
    """

    name: str
    place: Sequence[float]
    seeds: Sequence[Sequence[float]]
    real: float | None = None


def draw_curves(
    panels: Mapping[str, Sequence[Curve]],
    path: str | Path | None = None,
    *,
    begin: float | None = None,
    top: float | None = None,
) -> Figure:
    """Draw panels of curves side by side: lines are seeds, dashes real music, and save them.

    Args:
        panels: Curves by the heading of their panel; those of one place have one colour.
        path: File to write; None: only return the figure.
        begin: Epoch at which a dotted line stands; None: no line.
        top: Largest value that is shown; None: all.
    """
    # No pyplot: its global list of figures grows and is not safe in a training process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(panels), 4.2), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes_of: Any = figure.subplots(1, len(panels), squeeze=False, sharey=True)
    for axes, (heading, curves) in zip(axes_of[0], panels.items(), strict=True):
        for number, curve in enumerate(curves):
            style: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "linewidth": 1.0}
            for index, values in enumerate(curve.seeds):
                label = "_" if index else curve.name
                axes.plot(curve.place, values, label=label, alpha=0.8, **style)
            if curve.real is not None:
                axes.axhline(curve.real, linestyle="--", alpha=0.6, **style)
        if begin is not None:
            axes.axvline(begin, color="grey", linewidth=0.8, linestyle=":")
        axes.set_title(heading, fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_ylim(0, top)
    axes_of[0][-1].legend(loc="upper right", fontsize=7)
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI)
    return figure
