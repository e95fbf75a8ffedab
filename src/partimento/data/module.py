"""The LightningDataModule: pieces to windows to tensors, split before transposing."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule, Trainer

from partimento.config import DataConfig
from partimento.data.batch import Batch
from partimento.data.collate import collate, digest_of, joined_digest
from partimento.data.encoding import examples_of, losses_of
from partimento.data.loader import Beats, EvalLoader, TrainLoader
from partimento.data.mapped import Mapped, Subset, map_examples, mappable, mapped_key
from partimento.data.packing import check_packing, documents_of, on_disk, pack
from partimento.data.splits import SPLITS, Manifest
from partimento.data.windows import train_loader
from partimento.datasets.base import Corpus, Dataset, ExampleDataset
from partimento.datasets.shards import PieceShards
from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.base import Representation


class MusicDataModule(LightningDataModule):
    """Examples of a dataset in a representation.

    Args:
        dataset: Where the music comes from.
        representation: How it becomes tensors.
        data: Split, strides and augmentation.
        batch_size: Examples of one training batch, over all processes.
        seed: Seed of the data order.
        cache: Folder of the cache; None keeps none.
        limit: Number of batches that make an epoch, at most.
    """

    def __init__(
        self,
        dataset: Dataset,
        representation: Representation,
        data: DataConfig | None = None,
        *,
        batch_size: int = 128,
        seed: int = 0,
        cache: str | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.representation = representation
        self.config = data or DataConfig()
        self.batch_size = batch_size
        self.seed = seed
        self.cache = cache
        self.limit = limit
        self._corpus: Corpus | None = None
        self._examples: dict[str, Batch] = {}
        self._mapped: dict[str, Mapped] = {}

    @property
    def corpus(self) -> Corpus:
        """The prepared dataset."""
        if self._corpus is None:
            self._corpus = self.dataset.prepare(self.cache)
        return self._corpus

    @functools.cached_property
    def manifest(self) -> Manifest:
        """Which piece is in which split."""
        corpus, split = self.corpus, self.config.split
        ids = ids_of(corpus.pieces)
        if corpus.splits is not None:
            return Manifest.published(corpus.splits)
        fractions = {"train": split.train, "valid": split.valid, "test": split.test}
        return Manifest.by_group(ids, corpus.groups, fractions, split.seed)

    def pieces(self, split: str) -> Sequence[Piece]:
        """Return the pieces of one split."""
        wanted, pieces = set(self.manifest.splits[split]), self.corpus.pieces
        places = [place for place, id in enumerate(ids_of(pieces)) if id in wanted]
        return Subset(pieces, places) if mappable(pieces) else [pieces[place] for place in places]

    def examples(self, split: str) -> Batch:
        """Return all examples of one split; only training examples are transposed.

        Raises:
            UserError: When no piece of the split gives an example.
        """
        if split not in self._examples:
            training = split == "train"
            stride = self.config.stride if training else self.config.eval_stride
            transpose = training and self.config.transpose and self.dataset.transposable
            if self.config.packing:
                batch: Batch | None = self._packed(split, transpose)
            else:
                batch = self._encoded(split, stride, transpose)
            if batch is None:
                raise UserError(
                    f"No piece of the {split} split gives a window: {len(self.pieces(split))} "
                    "pieces are there; shorten representation.bars or take a larger dataset."
                )
            self._examples[split] = batch
        return self._examples[split]

    def _encoded(self, split: str, stride: int, transpose: bool) -> Batch | None:
        """Return the examples of a split from memory, or by way of the cache's folder."""
        if isinstance(self.dataset, ExampleDataset):
            return collate([self.dataset.examples(split)])
        pieces, representation = self.pieces(split), self.representation
        if self.cache is None or not mappable(self.corpus.pieces):
            parts = examples_of(pieces, representation, stride, transpose)
            return collate(parts) if parts else None
        key = mapped_key(
            self.dataset.fingerprint(),
            representation,
            self.manifest.splits[split],
            stride=stride,
            transpose=transpose,
        )
        self._mapped[split] = map_examples(
            pieces,
            representation,
            stride=stride,
            transpose=transpose,
            folder=Path(self.cache) / f"examples-{key}",
            workers=getattr(self.dataset, "workers", None),
        )
        return self._mapped[split].batch()

    def _packed(self, split: str, transpose: bool) -> Batch:
        """Return the documents of a split as one stream, in windows."""
        length = self.config.packing or 0
        check_packing(self.representation, length)
        documents = documents_of(self.pieces(split), self.representation, transpose)
        return pack(documents, length, mark=self.config.documents, scratch=self.cache)

    def lost(self) -> dict[str, int]:
        """Count what the representation loses over the whole corpus, by reason."""
        if len(self._mapped) == len(SPLITS):
            return dict(sum((Counter(m.lost) for m in self._mapped.values()), Counter[str]()))
        return dict(losses_of(self.corpus.pieces, self.representation))

    def setup(self, stage: str) -> None:
        for split in ("train", "valid") if stage == "fit" else ("valid", "test"):
            self.examples(split)

    def _on_device(self, split: str) -> Batch:
        """Return the examples on the trainer's device, where they stay; mapped ones keep their place."""
        if split in self._mapped and self._mapped[split].on_disk:
            return self.examples(split)
        if self.config.packing and on_disk(self.examples(split)):
            return self.examples(split)
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        moved = self.examples(split).to(device)
        self._examples[split] = moved
        return moved

    def _fitting(self) -> Trainer:
        if self.trainer is None:
            raise RuntimeError("loaders are made for a trainer; take examples(split) without one")
        return self.trainer

    @property
    def varying(self) -> bool:
        """Whether examples differ in their number of steps, so that padding may be cut off."""
        return self.representation.distribution.shape[0] is None

    def _train_loader(self, examples: Batch, **place: int) -> TrainLoader:
        return train_loader(
            examples,
            packing=self.config.packing,
            window=self.config.window,
            varying=self.varying,
            batch_size=self.batch_size,
            seed=self.seed,
            limit=self.limit,
            bucketing=self.config.bucketing,
            **place,
        )

    def train_dataloader(self) -> TrainLoader | Beats:
        """Return the rest of the epoch in which the model stands, or beats for one that draws."""
        trainer = self._fitting()
        counters = getattr(trainer.lightning_module, "counters", {})
        loader = self._train_loader(
            self._on_device("train"),
            position=counters.get("batches_seen", 0),
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        return Beats(loader) if getattr(trainer.lightning_module, "draws", False) else loader

    def _eval_loader(self, split: str) -> EvalLoader:
        trainer = self._fitting()
        if len(self.examples(split)) < trainer.world_size:
            raise UserError(
                f"The {split} split has {len(self.examples(split))} windows, fewer than the "
                f"{trainer.world_size} processes: use a larger split or fewer devices."
            )
        return EvalLoader(
            self._on_device(split),
            batch_size=max(self.batch_size, 256),
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            trim=self.varying,
        )

    def val_dataloader(self) -> EvalLoader:
        return self._eval_loader("valid")

    def test_dataloader(self) -> EvalLoader:
        return self._eval_loader("test")

    def batches_per_epoch(self, world_size: int = 1) -> int:
        """Return how many training batches make an epoch."""
        return self._train_loader(self.examples("train"), world_size=world_size).per_epoch

    def checksum(self) -> str:
        """Return a hash of all examples of all splits."""
        batches = {split: self.examples(split) for split in SPLITS}
        return joined_digest(
            [
                self._mapped[split].digest if split in self._mapped else digest_of(batch)
                for split, batch in batches.items()
            ]
        )

    def summary(self) -> dict[str, Any]:
        """Return the counts that belong into a run folder."""
        sizes = {split: len(self.examples(split)) for split in SPLITS}
        return {"windows": sizes, "lost": self.lost(), "skipped": len(self.corpus.skipped)}


def ids_of(pieces: Sequence[Piece]) -> list[str]:
    """Return the ids of pieces, without building those that are on disk."""
    return pieces.ids if isinstance(pieces, PieceShards) else [piece.id for piece in pieces]
