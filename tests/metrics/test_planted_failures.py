"""Every kind of failure on the ring, and what each measure makes of it: the expected table.

Expected values: 1,000 training, held-out and generated points each, k = 5, 50 bins, 12 repetitions
of an independent implementation; here three draws each, so tolerances are wide but no wider than
what tells one failure from another.
"""

from __future__ import annotations

import functools
import math

import pytest
from planted import planted, ring

from partimento.metrics.bins import (
    bin_counts,
    differing_bins,
    fit_bins,
    jensen_shannon,
    spread_ratio,
)
from partimento.metrics.diversity import diversity_ratios
from partimento.metrics.manifold import manifold
from partimento.metrics.memorisation import authenticity, data_copying, nearest_ratio
from partimento.metrics.two_sample import neighbour_accuracies

N = 1000
KINDS = [
    "perfect",
    "point",
    "one mode",
    "half",
    "one missing",
    "shrunk",
    "imbalance",
    "copy",
    "noise",
]

# measure: (tolerance, a value for each kind; None where chance or the way of planting decides)
EXPECTED: dict[str, tuple[float, tuple[float | None, ...]]] = {
    "ndb": (0.08, (0.045, 0.985, 0.988, 0.832, 0.160, 0.947, 0.498, 0.007, 0.153)),
    "jsd": (0.05, (0.012, 0.628, 0.497, 0.221, 0.056, 0.339, 0.083, 0.006, 0.023)),
    "precision": (0.02, (0.987, 1.0, 0.991, 0.989, 0.987, 0.995, 0.990, 0.989, 0.70)),
    "recall": (0.05, (0.988, 0.0, 0.125, 0.495, 0.865, 0.069, 0.982, 0.961, 0.998)),
    "density": (0.08, (1.0, None, 0.99, 1.0, 1.0, 1.05, 1.0, 1.0, 0.705)),
    "coverage": (0.03, (0.970, 0.006, 0.125, 0.499, 0.853, 0.145, 0.874, 0.916, 0.927)),
    "vendi": (0.15, (1.0, 0.122, 0.126, 0.503, 0.878, 0.961, 0.754, 1.0, None)),
    "rke": (0.03, (1.0, 0.126, 0.128, 0.506, 0.883, 0.985, 0.630, 1.0, None)),
    "distance": (0.03, (1.0, 0.0, 0.014, 0.696, 0.982, 0.997, 0.860, 1.0, None)),
    "authenticity": (0.09, (0.401, None, 0.400, 0.397, 0.408, 0.355, 0.400, 0.0, 0.579)),
    "real neighbours": (0.05, (0.50, 1.0, 0.89, 0.67, 0.54, 0.94, 0.57, 0.61, 0.60)),
    "fake neighbours": (0.05, (0.50, 1.0, 0.89, 0.67, 0.54, 0.96, 0.57, 0.77, 0.58)),
}


@functools.cache
def measured(kind: str, seed: int) -> dict[str, float]:
    train, held_out = ring(N, 3 * seed), ring(N, 3 * seed + 1)
    fake = planted(kind, N, 3 * seed + 2, train)
    # Bins are of the training points, whose own counts copies repeat too well.
    centres = fit_bins(train, 50, seed)
    counts = bin_counts(train, centres), bin_counts(fake, centres)
    scores = manifold(held_out, fake)
    ratios = diversity_ratios(held_out, fake)
    near = neighbour_accuracies(held_out, fake)
    return {
        "ndb": differing_bins(*counts),
        "jsd": jensen_shannon(*counts),
        **scores._asdict(),
        "vendi": ratios["vendi_ratio"],
        "rke": ratios["rke_ratio"],
        "distance": ratios["distance_ratio"],
        "authenticity": authenticity(train, fake),
        "real neighbours": near.real,
        "fake neighbours": near.fake,
        "z_u": data_copying(train, held_out, fake),
        "nearest": nearest_ratio(held_out, train, fake),
        "spread": spread_ratio(train, fake, centres),
    }


def mean(kind: str, name: str) -> float:
    return sum(measured(kind, seed)[name] for seed in range(3)) / 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_expected_table(kind):
    column = KINDS.index(kind)
    wrong = {}
    for name, (tolerance, row) in EXPECTED.items():
        value = row[column]
        if value is not None and not math.isclose(mean(kind, name), value, abs_tol=tolerance):
            wrong[name] = (round(mean(kind, name), 3), value)
    assert not wrong


def test_each_failure_shows_where_it_should():
    assert mean("perfect", "nearest") == pytest.approx(1.0, abs=0.08)
    assert mean("point", "nearest") > 100
    assert mean("one missing", "nearest") > 20
    assert 3 < mean("shrunk", "nearest") < 8
    assert abs(mean("perfect", "z_u")) < 2
    assert mean("copy", "z_u") < -30
    assert -25 < mean("shrunk", "z_u") < -10
    assert mean("noise", "z_u") > 8
    assert mean("shrunk", "spread") == pytest.approx(0.1, abs=0.15)
    assert mean("perfect", "spread") == pytest.approx(1.0, abs=0.1)


def test_noise_looks_diverse():
    """Why no score of diversity may be read without one of fidelity."""
    assert mean("noise", "vendi") > 2
    assert mean("noise", "rke") > 1.3
    assert mean("noise", "recall") > 0.98
