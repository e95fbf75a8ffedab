"""Packing: each token once an epoch, exactly resumable; marks of documents; streams larger than memory."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from partimento.config import DataConfig
from partimento.data.loader import EvalLoader
from partimento.data.module import MusicDataModule
from partimento.data.packing import (
    OUTSIDE,
    PackedLoader,
    begins_document,
    check_packing,
    documents_of,
    pack,
    same_document,
)
from partimento.datasets.chorales import PARTS, RANGES, Chorales
from partimento.distributions import Categorical
from partimento.errors import Mismatch, UserError
from partimento.representations.events import Events
from partimento.representations.multivoice import MultiVoice


def documents(*lengths: int, dtype=np.int32) -> list[np.ndarray]:
    """Documents whose tokens are numbered through from 1 on, so that each is known."""
    edges = np.cumsum([0, *lengths])
    return [np.arange(a, b, dtype=dtype) + 1 for a, b in pairwise(edges)]


def tokens_of(batch) -> list[int]:
    return batch.x[batch.step_mask()].tolist()


def run_of(loader: PackedLoader) -> list:
    return [(batch.x.tolist(), batch.lengths.tolist()) for batch in loader]


sizes = st.lists(st.integers(1, 30), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    lengths=sizes, window=st.integers(1, 25), batch_size=st.integers(1, 4), epoch=st.integers(0, 3)
)
def test_an_epoch_holds_each_token_once(lengths, window, batch_size, epoch):
    packed = pack(documents(*lengths), window, mark=True)
    total = sum(lengths)
    assert tokens_of(packed) == list(range(1, total + 1))
    loader = PackedLoader(packed, batch_size=batch_size, seed=1)
    loader = PackedLoader(packed, batch_size=batch_size, seed=1, position=epoch * len(loader))
    batches = list(loader)
    assert sorted(sum(map(tokens_of, batches), [])) == list(range(1, total + 1))
    owner = np.repeat(np.arange(len(lengths)), lengths)
    for batch in batches:
        valid = batch.step_mask()
        assert (batch.x[~valid] == 0).all()
        assert (batch.documents[~valid] == OUTSIDE).all()
        assert batch.documents[valid].tolist() == owner[batch.x[valid].numpy() - 1].tolist()
        # Tokens follow each other as in the stream, which is closed to a ring.
        for row, length in zip(batch.x.tolist(), batch.lengths.tolist(), strict=True):
            steps = {(b - a) % total for a, b in pairwise(row[:length])}
            assert steps <= {1 % total}


@settings(max_examples=40, deadline=None)
@given(lengths=sizes, window=st.integers(1, 25), batch_size=st.integers(1, 9))
def test_evaluation_covers_every_token_once_and_in_order(lengths, window, batch_size):
    packed = pack(documents(*lengths), window)
    batches = list(EvalLoader(packed, batch_size=batch_size))
    assert sum(map(tokens_of, batches), []) == list(range(1, sum(lengths) + 1))


@pytest.mark.parametrize("limit", [None, 3])
def test_from_any_position_the_rest_is_what_an_uninterrupted_run_sees(limit):
    packed = pack(documents(40, 3, 17, 30), 7)

    def loader(position):
        return PackedLoader(packed, batch_size=3, seed=5, position=position, limit=limit)

    per_epoch = limit or 5
    epochs = [run_of(loader(epoch * per_epoch)) for epoch in range(3)]
    whole = sum(epochs, [])
    assert len(whole) == 3 * per_epoch
    for position in range(len(whole)):
        end = (position // per_epoch + 1) * per_epoch
        assert run_of(loader(position)) == whole[position:end]
    for position in (7, 2, 8, 2):
        batch = loader(0).batch(position)
        assert (batch.x.tolist(), batch.lengths.tolist()) == whole[position]


def test_epochs_cut_the_stream_at_other_places_and_seeds_too():
    packed = pack(documents(1000), 50)

    def firsts(seed, epoch):
        loader = PackedLoader(packed, batch_size=20, seed=seed, position=epoch)
        return next(iter(loader)).x[:, 0].tolist()

    cuts = {tuple(sorted(first % 50 for first in firsts(0, epoch))) for epoch in range(20)}
    assert len(cuts) > 10
    assert firsts(0, 0) != firsts(1, 0)
    assert firsts(0, 0) != sorted(firsts(0, 0))


def test_the_global_stream_of_randomness_is_left_alone():
    before = torch.get_rng_state()
    list(PackedLoader(pack(documents(50), 7), batch_size=2, seed=0))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_share_every_global_batch(world):
    packed = pack(documents(60, 20, 40), 8)

    def loader(rank, size):
        return PackedLoader(packed, batch_size=6, seed=1, rank=rank, world_size=size)

    whole = [sorted(tokens_of(batch)) for batch in loader(0, 1)]
    shares = [[tokens_of(batch) for batch in loader(rank, world)] for rank in range(world)]
    for index, parts in enumerate(zip(*shares, strict=True)):
        assert sorted(sum(parts, [])) == whole[index]


def test_compound_words_are_packed_row_by_row():
    rows = [np.stack([one, one * 2], axis=1) for one in documents(9, 4)]
    packed = pack(rows, 5)
    assert packed.x.shape == (3, 5, 2)
    (batch,) = PackedLoader(packed, batch_size=3, seed=0)
    assert torch.equal(batch.x[..., 1], batch.x[..., 0] * 2)
    assert sorted(batch.x[batch.step_mask()][:, 0].tolist()) == list(range(1, 14))


# --- streams larger than memory ----------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 100, 10**9])
def test_a_long_stream_is_the_same_mapped_from_a_file(tmp_path, limit):
    parts = documents(40, 3, 170, 30, dtype=np.int16)
    scratch = tmp_path / "cache"
    mapped = pack(parts, 16, mark=True, scratch=scratch, in_memory=limit)
    plain = pack(parts, 16, mark=True)
    for name in ("x", "lengths", "documents"):
        assert torch.equal(getattr(mapped, name), getattr(plain, name))
    assert mapped.x.dtype == torch.int16
    pairs = [
        run_of(PackedLoader(packed, batch_size=4, seed=3, position=2)) for packed in (mapped, plain)
    ]
    assert pairs[0] == pairs[1]
    assert scratch.exists() == (limit < 10**9)
    assert not scratch.exists() or not list(scratch.iterdir())  # the file has no name


def test_a_mapped_stream_takes_no_memory_while_it_grows(tmp_path):
    import tracemalloc

    part = np.ones(2**16, np.int16)
    tracemalloc.start()
    packed = pack((part for _ in range(200)), 512, scratch=tmp_path, in_memory=2**18)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert packed.x.numel() == 200 * 2**16
    assert peak < 3 * 2**20 < packed.x.nbytes


# --- marks of documents ------------------------------------------------------------------------


def test_masks_part_the_documents_of_a_window():
    packed = pack(documents(3, 2, 4), 5, mark=True)
    assert packed.documents.tolist() == [[0, 0, 0, 1, 1], [2, 2, 2, 2, OUTSIDE]]
    assert begins_document(packed.documents).tolist() == [
        [True, False, False, True, False],
        [True, False, False, False, True],
    ]
    seen = same_document(packed.documents)
    assert seen.shape == (2, 5, 5)
    assert seen[0].int().tolist() == [[1, 1, 1, 0, 0]] * 3 + [[0, 0, 0, 1, 1]] * 2
    assert seen[1].int().tolist() == [[1, 1, 1, 1, 0]] * 4 + [[0] * 5]


def test_a_document_cut_by_the_window_begins_again_in_it():
    packed = pack(documents(7), 4, mark=True)
    assert begins_document(packed.documents)[:, 0].all()


# --- with a dataset ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def events() -> Events:
    return Events(length=256, num_velocities=0)


def module_of(representation, cache, **data) -> MusicDataModule:
    return MusicDataModule(
        Chorales(), representation, DataConfig(**data), cache=str(cache), batch_size=16
    )


def test_chorales_are_packed_whole(events, cache):
    module = module_of(events, cache, packing=256, documents=True, transpose=False)
    for split in ("valid", "test"):
        examples = module.examples(split)
        pieces = module.pieces(split)
        stream = np.concatenate([events.encode(piece) for piece in pieces])
        assert examples.x[examples.step_mask()].tolist() == stream.tolist()
        assert (examples.x == events.bos).sum() == len(pieces)
        assert int(examples.documents.max()) == len(pieces) - 1
        assert examples.x.shape == (-(-len(stream) // 256), 256)
    plain = module_of(events, cache, transpose=False)
    tokens = [int(m.examples("valid").lengths.sum()) for m in (module, plain)]
    assert tokens[0] == tokens[1]
    assert len(module.examples("valid")) < len(plain.examples("valid"))


def test_the_loaders_of_a_packed_module_resume(events, cache):
    module = module_of(events, cache, packing=256, transpose=False)
    counters = {"batches_seen": 0}
    module.trainer = SimpleNamespace(
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
        lightning_module=SimpleNamespace(counters=counters),
        global_rank=0,
        world_size=1,
    )
    loader = module.train_dataloader()
    assert isinstance(loader, PackedLoader)
    whole = run_of(loader)
    assert len(whole) == module.batches_per_epoch()
    counters["batches_seen"] = 5
    assert run_of(module.train_dataloader()) == whole[5:]
    held_out = module.examples("valid")
    assert sum(len(batch) for batch in module.val_dataloader()) == len(held_out)


def test_transpositions_are_documents_of_their_own(events, cache):
    pieces = Chorales().prepare(str(cache)).pieces[:2]
    found = list(documents_of(pieces, events, transpose=True))
    assert len(found) == sum(len(events.transpositions(piece)) for piece in pieces) > 20
    for piece in pieces:
        assert sum(np.array_equal(events.encode(piece), one) for one in found) == 1


def test_pieces_without_tokens_are_left_out_and_named(cache, caplog):
    narrow = Events(pitch_range=(50, 90))
    pieces = Chorales().prepare(str(cache)).pieces[:3]
    low = [piece for piece in pieces if piece.pitch.min() < 50]
    assert low
    assert len(list(documents_of(pieces, narrow, transpose=False))) == len(pieces) - len(low)
    assert f"{len(low)} pieces left out: {low[0].id}" in caplog.text


def test_what_cannot_be_packed_is_refused(events):
    check_packing(events, 256)
    with pytest.raises(Mismatch, match="data.packing=512 differs from the 256 tokens"):
        check_packing(events, 512)
    with pytest.raises(Mismatch, match="needs documents of tokens with a beginning and an end"):
        check_packing(MultiVoice(PARTS, RANGES), 64)
    open_ended = SimpleNamespace(distribution=Categorical((None,), (9,)), bos=1, eos=2)
    check_packing(open_ended, 512)
    with pytest.raises(UserError, match="there is nothing to pack"):
        pack([], 8)
    with pytest.raises(UserError, match="set data.packing to its length"):
        DataConfig(documents=True)
