"""Batches: indexing, moving between devices, and valid steps."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from partimento.data.batch import Batch, Given


@pytest.fixture
def batch() -> Batch:
    x = torch.arange(24).reshape(3, 4, 2)
    return Batch(
        x=x,
        given=x % 2 == 0,
        condition={"chord": torch.tensor([[0], [1], [2]])},
        lengths=torch.tensor([4, 2, 0]),
    )


def test_length_and_defaults(batch):
    assert len(batch) == 3
    bare = Batch(x=batch.x)
    assert (bare.given, bare.condition, bare.lengths) == (None, {}, None)


def test_slices_take_every_tensor(batch):
    part = batch[1:]
    assert torch.equal(part.x, batch.x[1:])
    assert torch.equal(part.given, batch.given[1:])
    assert part.condition["chord"].tolist() == [[1], [2]]
    assert part.lengths.tolist() == [2, 0]


def test_index_tensors_reorder(batch):
    part = batch[torch.tensor([2, 0, 0])]
    assert torch.equal(part.x, batch.x[[2, 0, 0]])
    assert part.lengths.tolist() == [0, 4, 4]
    assert len(batch[torch.tensor([True, False, True])]) == 2


def test_what_is_absent_stays_absent(batch):
    part = Batch(x=batch.x)[:2]
    assert (len(part), part.given, part.condition, part.lengths) == (2, None, {}, None)


def test_to_moves_every_tensor(batch):
    moved = batch.to("meta")
    tensors = (moved.x, moved.given, moved.lengths, *moved.condition.values())
    assert all(tensor.device.type == "meta" for tensor in tensors)
    assert batch.x.device.type == "cpu"
    assert Batch(x=batch.x).to("meta").lengths is None


def test_batches_are_frozen(batch):
    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.x = batch.x


def test_step_mask(batch):
    expected = [[True] * 4, [True, True, False, False], [False] * 4]
    assert batch.step_mask().tolist() == expected
    everything = Batch(x=batch.x).step_mask()
    assert everything.dtype == torch.bool
    assert everything.shape == (3, 4)
    assert everything.all()


def test_given_moves():
    given = Given(torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)).to("meta")
    assert isinstance(given, Given)
    assert given.x.device.type == given.mask.device.type == "meta"
