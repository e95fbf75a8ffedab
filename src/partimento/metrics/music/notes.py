"""What statistics read off a piece: its bars and beats, what sounds when, pitch classes in spans."""

from __future__ import annotations

import numpy as np

from partimento.music import Piece

SILENT = -1
PITCH_CLASSES = 12


def beat_edges(piece: Piece) -> np.ndarray:
    """Return where quarter notes begin, and the end of the last one, in ticks `(beats + 1,)`.

    A beat that the piece ends inside counts; one that would begin at the very end does not.
    """
    beats = -(-piece.end // piece.resolution)
    return np.arange(beats + 1) * piece.resolution


def bar_edges(piece: Piece) -> np.ndarray:
    """Return the bar lines and the end in ticks, `(bars + 1,)`; bars of 4/4 where there are none."""
    if piece.bars:
        lines = [bar.onset for bar in piece.bars if bar.onset < piece.end]
        return np.array([*lines, piece.end])
    bars = -(-piece.end // (4 * piece.resolution))
    return np.arange(bars + 1) * 4 * piece.resolution


def occupied(piece: Piece, edges: np.ndarray, part: int | None = None) -> np.ndarray:
    """Return in which spans between edges something sounds, `(spans,)`.

    A note that ends on an edge does not sound in the span that begins there.

    Args:
        piece: The music.
        edges: Increasing ticks `(spans + 1,)`.
        part: Index of one part; None: all.
    """
    chosen = piece.duration > 0
    if part is not None:
        chosen = chosen & (piece.part == part)
    begin = piece.onset[chosen]
    end = begin + piece.duration[chosen]
    sounds = (begin[:, None] < edges[1:]) & (end[:, None] > edges[:-1])
    return np.asarray(sounds.any(axis=0))


def chroma(piece: Piece, edges: np.ndarray, part: int | None = None) -> np.ndarray:
    """Return for how many ticks each pitch class sounds in each span, `(spans, 12)`.

    Octaves of one class are added up. Args as those of `occupied`.
    """
    chosen = slice(None) if part is None else piece.part == part
    begin, pitch = piece.onset[chosen, None], piece.pitch[chosen]
    end = begin + piece.duration[chosen, None]
    ticks = np.maximum(np.minimum(end, edges[1:]) - np.maximum(begin, edges[:-1]), 0)
    found = np.zeros((PITCH_CLASSES, len(edges) - 1))
    np.add.at(found, pitch % PITCH_CLASSES, ticks)
    return found.T


def frames(piece: Piece, per_quarter: int = 4) -> np.ndarray:
    """Return the pitch that sounds in each part at each step, `(steps, parts)`; `SILENT`: none.

    What sounds at the very moment at which a step begins; of notes together the highest.

    Args:
        piece: The music.
        per_quarter: Steps to the quarter note; 4 are sixteenths.
    """

    def step(ticks: np.ndarray) -> np.ndarray:
        return -(-ticks.astype(np.int64) * per_quarter // piece.resolution)

    found = np.full((int(step(np.array(piece.end))), len(piece.parts)), SILENT)
    order = np.argsort(piece.pitch, kind="stable")
    columns = (
        step(piece.onset),
        step(piece.onset + piece.duration),
        piece.part,
        piece.pitch,
    )
    for begin, end, part, pitch in zip(*(c[order].tolist() for c in columns), strict=True):
        found[begin:end, part] = pitch
    return found
