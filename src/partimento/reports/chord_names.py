"""Chord symbols in a picture of music."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from partimento.music import Piece

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write_chords(axes: Axes, piece: Piece, span: tuple[int, int], width: int, top: float) -> None:
    """Write the chord symbols of a system at their onsets, as many as there is room for.

    Args:
        axes: Of the system, with ticks along x.
        piece: Music with chords.
        span: First and last tick of the system.
        width: Ticks of a whole system.
        top: Upper edge of the text along y.
    """
    style: dict[str, Any] = {"fontsize": 8, "color": "#374151", "parse_math": False}
    room = float(span[0])
    for chord in piece.chords:
        if room <= chord.onset < span[1]:
            place = chord.onset + 0.003 * width  # beside the bar line
            axes.text(place, top, chord.symbol, va="top", clip_on=True, **style)
            room = chord.onset + 0.014 * width * max(2, len(chord.symbol))
