"""Examples by way of the disk: the same, in the same order, with the same checksum as in memory."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import only_runs

import partimento
from partimento.config import DataConfig
from partimento.data import mapped, parts
from partimento.data.collate import checksum, collate, digest_of, fields_of
from partimento.data.encoding import examples_of
from partimento.data.loader import EvalLoader, TrainLoader
from partimento.data.mapped import Subset, map_examples
from partimento.data.module import MusicDataModule
from partimento.datasets.chorales import PARTS, RANGES, Chorales, corpus_folder
from partimento.datasets.folder import Folder
from partimento.distributions import Categorical
from partimento.errors import UserError
from partimento.representations.base import Examples, Representation
from partimento.representations.multivoice import MultiVoice


class Uneven(Representation):
    """As many steps as bars, with a condition, given cells and, for some pieces, lengths."""

    def __init__(self, lengths: bool = True) -> None:
        self.with_lengths = lengths
        self.distribution = Categorical(shape=(4, 1), sizes=[128], names=["v"])
        self.conditions = {}

    def windows(self, piece, *, stride):
        steps = len(piece.bars)
        if steps > 20:
            raise UserError(f"'{piece.id}' is too long.")
        x = (np.arange(3 * steps, dtype=np.int16) + int(piece.pitch[0])).reshape(3, steps, 1)
        lengths = np.array([steps, 1, 2]) if self.with_lengths and steps % 2 else None
        return Examples(x, {"first": x[:, 0]}, lengths, x > 60)

    def loss_of(self, piece) -> Mapping[str, int]:
        return {"notes": len(piece)}

    def arguments(self):
        return {"lengths": self.with_lengths}

    def transpositions(self, piece):
        return (-1, 0, 1)

    encode = decode = metrics = None  # type: ignore[assignment]


@pytest.fixture(scope="module")
def pieces(cache):
    return Chorales().prepare(str(cache)).pieces


@pytest.mark.parametrize(
    ("representation", "workers"),
    [(Uneven(), 0), (Uneven(lengths=False), 0), (MultiVoice(PARTS, RANGES), 2)],
)
def test_mapped_examples_are_those_in_memory(
    pieces, representation, workers, tmp_path, monkeypatch
):
    monkeypatch.setattr(mapped, "FEW", 0)
    monkeypatch.setattr(mapped, "PIECES_PER_TASK", 10)
    monkeypatch.setattr(parts, "PART_BYTES", 20_000)  # several parts a task
    monkeypatch.setattr(mapped, "STAY_ON_DISK", 0)
    some = Subset(pieces, range(0, 60, 2))
    inside = collate(examples_of(some, representation, 2, True))
    options = {"stride": 2, "transpose": True, "folder": tmp_path / "x", "workers": workers}
    disk = map_examples(some, representation, **options)
    batch = disk.batch()
    assert disk.digest == digest_of(inside) == digest_of(batch)
    assert set(fields_of(batch)) == set(fields_of(inside))
    for name, tensor in fields_of(inside).items():
        assert torch.equal(fields_of(batch)[name], tensor)
    assert sorted(path.name for path in (tmp_path / "x").iterdir() if path.is_dir()) == []
    if isinstance(representation, Uneven):
        held = [piece for piece in some if len(piece.bars) <= 20]
        assert 0 < len(held) < len(some)
        # Pieces too long for it are left out as examples; what is lost is counted of all.
        assert disk.lost == {"notes": sum(map(len, some))}
        assert len(inside) == 9 * len(held)
    monkeypatch.setattr(mapped, "_encode", None)
    assert map_examples(some, representation, **options) == disk


def test_a_killed_encoding_goes_on_where_it_was(pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "PIECES_PER_TASK", 5)
    some, representation = Subset(pieces, range(30)), MultiVoice(PARTS, RANGES)
    options = {"stride": 4, "transpose": False, "workers": 0}
    whole = map_examples(some, representation, folder=tmp_path / "whole", **options)
    run, done = parts.EncodePieces.run, []

    def few(self, without, begin):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(self.target)
        return run(self, without, begin)

    monkeypatch.setattr(parts.EncodePieces, "run", few)
    with pytest.raises(KeyboardInterrupt):
        map_examples(some, representation, folder=tmp_path / "cut", **options)
    (tmp_path / "cut" / "x.npy").write_bytes(b"cut off while it was joined")
    monkeypatch.setattr(parts.EncodePieces, "run", run)
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "cut").glob("part-*")}
    assert len(kept) == 4
    again = map_examples(some, representation, folder=tmp_path / "cut", **options)
    assert again.digest == whole.digest
    one, other = (folder / "x.npy" for folder in (again.folder, whole.folder))
    assert one.read_bytes() == other.read_bytes()
    # An array cut short is not taken for complete.
    one.write_bytes(other.read_bytes()[:-1])
    assert map_examples(some, representation, folder=again.folder, **options).digest == whole.digest


def test_loaders_take_the_same_batches_from_the_disk(pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "STAY_ON_DISK", 0)
    some, representation = Subset(pieces, range(40)), MultiVoice(PARTS, RANGES)
    inside = collate(examples_of(some, representation, 4, False))
    disk = map_examples(
        some, representation, stride=4, transpose=False, folder=tmp_path / "x", workers=0
    ).batch()
    for left, right in zip(
        TrainLoader(inside, batch_size=7, seed=3),
        TrainLoader(disk, batch_size=7, seed=3),
        strict=True,
    ):
        assert torch.equal(left.x, right.x)
    left, right = (EvalLoader(b, batch_size=50, rank=1, world_size=2) for b in (inside, disk))
    assert all(torch.equal(a.x, b.x) for a, b in zip(left, right, strict=True))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for path in sorted(corpus_folder().glob("bwv2[5-9]?.mxl")):
        shutil.copy(path, folder)
    return folder


def test_the_data_module_maps_what_a_folder_holds(files, tmp_path, monkeypatch):
    dataset = Folder(str(files), parts=PARTS, ranges=RANGES, workers=0)
    representation, config = MultiVoice(PARTS, RANGES), DataConfig(transpose=True)
    inside = MusicDataModule(dataset, representation, config)
    disk = MusicDataModule(dataset, representation, config, cache=str(tmp_path))
    assert (
        disk.checksum()
        == inside.checksum()
        == checksum([inside.examples(split) for split in ("train", "valid", "test")])
    )
    assert disk.summary() == inside.summary()
    assert disk.manifest == inside.manifest
    assert [p.id for p in disk.pieces("train")] == list(disk.manifest.splits["train"])
    assert len(list(tmp_path.glob("examples-*"))) == 3
    # Other options are other examples; the same ones are opened, not encoded.
    wider = MusicDataModule(
        dataset, representation, DataConfig(transpose=True, stride=2), cache=str(tmp_path)
    )
    wider.examples("train")
    wider.examples("valid")
    assert len(list(tmp_path.glob("examples-*"))) == 4


def test_a_run_from_the_disk_ends_with_the_weights_of_one_from_memory(
    files, tiny, tmp_path, monkeypatch
):
    words = [
        "dataset=folder",
        f"dataset.path={files}",
        "dataset.workers=0",
        "dataset.parts=[soprano,alto,tenor,bass]",
        "dataset.ranges=[[57,81],[53,74],[48,69],[36,64]]",
        "trainer.max_epochs=1",
    ]
    found = []
    for place, limit in (("memory", 2**40), ("disk", 0)):
        monkeypatch.setattr(mapped, "STAY_ON_DISK", limit)
        partimento.train(tiny(*words, outputs=tmp_path / place))
        (run,) = only_runs(tmp_path / place)
        found.append(partimento.load(run).model.state_dict())
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
