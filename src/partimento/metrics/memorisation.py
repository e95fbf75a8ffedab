"""Do fakes stand closer to the training examples than unseen music does."""

from __future__ import annotations

import math

import torch
from scipy.stats import rankdata
from torch import Tensor

from partimento.metrics.bins import fit_bins
from partimento.metrics.comparison import TrainComparison
from partimento.metrics.neighbours import nearest, nearest_others

LEAST = 20
"""Fakes of a cell in which copying is looked for, at least, as Meehan et al. 2020 take them."""


def authenticity(train: Tensor, fake: Tensor) -> float:
    """Return the share of fakes farther from the nearest training example than its own neighbour.

    Alaa et al., "How Faithful is your Synthetic Data?", ICML 2022, section 4.2. Copies have 0. It
    is neither 1 nor 1/2 for a perfect model; see `authenticity_gap`.

    Args:
        train: Features of training examples `(n, features)`.
        fake: Features `(m, features)`.
    """
    distance, index = nearest(fake, train)
    return float((distance > nearest_others(train)[index, 0]).double().mean())


def authenticity_gap(train: Tensor, held_out: Tensor, fake: Tensor) -> float:
    """Return the fakes' authenticity less that of unseen real examples; negative: memorisation."""
    return authenticity(train, fake) - authenticity(train, held_out)


def data_copying(train: Tensor, held_out: Tensor, fake: Tensor) -> float:
    """Return Z_U: standard normal for a perfect model, far below 0 for copies, above 0 for noise.

    The Mann-Whitney statistic of the distances to the nearest training example, of fakes against
    held-out examples, less its mean and over its standard deviation; ties have mean ranks, and the
    deviation is corrected for them, since in music distances are few and often equal. Meehan,
    Chaudhuri & Dasgupta, "A Non-Parametric Test to Detect Data-Copying in Generative Models",
    AISTATS 2020, section 3.1. It falls below 0 for intra-mode collapse too: the middle of a mode is
    near to many examples.

    Args:
        train: Features of training examples.
        held_out: Features of real examples not trained on, `(n, features)`.
        fake: Features `(m, features)`.
    """
    return rank_statistic(nearest(fake, train)[0], nearest(held_out, train)[0])


def rank_statistic(first: Tensor, second: Tensor) -> float:
    """Return the Mann-Whitney statistic of two samples, standardised; 0 where all values are equal.

    Below 0 when the first is smaller.

    Args:
        first: Values `(m,)`.
        second: Values `(n,)`.
    """
    m, n = len(first), len(second)
    values = torch.cat([first, second]).double().cpu().numpy()
    ranks = rankdata(values)
    statistic = ranks[:m].sum() - m * (m + 1) / 2
    counts = torch.unique(torch.as_tensor(values), return_counts=True)[1].double()
    total = m + n
    ties = float((counts**3 - counts).sum()) / (total * (total - 1))
    variance = m * n / 12 * (total + 1 - ties)
    return float(statistic - m * n / 2) / math.sqrt(variance) if variance > 0 else 0.0


def data_copying_by_cell(
    train: Tensor, held_out: Tensor, fake: Tensor, centres: Tensor, least: int = LEAST
) -> float:
    """Return C_T: the mean of Z_U over cells of the space, weighted by the held-out examples in each.

    Copying in one part of the space shows here, though noise elsewhere hides it from
    `data_copying`. Meehan, Chaudhuri & Dasgupta 2020, section 3, with distances to all training
    examples. A cell with fewer than `least` fakes, none among them, or without held-out examples,
    says nothing and is left out; NaN where all are.

    Args:
        train: Features of training examples.
        held_out: Features of real examples not trained on, `(n, features)`.
        fake: Features `(m, features)`.
        centres: Centres of the cells, as of `bins.fit_bins` on training examples.
        least: Fakes of a cell that is taken.
    """
    theirs, ours = nearest(fake, train)[0], nearest(held_out, train)[0]
    in_cell = nearest(fake, centres)[1], nearest(held_out, centres)[1]
    weighted = total = 0.0
    for cell in range(len(centres)):
        made, real = theirs[in_cell[0] == cell], ours[in_cell[1] == cell]
        if len(made) >= max(least, 1) and len(real):
            weighted += len(real) * rank_statistic(made, real)
            total += len(real)
    return weighted / total if total else math.nan


def nearest_ratio(
    real: Tensor, others: Tensor, fake: Tensor, quantile: float | None = None
) -> float:
    """Return how much farther reals are from the nearest fake than from the nearest other real.

    mean over x of min over y of d(x, y), over the same with as many reals y: what IMLE makes small
    (Li & Malik 2018), as a measure of what fakes leave out. About 1 for a perfect model.

    Args:
        real: Features of the examples that are to be near to a fake, `(n, features)`.
        others: Features of independent real examples, at least as many as fakes.
        fake: Features `(m, features)`.
        quantile: Compare this quantile of the distances instead of their mean.

    Raises:
        ValueError: When there are fewer independent reals than fakes.
    """
    if len(others) < len(fake):
        raise ValueError(f"{len(fake)} fakes need as many independent reals, not {len(others)}")
    ours, theirs = nearest(real, others[: len(fake)])[0], nearest(real, fake)[0]

    def summary(distances: Tensor) -> float:
        distances = distances.double()
        return float(distances.mean() if quantile is None else distances.quantile(quantile))

    below, above = summary(ours), summary(theirs)
    if below == 0:
        return 1.0 if above == 0 else math.inf
    return above / below


class Memorisation(TrainComparison):
    """What copies show in: `authenticity_gap`, `data_copying`, `data_copying_by_cell`.

    Args:
        cells: Cells of the last, at most; no more than one for 50 training examples.
        seed: Of k-means, which makes the cells.
    """

    def __init__(self, cells: int = 10, seed: int = 0) -> None:
        super().__init__()
        self.cells, self.seed = cells, seed

    def value(self, train: Tensor, held_out: Tensor, fake: Tensor) -> dict[str, float]:
        centres = fit_bins(train, max(1, min(self.cells, len(train) // 50)), self.seed)
        return {
            "authenticity_gap": authenticity_gap(train, held_out, fake),
            "data_copying": data_copying(train, held_out, fake),
            "data_copying_by_cell": data_copying_by_cell(train, held_out, fake, centres),
        }


class NearestRatio(TrainComparison):
    """`nearest_ratio` of held-out examples: `nearest_ratio`, and `nearest_ratio_95` of the tail.

    The independent reals are those trained on; as many fakes as there are of these are compared.
    """

    def value(self, train: Tensor, held_out: Tensor, fake: Tensor) -> dict[str, float]:
        fake = fake[: len(train)]
        return {
            "nearest_ratio": nearest_ratio(held_out, train, fake),
            "nearest_ratio_95": nearest_ratio(held_out, train, fake, 0.95),
        }
