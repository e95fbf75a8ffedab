"""Chorale melodies with chords inferred from the lower voices: lead sheets without a download."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from partimento.chords import triad_of
from partimento.datasets.base import Card, Corpus, Dataset
from partimento.datasets.chorales import RANGES, Chorales
from partimento.datasets.inferred_chords import Span, infer_chords, span_edges, time_by_pitch_class
from partimento.errors import UserError
from partimento.music import Piece

DATASET_VERSION = 1
"""Raised whenever this file would infer or name differently; part of the fingerprint."""


def lead_sheet(chorale: Piece, span: Span = "beat") -> Piece:
    """Return a chorale's soprano as the part "melody", with triads inferred from the other voices.

    See `infer_chords` for the method. The lower voices are left out.
    """
    chords = infer_chords(chorale, range(1, len(chorale.parts)), span)
    soprano = chorale.part == 0
    columns = {
        name: getattr(chorale, name)[soprano]
        for name in ("onset", "duration", "pitch", "part", "velocity")
    }
    return dataclasses.replace(chorale, **columns, parts=("melody",), chords=chords)


def explained(chorale: Piece, sheet: Piece) -> tuple[int, int]:
    """Return for how many ticks the lower voices sound, and for how many of them in the triad."""
    edges = np.array([(c.onset, c.onset + c.duration) for c in sheet.chords]).reshape(-1, 2)
    tones = time_by_pitch_class(chorale, range(1, len(chorale.parts)), edges)
    total = inside = 0
    for chord, times in zip(sheet.chords, tones, strict=True):
        triad = triad_of(chord.symbol)
        total += int(times.sum())
        inside += int(times[list(triad.pitch_classes)].sum()) if triad else 0
    return total, inside


class ChoraleLeadsheets(Dataset):
    """The sopranos of the four-part chorales, each with triads inferred from the lower voices.

    The chords are not Bach's figures nor anyone's analysis: every beat (or half bar, or bar) has
    the major or minor triad that its notes fit best (see `infer_chords`). The soprano has no say,
    so that a melody never chooses its own condition. Pieces, ids and groups are those of `chorales`.

    Args:
        metre: "any": all 365 chorales; "4/4": the 326 that are in 4/4 from beginning to end.
        span: How long a triad lasts at least.

    Raises:
        UserError: When music21 is not installed (on first use, not on construction).
    """

    parts: Sequence[str] = ("melody",)
    ranges: Sequence[tuple[int, int]] = RANGES[:1]
    chords = True

    def __init__(self, metre: Literal["any", "4/4"] = "any", span: Span = "beat") -> None:
        if span not in get_args(Span):
            raise UserError(
                f"chorale_leadsheets: span is one of {', '.join(get_args(Span))}, not '{span}'."
            )
        self.chorales = Chorales(metre)
        self.span: Span = span

    def fingerprint(self) -> str:
        """Return a hash of the chorales' own fingerprint and of how chords are inferred."""
        key = [self.chorales.fingerprint(), DATASET_VERSION, self.span]
        return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]

    def prepare(self, cache: str | None) -> Corpus:
        """Return the corpus; the chorales come from the cache, the chords are inferred anew.

        Raises:
            UserError: When music21 is missing or a file of its corpus is damaged.
        """
        corpus = self.chorales.prepare(cache)
        pieces = tuple(lead_sheet(piece, self.span) for piece in corpus.pieces)
        return dataclasses.replace(corpus, pieces=pieces, card=self._card(corpus, pieces))

    def _card(self, chorales: Corpus, sheets: Sequence[Piece]) -> Card:
        shares = [explained(*pair) for pair in zip(chorales.pieces, sheets, strict=True)]
        total, inside = (sum(column) for column in zip(*shares, strict=True))
        symbols = [chord.symbol for piece in sheets for chord in piece.chords]
        counts = {
            name: chorales.card.counts[name] for name in ("pieces", "groups", "files left out")
        }
        return dataclasses.replace(
            chorales.card,
            name="chorale_leadsheets",
            title="Chorale melodies with inferred chords",
            counts=counts
            | {
                "notes": sum(map(len, sheets)),
                "spans": sum(len(span_edges(piece, self.span)) for piece in sheets),
                "chords": len(symbols),
                "chords N.C.": symbols.count("N.C."),
            },
            ranges=dict(zip(self.parts, self.ranges, strict=True)),
            notes=(
                "The chords are inferred from alto, tenor and bass by template matching, one major "
                f"or minor triad to the {self.span}; no person has written or checked them. "
                f"{100 * inside / max(total, 1):.1f} % of the lower voices' time lies in the "
                "triad of its span.",
                "Melodies and split are those of dataset=chorales, whose notes hold here too: "
                "repeats are not expanded; pick-ups and original keys are kept.",
            ),
        )
