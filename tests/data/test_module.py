"""The data module on all chorales: counts, splits that share no music, transposition in train only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from partimento.config import DataConfig, SplitConfig
from partimento.data.encoding import examples_of
from partimento.data.module import MusicDataModule
from partimento.datasets.base import Card, Corpus, Dataset
from partimento.datasets.chorales import PARTS, RANGES, Chorales, read_bach
from partimento.errors import UserError
from partimento.representations.multivoice import MultiVoice

SPLITS = ("train", "valid", "test")


@pytest.fixture(scope="module")
def grid() -> MultiVoice:
    return MultiVoice(PARTS, RANGES)


@pytest.fixture(scope="module")
def plain(grid, cache) -> MusicDataModule:
    """All chorales as they stand."""
    return MusicDataModule(Chorales(), grid, DataConfig(transpose=False), cache=str(cache))


@pytest.fixture(scope="module")
def transposed(grid, cache) -> MusicDataModule:
    """All chorales, those for training in every transposition: the default."""
    return MusicDataModule(Chorales(), grid, cache=str(cache))


def test_window_counts_of_the_default_config(transposed):
    """Published numbers rest on these windows; whoever changes them must say so there."""
    sizes = {split: len(transposed.examples(split)) for split in SPLITS}
    assert sizes == {"train": 18_177, "valid": 79, "test": 92}
    assert transposed.examples("train").x.shape[1:] == (64, 4)
    assert transposed.examples("train").x.dtype == torch.uint8
    assert transposed.batches_per_epoch() == 143  # 18,177 / 128, rounded up
    assert transposed.batches_per_epoch(world_size=2) == 142


def test_no_piece_and_no_group_is_in_two_splits(plain):
    corpus, splits = plain.corpus, plain.manifest.splits
    group = dict(zip((piece.id for piece in corpus.pieces), corpus.groups, strict=True))
    assert len(group) == 365
    assert sorted(sum(map(list, splits.values()), [])) == sorted(group)
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not set(splits[one]) & set(splits[other])
        assert not {group[i] for i in splits[one]} & {group[i] for i in splits[other]}
    for split in SPLITS:
        assert [piece.id for piece in plain.pieces(split)] == list(splits[split])


def test_no_window_of_a_held_out_split_is_in_training(transposed):
    """In no transposition either: the training windows hold every one inside the ranges."""
    known = {window.tobytes() for window in transposed.examples("train").x.numpy()}
    for split in ("valid", "test"):
        held_out = [window.tobytes() for window in transposed.examples(split).x.numpy()]
        assert not known & set(held_out)


def test_only_training_is_transposed(plain, transposed, grid):
    for split in ("valid", "test"):
        assert torch.equal(plain.examples(split).x, transposed.examples(split).x)
    few, many = plain.examples("train").x.numpy(), transposed.examples("train").x.numpy()
    assert {w.tobytes() for w in few} <= {w.tobytes() for w in many}
    pieces = plain.pieces("train")
    counts = {piece.id: len(grid.grids(piece, stride=1)) for piece in pieces}
    assert sum(counts.values()) == len(few)
    expected = sum(counts[piece.id] * len(grid.transpositions(piece)) for piece in pieces)
    assert expected == len(many)
    # Moved by transposing the grid, not the piece: a second way to the same windows.
    first = next(
        piece for piece in pieces if len(grid.transpositions(piece)) > 1 and counts[piece.id]
    )
    own = [part.x for part in examples_of([first], grid, 1, transpose=True)]
    for shift, windows in zip(grid.transpositions(first), own, strict=True):
        again = grid.transpose_grid(grid.grids(first, stride=1), shift)
        np.testing.assert_array_equal(windows, again)


def test_strides_of_training_and_of_the_others(grid, cache):
    wide = MusicDataModule(
        Chorales(), grid, DataConfig(transpose=False, stride=4, eval_stride=1), cache=str(cache)
    )
    train = sum(len(grid.grids(piece, stride=4)) for piece in wide.pieces("train"))
    test = sum(len(grid.grids(piece, stride=1)) for piece in wide.pieces("test"))
    assert len(wide.examples("train")) == train
    assert len(wide.examples("test")) == test > 92


def test_what_the_grid_loses_is_counted(plain):
    """Five pairs of 32nd notes in three of the 365 chorales: the second has no step of its own."""
    lost = plain.lost()
    assert lost == {"off-grid onsets": 5, "off-grid ends": 5, "vanished notes": 5}
    summary = plain.summary()
    assert summary["lost"] == lost
    assert summary["windows"] == {"train": 2550, "valid": 79, "test": 92}
    assert summary["skipped"] == len(plain.corpus.skipped)


def test_setting_up_twice_gives_the_same_tensors(plain, grid, cache):
    plain.setup("fit")
    first = plain.examples("train").x
    plain.setup("fit")
    assert plain.examples("train").x is first
    other = MusicDataModule(Chorales(), grid, DataConfig(transpose=False), cache=str(cache))
    for stage in ("fit", "test"):
        other.setup(stage)
    for split in SPLITS:
        assert torch.equal(plain.examples(split).x, other.examples(split).x)


def test_the_seed_of_the_split_moves_pieces_and_the_seed_of_the_run_does_not(plain, grid, cache):
    config = DataConfig(split=SplitConfig(seed=1), transpose=False)
    moved = MusicDataModule(Chorales(), grid, config, cache=str(cache))
    assert moved.manifest.hash != plain.manifest.hash
    same = MusicDataModule(Chorales(), grid, DataConfig(transpose=False), seed=9, cache=str(cache))
    assert same.manifest.hash == plain.manifest.hash


def test_loaders_are_made_for_a_trainer(plain):
    with pytest.raises(RuntimeError, match=r"take examples\(split\) without one"):
        plain.train_dataloader()


# -- other corpora --------------------------------------------------------------------------------


class Few(Dataset):
    """Some of Bach's pieces as a dataset of their own."""

    def __init__(self, *numbers: str, splits: dict[str, tuple[str, ...]] | None = None) -> None:
        self.found = tuple(read_bach(number) for number in numbers)
        self.splits = splits

    def fingerprint(self) -> str:
        return "few"

    def prepare(self, cache: str | None) -> Corpus:
        card = Card("few", "", "", "", "", {}, "")
        ids = tuple(piece.id for piece in self.found)
        return Corpus(self.found, ids, (), card, self.splits)


def test_a_published_split_is_kept(grid):
    published = {"train": ("bwv254",), "valid": ("bwv253",), "test": ("bwv256",)}
    module = MusicDataModule(Few("253", "254", "256", splits=published), grid)
    assert module.manifest.seed is None
    assert [piece.id for piece in module.pieces("train")] == ["bwv254"]
    assert len(module.examples("test")) == len(grid.grids(read_bach("256"), stride=4))


def test_a_piece_that_the_grid_cannot_hold_is_left_out_and_named(grid, caplog):
    chorale = read_bach("253")
    high = chorale.with_notes(id="too-high", pitch=chorale.pitch + 24)
    with caplog.at_level("WARNING"):
        windows = examples_of([high, chorale], grid, 4, transpose=False)
    assert sum(map(len, windows)) == len(grid.grids(chorale, stride=4))
    assert "1 pieces left out: too-high (" in caplog.text


def test_a_split_without_a_window_is_told(grid, caplog):
    published = {"train": ("bwv254",), "valid": ("bwv253",), "test": ()}
    module = MusicDataModule(Few("253", "254", splits=published), grid)
    with pytest.raises(UserError, match="No piece of the test split gives a window: 0 pieces"):
        module.examples("test")
