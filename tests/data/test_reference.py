"""Reference examples: of many tunes, named by their groups, of points too, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from partimento.config import DataConfig
from partimento.data.module import MusicDataModule
from partimento.data.reference import reference
from partimento.datasets.chorales import Chorales
from partimento.datasets.mixtures import Ring
from partimento.representations.multivoice import MultiVoice
from partimento.representations.points import Points


@pytest.fixture(scope="module")
def chorales(cache):
    dataset = Chorales()
    representation = MultiVoice(dataset.parts, dataset.ranges, bars=2)
    return MusicDataModule(dataset, representation, DataConfig(), cache=cache)


def test_windows_stand_beside_the_group_of_their_tune(chorales):
    found = reference(chorales, "valid", 200)
    assert len(found) == 200 == len(found.group)
    names = list(dict.fromkeys(chorales.corpus.groups))
    of_valid = {
        group
        for piece, group in zip(chorales.corpus.pieces, chorales.corpus.groups, strict=True)
        if piece.id in set(chorales.manifest.splits["valid"])
    }
    assert {names[number] for number in found.group} <= of_valid
    assert len(set(found.group)) > 0.7 * len(of_valid)
    again = reference(chorales, "valid", 200)
    assert torch.equal(found.x, again.x)
    assert np.array_equal(found.group, again.group)
    assert not torch.equal(found.x, reference(chorales, "valid", 200, seed=1).x)


def test_training_windows_are_training_windows(chorales):
    found = reference(chorales, "train", 50)
    rows = {row.numpy().tobytes() for row in chorales.examples("train").x}
    assert all(
        row.numpy().tobytes() in rows for row in found.x.to(chorales.examples("train").x.dtype)
    )


def test_points_have_a_group_each():
    data = MusicDataModule(Ring(samples=100), Points(), DataConfig())
    found = reference(data, "valid", 7)
    assert found.x.shape == (7, 1, 2)
    assert len(set(found.group)) == 7
