"""Windows of real chorales, and a tiny grid whose harmonies can all be enumerated."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
import torch

from partimento.datasets.chorales import PARTS, RANGES, read_bach
from partimento.distributions import Categorical
from partimento.representations.multivoice import MultiVoice

TRAIN = ["253", "254", "256", "258", "259", "260", "262", "264", "265", "266"]
VALID, TEST = ["267", "268"], ["269", "270"]


class Windows(NamedTuple):
    distribution: Categorical
    train: torch.Tensor
    valid: torch.Tensor
    test: torch.Tensor


@pytest.fixture(scope="session")
def chorales() -> Windows:
    """Fourteen of Bach's chorales, in two-bar windows; those for training in three keys."""
    representation = MultiVoice(PARTS, RANGES, bars=2)

    def windows(numbers: list[str], shifts: tuple[int, ...], stride: int) -> torch.Tensor:
        found = []
        for number in numbers:
            piece = read_bach(number)
            grid = representation.grids(piece, stride=stride)
            for shift in set(shifts) & set(representation.transpositions(piece)):
                found.append(representation.transpose_grid(grid, shift))
        return torch.from_numpy(np.concatenate(found))

    return Windows(
        representation.distribution,
        windows(TRAIN, (-1, 0, 1), 1),
        windows(VALID, (0,), 2),
        windows(TEST, (0,), 2),
    )


class Tiny(NamedTuple):
    distribution: Categorical
    train: torch.Tensor

    def harmonies(self, given: list[int]) -> torch.Tensor:
        """Return every window whose given voice (the first) has these symbols."""
        sizes = self.distribution.sizes[1:]
        steps = [itertools.product(*(range(size) for size in sizes)) for _ in given]
        rows = np.array(list(itertools.product(*(list(step) for step in steps))))
        first = np.broadcast_to(np.array(given)[None, :, None], (*rows.shape[:2], 1))
        return torch.from_numpy(np.concatenate([first, rows], axis=-1))


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    """Three steps, a given voice and two others (one without a rest), 40 random windows."""
    symbols = [[60, 62, "hold", "rest"], [50, 52, "hold", "rest"], [40, 42, "hold"]]
    distribution = Categorical((3, 3), [4, 4, 3], ["top", "mid", "low"], symbols)
    draw = np.random.default_rng(3)
    columns = [draw.integers(size, size=(40, 3)) for size in distribution.sizes]
    return Tiny(distribution, torch.from_numpy(np.stack(columns, axis=-1)))
