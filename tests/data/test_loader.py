"""Loaders: the same order for the same key, the exact rest after any number of batches, fair shares."""

from __future__ import annotations

import math

import pytest
import torch

from partimento.data.batch import Batch
from partimento.data.loader import EvalLoader, TrainLoader, batches_per_epoch, epoch_order


def examples(count: int) -> Batch:
    """Examples that carry their own number, in every field alike."""
    number = torch.arange(count)
    return Batch(
        x=number.reshape(-1, 1, 1).repeat(1, 3, 2),
        given=(number % 2 == 0).reshape(-1, 1, 1).repeat(1, 3, 2),
        condition={"number": number.unsqueeze(1)},
        lengths=number,
    )


def numbers(batch: Batch) -> list[int]:
    found = batch.x[:, 0, 0]
    assert torch.equal(found, batch.lengths)
    assert torch.equal(found, batch.condition["number"][:, 0])
    assert torch.equal(found % 2 == 0, batch.given[:, 0, 0])
    return found.tolist()


def run_of(loader: TrainLoader) -> list[list[int]]:
    return [numbers(batch) for batch in loader]


@pytest.mark.parametrize("count", [1, 5, 37])
def test_an_order_visits_each_example_once_and_is_keyed_by_seed_and_epoch(count):
    order = epoch_order(count, 3, 2)
    assert sorted(order.tolist()) == list(range(count))
    assert torch.equal(order, epoch_order(count, 3, 2))
    if count > 5:
        assert not torch.equal(order, epoch_order(count, 3, 3))
        assert not torch.equal(order, epoch_order(count, 4, 2))


def test_orders_leave_the_global_stream_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    list(TrainLoader(examples(20), batch_size=4, seed=0))
    assert torch.equal(before, torch.get_rng_state())


def test_an_epoch_holds_each_example_once():
    batches = run_of(TrainLoader(examples(37), batch_size=8, seed=0))
    assert [len(batch) for batch in batches] == [8, 8, 8, 8, 5]
    assert sorted(sum(batches, [])) == list(range(37))
    assert sum(batches, []) == epoch_order(37, 0, 0).tolist()


@pytest.mark.parametrize("limit", [None, 3])
def test_from_any_position_the_rest_is_what_an_uninterrupted_run_sees(limit):
    def loader(position):
        return TrainLoader(examples(37), batch_size=8, seed=5, position=position, limit=limit)

    per_epoch = limit or 5
    epochs = [run_of(loader(epoch * per_epoch)) for epoch in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    whole = sum(epochs, [])
    assert len(whole) == 3 * per_epoch
    for position in range(3 * per_epoch):
        end = (position // per_epoch + 1) * per_epoch
        rest = loader(position)
        assert run_of(rest) == whole[position:end]
        assert len(rest) == end - position
        assert rest.epoch == position // per_epoch


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_ranks_share_every_global_batch(world):
    def loader(rank, size, position=0):
        return TrainLoader(
            examples(50), batch_size=12, seed=1, position=position, rank=rank, world_size=size
        )

    whole = run_of(loader(0, 1))
    for position in (0, 2):
        shares = [run_of(loader(rank, world, position)) for rank in range(world)]
        assert len({len(share) for share in shares}) == 1
        for index, parts in enumerate(zip(*shares, strict=True)):
            assert all(len(part) == len(parts[0]) for part in parts)
            assert sorted(sum(parts, [])) == sorted(whole[position + index])


def test_an_incomplete_last_batch_is_kept_by_one_process_and_left_out_by_several():
    assert batches_per_epoch(37, 8) == 5
    assert batches_per_epoch(40, 8) == 5
    assert batches_per_epoch(37, 8, world_size=2) == 4
    assert batches_per_epoch(37, 8, limit=3) == batches_per_epoch(37, 8, 3, 2) == 3
    assert batches_per_epoch(37, 8, limit=99) == 5
    assert batches_per_epoch(3, 8) == batches_per_epoch(3, 8, world_size=2) == 1


@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_sees_each_example_once_over_all_ranks(world):
    seen = []
    for rank in range(world):
        loader = EvalLoader(examples(37), batch_size=5, rank=rank, world_size=world)
        batches = [numbers(batch) for batch in loader]
        assert len(batches) == len(loader) == math.ceil(len(range(rank, 37, world)) / 5)
        share = sum(batches, [])
        assert share == list(range(rank, 37, world))
        seen += share
    assert sorted(seen) == list(range(37))
