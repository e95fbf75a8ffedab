"""What is measured of generated examples, by name: what is of the reals alone is computed once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from partimento.diagnostics.kin import NEIGHBOURS, Kin, among_fakes
from partimento.diagnostics.modes import Modes, RealModes, find_modes, mode_counts
from partimento.metrics.bins import (
    bin_counts,
    differing_bins,
    fit_bins,
    jensen_shannon,
    spread_in_bins,
)
from partimento.metrics.diversity import (
    BANDWIDTH,
    mean_distance,
    renyi_kernel_entropy,
    vendi,
)
from partimento.metrics.memorisation import data_copying
from partimento.metrics.neighbours import distance_blocks, nearest, nearest_others
from partimento.metrics.two_sample import neighbour_accuracies

MOST_BINS = 50
PER_BIN = 10
"""Real examples of a bin, on average, at least."""
MOST_EIGENVALUES = 1000
"""Examples of which the Vendi score is taken, whose time grows with their third power."""
SAME = 0.1
"""Two answers are one when they are this much nearer than real examples are to the nearest other."""


COUNTED = frozenset(
    {"repeated", "one_place", "copied_gap", "same_answers", "mode_left", "modes_used"}
)
"""Values that count samples or modes which a perfect model has few of, or none."""


class Sides(NamedTuple):
    """Features of examples of three kinds, `(n, features)` each.

    Attributes:
        train: Examples that the model was trained on.
        held_out: Real examples of other tunes.
        fake: Generated examples.
    """

    train: Tensor
    held_out: Tensor
    fake: Tensor


Measures = Callable[[Sides], Mapping[str, float]]


@dataclass(frozen=True)
class Reals:
    """The real examples of an evaluation, and all that is of them alone.

    Attributes:
        train: Features of training examples `(n, features)`.
        held_out: Features of examples of other tunes `(n, features)`.
        radius: Distance of each held-out example to its k-th nearest other, `(n,)`.
        between: Mean distance of a held-out example to the nearest training example.
        own: Distance of each training example to its nearest other, `(n,)`.
        authenticity: Share of the held-out examples that are farther from the nearest training
            example than that is from its own neighbour.
        centres: Centres of the bins `(bins, features)`, of k-means on the training examples.
        counts: Training examples of each bin, `(bins,)`.
        spread: Root mean squared distance of each bin's examples from their mean, `(bins,)`.
        same: Distance up to which two examples are nearly the same: a tenth (`SAME`) of `between`.
        copied: Share of the held-out examples that are nearly the same as a training example.
        apart: Mean distance between two held-out examples.
        diversity: Order-2 diversity of the held-out examples.
        modes: The modes of both, and what these do with them.
    """

    train: Tensor
    held_out: Tensor
    radius: Tensor
    between: float
    own: Tensor
    authenticity: float
    centres: Tensor
    counts: Tensor
    spread: Tensor
    same: float
    copied: float
    apart: float
    diversity: float
    modes: RealModes

    @classmethod
    def of(cls, train: Tensor, held_out: Tensor, modes: Modes | None = None) -> Reals:
        """Compute all that is of the reals alone.

        Args:
            train: Features of training examples `(n, features)`.
            held_out: Features of examples of other tunes `(n, features)`.
            modes: Modes that were found in more of them; None: they are found in these.
        """
        both = torch.cat([train, held_out])
        distance, index = nearest(held_out, train)
        own = nearest_others(train)[:, 0]
        centres = fit_bins(train, max(1, min(MOST_BINS, len(train) // PER_BIN)))
        apart = mean_distance(held_out)
        between = float(distance.double().mean())
        return cls(
            train=train,
            held_out=held_out,
            radius=nearest_others(held_out, min(NEIGHBOURS, len(held_out) - 1))[:, -1],
            between=between,
            own=own,
            authenticity=float((distance > own[index]).double().mean()),
            centres=centres,
            counts=bin_counts(train, centres),
            spread=spread_in_bins(train, centres),
            same=SAME * between,
            copied=float((distance <= SAME * between).double().mean()),
            apart=apart,
            diversity=renyi_kernel_entropy(held_out, BANDWIDTH * apart) if apart > 0 else 1.0,
            modes=RealModes.of(modes or find_modes(both, len(train)), both),
        )


def alarm_values(reals: Reals, fake: Tensor) -> dict[str, float]:
    """Return the smallest set of values that tells the kinds of failure apart, at little cost.

    Of modes left out, `nearest_ratio` (Li & Malik 2018) and `coverage` (Naeem et al. 2020) speak,
    but so does every sample that is not yet exact, long before any mode is lost. Two values of ours
    allow for that, by how far samples are from each other:

    - `left_out`: how far reals are from the nearest fake, over the larger of how far reals are from
      the nearest other real, and fakes from the nearest other fake. Inexact fakes that are spread
      around all modes are as far from each other as from reals; fakes in few modes are not.
    - `reach`: share of reals with a fake in their ball, or within the middle radius of fakes' balls.

    `energy` speaks of modes unevenly used, and hardly of inexact samples: the energy distance
    2 E|x - y| - E|x - x'| - E|y - y'| of reals x and fakes y (Székely & Rizzo 2013, "Energy
    statistics", section 2) over the mean distance of reals. `bin_jsd` says the same of bins, which
    inexact samples leave; `spread_ratio` and `repeated` (share of samples that are nearly the same
    as another) of variety lost within modes; `one_place` (largest share of samples that are nearly
    the same as one of them) of a single point; `precision` of what is off the data;
    `authenticity_gap`, `copied_gap` (share of samples that are nearly the same as a training
    example, less that of held-out examples) and `ndb` (far below its level) of copies; `rke_ratio`
    and `distance_ratio` of variety as a whole. Definitions stand in `metrics`.

    The alarm listens to `mode_jsd`, `mode_left` and `mode_spread` (see `modes.RealModes.values`)
    before most of these: between modes that were told apart blur hardly moves samples.
    """
    copied, place = nearest(fake, reals.train)
    authentic = float((copied > reals.own[place]).double().mean())
    counts = bin_counts(fake, reals.centres)
    kin = among_fakes(fake, reals.apart, reals.same)
    return {
        **_among_reals(reals, fake, kin),
        "ndb": differing_bins(reals.counts, counts),
        "bin_jsd": jensen_shannon(reals.counts, counts),
        "spread_ratio": _spread_ratio(reals, fake),
        "authenticity_gap": authentic - reals.authenticity,
        "copied_gap": float((copied <= reals.same).double().mean()) - reals.copied,
        "repeated": kin.repeated,
        "one_place": kin.one_place,
        **reals.modes.values(fake),
        "distance_ratio": kin.apart / reals.apart if reals.apart > 0 else math.nan,
        "rke_ratio": kin.diversity / reals.diversity if reals.apart > 0 else math.nan,
    }


def thorough_values(reals: Reals, fake: Tensor) -> dict[str, float]:
    """Return the values of the alarm tier and the slower ones."""
    near = neighbour_accuracies(reals.held_out, fake)
    ball = nearest_others(fake, min(NEIGHBOURS, len(fake) - 1))[:, -1]
    held = balls = 0.0
    for rows, distances in distance_blocks(reals.held_out, fake):
        held += float((distances <= ball).any(dim=1).sum())
        balls += float((distances <= reals.radius[rows, None]).sum())
    width, few = BANDWIDTH * reals.apart, slice(0, MOST_EIGENVALUES)
    varied = vendi(reals.held_out[few], width) if width > 0 else 1.0
    return {
        **alarm_values(reals, fake),
        "recall": held / len(reals.held_out),
        "density": balls / (NEIGHBOURS * len(fake)),
        "vendi_ratio": vendi(fake[few], width) / varied if width > 0 else math.nan,
        "neighbour_accuracy_real": near.real,
        "neighbour_accuracy_fake": near.fake,
        "data_copying": data_copying(reals.train, reals.held_out, fake),
    }


def same_answers(reals: Reals, fake: Tensor, again: Tensor) -> float:
    """Return the share of conditions whose two answers, from two codes, are nearly the same.

    Nearly the same is within `Reals.same`. 1 where the condition decides alone, and the code does
    nothing.

    Args:
        reals: Real examples.
        fake: Features of samples `(n, features)`.
        again: Features of samples for the same conditions, with other codes.
    """
    distance = (fake - again).square().sum(dim=1).sqrt()
    return float((distance <= reals.same).double().mean())


def drift(counts: Tensor, earlier: Tensor) -> float:
    """Return the mean Jensen-Shannon divergence of a histogram from earlier ones, in nats.

    A generator that collapses to a mode that moves has few modes each time and others each time.

    Args:
        counts: Samples of each bin, `(bins,)`.
        earlier: The same of earlier evaluations, `(evaluations, bins)`, one at least.
    """
    return sum(jensen_shannon(counts, row) for row in earlier) / len(earlier)


def of_perfect(
    values: Callable[[Reals, Tensor], dict[str, float]], modes: Modes | None = None
) -> Measures:
    """Return what a perfect model, whose samples are music of unseen tunes, gives by these values.

    Beside those of one set of samples:

    - `drift`: two evaluations of it are two independent draws of unseen tunes, here the held-out
      ones and those that stand for its samples.
    - `same_answers`: what two answers of it to one condition would be cannot be drawn from a
      corpus, where each condition has one. The nearest thing there is to a second answer is the
      held-out example that is nearest to the first. Two answers of a perfect model are, unless its
      conditions say nearly all, no nearer than that, so that the interval errs on the high side.

    Args:
        values: Values of one set of samples.
        modes: Modes of the real examples; None: they are found in those of the first division.
    """
    known = modes

    def measured(sides: Sides) -> dict[str, float]:
        nonlocal known
        known = known or find_modes(torch.cat(sides), len(sides.fake))
        reals = Reals.of(sides.train, sides.held_out, known)
        _, place = nearest(sides.fake, sides.held_out)
        held_out, fake = (mode_counts(known, x) for x in (sides.held_out, sides.fake))
        return {
            **values(reals, sides.fake),
            "drift": jensen_shannon(held_out, fake),
            "same_answers": same_answers(reals, sides.fake, sides.held_out[place]),
        }

    return measured


def minimal(sides: Sides) -> dict[str, float]:
    """Return `alarm_values` of examples of three kinds."""
    return alarm_values(Reals.of(sides.train, sides.held_out), sides.fake)


def thorough(sides: Sides) -> dict[str, float]:
    """Return `thorough_values` of examples of three kinds."""
    return thorough_values(Reals.of(sides.train, sides.held_out), sides.fake)


def _among_reals(reals: Reals, fake: Tensor, kin: Kin) -> dict[str, float]:
    """Return what the distances of fakes to held-out examples say (see `metrics.manifold`)."""
    least = torch.full((len(reals.held_out),), math.inf, device=fake.device)
    precise = total = 0.0
    for _, distances in distance_blocks(fake, reals.held_out):
        total += float(distances.sum())
        precise += float((distances <= reals.radius).any(dim=1).sum())
        least = torch.minimum(least, distances.amin(dim=0))
    missing = float(least.double().mean())
    apart = total / (len(fake) * len(reals.held_out))
    return {
        "energy": (2 * apart - kin.apart) / reals.apart - 1 if reals.apart > 0 else math.nan,
        "nearest_ratio": _ratio(missing, reals.between),
        "left_out": _ratio(missing, max(reals.between, kin.spacing)),
        "coverage": float((least <= reals.radius).double().mean()),
        "reach": float((least <= reals.radius.clamp(min=kin.radius)).double().mean()),
        "precision": precise / len(fake),
    }


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else math.inf if above > 0 else 1.0


def _spread_ratio(reals: Reals, fake: Tensor) -> float:
    """Return the median over bins of the fakes' spread over the training examples'."""
    ratio = spread_in_bins(fake, reals.centres) / reals.spread
    ratio = ratio[torch.isfinite(ratio) & (reals.spread > 0)]
    return float(ratio.median()) if len(ratio) else math.nan
