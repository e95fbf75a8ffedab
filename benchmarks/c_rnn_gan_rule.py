"""The rule of the study of C-RNN-GAN: what each textual claim of the paper asks of the curves.

Committed before the study was run; see `c_rnn_gan.py` for what is done with it. Mogren 2016 gives
curves of statistics (figure 3) and words, no table. A claim holds when it holds in each of the seeds.
Epochs are counted from the beginning of the game (the paper does not say whether the six before it
count). "Late" values are means over the last third of all epochs of a run, of samples' statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SEEDS = (0, 1, 2)
MODELS = ("c_rnn_gan", "c_rnn_gan_3", "baseline")
NAMES = {
    "mode_consistency": "Scale consistency, %",
    "pitch_range": "Tone span, semitones",
    "pitches_used": "Unique tones",
    "intensity_span": "Intensity span",
    "joint_onsets": "Polyphony, %",
    "repetitions": "3-tone repetitions",
}
"""The paper's statistics: ours → its legend."""


@dataclass(frozen=True)
class Run:
    """The curves of one run.

    Attributes:
        curves: Statistic → a value per epoch, those of pre-training first.
        real: Statistic → its value on validation music.
        before: Epochs of pre-training.
    """

    curves: Mapping[str, Sequence[float]]
    real: Mapping[str, float]
    before: int

    def game(self, name: str) -> np.ndarray:
        """Return a statistic by the epochs of the game."""
        return np.asarray(self.curves[name], dtype=float)[self.before :]

    def late(self, name: str) -> float:
        """Return the mean of a statistic over the last third of all epochs."""
        values = np.asarray(self.curves[name], dtype=float)
        return float(values[-max(1, len(values) // 3) :].mean())


Runs = Mapping[str, Run]
"""The runs of one seed, by model."""


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        text: What the paper says, in short.
        rule: What that asks of the curves of one seed.
        holds: Whether it holds in one seed; None: the data cannot tell.
    """

    text: str
    rule: str
    holds: Callable[[Runs], bool | None]


def ranks(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return ranks from 0, equal values sharing their mean rank."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return (ends - (count + 1) / 2)[inverse]


def rank_correlation(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray
) -> float:
    """Return Spearman's correlation; 0 where one of them never varies."""
    ours, theirs = ranks(first), ranks(second)
    if not ours.std() or not theirs.std():
        return 0.0
    return float(np.corrcoef(ours, theirs)[0, 1])


def smoothed(values: np.ndarray, width: int = 5) -> np.ndarray:
    """Return running means over so many epochs."""
    return (
        np.convolve(values, np.full(width, 1 / width), "valid") if len(values) >= width else values
    )


def settles(runs: Runs) -> bool:
    late = smoothed(runs["c_rnn_gan"].game("mode_consistency")[15:])
    return bool(np.ptp(late) <= 0.1) if len(late) else False


def repeats_less_later(runs: Runs) -> bool:
    values = runs["c_rnn_gan"].game("repetitions")
    early, later = values[:25], values[25:]
    if not len(later):
        return False
    rises = rank_correlation(np.arange(len(early)), early) > 0.3
    return bool(rises and later.mean() < early[-5:].mean())


def empties(runs: Runs) -> bool:
    values = runs["c_rnn_gan_3"].game("pitches_used")
    around = np.concatenate([values[40:50], values[56:66]])
    return bool(len(values) > 56 and values[50:56].min() < around.mean() / 2)


def closer_in_baseline(runs: Runs) -> bool:
    def follows(run: Run) -> float:
        return rank_correlation(run.curves["pitch_range"], run.curves["pitches_used"])

    return follows(runs["baseline"]) > follows(runs["c_rnn_gan"])


def less(name: str, model: str, other: str, factor: float = 1.0) -> Callable[[Runs], bool]:
    """Return whether a late value of one model is below that of another times a factor."""
    return lambda runs: runs[model].late(name) < factor * runs[other].late(name)


def near(name: str, model: str, other: str, most: float) -> Callable[[Runs], bool]:
    """Return whether late values of two models are no further apart."""
    return lambda runs: abs(runs[model].late(name) - runs[other].late(name)) <= most


def real_above(name: str, low: float, high: float) -> Callable[[Runs], bool]:
    """Return whether real music's value is above C-RNN-GAN's by something between two numbers."""
    return lambda runs: low < runs["c_rnn_gan"].real[name] - runs["c_rnn_gan"].late(name) <= high


def intensity(runs: Runs) -> bool | None:
    run = runs["c_rnn_gan"]
    if not run.real["intensity_span"]:
        return None
    return 1 / 1.5 < run.late("intensity_span") / run.real["intensity_span"] < 1.5


CLAIMS = {
    "settles": Claim(
        "scale consistency stabilises after ten or fifteen epochs",
        "C-RNN-GAN: running means over 5 epochs stay within 0.10 from epoch 15 on",
        settles,
    ),
    "repetitions": Claim(
        "3-tone repetitions rise over the first 25 epochs, then stay low",
        "C-RNN-GAN: rank correlation with the epoch over 0.3 up to 25; the mean after is below that "
        "of epochs 20 to 25",
        repeats_less_later,
    ),
    "unique": Claim(
        "the baseline's number of unique tones is much lower",
        "late unique tones: baseline below 0.8 times C-RNN-GAN",
        less("pitches_used", "baseline", "c_rnn_gan", 0.8),
    ),
    "span": Claim(
        "adversarial training gives a larger tone span than the baseline's",
        "late tone span: baseline below C-RNN-GAN",
        less("pitch_range", "baseline", "c_rnn_gan"),
    ),
    "same_scale": Claim(
        "the baseline's scale consistency is similar to C-RNN-GAN's",
        "late scale consistency: no more than 0.05 apart",
        near("mode_consistency", "baseline", "c_rnn_gan", 0.05),
    ),
    "follows": Claim(
        "the baseline's tone span follows its unique tones more closely",
        "rank correlation of the two over all epochs: baseline above C-RNN-GAN",
        closer_in_baseline,
    ),
    "polyphony": Claim(
        "C-RNN-GAN-3 has a much higher polyphony than both others",
        "late polyphony: both others below half of C-RNN-GAN-3's",
        lambda runs: all(
            less("joint_onsets", other, "c_rnn_gan_3", 0.5)(runs)
            for other in ("c_rnn_gan", "baseline")
        ),
    ),
    "empties": Claim(
        "C-RNN-GAN-3 has a phase of zero outputs around epochs 50 to 55",
        "C-RNN-GAN-3: at an epoch from 50 to 55 fewer than half the unique tones of the ten epochs "
        "before and after",
        empties,
    ),
    "intensity": Claim(
        "real music has an intensity span similar to the generated music's",
        "late intensity span of C-RNN-GAN over real music's: between 2/3 and 3/2",
        intensity,
    ),
    "real_scale": Claim(
        "real music has a slightly higher scale consistency",
        "real music above late C-RNN-GAN, by no more than 0.15",
        real_above("mode_consistency", 0, 0.15),
    ),
    "real_polyphony": Claim(
        "real music has a polyphony similar to C-RNN-GAN-3's",
        "real music and late C-RNN-GAN-3 no more than 0.15 apart",
        lambda runs: (
            abs(runs["c_rnn_gan"].real["joint_onsets"] - runs["c_rnn_gan_3"].late("joint_onsets"))
            <= 0.15
        ),
    ),
    "real_repetitions": Claim(
        "real music has far more 3-tone repetitions",
        "real music above twice late C-RNN-GAN",
        lambda runs: (
            runs["c_rnn_gan"].real["repetitions"] > 2 * runs["c_rnn_gan"].late("repetitions")
        ),
    ),
}


def verdict(claim: Claim, seeds: Sequence[Runs]) -> str:
    """Return "holds", "does not hold" or "cannot be told", by all seeds."""
    found = [claim.holds(runs) for runs in seeds]
    if None in found:
        return "cannot be told"
    return "holds" if all(found) else "does not hold"
