"""Failures of synthetic chorales of 24 modes, in one-hot cells and by pitch class: the expected table.

Expected values: 600 training, held-out and generated chorales each (six keys, four progressions, 16
quarters of four voices, 15 % ornaments), k = 5, 40 bins, 6 repetitions of an independent
implementation on a law that is alike but not this one. Here the voicing of every chord is drawn, so
that chorales of one mode are less alike: in one-hot cells the kernel scores see no two chorales as
near and say nothing (1.00, where the other law had 0.88 for half of the modes), samples of missing
modes are not as far away (coverage 0.66 for 0.51, nearest ratio 1.07 for 1.17), and prototypes are
fewer of more (Vendi ratio 0.04 for 0.14). By pitch class, where voicings are alike, half of the modes
have the coverage 0.49. Noise, 30 % of the cells, is nearer to chorales that differ as much among
themselves. Where the laws deviate the value is this law's own, marked so.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from partimento.datasets.chorale_law import ChoraleLaw
from partimento.datasets.chorale_modes import ChoraleModes
from partimento.metrics.bins import bin_counts, differing_bins, fit_bins, jensen_shannon
from partimento.metrics.diversity import diversity_ratios
from partimento.metrics.manifold import manifold
from partimento.metrics.memorisation import authenticity, nearest_ratio
from partimento.metrics.oracles import judge
from partimento.metrics.two_sample import neighbour_accuracies
from partimento.representations.multivoice import MultiVoice
from partimento.spaces.fixed import PitchClasses, Raw

N = 600
DATA = ChoraleModes()
LAW, PLAIN = DATA.oracle, ChoraleLaw(24, ornament=0.0)
GRID = MultiVoice(DATA.parts, DATA.ranges, bars=4, steps_per_bar=4)
LOWEST = np.array([low for low, _ in DATA.ranges])

# failure: measure → (expected, tolerance)
EXPECTED: dict[str, dict[str, tuple[float, float]]] = {
    "perfect": {
        "reverse_kl": (0.018, 0.012),
        "recall": (0.98, 0.04),
        "coverage": (0.982, 0.02),
        "ndb": (0.033, 0.06),
        "vendi": (1.0, 0.01),
        "distance": (1.0, 0.01),
        "nearest": (1.0, 0.02),
        "neighbours": (0.5, 0.04),
    },
    "point": {
        "reverse_kl": (3.178, 0.001),
        "recall": (0.0, 0.001),
        "coverage": (0.006, 0.01),
        "ndb": (0.99, 0.03),
        "vendi": (0.007, 0.01),
        "distance": (0.0, 1e-6),
        "neighbours": (1.0, 0.01),
        "nearest": (1.405, 0.1),  # its own: 1.72
    },
    "one mode": {
        "reverse_kl": (3.178, 0.001),
        "recall": (0.04, 0.02),
        "coverage": (0.206, 0.05),  # its own: 0.10
        "ndb": (0.98, 0.05),
        "distance": (0.89, 0.03),  # its own: 0.75
        "neighbours": (0.94, 0.03),
    },
    "half": {
        "reverse_kl": (0.700, 0.02),
        "recall": (0.587, 0.06),  # its own: 0.47
        "coverage": (0.661, 0.06),  # its own: 0.513
        "ndb": (0.76, 0.08),
        "vendi": (1.0, 0.01),  # its own: 0.88
        "distance": (0.985, 0.015),
        "nearest": (1.068, 0.03),  # its own: 1.17
        "neighbours": (0.64, 0.05),
    },
    "one missing": {
        "reverse_kl": (0.059, 0.015),
        "recall": (0.96, 0.025),
        "coverage": (0.960, 0.025),
        "ndb": (0.067, 0.07),
        "vendi": (1.0, 0.01),
        "distance": (1.0, 0.01),
        "nearest": (1.003, 0.02),
        "neighbours": (0.515, 0.04),
    },
    "prototypes": {
        "reverse_kl": (0.022, 0.015),
        "recall": (0.0, 0.001),
        "coverage": (0.33, 0.1),
        "ndb": (0.64, 0.12),
        "distance": (0.97, 0.02),
        "neighbours": (0.97, 0.03),
        "nearest": (1.24, 0.06),
    },
    "imbalance": {
        "reverse_kl": (1.12, 0.08),
        "recall": (0.73, 0.08),
        "coverage": (0.60, 0.1),
        "ndb": (0.72, 0.1),
        "distance": (0.95, 0.04),
        "neighbours": (0.74, 0.05),
    },
    "copy": {
        "reverse_kl": (0.036, 0.015),
        "recall": (0.985, 0.03),  # its own: 0.905
        "coverage": (0.934, 0.03),
        "ndb": (0.0, 0.01),
        "authenticity": (0.0, 0.0),
        "nearest": (1.03, 0.02),
        "neighbours": (0.68, 0.05),
    },
    "noise": {
        # Few samples are good, too few for a divergence over modes.
        "recall": (1.0, 0.02),
        "coverage": (0.602, 0.06),  # its own: 0.18
        "authenticity": (0.89, 0.04),  # its own: 0.99
        "nearest": (1.137, 0.05),  # its own: 1.24
        "neighbours": (0.504, 0.05),  # one near 1, the other near 0
    },
}


def drawn(mode: np.ndarray, rng: np.random.Generator, law: ChoraleLaw = LAW) -> Tensor:
    """Chorales of these modes as symbols `(chorales, 16, 4)`, each quarter struck."""
    return torch.as_tensor(law.draw(mode, rng)[0] - LOWEST)


def planted(kind: str, rng: np.random.Generator, train: Tensor) -> Tensor:
    if kind == "copy":
        return train[torch.as_tensor(rng.integers(len(train), size=N))]
    prototypes = drawn(np.arange(24), np.random.default_rng(99), PLAIN)
    if kind == "point":
        return prototypes[:1].repeat(N, 1, 1)
    if kind == "prototypes":
        return prototypes[torch.as_tensor(rng.integers(24, size=N))]
    weights = np.ones(24)
    kept = {"one mode": 1, "half": 12, "one missing": 23}.get(kind, 24)
    weights[kept:] = 0
    if kind == "imbalance":
        weights = 0.7 ** np.arange(24)
    x = drawn(rng.choice(24, size=N, p=weights / weights.sum()), rng)
    if kind != "noise":
        return x
    anything = (rng.random(x.shape) * np.array(GRID.hold)).astype(int)
    return torch.where(torch.as_tensor(rng.random(x.shape) < 0.3), torch.as_tensor(anything), x)


@functools.cache
def sides(kind: str) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng([0, 7])
    train, held_out = (drawn(rng.integers(24, size=N), rng) for _ in range(2))
    return train, held_out, planted(kind, rng, train)


@functools.cache
def measured(kind: str) -> dict[str, float]:
    train, held_out, fake = map(Raw(GRID), sides(kind))
    centres = fit_bins(train, 40)
    counts = bin_counts(train, centres), bin_counts(fake, centres)
    scores, ratios = manifold(held_out, fake), diversity_ratios(held_out, fake)
    near = neighbour_accuracies(held_out, fake)
    return {
        "ndb": differing_bins(*counts),
        "recall": scores.recall,
        "coverage": scores.coverage,
        "vendi": ratios["vendi_ratio"],
        "distance": ratios["distance_ratio"],
        "authenticity": authenticity(train, fake),
        "nearest": nearest_ratio(held_out, train, fake),
        "neighbours": (near.real + near.fake) / 2,
        "near_real": near.real,
        "near_fake": near.fake,
    }


@functools.cache
def judged(kind: str) -> dict[str, float]:
    return judge(LAW, [GRID.decode(row) for row in sides(kind)[2].numpy()])


@pytest.mark.full
@pytest.mark.parametrize("kind", EXPECTED)
def test_the_expected_table(kind):
    found = {**measured(kind), **judged(kind)}
    wrong = {
        name: (round(found[name], 3), value)
        for name, (value, tolerance) in EXPECTED[kind].items()
        if abs(found[name] - value) > tolerance
    }
    assert not wrong


@pytest.mark.full
def test_noise_is_good_on_average_and_nowhere():
    """Why the two accuracies of the nearest neighbour are never averaged."""
    found = measured("noise")
    assert abs(found["near_real"] - found["near_fake"]) > 0.7
    assert judged("noise")["high_quality"] < 0.2
    assert judged("perfect")["high_quality"] == pytest.approx(LAW.ceiling, abs=0.01)


def test_half_of_the_modes_missing():
    """The oracle and bins are decisive, coverage is in proportion where modes stand apart."""
    found = judged("half")
    assert found["modes"] == 12
    assert found["reverse_kl"] == pytest.approx(math.log(2), abs=0.03)
    train, held_out, fake = map(PitchClasses(GRID, parts=16), sides("half"))
    centres = fit_bins(train, 40)
    divergence = jensen_shannon(bin_counts(train, centres), bin_counts(fake, centres))
    assert divergence == pytest.approx(0.21, abs=0.06)
    assert manifold(held_out, fake).coverage == pytest.approx(0.51, abs=0.06)
    assert nearest_ratio(held_out, train, fake) > 1.3
    assert diversity_ratios(held_out, fake, with_vendi=False)["distance_ratio"] > 0.95
