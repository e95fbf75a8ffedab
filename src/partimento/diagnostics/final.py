"""The final tier: one set of samples of a finished model against unseen music, with all values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from partimento.diagnostics.alarm import attribute
from partimento.diagnostics.calibration import Interval, calibrate, supported_count
from partimento.diagnostics.measures import Reals, of_perfect, same_answers, thorough_values
from partimento.errors import UserError

MOST = 10_000
"""Samples beyond which no measure gains what its time costs."""
LARGE = 1_000
"""Samples above which there are fewer divisions, which take minutes there."""


@dataclass(frozen=True)
class Report:
    """What is said of a finished model.

    Attributes:
        count: Samples, and real examples of each kind, that were compared.
        values: What was measured, by name.
        intervals: Where each value of a perfect model lies, with the level that it holds for.
        excess: How far each value lies from a perfect model's median, in half-widths.
        failures: What the pattern of the values speaks of.
    """

    count: int
    values: dict[str, float]
    intervals: dict[str, Interval]
    excess: dict[str, float]
    failures: tuple[str, ...]


def final_report(
    train: Tensor,
    held_out: Tensor,
    fake: Tensor,
    groups: tuple[np.ndarray, np.ndarray] | None = None,
    again: Tensor | None = None,
    *,
    most: int = MOST,
    resamples: int | None = None,
    seed: int = 0,
) -> Report:
    """Compare samples with unseen music by the values of the thorough tier.

    As many are compared as the music allows (see `supported_count`). An interval of 99 % takes 199
    divisions of the real music; above `LARGE` examples 39 are made, which support 95 %.

    Args:
        train: Features of training examples `(n, features)`.
        held_out: Features of real examples of other tunes.
        fake: Features of samples.
        groups: Group of tunes of each of both reals; no group is in both. None: each is its own.
        again: Features of samples for the same conditions with other codes; None: no conditions.
        most: Number of samples, at most.
        resamples: Divisions of the real examples; None: by their number.
        seed: Of the divisions.

    Raises:
        UserError: When there are too few real examples, or no more than 10 samples.
    """
    joined = torch.cat([train, held_out])
    group = np.arange(len(joined)) if groups is None else np.concatenate(groups)
    fit = supported_count(group, len(torch.unique(joined, dim=0)), most)
    count = min(fit, len(train), len(held_out), len(fake))
    if count < 10:
        raise UserError(f"{len(fake)} samples are too few to compare: draw 10 or more.")
    divisions = resamples or (199 if count <= LARGE else 39)
    intervals = calibrate(
        joined,
        group,
        of_perfect(thorough_values),
        count,
        resamples=divisions,
        level=1 - 2 / (divisions + 1),
        seed=seed,
    )
    reals = Reals.of(train[:count], held_out[:count])
    values = thorough_values(reals, fake[:count])
    if again is not None:
        values["same_answers"] = same_answers(reals, fake[:count], again[:count])
    excess = {name: intervals[name].excess(value) for name, value in values.items()}
    return Report(count, values, intervals, excess, attribute(intervals, values))
