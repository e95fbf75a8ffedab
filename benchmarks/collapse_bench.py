"""An experiment on a known law, built for one seed, trained to marks and judged by its oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from partimento.apps.composition import compose_request
from partimento.building import build
from partimento.data.module import MusicDataModule
from partimento.metrics.latent_dependence import latent_dependence
from partimento.metrics.oracles import judge, mode_counts, modes_covered
from partimento.studies.collapse import train_to

COMMON = ("accelerator=cpu", "logger=none", "diagnostics=none", "paths.cache=null")


class Bench:
    """An experiment built for one seed, with its training examples and what is known of its law."""

    def __init__(self, *overrides: str, seed: int) -> None:
        request = compose_request([*COMMON, *overrides, f"seed={seed}"], "train")
        parts = build(request.resolved)
        self.model: Any = parts.model
        self.batch_size = request.resolved["trainer"]["batch_size"]
        data = MusicDataModule(
            parts.dataset, parts.representation, batch_size=self.batch_size, seed=seed
        )
        self.examples, self.valid = data.examples("train"), data.examples("valid")[slice(0, 2500)]
        self.decode = parts.representation.decode
        self.oracle: Any = parts.dataset.oracle
        self.points = parts.representation.content == "points"

    def sample(self, count: int) -> torch.Tensor:
        """Draw samples from a stream of their own."""
        return self.model.sample(count, generator=torch.Generator().manual_seed(1))

    def judged(self, x: torch.Tensor) -> dict[str, float]:
        """Return the oracle's word, the effective share of modes, and the dependence on the code."""
        shown = x.numpy() if self.points else [self.decode(example) for example in x.numpy()]
        labels = self.oracle.assign(shown)
        counts = mode_counts(labels, self.oracle.modes, good_only=False)
        share = counts[counts > 0] / counts.sum()
        features = self.model.distribution.features
        depends = latent_dependence(features(x).unsqueeze(1), features(self.valid.x))
        said = judge(self.oracle, shown)
        return {
            "modes": said["modes"],
            "high_quality": said["high_quality"],
            "diversity": float(np.exp(-(share * np.log(share)).sum())) / self.oracle.modes,
            "modes_any_quality": float(modes_covered(counts)),
            "latent_spread": float(depends["latent_spread"]),
        }

    def train(self, marks: list[int], look: Callable[[int], None], counter: str) -> None:
        train_to(
            self.model, self.examples, marks, look, batch_size=self.batch_size, counter=counter
        )
