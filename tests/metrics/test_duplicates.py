"""Equal samples: counts by hand, supports that are known, and what their intervals promise."""

from __future__ import annotations

import math

import pytest
import torch

from partimento.metrics.duplicates import (
    Duplicates,
    collisions,
    effective_support,
    unique_share,
)


def test_counts_by_hand():
    x = torch.tensor([[1, 2], [1, 2], [3, 4], [1, 2], [5, 6]])
    assert unique_share(x) == 3 / 5
    assert collisions(x) == 3
    assert collisions(x[[0, 2, 4]]) == 0


def test_no_collision_gives_no_upper_bound():
    found = effective_support(torch.arange(100)[:, None])
    assert (found.size, found.high) == (math.inf, math.inf)
    # With no event a Poisson mean is at most -ln 0.025 at 97.5 %.
    assert found.low == pytest.approx(4950 / -math.log(0.025))


def test_the_interval_holds_a_known_support_as_often_as_it_says():
    draw = torch.Generator().manual_seed(0)
    support, inside = 5_000, 0
    for _ in range(200):
        found = effective_support(torch.randint(support, (500, 1), generator=draw))
        inside += found.low <= support <= found.high
    assert 184 <= inside <= 200  # 95 % of 200, three standard deviations down


def test_uneven_laws_have_a_smaller_effective_support():
    """1 / sum p^2: half of the draws from one value leave an effective support of about 4."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randint(1000, (4000, 1), generator=draw)
    x[:2000] = 5000
    assert effective_support(x).size == pytest.approx(1 / (0.25 + 0.25 / 1000), rel=0.05)


def test_copying_a_corpus_leaves_one_minus_one_over_e():
    draw = torch.Generator().manual_seed(2)
    corpus = torch.arange(600)[:, None].float()
    metric = Duplicates()
    metric.update(corpus, real=True)
    metric.update(corpus[torch.randint(600, (600,), generator=draw)], real=False)
    found = metric.compute()
    assert found["unique_share"] == pytest.approx(1 - 1 / math.e, abs=0.04)
    assert found["unique_ratio"] == found["unique_share"]
    assert found["effective_support"] == pytest.approx(600, rel=0.25)
