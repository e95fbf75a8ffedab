"""Loaders: the same order for the same key, the exact rest after any number of batches, fair shares."""

from __future__ import annotations

import math

import pytest
import torch

from partimento.data.batch import Batch
from partimento.data.loader import (
    EvalLoader,
    TrainLoader,
    batches_per_epoch,
    bucketed_order,
    epoch_order,
)


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


def ragged(lengths: list[int]) -> Batch:
    """Sequences that carry their own number at every valid step and 99 in the padding."""
    steps = max(lengths)
    x = torch.full((len(lengths), steps, 2), 99)
    for number, length in enumerate(lengths):
        x[number, :length] = number
    return Batch(x, given=x == 99, lengths=torch.tensor(lengths))


LENGTHS = [(7 * n) % 41 + 1 for n in range(83)]


@pytest.mark.parametrize("batch_size", [1, 8, 83, 200])
def test_a_bucketed_order_visits_each_example_once_and_is_keyed(batch_size):
    lengths = torch.tensor(LENGTHS)
    order = bucketed_order(lengths, batch_size, 3, 2)
    assert sorted(order.tolist()) == list(range(83))
    assert torch.equal(order, bucketed_order(lengths, batch_size, 3, 2))
    if batch_size <= 8:
        assert not torch.equal(order, bucketed_order(lengths, batch_size, 3, 3))
        assert not torch.equal(order, bucketed_order(lengths, batch_size, 4, 2))


def test_bucketing_makes_batches_alike():
    """Padding, not music, is what a batch of like lengths leaves out."""

    def padded(bucketing: bool) -> int:
        loader = TrainLoader(ragged(LENGTHS), batch_size=8, seed=0, bucketing=bucketing, trim=True)
        batches = list(loader)
        assert sum(int(batch.lengths.sum()) for batch in batches) == sum(LENGTHS)
        return sum(int((~batch.step_mask()).sum()) for batch in batches)

    assert padded(bucketing=True) < padded(bucketing=False) / 3


def test_no_length_is_left_out_for_good_where_incomplete_batches_are():
    """Under two processes the last three sequences of each epoch are not seen; not always the same."""
    seen: set[int] = set()
    for epoch in range(6):
        order = bucketed_order(torch.tensor(LENGTHS), 8, 0, epoch)
        seen |= set(order[:80].tolist())
    assert seen == set(range(83))


@pytest.mark.parametrize("bucketing", [False, True])
def test_padding_is_trimmed_to_the_longest_of_the_batch(bucketing):
    loader = TrainLoader(ragged(LENGTHS), batch_size=8, seed=1, bucketing=bucketing, trim=True)
    for batch in loader:
        assert batch.x.shape[1] == batch.given.shape[1] == int(batch.lengths.max())
        number = batch.x[:, 0, 0]
        assert batch.lengths.tolist() == [LENGTHS[n] for n in number.tolist()]
        mask = batch.step_mask().unsqueeze(-1).expand(batch.x.shape)
        assert torch.equal(batch.x == 99, ~mask)
        assert torch.equal(batch.given, ~mask)
        assert batch.start == 0


def test_a_resumed_bucketed_run_sees_the_rest():
    def loader(position: int = 0) -> TrainLoader:
        return TrainLoader(
            ragged(LENGTHS), batch_size=8, seed=5, position=position, bucketing=True, trim=True
        )

    whole = [loader(), loader(11)]  # two epochs of eleven batches
    sequence = [batch.x[:, 0, 0].tolist() for part in whole for batch in part]
    assert len(sequence) == 22
    for position in (3, 10, 11, 17):
        rest = [batch.x[:, 0, 0].tolist() for batch in loader(position)]
        assert rest == sequence[position : 11 if position < 11 else 22]


def test_ranks_share_out_a_bucketed_epoch():
    def seen(rank: int, world: int) -> list[list[int]]:
        loader = TrainLoader(
            ragged(LENGTHS),
            batch_size=8,
            seed=0,
            rank=rank,
            world_size=world,
            bucketing=True,
            trim=True,
        )
        return [batch.x[:, 0, 0].tolist() for batch in loader]

    alone = seen(0, 1)[:10]
    shares = zip(seen(0, 2), seen(1, 2), strict=True)
    assert [sorted(one + other) for one, other in shares] == [sorted(batch) for batch in alone]


def test_without_lengths_bucketing_and_trimming_change_nothing():
    batch = Batch(torch.arange(20).reshape(10, 2, 1))
    plain = TrainLoader(batch, batch_size=4, seed=0)
    asked = TrainLoader(batch, batch_size=4, seed=0, bucketing=True, trim=True)
    for one, other in zip(plain, asked, strict=True):
        assert torch.equal(one.x, other.x)


def test_evaluation_trims_and_keeps_the_order():
    loader = EvalLoader(ragged(LENGTHS), batch_size=10, trim=True)
    batches = list(loader)
    assert sum((b.x[:, 0, 0].tolist() for b in batches), []) == list(range(83))
    assert all(b.x.shape[1] == int(b.lengths.max()) for b in batches)
    whole = EvalLoader(ragged(LENGTHS), batch_size=10)
    assert all(b.x.shape[1] == max(LENGTHS) for b in whole)


def test_an_empty_sequence_leaves_one_step():
    batch = Batch(torch.zeros(2, 5, 1), lengths=torch.tensor([0, 0]))
    (only,) = EvalLoader(batch, batch_size=2, trim=True)
    assert only.x.shape == (2, 1, 1)
    assert not only.step_mask().any()
