"""Runs of the marginal model from the command line's own door: the published figures, and any other data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import only_runs
from rolls import SET, published, roll, write_set

import partimento
from partimento.models.base import Model

MARGINAL = ("model=marginal", "representation=frames")


@pytest.fixture
def request_of(tmp_path: Path, cache: Path) -> Callable[..., list[str]]:
    """Return the overrides of a run in a folder of this test; the trainer's are the default ones."""

    def overrides(*more: str, outputs: str = "outputs") -> list[str]:
        quiet = ("logger=csv", "diagnostics=none", "trainer.progress_bar=false", "accelerator=cpu")
        places = (f"paths.outputs={tmp_path / outputs}", f"paths.cache={cache}")
        return [*MARGINAL, *quiet, "accelerator.threads=1", *places, *more]

    return overrides


def rolls_of(name: str, path: Path) -> list[str]:
    return [f"dataset={name}", f"dataset.path={path}"]


def closed_form(train: list[np.ndarray], test: list[np.ndarray]) -> float:
    """Return the marginal Bernoulli NLL of test frames in nats per frame, by NumPy alone."""
    seen, asked = np.concatenate(train).astype(float), np.concatenate(test).astype(float)
    p = (seen.sum(0) + 0.5) / (len(seen) + 1)
    return float(-(asked * np.log(p) + (1 - asked) * np.log(1 - p)).sum(1).mean())


@pytest.mark.parametrize("suffix", [".mat", ".pkl", ".json"])
@pytest.mark.parametrize("name", ["jsb_chorales", "nottingham_rolls", "musedata", "piano_midi"])
def test_any_set_in_any_form_gives_the_closed_form(request_of, tmp_path, name, suffix):
    path = write_set(tmp_path / f"set{suffix}")
    record = partimento.train(request_of(*rolls_of(name, path), "trainer.batch_size=2"))
    tables = {split: [roll(frames) for frames in pieces] for split, pieces in SET.items()}
    for split, place in (("test", "test/nll"), ("valid", "valid/nll")):
        expected = closed_form(tables["train"], tables[split])
        assert record["metrics"][place] == pytest.approx(expected, rel=1e-5)
    assert record["counters"]["epochs"] == 1
    assert record["data"]["windows"] == {"train": 3, "valid": 1, "test": 2}
    assert record["data"]["lost"] == {}
    (folder,) = only_runs(tmp_path)
    card = json.loads((folder / "dataset_card.json").read_text())
    assert "SHA-256" in card["source"]
    manifest = json.loads((folder / "split_manifest.json").read_text())
    assert manifest["rule"] == "As published with the dataset."
    assert len(manifest["splits"]["test"]) == 2


@pytest.mark.parametrize("options", [["data.bucketing=true"], ["data.window=2"]])
def test_how_batches_are_made_changes_no_count(request_of, tmp_path, options):
    path = write_set(tmp_path / "set.json")
    plain, other = (
        partimento.train(request_of(*rolls_of("musedata", path), "trainer.batch_size=2", *more))
        for more in ([], options)
    )
    assert plain["metrics"] == pytest.approx(other["metrics"])


@pytest.mark.parametrize(
    ("name", "file", "nll"),
    [
        ("jsb_chorales", "JSB_Chorales.mat", 11.060),
        ("jsb_chorales", "jsb-chorales-quarter.json", 11.060),
        ("nottingham_rolls", "Nottingham.mat", 10.252),
    ],
)
def test_the_published_figures(request_of, name, file, nll):
    """The note 1-gram of Boulanger-Lewandowski et al. (2012), table 1: 11.06 and 10.25 nats."""
    record = partimento.train(request_of(*rolls_of(name, published(file))))
    assert record["metrics"]["test/nll"] == pytest.approx(nll, abs=5e-4)


def test_a_trained_one_loads_and_plays(request_of, tmp_path):
    path = write_set(tmp_path / "set.mat")
    partimento.train(request_of(*rolls_of("piano_midi", path)))
    (folder,) = only_runs(tmp_path)
    path.unlink()  # a checkpoint needs no data
    trained = partimento.load(folder)
    assert trained.representation.arguments() == {"steps_per_quarter": 2}
    pieces = trained.sample(lengths=torch.tensor([30, 7]), temperature=1.0)
    assert [piece.end for piece in pieces] == [30, 7]
    assert len(pieces[0]) > 0


def test_a_run_that_broke_off_counts_on_where_it_stood(request_of, tmp_path, monkeypatch):
    path = write_set(tmp_path / "set.json")
    options = (*rolls_of("musedata", path), "trainer.batch_size=1", "trainer.checkpoint_every=1")
    whole = partimento.train(request_of(*options, outputs="whole"))
    draw = Model.draw

    def crash(self, source):
        if self.counters["batches_seen"] == 2:
            raise KeyboardInterrupt
        return draw(self, source)

    monkeypatch.setattr(Model, "draw", crash)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever Lightning makes of it
        partimento.train(request_of(*options, outputs="broken"))
    monkeypatch.setattr(Model, "draw", draw)
    (folder,) = only_runs(tmp_path / "broken")
    assert not (folder / "checkpoints" / "best.ckpt").exists()
    rest = partimento.train(request_of(*options, "resume=must", outputs="broken"))
    assert rest["metrics"] == whole["metrics"]
    assert rest["counters"] == whole["counters"]
    models = [partimento.load(*only_runs(tmp_path / name)).model for name in ("whole", "broken")]
    assert torch.equal(models[0].counts, models[1].counts)


def test_chorales_in_a_grid_end_to_end(request_of, tmp_path):
    """Fewer than the 3.19 nats of 24.5 equally likely symbols, more than any model that listens."""
    options = ("representation=multivoice", "dataset=chorales", "data.transpose=false")
    record = partimento.train(request_of(*options, "diagnostics=samples", "data.stride=4"))
    assert 1.0 < record["metrics"]["test/nll"] < 2.0
    assert {"test/accuracy", "test/accuracy/soprano"} <= set(record["metrics"])
    (folder,) = only_runs(tmp_path)
    assert {path.name for path in (folder / "samples").iterdir()} == {
        "final.mid",
        "final.png",
        "final.wav",
    }
    trained = partimento.load(folder)
    (piece,) = trained.sample(1, temperature=1.0)
    assert len(piece.parts) == 4
    assert len(piece) > 10


@pytest.mark.full
def test_chorales_in_frames_end_to_end(request_of, tmp_path):
    """Training chorales are transposed, so each example comes in several keys."""
    options = ("dataset=chorales", "dataset.metre=4/4", "diagnostics=samples")
    record = partimento.train(request_of(*options, "strategy.temperature=1"))
    assert record["data"]["windows"]["train"] > 12 * 200
    assert 8 < record["metrics"]["test/nll"] < 14
    (folder,) = only_runs(tmp_path)
    assert (folder / "samples" / "final.png").exists()
