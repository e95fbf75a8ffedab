"""Whether a melody follows its chords: notes in the chord, less those that any of its chords would have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from partimento.chords import Triad

PITCH_CLASSES = 12


class Following(NamedTuple):
    """How much melodies have to do with their chords.

    Attributes:
        in_chord: Share of notes whose pitch class is in the chord of the moment.
        shuffled: The same share, expected when the chords of each piece change places at random.
    """

    in_chord: float
    shuffled: float

    @property
    def following(self) -> float:
        """What of the share is due to the order of the chords; 0: the melody does not know them."""
        return self.in_chord - self.shuffled


def tone_counts(pitches: np.ndarray) -> np.ndarray:
    """Return how many notes of each pitch class a bar has, `(bars, 12)`.

    A note is a run of steps with one pitch; bars are counted alone, so that a note tied over a bar
    line is one note of each.

    Args:
        pitches: What sounds at each step, `(bars, steps)` of MIDI numbers, below 0 for silence.
    """
    begins = np.diff(pitches, axis=1, prepend=-2) != 0
    bar, step = np.nonzero(begins & (pitches >= 0))
    counts = np.zeros((len(pitches), PITCH_CLASSES), dtype=np.int64)
    np.add.at(counts, (bar, pitches[bar, step] % PITCH_CLASSES), 1)
    return counts


def chord_tones(triads: Sequence[Triad]) -> np.ndarray:
    """Return which pitch classes each triad has, `(triads, 12)` of 0 and 1."""
    tones = np.zeros((len(triads), PITCH_CLASSES), dtype=np.int64)
    for row, triad in zip(tones, triads, strict=True):
        row[list(triad.pitch_classes)] = 1
    return tones


def sums_by_piece(tones: np.ndarray, chords: np.ndarray, piece: np.ndarray) -> np.ndarray:
    """Return notes in the chord, the same expected under shuffled chords, and notes, `(pieces, 3)`.

    Under a random permutation of a piece's chords every bar has each of them with the same
    probability, so that the expectation is the share under their mean: no shuffling is drawn. The
    key of a piece, which all of its chords share, is in both numbers.

    Args:
        tones: Notes of each pitch class in each bar, `(bars, 12)`.
        chords: Pitch classes of the chord of each bar, `(bars, 12)` of 0 and 1.
        piece: Index of the piece of each bar, `(bars,)`; rows of the result are in their order.

    Raises:
        ValueError: When the three do not fit.
    """
    if tones.shape != chords.shape or tones.shape != (len(piece), PITCH_CLASSES):
        raise ValueError(
            f"tones and chords have the shape (bars, 12) and piece (bars,), not {tones.shape}, "
            f"{chords.shape} and {piece.shape}"
        )
    index = np.unique(piece, return_inverse=True)[1].reshape(-1)
    count = int(index.max(initial=-1)) + 1

    def by_piece(values: np.ndarray) -> np.ndarray:
        total = np.zeros((count, *values.shape[1:]))
        np.add.at(total, index, values)
        return total

    bars = np.maximum(by_piece(np.ones(len(piece))), 1)
    mean = by_piece(chords) / bars[:, None]
    notes = by_piece(tones)
    inside = by_piece((tones * chords).sum(axis=1))
    return np.stack([inside, (notes * mean).sum(axis=1), notes.sum(axis=1)], axis=1)


def chord_following(tones: np.ndarray, chords: np.ndarray, piece: np.ndarray) -> Following:
    """Return the two shares over all notes; the arguments are those of `sums_by_piece`.

    Raises:
        ValueError: When there is no note.
    """
    inside, shuffled, notes = sums_by_piece(tones, chords, piece).sum(axis=0)
    if not notes:
        raise ValueError("there are no notes that could be in a chord")
    return Following(float(inside / notes), float(shuffled / notes))


def resampled_following(sums: np.ndarray, draws: int = 2000, seed: int = 0) -> np.ndarray:
    """Return `Following.following` of pieces drawn anew with replacement, `(draws,)`.

    Two systems on the same pieces are compared by the difference of what this returns of each with
    one seed: the same pieces are drawn for both.

    Args:
        sums: Of `sums_by_piece`, `(pieces, 3)`, or of several runs on the same pieces
            `(runs, pieces, 3)`, whose mean is taken.
        draws: Number of resamples.
        seed: Of the draws.
    """
    runs = sums.reshape(-1, *sums.shape[-2:])
    pieces = runs.shape[1]
    weights = np.random.default_rng(seed).multinomial(pieces, np.full(pieces, 1 / pieces), draws)
    inside, shuffled, notes = np.moveaxis(weights @ runs, -1, 0)
    return ((inside - shuffled) / np.maximum(notes, 1)).mean(axis=0)


class ChordFollowing(Metric):
    """`chord_following` over batches: `chord_share`, `chord_share_shuffled`, `chord_following`."""

    is_differentiable = False
    full_state_update = False

    tones: list[Tensor]
    chords: list[Tensor]
    piece: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("tones", "chords", "piece"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, tones: np.ndarray, chords: np.ndarray, piece: np.ndarray) -> None:
        """Add bars: their notes and chord tones, `(bars, 12)`, and the piece of each, `(bars,)`."""
        for state, values in ((self.tones, tones), (self.chords, chords), (self.piece, piece)):
            state.append(torch.as_tensor(values).to(self.device))

    def compute(self) -> dict[str, float]:
        """Return the shares, and what is due to the order of the chords."""
        gathered = (dim_zero_cat(state).cpu().numpy() for state in self._states())
        found = chord_following(*gathered)
        return {
            "chord_share": found.in_chord,
            "chord_share_shuffled": found.shuffled,
            "chord_following": found.following,
        }

    def _states(self) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        return self.tones, self.chords, self.piece
