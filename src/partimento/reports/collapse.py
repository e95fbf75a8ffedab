"""Pictures of collapse: a discriminator's surface under samples, arrows, curves, a plane of two ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from partimento.reports.pianoroll import COLOURS
from partimento.reports.points import CENTRES, REAL, SAMPLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 80
STAR = "#111827"


@dataclass(frozen=True)
class Scene:
    """What one panel shows of the plane.

    Attributes:
        title: Heading.
        half: Half the side of the square shown, around the origin.
        samples: Generated points `(samples, 2)`.
        centres: Centres of the modes `(modes, 2)`.
        surface: Scores of the discriminator on a square lattice over the view, `(n, n)`, row by
            row from below; None: not drawn.
        highest: Top `(2,)` of the hill of the discriminator to be marked; None: none.
        steps: Direction `(samples, 2)` in which a loss moves each sample; None: not drawn.
        real: Real points `(points, 2)`; None: not drawn.
    """

    title: str
    half: float
    samples: np.ndarray
    centres: np.ndarray
    surface: np.ndarray | None = None
    highest: np.ndarray | None = None
    steps: np.ndarray | None = None
    real: np.ndarray | None = None


def _figure(columns: int, width: float = 4.0) -> tuple[Figure, list[Axes]]:
    # No pyplot: its global list of figures grows and is not safe in a training process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, width + 0.3), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    layout: Any = figure.get_layout_engine()
    layout.set(h_pad=0.1)  # inches; without them the headings touch the edge
    made: Any = figure.subplots(1, columns, squeeze=False)
    return figure, list(made[0])


def _save(figure: Figure, path: str | Path | None) -> Figure:
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI)
    return figure


def _draw_scene(axes: Axes, scene: Scene) -> None:
    half, surface = scene.half, scene.surface
    dots: dict[str, Any] = {"linewidths": 0, "marker": "o"}
    if surface is not None:
        line = np.linspace(-half, half, len(surface))
        axes.contourf(line, line, surface, levels=14, cmap="Greys", alpha=0.55, zorder=0)
        if (surface > 0).any() and (surface < 0).any():
            axes.contour(line, line, surface, levels=[0.0], colors=[COLOURS[2]], linewidths=1.0)
    if scene.real is not None:
        axes.scatter(
            scene.real[:, 0], scene.real[:, 1], s=10, color=REAL, zorder=1, label="real", **dots
        )
    crosses: dict[str, Any] = {"s": 60, "marker": "+", "linewidths": 1.2}
    axes.scatter(
        scene.centres[:, 0], scene.centres[:, 1], color=CENTRES, zorder=3, label="modes", **crosses
    )
    axes.scatter(
        scene.samples[:, 0],
        scene.samples[:, 1],
        s=9,
        color=SAMPLES,
        zorder=2,
        label="samples",
        **dots,
    )
    if scene.steps is not None:
        arrows: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "width": 0.004}
        axes.quiver(*scene.samples.T, *scene.steps.T, scale=1, color=SAMPLES, zorder=4, **arrows)
    if scene.highest is not None:
        axes.scatter(
            scene.highest[:1],
            scene.highest[1:],
            s=150,
            marker="*",
            color=STAR,
            zorder=5,
            label="top of the hill",
            alpha=0.7,
        )
    axes.set_xlim(-half, half)
    axes.set_ylim(-half, half)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)
    axes.set_title(scene.title, fontsize=9, loc="left", parse_math=False)
    outside = int((np.abs(scene.samples) > half).any(axis=1).sum())
    if outside:
        place: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 8, "zorder": 6}
        axes.text(0.02, 0.02, f"{outside} of {len(scene.samples)} samples outside", **place)


def draw_scenes(scenes: Sequence[Scene], path: str | Path | None = None) -> Figure:
    """Draw scenes of the plane side by side, and save them where a path is given.

    Darker grey is a higher score; the green line is where the score is 0.
    """
    figure, panels = _figure(len(scenes))
    for axes, scene in zip(panels, scenes, strict=True):
        _draw_scene(axes, scene)
    handles: dict[str, Any] = {}
    for axes in panels:
        found, labels = axes.get_legend_handles_labels()
        handles = {**dict(zip(labels, found, strict=True)), **handles}
    panels[-1].legend(handles.values(), handles.keys(), loc="upper right", fontsize=7)
    return _save(figure, path)


def draw_dependence(
    curves: Mapping[str, tuple[Sequence[float], Sequence[Sequence[float]]]],
    window: tuple[float, float],
    path: str | Path | None = None,
) -> Figure:
    """Draw how much samples depend on their code, each case a panel, each seed a line.

    Args:
        curves: Per case the iterations and, per seed, the share of the data's variance that the
            code explains.
        window: Iterations between which the discriminator was frozen.
        path: File to write; None: only return the figure.
    """
    figure, panels = _figure(len(curves), 3.4)
    for axes, (name, (iterations, seeds)) in zip(panels, curves.items(), strict=True):
        axes.axvspan(*window, color="#E5E7EB", zorder=0)
        for index, values in enumerate(seeds):
            colour = COLOURS[index % len(COLOURS)]
            axes.plot(iterations, np.maximum(values, 1e-6), color=colour, linewidth=1.2)
        axes.set_yscale("log")
        axes.set_ylim(1e-4, 20)
        axes.set_title(name, fontsize=9, loc="left", parse_math=False)
        axes.set_xlabel("iteration (grey: D frozen)", fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].set_ylabel("variance explained by z / variance of the data", fontsize=8)
    return _save(figure, path)


def draw_plane(
    planes: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    ceiling: float,
    path: str | Path | None = None,
) -> Figure:
    """Draw the plane of fidelity and diversity: a panel per dataset, a colour per ratio.

    Args:
        planes: Per dataset and ratio the diversity and the fidelity of each seed.
        ceiling: Fidelity of a perfect model.
        path: File to write; None: only return the figure.
    """
    figure, panels = _figure(len(planes))
    for axes, (name, ratios) in zip(panels, planes.items(), strict=True):
        axes.axhline(ceiling, color=REAL, linewidth=0.8, linestyle=":")
        for index, (ratio, (diversity, fidelity)) in enumerate(ratios.items()):
            colour = COLOURS[index % len(COLOURS)]
            axes.scatter(diversity, fidelity, s=22, color=colour, linewidths=0, alpha=0.6)
            middle: dict[str, Any] = {"s": 90, "color": colour, "marker": "D", "label": ratio}
            axes.scatter([np.mean(diversity)], [np.mean(fidelity)], **middle)
        axes.set_xlim(0, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.set_title(name, fontsize=9, loc="left", parse_math=False)
        axes.set_xlabel("diversity: effective modes / modes", fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].set_ylabel("fidelity: share of high quality", fontsize=8)
    panels[0].legend(title="D : G updates", fontsize=7, title_fontsize=7, loc="upper left")
    return _save(figure, path)
