"""Windows of long sequences: in order, in place, each step once, exact on resume and on many ranks."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from partimento.data.batch import Batch
from partimento.data.loader import TrainLoader
from partimento.data.windows import WindowLoader, train_loader
from partimento.errors import UserError

LENGTHS = [(11 * n) % 37 + 1 for n in range(29)]
WINDOW = 7


def sequences(lengths: list[int] = LENGTHS) -> Batch:
    """Steps that carry (number of the sequence, step); the padding is -1."""
    x = torch.full((len(lengths), max(lengths), 2), -1)
    for number, length in enumerate(lengths):
        x[number, :length, 0] = number
        x[number, :length, 1] = torch.arange(length)
    return Batch(x, condition={"number": torch.arange(len(lengths))}, lengths=torch.tensor(lengths))


def loader(**options) -> WindowLoader:
    options = {"batch_size": 4, "seed": 0, **options}
    return WindowLoader(sequences(), window=WINDOW, **options)


def test_every_step_of_every_sequence_once_an_epoch():
    seen = torch.cat([batch.x.reshape(-1, 2) for batch in loader()])
    steps = sorted(map(tuple, seen[seen[:, 0] >= 0].tolist()))
    assert steps == sorted((n, s) for n, length in enumerate(LENGTHS) for s in range(length))


def test_windows_follow_each_other_in_their_places():
    batches = list(loader())
    for batch in batches:
        assert batch.x.shape[1] <= WINDOW
        mask = batch.step_mask()
        assert torch.equal(batch.x[..., 0] >= 0, mask)
        place = torch.arange(batch.x.shape[1]) + batch.start
        assert torch.equal(batch.x[..., 1][mask], place.expand(mask.shape)[mask])
        number = batch.condition["number"].unsqueeze(1).expand(mask.shape)
        assert torch.equal(batch.x[..., 0][mask], number[mask])
    for before, after in pairwise(batches):
        if after.start:
            assert after.start == before.start + WINDOW
            assert torch.equal(before.condition["number"], after.condition["number"])
        else:  # the batch before is over: nothing of it was left
            longest = max(LENGTHS[n] for n in before.condition["number"])
            assert before.start + WINDOW >= longest


def test_the_batches_of_a_sequence_are_of_similar_length():
    for batch in loader():
        counts = {-(-LENGTHS[n] // WINDOW) for n in batch.condition["number"].tolist()}
        assert max(counts) - min(counts) <= 1


def test_epochs_have_as_many_windows_and_differ():
    one = loader()
    epochs = [
        [batch.condition["number"].tolist() for batch in loader(position=one.per_epoch * epoch)]
        for epoch in range(4)
    ]
    assert {len(epoch) for epoch in epochs} == {one.per_epoch}
    assert all(first != second for first, second in pairwise(epochs))


@pytest.mark.parametrize("position", [1, 5, 8, 13])
def test_a_resumed_run_sees_the_rest(position):
    whole = list(loader())
    rest = list(loader(position=position))
    assert len(rest) == len(whole) - position
    for one, other in zip(whole[position:], rest, strict=True):
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.lengths, other.lengths)
        assert one.start == other.start


def test_processes_share_the_sequences_and_keep_step():
    alone = list(loader())
    shares = [list(loader(rank=rank, world_size=2)) for rank in (0, 1)]
    for whole, one, other in zip(alone, *shares, strict=True):
        assert one.start == other.start == whole.start
        assert one.x.shape[1] == other.x.shape[1] == whole.x.shape[1]
        numbers = [b.condition["number"].tolist() for b in (one, other)]
        assert sorted(sum(numbers, [])) == sorted(whole.condition["number"].tolist())
        assert all(numbers)


def test_a_limit_ends_the_epoch_early():
    assert len(list(loader(limit=5))) == 5
    assert loader(limit=5, position=7).epoch == 1


def test_sequences_without_lengths_are_whole():
    batches = list(WindowLoader(Batch(torch.zeros(5, 10, 1)), window=4, batch_size=2, seed=0))
    assert [batch.x.shape[1] for batch in batches] == [4, 4, 2] * 3
    assert [batch.start for batch in batches] == [0, 4, 8] * 3


def test_a_training_curve_of_a_running_sum_is_that_of_whole_sequences():
    """A state that goes on where start is above 0 ends as it would over the whole sequence."""
    total: dict[int, float] = {}
    for batch in loader():
        if batch.start == 0:
            state = torch.zeros(len(batch))
        state = state + (batch.x[..., 1] * batch.step_mask()).sum(1)
        total |= dict(zip(batch.condition["number"].tolist(), state.tolist(), strict=True))
    assert total == {n: length * (length - 1) / 2 for n, length in enumerate(LENGTHS)}


def test_what_cannot_be_cut_is_told():
    batch = sequences()
    with pytest.raises(UserError, match=r"data\.window=7 cuts sequences of varying length"):
        train_loader(batch, window=7, varying=False, batch_size=4, seed=0)
    with pytest.raises(UserError, match="leave one of the 3 processes without any"):
        WindowLoader(sequences([1, 2, 3, 4]), window=2, batch_size=3, seed=0, world_size=3)
    plain = train_loader(batch, window=None, varying=True, batch_size=4, seed=0)
    assert type(plain) is TrainLoader
    assert plain.trim
    assert isinstance(
        train_loader(batch, window=7, varying=True, batch_size=4, seed=0), WindowLoader
    )
