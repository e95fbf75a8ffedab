"""Mixtures of Gaussians in the plane, ring and grid: the benchmarks of mode collapse with known truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt

from partimento.datasets.base import Card, Corpus, ExampleDataset
from partimento.datasets.synthetic import LICENCE, fingerprint, require_positive, stream
from partimento.errors import UserError
from partimento.metrics.oracles import Labels

if TYPE_CHECKING:
    from partimento.representations.base import Examples

DATASET_VERSION = 1
"""Raised whenever the same arguments would give other points; part of the fingerprint."""

HIGH_QUALITY = 3.0
"""Standard deviations from a centre within which a sample is of high quality."""

CITATION = (
    "Akash Srivastava et al.: VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational "
    "Learning. NIPS 2017; numbers of samples, radius and spacing as in Zinan Lin et al.: PacGAN: "
    "The power of two samples in generative adversarial networks. NeurIPS 2018."
)


def ring_centres(modes: int, radius: float) -> np.ndarray:
    """Return distinct centres on a circle, `(modes, 2)`, the first at (radius, 0)."""
    # The last angle is not 2 pi: an often copied script has it, and so one mode less.
    angle = 2 * math.pi * np.arange(modes) / modes
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def grid_centres(side: int, spacing: float) -> np.ndarray:
    """Return the centres of a square grid around the origin, `(side * side, 2)`, row by row."""
    line = spacing * (np.arange(side) - (side - 1) / 2)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


class GaussianMixture:
    """Round Gaussians of equal weight in the plane, and what is known of them: an `Oracle`.

    Args:
        centres: Means of the Gaussians, `(modes, 2)`.
        sigma: Standard deviation of each along every axis.

    Attributes:
        modes: Number of Gaussians.
        ceiling: Share of draws within three standard deviations of their centre: 1 - exp(-9/2).
        entropy: Differential entropy in nats, ln K + 1 + ln(2 pi sigma^2), for Gaussians that do
            not overlap; at the least distance allowed, 6 sigma, it is less than 0.02 too much.

    Raises:
        UserError: When two centres are less than 6 sigma apart, since a sample could then be of
            high quality for both.
    """

    ceiling: float = 1 - math.exp(-(HIGH_QUALITY**2) / 2)

    def __init__(self, centres: np.ndarray, sigma: float) -> None:
        self.centres = np.asarray(centres, dtype=float)
        self.sigma = float(sigma)
        self.modes = len(self.centres)
        apart = np.linalg.norm(self.centres[:, None] - self.centres, axis=-1)
        nearest = (apart + np.diag(np.full(self.modes, math.inf))).min()
        if not nearest >= 2 * HIGH_QUALITY * sigma:
            raise UserError(
                f"Modes {nearest:.3g} apart run into one another with sigma={sigma:g}: they must "
                f"be at least {2 * HIGH_QUALITY:g} sigma apart."
            )
        self.entropy = math.log(self.modes) + 1 + math.log(2 * math.pi * self.sigma**2)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return independent draws as examples of one step, `(count, 1, 2)`, float32."""
        centre = self.centres[rng.integers(self.modes, size=count)]
        points = centre + self.sigma * rng.standard_normal((count, 2))
        return points[:, None].astype(np.float32)

    def assign(self, samples: np.ndarray) -> Labels:
        """Return the nearest centre of points `(samples, [1,] 2)`, and whether it is within 3 sigma."""
        square = self._square_distances(samples)
        nearest = square.min(axis=1)
        return Labels(square.argmin(axis=1), nearest < (HIGH_QUALITY * self.sigma) ** 2)

    def log_prob(self, samples: np.ndarray) -> np.ndarray:
        """Return the log-density of points `(samples, [1,] 2)` in nats, `(samples,)`."""
        exponent = -self._square_distances(samples) / (2 * self.sigma**2)
        highest = exponent.max(axis=1)
        total = np.log(np.exp(exponent - highest[:, None]).sum(axis=1)) + highest
        return total - math.log(self.modes) - math.log(2 * math.pi * self.sigma**2)

    def _square_distances(self, samples: np.ndarray) -> np.ndarray:
        points = np.asarray(samples, dtype=float).reshape(-1, 2)
        return np.square(points[:, None] - self.centres).sum(axis=-1)


class Mixture(ExampleDataset):
    """Independent draws from a mixture, other ones for each split.

    Args:
        name: Name of the dataset.
        title: What it is, in a few words.
        oracle: The law.
        arguments: What the law was made from, for the fingerprint.
        samples: Points for training; validation and test have a tenth as many each.
        seed: Another seed gives other points; it is not the run's, so that runs can be compared.
    """

    content: ClassVar[str] = "points"
    oracle: GaussianMixture

    def __init__(
        self,
        name: str,
        title: str,
        oracle: GaussianMixture,
        arguments: Mapping[str, Any],
        samples: int,
        seed: int,
    ) -> None:
        require_positive(name, samples=samples)
        self.name = name
        self.title = title
        self.oracle = oracle
        self.seed = seed
        self.counts = {
            "train": samples,
            "valid": max(1, samples // 10),
            "test": max(1, samples // 10),
        }
        self._arguments = {**arguments, "samples": samples, "seed": seed}

    def fingerprint(self) -> str:
        return fingerprint(self.name, DATASET_VERSION, self._arguments)

    def examples(self, split: str) -> Examples:
        """Return the points of a split, `(points, 1, 2)`; every call draws the same ones."""
        from partimento.representations.base import Examples

        rng = stream(self.name, self.seed, split)
        return Examples(self.oracle.draw(self.counts[split], rng))

    def prepare(self, cache: str | None) -> Corpus:
        """Return a corpus without pieces: the card, and what each split is."""
        splits: dict[str, tuple[str, ...]] = {
            split: (f"{count} points of the stream {self.name}/{self.seed}/{split}",)
            for split, count in self.counts.items()
        }
        return Corpus((), (), (), self._card(), splits)

    def _card(self) -> Card:
        oracle = self.oracle
        return Card(
            name=self.name,
            title=f"Synthetic: {self.title}, sigma {oracle.sigma:g}",
            source="drawn at run time",
            licence=LICENCE,
            citation=CITATION,
            counts={"modes": oracle.modes, **{f"{k} points": n for k, n in self.counts.items()}},
            split_rule="Each split is drawn independently, from a random stream of its own.",
            notes=(
                "Synthetic points, no music.",
                f"A perfect model has {oracle.ceiling:.2%} of its samples within 3 sigma.",
                f"Differential entropy {oracle.entropy:.4f} nats per point.",
            ),
        )


class Ring(Mixture):
    """Gaussians evenly on a circle.

    Args:
        modes: Number of Gaussians.
        radius: Radius of the circle.
        sigma: Standard deviation of each Gaussian along every axis.
        samples: Points for training; validation and test have a tenth as many each.
        seed: Another seed gives other points.

    Raises:
        UserError: When an argument is not positive, or modes are less than 6 sigma apart.
    """

    def __init__(
        self,
        modes: Annotated[int, Gt(0)] = 8,
        radius: Annotated[float, Gt(0)] = 1.0,
        sigma: Annotated[float, Gt(0)] = 0.01,
        samples: Annotated[int, Gt(0)] = 100_000,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        require_positive("ring", modes=modes, radius=radius, sigma=sigma)
        super().__init__(
            "ring",
            f"{modes} Gaussians on a circle of radius {radius:g}",
            GaussianMixture(ring_centres(modes, radius), sigma),
            {"modes": modes, "radius": radius, "sigma": sigma},
            samples,
            seed,
        )


class Grid(Mixture):
    """Gaussians on a square grid.

    Args:
        side: Gaussians to a side; there are `side * side` modes.
        spacing: Distance between neighbours.
        sigma: Standard deviation of each Gaussian along every axis.
        samples: Points for training; validation and test have a tenth as many each.
        seed: Another seed gives other points.

    Raises:
        UserError: When an argument is not positive, or modes are less than 6 sigma apart.
    """

    def __init__(
        self,
        side: Annotated[int, Gt(0)] = 5,
        spacing: Annotated[float, Gt(0)] = 2.0,
        sigma: Annotated[float, Gt(0)] = 0.05,
        samples: Annotated[int, Gt(0)] = 100_000,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        require_positive("grid", side=side, spacing=spacing, sigma=sigma)
        super().__init__(
            "grid",
            f"{side} x {side} Gaussians {spacing:g} apart",
            GaussianMixture(grid_centres(side, spacing), sigma),
            {"side": side, "spacing": spacing, "sigma": sigma},
            samples,
            seed,
        )
