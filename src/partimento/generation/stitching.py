"""Long pieces from short windows: where windows begin, and how their outputs become one grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from partimento.representations.multivoice import MultiVoice


def window_starts(steps: int, window: int, hop: int) -> list[int]:
    """Return the first step of each window so that together they cover `steps` steps.

    The last window may reach past the end; a piece shorter than a window has one.
    """
    count = 1 + max(0, -(-(steps - window) // hop))
    return [index * hop for index in range(count)]


def owners(starts: Sequence[int], window: int, steps: int) -> np.ndarray:
    """Return for each step the index of the window in which it is most central, `(steps,)`.

    A step of two windows alike belongs to the earlier one.
    """
    centres = np.array(starts) + (window - 1) / 2
    return np.abs(np.arange(steps)[:, None] - centres).argmin(axis=1)


def seam(
    symbol: int, sounds: int, before: int, hold: int, *, opens: bool, given_onset: bool
) -> int:
    """Return the symbol of one voice at the first step taken from another window.

    Args:
        symbol: What the new window has there.
        sounds: The pitch (or rest) that sounds there in the new window.
        before: The pitch (or rest) that sounds at the step before, in the old window.
        hold: The voice's hold symbol; lower symbols are pitches.
        opens: Whether it is the first step of the new window, which cannot hold anything and so
            restates its pitch.
        given_onset: Whether a given voice has an onset there.
    """
    if symbol == hold and sounds != before:
        return sounds
    if opens and symbol < hold and symbol == before and not given_onset:
        return hold
    return symbol


def stitch(
    representation: MultiVoice,
    outputs: np.ndarray,
    starts: Sequence[int],
    given_onset: np.ndarray,
) -> np.ndarray:
    """Join the outputs of overlapping windows into one grid.

    Each step comes from the window in which it is most central; see `seam` for the notes there.

    Args:
        representation: Says what the symbols are.
        outputs: Grids of the windows, `(windows, steps of a window, voices)`.
        starts: First step of each window.
        given_onset: True where a given voice has an onset, `(steps,)`.

    Returns:
        The grid, `(steps, voices)`.
    """
    window = outputs.shape[1]
    owner = owners(starts, window, len(given_onset))
    inside = np.arange(len(owner)) - np.asarray(starts)[owner]
    grid = outputs[owner, inside].copy()
    sounds = representation.sounding(outputs)
    for step in np.flatnonzero(np.diff(owner)) + 1:
        before = representation.sounding(grid[:step])[-1]
        for voice, hold in enumerate(representation.hold):
            grid[step, voice] = seam(
                int(grid[step, voice]),
                int(sounds[owner[step], inside[step], voice]),
                int(before[voice]),
                hold,
                opens=bool(inside[step] == 0),
                given_onset=bool(given_onset[step]),
            )
    return grid
