"""Stacked chorale: three voices, each with one of ten motifs, hence 1,000 modes and an exact decoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from partimento.datasets.base import Card, Corpus, Dataset
from partimento.datasets.synthetic import (
    LICENCE,
    QUARTERS,
    fingerprint,
    quarter_piece,
    quarters_of,
    require_positive,
    stream,
)
from partimento.metrics.oracles import Labels
from partimento.music import Key, Piece

DATASET_VERSION = 1
"""Raised whenever the same arguments would give other pieces; part of the fingerprint."""

PARTS = ("soprano", "alto", "bass")
BARS = BEATS = 4
SCALE = (0, 2, 4, 5, 7, 9, 11)

# What a voice does in each bar, in steps of the scale from the bar's first note.
MOTIFS = {
    "pedal": (0, 0, 0, 0),
    "rise": (0, 1, 2, 3),
    "fall": (0, -1, -2, -3),
    "triad up and back": (0, 2, 4, 2),
    "triad down and back": (0, -2, -4, -2),
    "turn from above": (0, 1, 0, -1),
    "turn from below": (0, -1, 0, 1),
    "pendulum of fifths": (0, 4, 0, 4),
    "pendulum of fourths": (0, -3, 0, -3),
    "leap and fill": (0, 4, 3, 2),
}
CLASSES = len(MOTIFS)
MODES = CLASSES ** len(PARTS)
ROOTS = 6
"""Chords a bar may have: the triads on C to A; the seventh degree has none that is consonant."""

# Scale step 0 is the C of MIDI number 0. Bars begin on the chord's root in the bass, from C3 to
# A3, and on any of its tones in the octaves from C4 (alto) and C5 (soprano).
FIRST_STEPS = (42, 35, 28)
TONES = (3, 3, 1)
ENTROPY = math.log(MODES) + BARS * math.log(ROOTS * math.prod(TONES))

_STEPS = np.array(list(MOTIFS.values()))
_NO_STEP = -1_000


def pitch_of(step: np.ndarray) -> np.ndarray:
    """Return the MIDI numbers of steps of the C major scale; step 35 is middle C."""
    octave, degree = np.divmod(step, 7)
    return 12 * octave + np.array(SCALE)[degree]


def step_of(pitch: np.ndarray) -> np.ndarray:
    """Return the steps of MIDI numbers in C major, a large negative number for any other note."""
    degree = np.searchsorted(SCALE, pitch % 12)
    found = 7 * (pitch // 12) + degree
    inside = (pitch >= 0) & (np.append(SCALE, -1)[degree] == pitch % 12)
    return np.where(inside, found, _NO_STEP)


def ranges() -> tuple[tuple[int, int], ...]:
    """Return the lowest and highest MIDI number that each part can have."""
    lowest, highest = int(_STEPS.min()), int(_STEPS.max())
    last = (6, 6, ROOTS - 1)
    return tuple(
        (int(pitch_of(np.array(first + lowest))), int(pitch_of(np.array(first + top + highest))))
        for first, top in zip(FIRST_STEPS, last, strict=True)
    )


class StackedLaw:
    """1,000 modes, the musical twin of Stacked MNIST (Metz et al. 2017): an `Oracle`.

    A sample is four bars of 4/4 in C major for three voices in quarter notes. Each voice has one of
    ten motifs, which it plays in each bar from another note: each bar has a triad, its root begins
    the bass and any of its tones soprano and alto. The mode is the number of three digits that the
    three motifs write, soprano first. Every choice is uniform and no two sets of choices give the
    same piece, so that each piece has the probability exp(-entropy), exactly.

    `assign` takes for each voice the motif with which most of its steps agree, so that every sample
    has a mode, as a classifier would give it one. Good is a sample all of whose steps agree; whether
    a note is struck again or held does not matter, nor on which note a bar begins.

    Attributes:
        entropy: Entropy in nats per piece: ln 1000 + 4 ln 54.
    """

    modes: int = MODES
    ceiling: float = 1.0
    entropy: float = ENTROPY

    def name(self, mode: int) -> str:
        """Return what a mode is in words, such as "rise / fall / pedal"."""
        names = list(MOTIFS)
        return " / ".join(names[digit] for digit in digits(np.array(mode)).tolist())

    def draw(self, mode: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw one sample of each mode given, MIDI numbers `(samples, 16, 3)`."""
        root = rng.integers(ROOTS, size=(len(mode), BARS))
        starts = []
        for first, tones in zip(FIRST_STEPS, TONES, strict=True):
            degree = root + 2 * rng.integers(tones, size=root.shape)
            starts.append(first + degree % 7)
        start = np.stack(starts, axis=-1)
        motif = _STEPS[digits(mode)].transpose(0, 2, 1)
        steps = start[:, :, None] + motif[:, None]
        return pitch_of(steps).reshape(len(mode), QUARTERS, len(PARTS))

    def assign(self, samples: Sequence[Piece]) -> Labels:
        """Return mode and quality of three-part pieces.

        Raises:
            UserError: When a piece has another number of parts.
        """
        heard = [quarters_of(piece, len(PARTS), "stacked_chorale") for piece in samples]
        votes = votes_of(np.stack([item.pitch for item in heard]))
        motif = votes.argmax(axis=-1)
        agreed = (votes.max(axis=-1) == BARS * (BEATS - 1)).all(axis=-1)
        place = CLASSES ** np.arange(len(PARTS))[::-1]
        return Labels(motif @ place, agreed & np.array([item.clean for item in heard]))

    def log_prob(self, samples: Sequence[Piece]) -> np.ndarray:
        """Return the log-probability of three-part pieces in nats: -entropy, or -inf.

        Raises:
            UserError: When a piece has another number of parts.
        """
        good = self.assign(samples).good
        heard = [quarters_of(piece, len(PARTS), "stacked_chorale") for piece in samples]
        start = step_of(np.stack([item.pitch[::BEATS] for item in heard])) - np.array(FIRST_STEPS)
        root = start[..., 2]
        tone = (start - root[..., None]) % 7
        inside = ((start >= 0) & (start < 7)).all(axis=(1, 2)) & (root < ROOTS).all(axis=1)
        chordal = np.isin(tone, (0, 2, 4)).all(axis=(1, 2))
        struck = np.array([bool(item.struck.all()) for item in heard])
        return np.where(good & inside & chordal & struck, -self.entropy, -math.inf)


def digits(mode: np.ndarray) -> np.ndarray:
    """Return the motif of each voice, soprano first, `(..., 3)`."""
    return np.stack([mode // 100, mode // 10 % 10, mode % 10], axis=-1)


def votes_of(pitch: np.ndarray) -> np.ndarray:
    """Count for `(samples, 16, voices)` how many steps agree with each motif, `(samples, voices, 10)`.

    A voice has 12 steps to agree: from the first note of each bar to each of the other three.
    """
    steps = step_of(pitch).reshape(len(pitch), BARS, BEATS, -1)
    first = steps[:, :, :1]
    moved = np.where((steps > _NO_STEP) & (first > _NO_STEP), steps - first, _NO_STEP)
    agree = moved[:, :, 1:, :, None] == _STEPS.T[None, None, 1:, None]
    return agree.sum(axis=(1, 2))


class StackedChorale(Dataset):
    """Three voices with one of ten motifs each: 1,000 known modes.

    See `StackedLaw` for how pieces are drawn; `oracle` is that law. Pieces are independent, each a
    group of its own, and are not transposed.

    Args:
        samples: Number of pieces.
        seed: Another seed gives other pieces; it is not the run's, so that runs can be compared.

    Raises:
        UserError: When an argument is out of range.
    """

    parts: Sequence[str] = PARTS
    ranges: Sequence[tuple[int, int]] = ranges()
    transposable: bool = False
    oracle: StackedLaw

    def __init__(
        self, samples: Annotated[int, Gt(0)] = 26_000, seed: Annotated[int, Ge(0)] = 0
    ) -> None:
        require_positive("stacked_chorale", samples=samples)
        self.oracle = StackedLaw()
        self.samples = samples
        self.seed = seed

    def fingerprint(self) -> str:
        arguments = {"samples": self.samples, "seed": self.seed}
        return fingerprint("stacked_chorale", DATASET_VERSION, arguments)

    def prepare(self, cache: str | None) -> Corpus:
        """Return the corpus, drawn anew each time: about a second for 10,000 pieces."""
        pieces = self.draw(self.samples, stream("stacked_chorale", self.seed, "pieces"))
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
        mode = rng.choice(MODES, size=count, p=weights)
        pitch = self.oracle.draw(mode, rng)
        return [
            quarter_piece(
                pitch[index],
                np.ones(QUARTERS, dtype=bool),
                id=f"stacked-{index:06d}",
                parts=PARTS,
                key=Key(0, 0, "major"),
                metadata={"title": self.oracle.name(m), "mode": str(m)},
            )
            for index, m in enumerate(mode.tolist())
        ]

    def _card(self, pieces: Sequence[Piece]) -> Card:
        return Card(
            name="stacked_chorale",
            title="Synthetic: three voices of ten motifs each, 1,000 modes",
            source="drawn at run time",
            licence=LICENCE,
            citation="Defined here: partimento.datasets.stacked_chorale; after Stacked MNIST in "
            "Luke Metz et al.: Unrolled Generative Adversarial Networks. ICLR 2017.",
            counts={"pieces": len(pieces), "notes": sum(map(len, pieces)), "modes": MODES},
            split_rule="Every piece is a group of its own, since all are drawn independently.",
            ranges=dict(zip(PARTS, self.ranges, strict=True)),
            notes=(
                "Synthetic music, not by any composer.",
                f"Entropy {ENTROPY:.4f} nats per piece, a lower bound of the mean negative "
                "log-likelihood of any model of whole pieces.",
                "Pieces are never transposed, since their motifs are steps of C major.",
            ),
        )
