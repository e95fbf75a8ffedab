"""Worlds whose law is known, and generators with one failure each, planted at a dialled severity."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from partimento.datasets import chorale_law, stacked_chorale
from partimento.datasets.chorale_law import ChoraleLaw
from partimento.datasets.mixtures import GaussianMixture, grid_centres, ring_centres
from partimento.datasets.stacked_chorale import StackedLaw
from partimento.representations.base import Representation
from partimento.representations.multivoice import MultiVoice
from partimento.representations.points import Points as PointSequence

Failure = Literal[
    "point_collapse",
    "few_modes",
    "dropped_modes",
    "intra_mode",
    "imbalance",
    "memorisation",
    "z_independence",
    "rotation",
    "off_manifold",
]
FAILURES: tuple[Failure, ...] = get_args(Failure)
STEEPEST = 10.0
"""How many times as much weight the first mode has as the last at full imbalance."""
DROPPED = 0.4
"""Share of the modes that is dropped at most; of half of them it may be said that they are few."""
BARS = 4


class World(ABC):
    """A law with equally probable modes, whose samples can also be made narrow, or be noise.

    Attributes:
        name: Of the dataset.
        modes: Number of modes.
        representation: What samples mean.
    """

    name: str
    modes: int
    representation: Representation

    @abstractmethod
    def draw(self, mode: np.ndarray, rng: np.random.Generator, narrow: float = 0.0) -> Tensor:
        """Draw one sample of each mode given, the representation's own values `(samples, ...)`.

        Args:
            mode: Index of each sample's mode, `(samples,)`.
            rng: Source of randomness.
            narrow: Share of the variety within modes that is lost; at 1 a mode is one sample.
        """

    @abstractmethod
    def noise(self, count: int, rng: np.random.Generator) -> Tensor:
        """Draw samples that are of no mode, over the range of the data."""

    def real(self, count: int, rng: np.random.Generator) -> Tensor:
        """Draw from the law itself."""
        return self.draw(rng.integers(self.modes, size=count), rng)


class Mixture(World):
    """Points of a mixture of Gaussians; a narrow mode has its deviation times `1 - narrow`.

    Args:
        name: Of the dataset.
        law: The mixture.
    """

    def __init__(self, name: str, law: GaussianMixture) -> None:
        self.name = name
        self.law = law
        self.modes = law.modes
        self.representation = PointSequence()

    def draw(self, mode: np.ndarray, rng: np.random.Generator, narrow: float = 0.0) -> Tensor:
        away = self.law.sigma * (1 - narrow) * rng.standard_normal((len(mode), 2))
        return _points(self.law.centres[mode] + away)

    def noise(self, count: int, rng: np.random.Generator) -> Tensor:
        edge = 1.5 * np.abs(self.law.centres).max()
        return _points(rng.uniform(-edge, edge, (count, 2)))


def _points(places: np.ndarray) -> Tensor:
    return torch.as_tensor(places[:, None].astype(np.float32))


class QuarterMusic(World):
    """Four bars of quarter notes; of a narrow mode's bars that share is always the same.

    What a bar has in common in all samples of all modes is what the law chooses within a mode:
    voicing and ornaments of chorales, the notes on which motifs begin.
    """

    parts: tuple[str, ...]
    ranges: tuple[tuple[int, int], ...]

    def __init__(self) -> None:
        self.representation = MultiVoice(self.parts, self.ranges, bars=BARS, steps_per_bar=4)
        self._low = np.array([low for low, _ in self.ranges])
        self._high = np.array([high for _, high in self.ranges])

    @abstractmethod
    def pitches(self, mode: np.ndarray, rng: np.random.Generator, *, plain: bool) -> np.ndarray:
        """Return MIDI numbers `(samples, 16, voices)`; plain: without ornaments."""

    def draw(self, mode: np.ndarray, rng: np.random.Generator, narrow: float = 0.0) -> Tensor:
        pitch = self.pitches(mode, rng, plain=False)
        fixed = rng.random((len(mode), BARS)) < narrow
        if fixed.any():
            bars = pitch.reshape(len(mode), BARS, -1)
            bars[fixed] = self._prototypes(mode).reshape(bars.shape)[fixed]
            pitch = bars.reshape(pitch.shape)
        return torch.as_tensor(pitch - self._low)

    def _prototypes(self, mode: np.ndarray) -> np.ndarray:
        """Return the one sample that is left of each mode: the same choices within all of them."""
        names, index = np.unique(mode, return_inverse=True)
        each = [
            self.pitches(names[i : i + 1], np.random.default_rng(0), plain=True)
            for i in range(len(names))
        ]
        return np.concatenate(each)[index]

    def noise(self, count: int, rng: np.random.Generator) -> Tensor:
        shape = (count, 4 * BARS, len(self.parts))
        return torch.as_tensor(rng.integers(0, self._high - self._low + 1, shape))


class Chorales(QuarterMusic):
    """`ChoraleModes` of 24 modes."""

    name = "chorale_modes"
    parts = chorale_law.PARTS
    ranges = chorale_law.RANGES

    def __init__(self) -> None:
        super().__init__()
        self.law, self._plain = ChoraleLaw(24), ChoraleLaw(24, ornament=0.0)
        self.modes = self.law.modes

    def pitches(self, mode: np.ndarray, rng: np.random.Generator, *, plain: bool) -> np.ndarray:
        return (self._plain if plain else self.law).draw(mode, rng)[0]


class StackedMotifs(QuarterMusic):
    """`StackedChorale`, of 1,000 modes."""

    name = "stacked_chorale"
    parts = stacked_chorale.PARTS
    ranges = stacked_chorale.ranges()

    def __init__(self) -> None:
        super().__init__()
        self.law = StackedLaw()
        self.modes = self.law.modes

    def pitches(self, mode: np.ndarray, rng: np.random.Generator, *, plain: bool) -> np.ndarray:
        return self.law.draw(mode, rng)


def world(name: str) -> World:
    """Return a world by the name of its dataset: ring, grid, chorale_modes or stacked_chorale."""
    if name == "ring":
        return Mixture("ring", GaussianMixture(ring_centres(8, 1.0), 0.01))
    if name == "grid":
        return Mixture("grid", GaussianMixture(grid_centres(5, 2.0), 0.05))
    return {"chorale_modes": Chorales, "stacked_chorale": StackedMotifs}[name]()


class Made(NamedTuple):
    """Samples of a generator.

    Attributes:
        fake: Samples, `(count, ...)`.
        again: Samples for the same conditions from other codes; None: there are no conditions.
    """

    fake: Tensor
    again: Tensor | None


@dataclass
class Planted:
    """A generator with one failure, the same through all of its evaluations but for rotation.

    What `severity`, from 0 (none) to 1, is of each failure:

    - `point_collapse`: share of samples that are one constant sample of the law.
    - `few_modes`: less than half of the modes are left, at 1 a single one.
    - `dropped_modes`: share of `DROPPED` of the modes that are never made, at least one mode.
    - `intra_mode`: share of the variety within modes that is lost (`World.draw`).
    - `imbalance`: weights fall geometrically, the last mode's is the first's over `STEEPEST` to
      the power of the severity.
    - `memorisation`: share of samples that are training examples.
    - `z_independence`: share of samples that are the same for all codes of their condition; the
      condition is finer than the mode, so that samples of different conditions are healthy.
    - `rotation`: share of samples that are of one mode, which is another at each evaluation.
    - `off_manifold`: share of samples that are noise.

    Which modes suffer is drawn anew for each generator.

    Args:
        world: The law.
        failure: What is wrong; None: nothing.
        severity: How much of it.
        train: What the generator was trained on, the representation's values.
        rng: Source of randomness.
        conditional: Whether samples have conditions; always with `z_independence`.
    """

    world: World
    failure: Failure | None
    severity: float
    train: Tensor
    rng: np.random.Generator
    conditional: bool = False
    _order: np.ndarray = field(init=False)
    _weights: np.ndarray = field(init=False)
    _point: Tensor = field(init=False)
    _turn: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.conditional = self.conditional or self.failure == "z_independence"
        if not self.severity:
            self.failure = None
        self._order = self.rng.permutation(self.world.modes)
        self._point = self.world.real(1, self.rng)
        weights = np.empty(self.world.modes)
        weights[self._order] = mode_weights(self.failure, self.severity, self.world.modes)
        self._weights = weights

    def make(self, count: int) -> Made:
        """Return the samples of the next evaluation."""
        mode = self.rng.choice(self.world.modes, size=count, p=self._weights)
        fake = self._made(mode)
        again = self.world.draw(mode, self.rng) if self.conditional else None
        if self.failure == "z_independence":
            assert again is not None  # it is conditional
            same = self._chosen(count)
            again[same] = fake[same]
        self._turn += 1
        return Made(fake, again)

    def _made(self, mode: np.ndarray) -> Tensor:
        hit = self._chosen(len(mode))
        if self.failure == "rotation":
            mode = np.where(hit.numpy(), self._order[self._turn % len(self._order)], mode)
        fake = self.world.draw(
            mode, self.rng, self.severity if self.failure == "intra_mode" else 0.0
        )
        number = int(hit.sum())
        if self.failure == "point_collapse":
            fake[hit] = self._point
        elif self.failure == "memorisation":
            fake[hit] = self.train[torch.as_tensor(self.rng.integers(len(self.train), size=number))]
        elif self.failure == "off_manifold":
            fake[hit] = self.world.noise(number, self.rng)
        return fake

    def _chosen(self, count: int) -> Tensor:
        return torch.as_tensor(self.rng.random(count) < self.severity)


def mode_weights(failure: Failure | None, severity: float, modes: int) -> np.ndarray:
    """Return the probability of each mode, the ones that suffer last, `(modes,)`."""
    weights = np.ones(modes)
    if failure == "dropped_modes":
        weights[modes - max(1, round(severity * DROPPED * modes)) :] = 0
    elif failure == "few_modes":
        weights[max(1, math.ceil((1 - severity) * modes / 2) - 1) :] = 0
    elif failure == "imbalance":
        weights = STEEPEST ** (-severity * np.arange(modes) / max(1, modes - 1))
    return weights / weights.sum()
