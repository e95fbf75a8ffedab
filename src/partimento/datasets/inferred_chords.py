"""Triads inferred from notes by template matching: a pure function from voices to chord symbols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from partimento.chords import Triad
from partimento.music import Chord, Piece

Span = Literal["beat", "half bar", "bar"]

TRIADS = tuple(Triad(root, minor) for minor in (False, True) for root in range(12))
# Which pitch classes each of the triads has, (24, 12); major ones first.
_TEMPLATES = np.array(
    [[tone in triad.pitch_classes for tone in range(12)] for triad in TRIADS], dtype=np.int64
)
_MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)


def span_edges(piece: Piece, span: Span) -> list[tuple[int, int]]:
    """Return start and stop (ticks) of the spans of a piece, one after the other.

    Spans are counted from bar lines, in a pick-up and in a bar that is divided by a repeat sign
    from where the bar line would be. A beat is what the lower number of the metre says, three of
    them where the upper number is 6, 9 or 12; a bar of an odd number of beats is not halved.
    """
    edges: set[int] = set()
    phase = 0
    for index, (bar, length) in enumerate(
        zip(piece.bars, piece.bar_lengths().tolist(), strict=True)
    ):
        whole = piece.nominal_bar_length(index)
        if index == 0 and length < whole:
            phase = whole - length
        if phase + length > whole:
            phase = 0
        unit = _span_length(piece, index, span)
        stop = bar.onset + length
        first = bar.onset - phase % unit
        edges |= {bar.onset, *(t for t in range(first, stop, unit) if t > bar.onset)}
        phase = (phase + length) % whole
    marks = sorted(edges)
    return list(zip(marks, [*marks[1:], piece.end], strict=True))


def _span_length(piece: Piece, index: int, span: Span) -> int:
    bar = piece.bars[index]
    whole = piece.nominal_bar_length(index)
    beats = bar.beats // 3 if bar.beats in (6, 9, 12) else bar.beats
    if span == "bar" or (span == "half bar" and beats % 2):
        return whole
    return whole // 2 if span == "half bar" else whole // beats


def infer_chords(piece: Piece, parts: Sequence[int], span: Span = "beat") -> tuple[Chord, ...]:
    """Return the major or minor triad that the notes of some parts fit best, span by span.

    Template matching after Fujishima (1999), on notes in place of a chroma: a triad scores the time
    for which its tones sound in the span, all parts added up. Of triads that score equally, the one
    whose root sounds longest in the last of the parts is taken; then the one with more tones in
    the scale of the key signature; then the triad of the span before; then a major one; then the
    one of lower root. A span in which these parts are silent has the symbol "N.C.". Equal
    neighbours are one symbol.

    Args:
        piece: The piece, with bar lines.
        parts: Indices of the parts that the harmony is inferred from, the bass last.
        span: How long a triad lasts at least.
    """
    spans = span_edges(piece, span)
    edges = np.array(spans).reshape(-1, 2)
    tones = time_by_pitch_class(piece, parts, edges)
    bass = time_by_pitch_class(piece, parts[-1:], edges)
    roots = bass[:, [triad.root for triad in TRIADS]]
    diatonic = _scales(piece, edges[:, 0]) @ _TEMPLATES.T
    # One number that ranks by time in the triad, then by time of the root, then by the scale.
    rank = ((tones @ _TEMPLATES.T) * (roots.max(initial=0) + 1) + roots) * 4 + diatonic
    best = np.asarray(rank == rank.max(axis=1, keepdims=True, initial=0))
    sounds = np.asarray(tones.any(axis=1))
    found: list[tuple[int, int, str]] = []
    last: int | None = None
    for index, (start, stop) in enumerate(spans):
        symbol = "N.C."
        if sounds[index]:
            if last is None or not best[index, last]:
                last = int(best[index].argmax())
            symbol = TRIADS[last].symbol
        if found and found[-1][2] == symbol:
            start = found.pop()[0]
        found.append((start, stop, symbol))
    return tuple(Chord(start, stop - start, symbol) for start, stop, symbol in found)


def time_by_pitch_class(piece: Piece, parts: Sequence[int], edges: np.ndarray) -> np.ndarray:
    """Return for how many ticks each pitch class sounds in each span, `(spans, 12)`.

    Args:
        piece: The piece.
        parts: Indices of the parts that count.
        edges: Start and stop of the spans in ticks, `(spans, 2)`.
    """
    chosen = np.isin(piece.part, parts)
    onset, end = piece.onset[chosen], (piece.onset + piece.duration)[chosen]
    begin, stop = edges.T[:, :, None]
    sounds = np.clip(np.minimum(end, stop) - np.maximum(onset, begin), 0, None)
    return sounds @ (piece.pitch[chosen, None] % 12 == np.arange(12)).astype(np.int64)


def _scales(piece: Piece, ticks: np.ndarray) -> np.ndarray:
    """Return the pitch classes of the key signature in force at each tick, `(ticks, 12)` of 0 or 1.

    All are 0 before the first key signature.
    """
    scales = np.zeros((len(ticks), 12), dtype=np.int64)
    for key in piece.keys:
        scale = np.zeros(12, dtype=np.int64)
        scale[[(tone + 7 * key.fifths) % 12 for tone in _MAJOR_SCALE]] = 1
        scales[ticks >= key.onset] = scale
    return scales
