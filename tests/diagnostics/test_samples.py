"""Samples through training: the same held-out music each time, what is written, what is left alone."""

from __future__ import annotations

import wave
from types import SimpleNamespace

import mido
import numpy as np
import pytest
import torch
from matplotlib.image import imread

from partimento.data.batch import Batch
from partimento.datasets.chorales import PARTS, RANGES, read_bach
from partimento.datasets.mixtures import Ring
from partimento.diagnostics import samples
from partimento.diagnostics.samples import Samples
from partimento.generation.strategies import SingleStep
from partimento.models import Feedforward
from partimento.models.adversarial import Adversarial
from partimento.reports.points import draw_points
from partimento.representations.multivoice import MultiVoice
from partimento.representations.points import Points

GRID = MultiVoice(PARTS, RANGES)
KINDS = ("mid", "png", "wav")


class Logger:
    """Notes what it is handed."""

    def __init__(self) -> None:
        self.logged: list[tuple[dict, dict]] = []

    def log_files(self, files: dict, axes: dict) -> None:
        self.logged.append((dict(files), dict(axes)))


@pytest.fixture
def model() -> Feedforward:
    torch.manual_seed(0)
    model = Feedforward(GRID.distribution)
    model.count(updates=3, batches_seen=3, examples_seen=96)
    return model


@pytest.fixture
def examples() -> Batch:
    windows = [GRID.grids(read_bach(number), stride=4) for number in ("253", "254", "256")]
    return Batch(torch.from_numpy(np.concatenate(windows)))


def trainer_at(epoch: int, examples: Batch, loggers=()) -> SimpleNamespace:
    def of_split(split: str) -> Batch:
        assert split == "valid"  # never what the model is trained or tested on
        return examples

    data = SimpleNamespace(examples=of_split)
    return SimpleNamespace(
        current_epoch=epoch, datamodule=data, loggers=list(loggers), is_global_zero=True
    )


def callback(folder, temperature: float = 1.0, **options) -> Samples:
    return Samples(folder, GRID, SingleStep(temperature), seed=7, **options)


def test_what_is_written_can_be_seen_and_heard(tmp_path, model, examples):
    logger = Logger()
    trainer = trainer_at(4, examples, [logger, object()])
    model.trainer = trainer
    callback(tmp_path, every=1, count=2).on_validation_end(trainer, model)
    folder = tmp_path / "samples"
    assert sorted(path.name for path in folder.iterdir()) == [
        "epoch-0005.mid",
        "epoch-0005.png",
        "epoch-0005.wav",
    ]
    assert imread(folder / "epoch-0005.png").std() > 0.01
    with wave.open(str(folder / "epoch-0005.wav")) as sound:
        frames = np.frombuffer(sound.readframes(sound.getnframes()), dtype=np.int16)
    assert np.abs(frames).max() > 1000
    names = {track.name for track in mido.MidiFile(folder / "epoch-0005.mid").tracks}
    assert set(PARTS) <= names
    ((files, axes),) = logger.logged
    assert set(files) == {"samples/pianoroll", "samples/audio", "samples/midi"}
    assert axes == {"updates": 3, "batches_seen": 3, "examples_seen": 96, "epoch": 4}


def test_averaged_and_latest_weights_are_both_sampled(tmp_path, examples):
    """From the same draws: where the two are equal, so are the files."""
    torch.manual_seed(0)
    model, logger = Adversarial(GRID.distribution, ema=0.9), Logger()
    trainer = trainer_at(0, examples, [logger])
    model.trainer = trainer
    for stem in ("same", "other"):
        callback(tmp_path, count=2).sample(trainer, model, stem)
        with torch.no_grad():
            for weight in model.generator.parameters():
                weight.mul_(-1)
    folder = tmp_path / "samples"
    names = {f"{s}-{w}.{e}" for s in ("same", "other") for w in ("ema", "raw") for e in KINDS}
    assert {path.name for path in folder.iterdir()} == names
    content = {name: (folder / name).read_bytes() for name in names}
    assert content["same-ema.mid"] == content["same-raw.mid"] == content["other-ema.mid"]
    assert content["other-raw.mid"] != content["other-ema.mid"]
    assert {f"samples/midi_{w}" for w in ("ema", "raw")} <= set(logger.logged[0][0])


def test_every_so_many_epochs_and_once_more_with_the_tested_weights(tmp_path, model, examples):
    watcher = callback(tmp_path, every=3)
    for epoch in range(7):
        watcher.on_validation_end(trainer_at(epoch, examples), model)
    watcher.on_test_end(trainer_at(7, examples), model)
    assert sorted(path.stem for path in (tmp_path / "samples").glob("*.png")) == [
        "epoch-0003",
        "epoch-0006",
        "final",
    ]


def test_only_the_first_process_writes(tmp_path, model, examples):
    trainer = trainer_at(0, examples)
    trainer.is_global_zero = False
    watcher = callback(tmp_path, every=1)
    watcher.on_validation_end(trainer, model)
    watcher.on_test_end(trainer, model)
    assert not (tmp_path / "samples").exists()


def test_epochs_can_be_compared(tmp_path, model, examples):
    """The same soprano, the same draws: only the weights make a difference."""
    watcher = callback(tmp_path, every=1, count=1)
    for epoch in (0, 1):
        watcher.on_validation_end(trainer_at(epoch, examples), model)
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.mul_(-1)
    watcher.on_validation_end(trainer_at(2, examples), model)
    first, same, other = (
        (tmp_path / "samples" / f"epoch-000{n}.mid").read_bytes() for n in (1, 2, 3)
    )
    assert first == same != other
    expected = GRID.decode(examples.x[0].numpy())
    for name in ("epoch-0001.mid", "epoch-0003.mid"):
        track = next(
            track
            for track in mido.MidiFile(tmp_path / "samples" / name).tracks
            if track.name == "soprano"
        )
        pitches = [m.note for m in track if m.type == "note_on" and m.velocity]
        assert pitches == expected.notes(0)["pitch"].tolist()


def test_nothing_that_training_depends_on_is_touched(tmp_path, model, examples):
    model.train()
    torch.manual_seed(3)
    stream = torch.get_rng_state()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    callback(tmp_path, every=1).on_validation_end(trainer_at(0, examples), model)
    assert torch.equal(stream, torch.get_rng_state())
    assert model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_fewer_examples_than_samples_asked_for(tmp_path, model, examples):
    few = examples[slice(0, 2)]
    callback(tmp_path, every=1, count=9).on_validation_end(trainer_at(0, few), model)
    assert (tmp_path / "samples" / "epoch-0001.png").exists()


def test_points_are_drawn_and_not_played(tmp_path, monkeypatch):
    """A cloud of points per sample, among real ones and the modes, and no MIDI or sound."""
    ring, drawn = Ring(samples=100), []
    monkeypatch.setattr(
        samples,
        "draw_points",
        lambda points, path, **others: (drawn.append((points, others)), draw_points(points, path)),
    )
    valid = Batch(torch.from_numpy(Ring(samples=9000).examples("valid").x))
    logger = Logger()
    data = SimpleNamespace(examples=lambda split: valid, dataset=ring)
    trainer = SimpleNamespace(
        current_epoch=0, datamodule=data, loggers=[logger], is_global_zero=True
    )
    asked = []
    strategy = SimpleNamespace(
        generate=lambda model, n, **_: asked.append(n) or torch.zeros(n, 1, 2)
    )
    model = SimpleNamespace(given_of=lambda batch: None, device="cpu", axes=lambda: {"updates": 3})
    for count, expected in ((2, 500), (4, 900)):
        Samples(tmp_path, Points(), strategy, every=1, count=count).sample(trainer, model, "final")
        points, others = drawn.pop()
        assert asked.pop() == len(points) == len(others["real"]) == expected
        assert others["centres"] is ring.oracle.centres
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["final.png"]
    assert imread(tmp_path / "samples" / "final.png").std() > 0.01
    assert set(logger.logged[0][0]) == {"samples/points"}
