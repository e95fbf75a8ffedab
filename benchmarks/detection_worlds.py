"""The two worlds of the study of detection, their oracles, and the features of their samples."""

from __future__ import annotations

from functools import cache
from typing import cast

import numpy as np
import torch
from detection_runs import COUNT, SIGMA, World
from torch import Tensor

from partimento.data.module import MusicDataModule
from partimento.datasets.chorale_modes import ChoraleModes
from partimento.datasets.mixtures import Ring
from partimento.representations.multivoice import MultiVoice
from partimento.spaces.fixed import FeatureSpace, PitchClasses
from partimento.studies.truth import (
    Truth,
    label_grids,
    truth_of_grids,
    truth_of_points,
    variety_of_grids,
)

POOL = 8
"""Real examples that the monitor is given, for each that an evaluation compares with (the callback's)."""


@cache
def ring() -> Ring:
    """Return the dataset of the ring."""
    return Ring(sigma=SIGMA)


@cache
def modes() -> MusicDataModule:
    """Return the data of the chorales with 24 modes, in quarter notes."""
    dataset = ChoraleModes()
    return MusicDataModule(
        dataset, MultiVoice(dataset.parts, dataset.ranges, steps_per_bar=4, rest=False)
    )


@cache
def variety() -> float:
    """Return the variety within modes of real chorales."""
    data = modes()
    dataset, representation = parts_of(data)
    labels, pitch = label_grids(dataset.oracle, representation, data.examples("train").x.numpy())
    return variety_of_grids(pitch, labels.mode)


def parts_of(data: MusicDataModule) -> tuple[ChoraleModes, MultiVoice]:
    """Return the dataset and the representation of the chorales."""
    return cast("ChoraleModes", data.dataset), cast("MultiVoice", data.representation)


def truth_of(world: World, x: np.ndarray) -> Truth:
    """Return what the oracle of a world says of samples."""
    if world == "ring":
        return truth_of_points(ring().oracle, x)
    dataset, representation = parts_of(modes())
    return truth_of_grids(dataset.oracle, representation, x, variety())


@cache
def space() -> FeatureSpace:
    """Return the features in which the monitor compares music by default."""
    return PitchClasses(modes().representation, parts=4)


def features(world: World, x: np.ndarray) -> Tensor:
    """Return the features of samples, `(samples, features)`."""
    if world == "ring":
        return torch.from_numpy(np.asarray(x, dtype=np.float32)).flatten(1)
    return space()(torch.from_numpy(x.astype(np.int64)))


@cache
def real_features(world: World) -> tuple[Tensor, Tensor]:
    """Return the features of real examples of training and of others."""
    if world == "ring":
        sides = [ring().examples(split).x for split in ("train", "valid")]
    else:
        sides = [modes().examples(split).x.numpy() for split in ("train", "valid")]
    train, valid = (features(world, x[: POOL * COUNT]) for x in sides)
    return train, valid
