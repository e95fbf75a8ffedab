"""Comparisons as metrics: batches and processes together are what all samples at once are."""

from __future__ import annotations

import pytest
import torch

from partimento.metrics.bins import BinComparison
from partimento.metrics.comparison import Comparison
from partimento.metrics.diversity import DiversityRatios
from partimento.metrics.duplicates import Duplicates
from partimento.metrics.manifold import ManifoldScores
from partimento.metrics.two_sample import TwoSampleTest

METRICS = [ManifoldScores, BinComparison, DiversityRatios, Duplicates, TwoSampleTest]
DRAW = torch.Generator().manual_seed(0)
REAL = torch.randint(4, (120, 3), generator=DRAW).float()
FAKE = torch.randint(5, (120, 3), generator=DRAW).float()


def given(kind: type[Comparison], parts: int) -> Comparison:
    metric = kind()
    for real, fake in zip(REAL.chunk(parts), FAKE.chunk(parts), strict=True):
        metric.update(real, real=True)
        metric.update(fake, real=False)
    return metric


@pytest.mark.parametrize("kind", METRICS)
def test_batches_are_gathered_first(kind):
    whole, parts = given(kind, 1).compute(), given(kind, 7).compute()
    assert whole == parts
    assert all(isinstance(value, float) for value in whole.values())


@pytest.mark.parametrize("kind", METRICS)
def test_processes_are_gathered_first(kind):
    """What another process gathered comes in through torchmetrics' own synchronisation."""
    metric, other = kind(), kind()
    metric.update(REAL[:50], real=True)
    metric.update(FAKE[:50], real=False)
    other.update(REAL[50:], real=True)
    other.update(FAKE[50:], real=False)
    theirs = {"real": torch.cat(other.real), "fake": torch.cat(other.fake)}
    ours = {"real": torch.cat(metric.real), "fake": torch.cat(metric.fake)}

    def gathered(tensor, group=None):
        (name,) = (name for name, value in ours.items() if torch.equal(value, tensor))
        return [tensor, theirs[name]]

    metric.dist_sync_fn = gathered
    metric.distributed_available_fn = lambda: True
    assert metric.compute() == given(kind, 1).compute()


@pytest.mark.parametrize("kind", METRICS)
def test_reset_forgets(kind):
    metric = given(kind, 2)
    metric.reset()
    metric.update(FAKE, real=False)
    with pytest.raises(ValueError, match="no real examples"):
        metric.compute()


def test_what_is_no_matrix_is_refused():
    with pytest.raises(ValueError, match="examples, features"):
        ManifoldScores().update(torch.zeros(3), real=True)
