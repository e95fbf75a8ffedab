"""Piano-roll pictures: one piece in as many systems as it needs, or a sheet of several pieces."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from partimento.music import Bar, Piece, lay_bars
from partimento.reports.chord_names import write_chords

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito, "Color Universal Design" (2008), without yellow and black, which a white page and
# the bar lines swallow: distinct for the common kinds of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
BLACK_KEYS = (1, 3, 6, 8, 10)
# Systems beyond this number make a picture that viewers refuse; bars are packed closer instead.
MAX_SYSTEMS = 24
NO_NOTES = (55, 72)
PAGE_WIDTH = 12.0  # inches


def note_name(pitch: int) -> str:
    """Return the name of a MIDI number, with C4 = 60 = middle C: 61 → "C♯4"."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def bars_of(piece: Piece) -> tuple[Bar, ...]:
    """Return the bar lines of a piece from tick 0 on; 4/4 is assumed where none are known."""
    if not piece.bars:
        return lay_bars([(0, 4, 4)], max(piece.end, 1), piece.resolution)
    first = piece.bars[0]
    return piece.bars if first.onset <= 0 else (first._replace(onset=0), *piece.bars)


def systems(piece: Piece, quarters: int) -> list[tuple[int, int]]:
    """Divide a piece into systems `(start, stop)` in ticks of about `quarters` quarter notes.

    Systems break at bar lines. A bar longer than a system gets one of its own; a piece that would
    need more than `MAX_SYSTEMS` gets longer systems.
    """
    edges = [bar.onset for bar in bars_of(piece)]
    end = max(piece.end, edges[-1] + 1)
    length = max(quarters * piece.resolution, -(-end // MAX_SYSTEMS))
    starts = [edges[0]]
    for onset, following in zip(edges, [*edges[1:], end], strict=True):
        if following - starts[-1] > length and onset > starts[-1]:
            starts.append(onset)
    return list(zip(starts, [*starts[1:], end], strict=True))


def pitch_span(pieces: Sequence[Piece], margin: int = 2) -> tuple[int, int]:
    """Return the lowest and highest MIDI number to show, at least an octave apart."""
    pitches = np.concatenate([piece.pitch for piece in pieces]) if pieces else np.zeros(0)
    low, high = (int(pitches.min()), int(pitches.max())) if len(pitches) else NO_NOTES
    missing = max(0, 12 - (high - low))
    return low - margin - missing // 2, high + margin + (missing + 1) // 2


def note_heights(piece: Piece) -> np.ndarray:
    """Return the drawn height of each note in semitones, `(notes,)`.

    A note in unison with one of a part above it is drawn narrower, so that both are seen.
    """
    depth = np.zeros(len(piece), dtype=int)
    for pitch in np.unique(piece.pitch):
        index = np.flatnonzero(piece.pitch == pitch)
        onset, part = piece.onset[index], piece.part[index]
        stop = onset + piece.duration[index]
        if len(np.unique(part)) == 1:
            continue
        for row, note in enumerate(index):
            together = (onset < stop[row]) & (stop > onset[row]) & (part < part[row])
            depth[note] = len(np.unique(part[together]))
    return 0.9 * 0.5**depth


def draw_pianoroll(
    piece: Piece,
    path: str | Path | None = None,
    *,
    title: str | None = None,
    quarters: int = 32,
    dpi: int = 110,
) -> Figure:
    """Draw a piece as a piano roll, and save it where a path is given.

    Each part has a colour of its own, each onset a dark edge, so that repeated notes are seen as
    such. Bars are numbered as in print: a pick-up does not count.

    Args:
        piece: What to draw; it may be empty.
        path: File to write (its suffix decides on the format); None: only return the figure.
        title: Heading; the piece's title, or its id, when None.
        quarters: Length of one system in quarter notes.
        dpi: Dots per inch of the file.
    """
    rows = systems(piece, quarters)
    pitches = pitch_span([piece])
    width = max(stop - start for start, stop in rows)
    figure, grid = _layout(len(rows), 1, max(1.5, 0.068 * (pitches[1] - pitches[0])))
    heights = note_heights(piece)
    for axes, span in zip(grid, rows, strict=True):
        _draw_system(axes, piece, span, width, pitches, heights)
    _heading(figure, _title(piece, title), piece.parts)
    if path is not None:
        _save(figure, path, dpi)
    return figure


def draw_sheet(
    pieces: Sequence[Piece],
    path: str | Path | None = None,
    *,
    titles: Sequence[str] | None = None,
    heading: str = "",
    columns: int = 2,
    quarters: int = 32,
    span: tuple[int, int] | None = None,
    dpi: int = 110,
) -> Figure:
    """Draw several pieces side by side, the first `quarters` quarter notes of each.

    All pieces share one pitch axis, so that they can be compared: from the lowest to the highest
    MIDI number of `span`, or by default of the pieces. The legend is that of the first.
    """
    columns = max(1, min(columns, len(pieces)))
    rows = max(1, -(-len(pieces) // columns))
    pitches = span or pitch_span(pieces)
    figure, grid = _layout(rows, columns, max(1.5, 0.055 * (pitches[1] - pitches[0])))
    for axes in grid[len(pieces) :]:
        axes.set_axis_off()
    for index, piece in enumerate(pieces):
        shown = min(max(piece.end, 1), quarters * piece.resolution)
        _draw_system(grid[index], piece, (0, shown), shown, pitches, note_heights(piece))
        text = _title(piece, titles[index] if titles else None)
        grid[index].set_title(text, fontsize=8, loc="right", pad=3, parse_math=False)
    _heading(figure, heading, pieces[0].parts if pieces else ())
    if path is not None:
        _save(figure, path, dpi)
    return figure


def _title(piece: Piece, title: str | None) -> str:
    return title if title is not None else piece.metadata.get("title", "") or piece.id


def _layout(rows: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with `rows x columns` systems, each `height` inches, below a heading."""
    # No pyplot: its global list of figures grows and is not safe in a training process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heading, gap, left, right = 0.55, 0.42, 0.5, 0.15
    total = heading + rows * (height + gap)
    figure = Figure(figsize=(PAGE_WIDTH, total), facecolor="white")
    FigureCanvasAgg(figure)
    width = (PAGE_WIDTH - columns * left) / columns - right
    grid = []
    for row in range(rows):
        bottom = total - heading - (row + 1) * height - row * gap
        for column in range(columns):
            x = left + column * (width + left + right)
            box = (x / PAGE_WIDTH, bottom / total, width / PAGE_WIDTH, height / total)
            grid.append(figure.add_axes(box))
    return figure, grid


def _save(figure: Figure, path: str | Path, dpi: int) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # A title in a script that the font lacks is drawn as boxes: no reason to alarm anyone.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(path, dpi=dpi)


def _heading(figure: Figure, title: str, parts: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    inch = 1 / figure.get_figheight()
    style: dict[str, Any] = {"fontsize": 12, "fontweight": "bold", "va": "top", "parse_math": False}
    figure.text(0.5 / PAGE_WIDTH, 1 - 0.12 * inch, title, **style)
    if not any(parts):
        return
    patches = [Patch(facecolor=COLOURS[i % len(COLOURS)]) for i in range(len(parts))]
    labels = [name or f"part {i + 1}" for i, name in enumerate(parts)]
    legend = figure.legend(
        patches,
        labels,
        loc="upper right",
        bbox_to_anchor=(0.99, 1 - 0.02 * inch),
        ncols=min(len(parts), 8),
        frameon=False,
        fontsize=9,
        handlelength=1.2,
        columnspacing=1.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _draw_system(
    axes: Axes,
    piece: Piece,
    span: tuple[int, int],
    width: int,
    pitches: tuple[int, int],
    heights: np.ndarray,
) -> None:
    start, stop = span
    low, high = pitches
    lanes = np.array([p for p in range(low, high + 1) if p % 12 in BLACK_KEYS])
    ends = np.full(len(lanes), start), np.full(len(lanes), stop)
    _add_boxes(axes, _boxes(*ends, lanes - 0.5, lanes + 0.5), "#F1F2F5", zorder=0)
    _draw_metre(axes, piece, span, pitches)
    _draw_notes(axes, piece, start, stop, heights / 2)
    write_chords(axes, piece, span, width, high + 0.4)
    axes.set_xlim(start - 0.004 * width, start + 1.004 * width)
    axes.set_ylim(low - 0.5, high + 0.5)
    ticks = [pitch for pitch in range(low, high + 1) if pitch % 12 in (0, 7)]
    axes.set_yticks(ticks, [note_name(pitch) for pitch in ticks], fontsize=8)
    axes.tick_params(axis="both", length=0)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    if not len(piece):
        centre: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "no notes", color="#6B7280", **centre)


def _draw_metre(axes: Axes, piece: Piece, span: tuple[int, int], pitches: tuple[int, int]) -> None:
    start, stop = span
    bars = bars_of(piece)
    first = 0 if piece.pickup else 1
    shown = [i for i, bar in enumerate(bars) if start <= bar.onset < stop]
    beats: list[float] = []
    for index in shown:
        end = bars[index + 1].onset if index + 1 < len(bars) else max(piece.end, stop)
        step = 4 * piece.resolution / bars[index].beat_type
        beats.extend(np.arange(bars[index].onset + step, min(end, stop), step))
    lines: dict[str, Any] = {"ymin": pitches[0] - 0.5, "ymax": pitches[1] + 0.5}
    # Beats closer than this are a grey wash rather than lines.
    if len(beats) <= 120:
        axes.vlines(beats, color="#D7DAE0", linewidth=0.6, zorder=1, **lines)
    onsets = [bars[index].onset for index in shown]
    axes.vlines([*onsets, stop], color="#6B7280", linewidth=1.0, zorder=1, **lines)
    every = max(1, len(shown) // 16)
    numbered = [index for index in shown if (index + first) % every == 0]
    labels = [str(index + first) for index in numbered]
    axes.set_xticks([bars[index].onset for index in numbered], labels, fontsize=8, color="#6B7280")


def _boxes(left: np.ndarray, right: np.ndarray, bottom: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Return the corners of rectangles, `(rectangles, 4, 2)`, the left edge first."""
    corners = [(left, bottom), (left, top), (right, top), (right, bottom)]
    return np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)


def _add_boxes(axes: Axes, boxes: np.ndarray, colour: str, zorder: int) -> None:
    from matplotlib.collections import PolyCollection

    shapes = PolyCollection(list(boxes), facecolors=colour, zorder=zorder)
    axes.add_collection(shapes, autolim=False)


def _draw_notes(axes: Axes, piece: Piece, start: int, stop: int, heights: np.ndarray) -> None:
    from matplotlib.collections import LineCollection

    end = piece.onset + piece.duration
    seen = (piece.onset < stop) & (end > start)
    # Notes end a little early, so that the next one is seen to begin.
    gap = np.minimum(0.06 * piece.resolution, 0.25 * piece.duration)
    for part in range(len(piece.parts)):
        index = np.flatnonzero(seen & (piece.part == part))
        if not len(index):
            continue
        left = np.maximum(piece.onset[index], start)
        right = np.minimum(end[index] - gap[index], stop)
        bottom, top = piece.pitch[index] - heights[index], piece.pitch[index] + heights[index]
        boxes = _boxes(left, right, bottom, top)
        _add_boxes(axes, boxes, COLOURS[part % len(COLOURS)], zorder=2)
        edges = boxes[piece.onset[index] >= start][:, :2]
        onsets = LineCollection(list(edges), colors="#111827", linewidths=1.4, zorder=3)
        axes.add_collection(onsets, autolim=False)
