"""Examples of many pieces as one batch, and a representation with a condition, from piece to gradient."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer

from partimento.config import DataConfig
from partimento.data.batch import Batch
from partimento.data.collate import checksum, collate
from partimento.data.loader import epoch_order
from partimento.data.module import MusicDataModule
from partimento.datasets.base import Card, Corpus, Dataset
from partimento.datasets.chorales import PARTS, RANGES, read_bach
from partimento.distributions import Bernoulli
from partimento.models import Feedforward
from partimento.music import Piece
from partimento.networks import MLP
from partimento.representations.base import Examples
from partimento.representations.multivoice import MultiVoice
from partimento.runs.quiet import quiet_lightning


def part(count: int, steps: int, first: int = 1, **fields) -> Examples:
    x = np.arange(first, first + count * steps * 2, dtype=np.uint8).reshape(count, steps, 2)
    return Examples(x, **fields)


def test_examples_follow_each_other_in_every_field():
    one = part(2, 3, condition={"key": np.array([[1.5], [2.5]], dtype=np.float32)})
    two = part(1, 3, first=50, condition={"key": np.array([[3.5]], dtype=np.float32)})
    batch = collate([one, two])
    assert batch.x.dtype == torch.uint8
    np.testing.assert_array_equal(batch.x.numpy(), np.concatenate([one.x, two.x]))
    assert batch.condition["key"].tolist() == [[1.5], [2.5], [3.5]]
    assert batch.condition["key"].dtype == torch.float32
    assert batch.given is None
    assert batch.lengths is None


def test_examples_of_unequal_length_are_padded_and_say_how_long_they_are():
    long = part(1, 4, given=np.ones((1, 4, 2), dtype=bool))
    short = part(2, 2, first=20, given=np.ones((2, 2, 2), dtype=bool))
    for parts in ([long, short], [short, long]):
        batch = collate(parts)
        assert batch.x.shape == batch.given.shape == (3, 4, 2)
        assert batch.lengths.tolist() == [n for p in parts for n in [p.x.shape[1]] * len(p)]
        assert batch.lengths.dtype == torch.int64
        valid = batch.step_mask()
        np.testing.assert_array_equal(
            batch.x[valid].numpy(), np.concatenate([p.x.reshape(-1, 2) for p in parts])
        )
        assert (batch.x[~valid] == 0).all()
        assert batch.given.dtype == torch.bool
        assert batch.given[valid].all()
        assert not batch.given[~valid].any()


def test_lengths_that_a_representation_states_are_kept():
    stated = part(2, 4, lengths=np.array([3, 1], dtype=np.int32))
    assert collate([stated]).lengths.tolist() == [3, 1]
    batch = collate([stated, part(1, 4, first=40), part(1, 5, first=60)])
    assert batch.lengths.tolist() == [3, 1, 4, 5]
    assert batch.lengths.dtype == torch.int64


def test_what_some_examples_have_all_must_have():
    key = {"key": np.zeros((1, 1))}
    for others in ({}, {"mode": np.zeros((1, 1))}, {**key, "mode": np.zeros((1, 1))}):
        with pytest.raises(ValueError, match="all examples must have the same conditions"):
            collate([part(1, 3, condition=key), part(1, 3, condition=others)])
    given = np.ones((1, 3, 2), dtype=bool)
    with pytest.raises(ValueError, match="given cells must be stated for all examples or for none"):
        collate([part(1, 3), part(1, 3, given=given)])


def test_a_checksum_is_of_everything_that_a_batch_holds():
    x = torch.arange(12, dtype=torch.uint8).reshape(2, 3, 2)
    whole = Batch(x, x > 3, {"key": torch.tensor([[1], [2]])}, torch.tensor([3, 2]))

    def with_one_changed(tensor: torch.Tensor) -> torch.Tensor:
        changed = tensor.clone()
        changed.view(-1)[-1] = ~changed.view(-1)[-1]
        return changed

    key = whole.condition["key"]
    unlike = [
        dataclasses.replace(whole, x=with_one_changed(x)),
        dataclasses.replace(whole, x=x.reshape(2, 2, 3)),
        dataclasses.replace(whole, x=x.to(torch.int8)),
        dataclasses.replace(whole, given=with_one_changed(whole.given)),
        dataclasses.replace(whole, given=None),
        dataclasses.replace(whole, condition={"key": with_one_changed(key)}),
        dataclasses.replace(whole, condition={"mode": key}),
        dataclasses.replace(whole, condition={}),
        dataclasses.replace(whole, condition={"key": key, "mode": key}),
        dataclasses.replace(whole, lengths=with_one_changed(whole.lengths)),
        dataclasses.replace(whole, lengths=None),
    ]
    sums = [checksum([batch]) for batch in (whole, *unlike)]
    assert len(set(sums)) == len(sums)
    assert checksum([whole, unlike[0]]) != checksum([unlike[0], whole])
    assert checksum([whole]) == checksum([whole[slice(None)]])
    # Views hold what they show, whatever lies around it in memory.
    assert checksum([whole[slice(0, 2)]]) == checksum([whole[torch.tensor([0, 1])]])


# -- a representation with a condition ------------------------------------------------------------


class WithChords(MultiVoice):
    """A grid that tells beside it which pitch classes sound at each step."""

    def __init__(self) -> None:
        super().__init__(PARTS, RANGES)
        self.conditions = {"chord": Bernoulli((self.steps, 12))}

    def windows(self, piece: Piece, *, stride: int) -> Examples:
        x = self.grids(piece, stride=stride)
        symbols = self.sounding(x).astype(np.int64)
        chord = np.zeros((*x.shape[:2], 12), dtype=np.uint8)
        for voice, (low, _) in enumerate(self.ranges):
            window, step = np.nonzero(symbols[..., voice] < self.hold[voice])
            chord[window, step, (low + symbols[window, step, voice]) % 12] = 1
        return Examples(x, {"chord": chord})


class Few(Dataset):
    """Four chorales, two of them to train on."""

    def fingerprint(self) -> str:
        return "few"

    def prepare(self, cache: str | None) -> Corpus:
        pieces = tuple(read_bach(number) for number in ("253", "254", "256", "267"))
        ids = tuple(piece.id for piece in pieces)
        splits = {"train": ids[:2], "valid": ids[2:3], "test": ids[3:]}
        return Corpus(pieces, ids, (), Card("few", "", "", "", "", {}, ""), splits)


def test_a_condition_goes_from_the_piece_to_the_gradient():
    torch.manual_seed(0)
    grid = WithChords()
    data = MusicDataModule(Few(), grid, DataConfig(transpose=True), batch_size=2, limit=2)
    examples = data.examples("train")
    chord = examples.condition["chord"]
    assert chord.shape == (len(examples), 64, 12)
    assert chord.dtype == grid.conditions["chord"].dtype
    # Every transposition has its own: the bass that sounds first is in the chord beside it.
    bass = RANGES[3][0] + examples.x[:, 0, 3].long()
    assert torch.equal(
        chord[torch.arange(len(chord)), 0, bass % 12], torch.ones_like(chord[:, 0, 0])
    )
    assert len({tuple(row.tolist()) for row in chord[:, 0]}) > 5

    model = Feedforward(grid.distribution, grid.conditions, network=MLP)
    first = model.network.layers[0]
    heard = 64 * grid.distribution.sizes[0]
    assert first.in_features == heard + 64 * 12
    before = first.weight.detach().clone()
    seen: list[torch.Tensor] = []
    model.on_after_backward = lambda: seen.append(first.weight.grad.clone())  # type: ignore[method-assign]
    with quiet_lightning():
        Trainer(
            accelerator="cpu",
            max_epochs=1,
            logger=False,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(model, data)
    assert model.counters["updates"] == len(seen) == 2
    for gradient in seen:
        assert gradient[:, heard:].abs().sum() > 0
    # What never sounds in the batches seen moves nothing; what sounds does.
    moved = (first.weight.detach() != before)[:, heard:].any(dim=0)
    assert moved.any()
    batches = epoch_order(len(examples), data.seed, 0)[: 2 * 2]
    sounding = chord[batches].bool().flatten(1).any(dim=0)
    assert not sounding.all()
    assert torch.equal(moved & sounding, moved)

    # And the model listens: another chord, other harmony.
    batch = data.examples("test")[slice(0, 1)]
    with torch.no_grad():
        given = model.given_of(batch).x[..., [0]]
        told = model(given, batch.condition)
        moved_chord = {"chord": batch.condition["chord"].roll(1, dims=-1)}
        assert not torch.equal(told, model(given, moved_chord))


def test_a_condition_is_in_the_checksum_of_the_data():
    plain = MusicDataModule(Few(), MultiVoice(PARTS, RANGES))
    told = MusicDataModule(Few(), WithChords())
    for split in ("train", "valid", "test"):
        assert torch.equal(plain.examples(split).x, told.examples(split).x)
    assert plain.checksum() != told.checksum()
    assert told.checksum() == MusicDataModule(Few(), WithChords()).checksum()
