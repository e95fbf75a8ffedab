"""The law of ChoraleModes: four chords in a key, in four voices with ornaments, and its oracle."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval

from partimento.datasets.synthetic import QUARTERS, quarters_of
from partimento.errors import UserError
from partimento.metrics.oracles import Labels
from partimento.music import Piece

PARTS = ("soprano", "alto", "tenor", "bass")
# Where chord tones may lie; the ranges of the upper voices leave room for an ornament.
CHORD_RANGES = ((60, 81), (55, 74), (48, 67), (36, 59))
RANGES = (*((low - 2, high + 2) for low, high in CHORD_RANGES[:3]), CHORD_RANGES[3])

SCALE = (0, 2, 4, 5, 7, 9, 11)
TONICS = (0, 2, 4, 5, 7, 9)
TONIC_NAMES = ("C", "D", "E", "F", "G", "A")
FIFTHS = (0, 2, 4, -1, 1, 3)
PROGRESSIONS = {
    "I-IV-V-I": (0, 3, 4, 0),
    "I-vi-ii-V": (0, 5, 1, 4),
    "I-V-vi-IV": (0, 4, 5, 3),
    "vi-IV-I-V": (5, 3, 0, 4),
}
BARS = BEATS = 4
RHYTHMS = tuple((True, *rest) for rest in itertools.product((False, True), repeat=3))
"""Beats of the bar at which the voices strike: all eight ways that have the first."""
HARMONIES = tuple(itertools.product(range(len(TONICS)), PROGRESSIONS))

GOOD = 0.8
"""Share of the sounding time that must fit its mode for a sample of high quality."""


def triad(tonic: int, degree: int) -> tuple[int, int, int]:
    """Return the pitch classes of the triad on a degree (0-6) of a major scale, root first."""
    root, third, fifth = ((tonic + SCALE[(degree + i) % 7]) % 12 for i in (0, 2, 4))
    return root, third, fifth


def voicings(chord: Sequence[int]) -> np.ndarray:
    """Return all voicings of a triad, `(voicings, 4)` MIDI numbers from soprano to bass.

    The root in the bass, all three tones above it, no crossing or unison, and at most an octave
    between neighbouring upper voices.
    """
    tones = [[p for p in range(low, high + 1) if p % 12 in chord] for low, high in CHORD_RANGES]
    found = [
        (s, a, t, b)
        for s, a, t, b in itertools.product(*tones)
        if b % 12 == chord[0]
        and {s % 12, a % 12, t % 12} == set(chord)
        and 0 < s - a <= 12
        and 0 < a - t <= 12
        and t > b
    ]
    return np.array(found)


def neighbour(pitch: np.ndarray, tonic: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the pitch a step (-1, 0 or 1) away in the major scale on a tonic; shapes broadcast."""
    degree = np.searchsorted(SCALE, (pitch - tonic) % 12)
    octave, target = np.divmod(degree + step, 7)
    return pitch + np.array(SCALE)[target] + 12 * octave - np.array(SCALE)[degree]


class ChoraleLaw:
    """Modes of key and progression (24), or of key, progression and rhythm (192): an `Oracle`.

    A sample is four bars of 4/4 with one chord each. Key, progression and rhythm are uniform, and
    so is the voicing of each chord. Soprano, alto and tenor move, at every stroke but the first of
    a bar, to a neighbour in the scale with probability `ornament`, up or down alike. The strokes of
    24 modes are all quarters; with 192, one of the eight rhythms, which is the same in each bar.

    `assign` compares with templates, so that it can judge any piece of any parts: the harmony is
    the one in whose chords the notes spend the most time, the rhythm the beats at which at least
    half of the strokes there might be are made. Good is a sample that spends `GOOD` of its time, or
    of four voices' where it has less, in these chords (and as large a share of the strokes at these
    beats, with 192 modes). `log_prob` is of the notes of four voices as they are drawn.

    Args:
        modes: 24 or 192.
        ornament: Probability of an ornament.

    Attributes:
        ceiling: Share of draws that are good, exactly (from the number of ornaments).
        entropy: Entropy in nats per piece, exactly: a bar's first chord tells voicing and harmony.

    Raises:
        UserError: When there is no such number of modes, or the probability is none.
    """

    def __init__(
        self, modes: int = 24, ornament: Annotated[float, Interval(ge=0, le=1)] = 0.15
    ) -> None:
        if modes not in (24, 192):
            raise UserError(f"chorale_modes: modes must be 24 or 192, not {modes}.")
        if not 0 <= ornament <= 1:
            raise UserError(f"chorale_modes: ornament is a probability, not {ornament}.")
        self.modes = modes
        self.ornament = float(ornament)
        self.rhythms = RHYTHMS if modes == 192 else RHYTHMS[-1:]
        degrees = [PROGRESSIONS[name] for _, name in HARMONIES]
        self.tonics = np.array([TONICS[key] for key, _ in HARMONIES])
        self.chords = [
            tuple(triad(tonic, degree) for degree in row)
            for tonic, row in zip(self.tonics.tolist(), degrees, strict=True)
        ]
        self._voicings = {chord: voicings(chord) for row in self.chords for chord in row}
        self._templates = np.zeros((len(HARMONIES), BARS, 12))
        for harmony, row in enumerate(self.chords):
            for bar, chord in enumerate(row):
                self._templates[harmony, bar, list(chord)] = 1
        self._harmony_of: dict[tuple[Any, ...], int] = {
            row: index for index, row in enumerate(self.chords)
        }
        self._chord_of = {
            tuple(voicing): chord
            for chord, table in self._voicings.items()
            for voicing in table.tolist()
        }

    def name(self, mode: int) -> str:
        """Return what a mode is in words, such as "D major I-IV-V-I"."""
        rhythm, harmony = divmod(mode, len(HARMONIES))
        key, progression = HARMONIES[harmony]
        beats = "".join(str(beat + 1) for beat in range(BEATS) if self.rhythms[rhythm][beat])
        told = f" on beats {beats}" if len(self.rhythms) > 1 else ""
        return f"{TONIC_NAMES[key]} major {progression}{told}"

    def fifths(self, mode: int) -> int:
        """Return the key signature of a mode."""
        return FIFTHS[HARMONIES[mode % len(HARMONIES)][0]]

    # -- drawing ----------------------------------------------------------------------------

    def draw(self, mode: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw one sample of each mode given.

        Returns:
            MIDI numbers `(samples, 16, 4)` that sound at each quarter, and strokes `(samples, 16)`.
        """
        rhythm, harmony = np.divmod(mode, len(HARMONIES))
        beats = np.array(self.rhythms)[rhythm]
        chords = self._draw_chords(harmony, rng)
        pitch = np.repeat(chords[:, :, None], BEATS, axis=2)
        chance = rng.random(pitch.shape)
        step = np.where(chance < self.ornament / 2, 1, np.where(chance < self.ornament, -1, 0))
        step[:, :, 0] = 0
        step[..., 3] = 0
        pitch = neighbour(pitch, self.tonics[harmony][:, None, None, None], step)
        for beat in range(1, BEATS):
            struck = beats[:, beat][:, None, None]
            pitch[:, :, beat] = np.where(struck, pitch[:, :, beat], pitch[:, :, beat - 1])
        return pitch.reshape(len(mode), QUARTERS, len(PARTS)), np.tile(beats, BARS)

    def _draw_chords(self, harmony: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a voicing of each bar's chord, `(samples, bars, voices)`."""
        drawn = np.zeros((len(harmony), BARS, len(PARTS)), dtype=int)
        chance = rng.random((len(harmony), BARS))
        for index, row in enumerate(self.chords):
            members = np.flatnonzero(harmony == index)
            for bar, chord in enumerate(row):
                table = self._voicings[chord]
                drawn[members, bar] = table[(chance[members, bar] * len(table)).astype(int)]
        return drawn

    # -- judging ----------------------------------------------------------------------------

    def assign(self, samples: Sequence[Piece]) -> Labels:
        """Return mode and quality of each piece, which may have any parts."""
        chroma = np.stack([chroma_of(piece) for piece in samples])
        total = np.array([float(piece.duration.sum()) / piece.resolution for piece in samples])
        fitting = np.einsum("nbp,hbp->nh", chroma, self._templates)
        harmony = fitting.argmax(axis=1)
        share = fitting.max(axis=1) / np.maximum(total, QUARTERS * len(PARTS))
        good = share >= GOOD - 1e-9
        if len(self.rhythms) == 1:
            return Labels(harmony, good)
        strokes = np.stack([strokes_of(piece) for piece in samples])
        possible = BARS * len(PARTS)
        made = np.minimum(strokes[:, :BEATS], possible)
        present = made >= possible / 2
        present[:, 0] = True
        wanted = possible * present
        rhythm = (present[:, 1:] @ np.array([4, 2, 1])).astype(int)
        union = wanted.sum(axis=1) + strokes.sum(axis=1) - (made * present).sum(axis=1)
        good &= (made * present).sum(axis=1) / union >= GOOD - 1e-9
        return Labels(rhythm * len(HARMONIES) + harmony, good)

    def log_prob(self, samples: Sequence[Piece]) -> np.ndarray:
        """Return the log-probability of four-part pieces in nats, `(pieces,)`.

        Raises:
            UserError: When a piece has another number of parts.
        """
        return np.array([self._log_prob(piece) for piece in samples])

    def _log_prob(self, piece: Piece) -> float:
        pitch, struck, clean = quarters_of(piece, len(PARTS), "chorale_modes")
        bars = pitch.reshape(BARS, BEATS, len(PARTS))
        chords = tuple(self._chord_of.get(tuple(bar[0].tolist())) for bar in bars)
        harmony = self._harmony_of.get(chords)
        beats = tuple(struck[:BEATS, 0].tolist())
        even = (struck == np.tile(beats, BARS)[:, None]).all()
        if not clean or harmony is None or beats not in self.rhythms or not even:
            return -math.inf
        played = bars[:, [beat for beat in range(1, BEATS) if beats[beat]]]
        main = bars[:, :1]
        plain = (played == main)[..., :3]
        tonic = self.tonics[harmony]
        moved = [played == neighbour(main, tonic, np.array(step)) for step in (-1, 1)]
        decorated = (moved[0] | moved[1])[..., :3]
        held = [beat for beat in range(1, BEATS) if not beats[beat]]
        whole = all((bars[:, beat] == bars[:, beat - 1]).all() for beat in held)
        if not (whole and (plain | decorated).all() and (played == main)[..., 3].all()):
            return -math.inf
        choices = sum(math.log(len(self._voicings[chord])) for chord in self.chords[harmony])
        ornaments = _times_log(int(decorated.sum()), self.ornament / 2)
        return (
            -math.log(self.modes)
            - choices
            + ornaments
            + _times_log(int(plain.sum()), 1 - self.ornament)
        )

    # -- closed forms -----------------------------------------------------------------------

    @property
    def entropy(self) -> float:
        chance = self.ornament
        each = -_times_log(chance, chance / 2) - _times_log(1 - chance, 1 - chance)
        strokes = np.mean([sum(beats) - 1 for beats in self.rhythms]) * BARS * 3
        choices = [
            sum(math.log(len(self._voicings[chord])) for chord in row) for row in self.chords
        ]
        return float(math.log(self.modes) + np.mean(choices) + strokes * each)

    @property
    def ceiling(self) -> float:
        return float(np.mean([self._ceiling(beats) for beats in self.rhythms]))

    def _ceiling(self, beats: Sequence[bool]) -> float:
        """Return the share of draws in a rhythm with few enough quarters of ornament."""
        onsets = [beat for beat in range(BEATS) if beats[beat]]
        lengths = np.diff([*onsets, BEATS])[1:]
        wrong: np.ndarray = np.ones(
            1
        )  # probability of each number of quarters that belong to no chord
        for length in np.tile(lengths, BARS * 3):
            wrong = np.convolve(wrong, [1 - self.ornament, *[0] * (length - 1), self.ornament])
        allowed = math.floor((1 - GOOD) * QUARTERS * len(PARTS) + 1e-9)
        return float(wrong[: allowed + 1].sum())


def chroma_of(piece: Piece) -> np.ndarray:
    """Return how long each pitch class sounds in each bar of 4/4, `(4, 12)` in quarter notes."""
    edges = np.arange(BARS + 1) * BEATS * piece.resolution
    start, stop = piece.onset[:, None], (piece.onset + piece.duration)[:, None]
    overlap = np.clip(np.minimum(stop, edges[1:]) - np.maximum(start, edges[:-1]), 0, None)
    chroma = np.zeros((12, BARS))
    np.add.at(chroma, piece.pitch % 12, overlap / piece.resolution)
    return chroma.T


def strokes_of(piece: Piece) -> np.ndarray:
    """Return the number of notes that begin on each beat of 4/4, and elsewhere, `(5,)`."""
    beat, rest = np.divmod(piece.onset, piece.resolution)
    return np.bincount(np.where(rest == 0, beat % BEATS, BEATS), minlength=BEATS + 1)


def _times_log(count: float, probability: float) -> float:
    """Return count * ln(probability), 0 where the count is 0."""
    return count * math.log(probability) if count and probability else -math.inf if count else 0.0
