"""Do fakes stand closer to the training examples than unseen music does."""

from __future__ import annotations

import math

import torch
from scipy.stats import rankdata
from torch import Tensor

from partimento.metrics.neighbours import nearest, nearest_others


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
    theirs, ours = nearest(fake, train)[0], nearest(held_out, train)[0]
    m, n = len(theirs), len(ours)
    values = torch.cat([theirs, ours]).double().cpu().numpy()
    ranks = rankdata(values)
    statistic = ranks[:m].sum() - m * (m + 1) / 2
    counts = torch.unique(torch.as_tensor(values), return_counts=True)[1].double()
    total = m + n
    ties = float((counts**3 - counts).sum()) / (total * (total - 1))
    variance = m * n / 12 * (total + 1 - ties)
    return float(statistic - m * n / 2) / math.sqrt(variance) if variance > 0 else 0.0


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
