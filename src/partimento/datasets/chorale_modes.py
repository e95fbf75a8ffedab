"""ChoraleModes: synthetic four-part chorales with 24 or 192 known modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Interval

from partimento.datasets.base import Card, Corpus, Dataset
from partimento.datasets.chorale_law import GOOD, PARTS, RANGES, ChoraleLaw
from partimento.datasets.synthetic import (
    LICENCE,
    fingerprint,
    quarter_piece,
    require_positive,
    stream,
)
from partimento.music import Key, Piece

DATASET_VERSION = 1
"""Raised whenever the same arguments would give other pieces; part of the fingerprint."""


class ChoraleModes(Dataset):
    """Four bars of four voices, one chord a bar: six keys times four progressions (times rhythms).

    See `ChoraleLaw` for how pieces are drawn; `oracle` is that law. Pieces are independent, each
    a group of its own, and stay in their key: a transposed piece would have another mode.

    Args:
        modes: 24: key and progression; 192: key, progression and one of eight rhythms.
        samples: Number of pieces.
        ornament: Probability that an upper voice moves to a neighbour at a stroke.
        seed: Another seed gives other pieces; it is not the run's, so that runs can be compared.

    Raises:
        UserError: When an argument is out of range.
    """

    parts: Sequence[str] = PARTS
    ranges: Sequence[tuple[int, int]] = RANGES
    transposable: bool = False
    oracle: ChoraleLaw

    def __init__(
        self,
        modes: Literal[24, 192] = 24,
        samples: Annotated[int, Gt(0)] = 5_000,
        ornament: Annotated[float, Interval(ge=0, le=1)] = 0.15,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        require_positive("chorale_modes", samples=samples)
        self.oracle = ChoraleLaw(modes, ornament)
        self.samples = samples
        self.seed = seed

    def fingerprint(self) -> str:
        law = self.oracle
        arguments = {
            "modes": law.modes,
            "samples": self.samples,
            "ornament": law.ornament,
            "seed": self.seed,
        }
        return fingerprint("chorale_modes", DATASET_VERSION, arguments)

    def prepare(self, cache: str | None) -> Corpus:
        """Return the corpus, drawn anew each time: about a second for 10,000 pieces."""
        pieces = self.draw(self.samples, stream("chorale_modes", self.seed, "pieces"))
        return Corpus(tuple(pieces), tuple(piece.id for piece in pieces), (), self._card(pieces))

    def draw(
        self, count: int, rng: np.random.Generator, weights: Sequence[float] | None = None
    ) -> list[Piece]:
        """Draw pieces; each has its mode's number in `metadata["mode"]`.

        Args:
            count: Number of pieces.
            rng: Source of randomness.
            weights: Probability of each mode; None: all the same.
        """
        law = self.oracle
        mode = rng.choice(law.modes, size=count, p=weights)
        pitch, struck = law.draw(mode, rng)
        return [
            quarter_piece(
                pitch[index],
                struck[index],
                id=f"chorale-{index:06d}",
                parts=PARTS,
                key=Key(0, law.fifths(m), "major"),
                metadata={"title": law.name(m), "mode": str(m)},
            )
            for index, m in enumerate(mode.tolist())
        ]

    def _card(self, pieces: Sequence[Piece]) -> Card:
        law = self.oracle
        return Card(
            name="chorale_modes",
            title=f"Synthetic: chorales of four bars with {law.modes} modes",
            source="drawn at run time",
            licence=LICENCE,
            citation="Defined here: partimento.datasets.chorale_law.",
            counts={"pieces": len(pieces), "notes": sum(map(len, pieces)), "modes": law.modes},
            split_rule="Every piece is a group of its own, since all are drawn independently.",
            ranges=dict(zip(PARTS, RANGES, strict=True)),
            notes=(
                "Synthetic music, not by any composer.",
                f"Entropy {law.entropy:.4f} nats per piece, a lower bound of the mean negative "
                "log-likelihood of any model of whole pieces.",
                f"{law.ceiling:.2%} of a perfect model's samples spend {GOOD:.0%} of their time in "
                "the chords of their mode.",
                "Pieces are never transposed, since key is part of the mode.",
            ),
        )
