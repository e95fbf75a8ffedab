"""Checkpoints: whole whatever happens, plain, at the right places, and what is best or over."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

import partimento
from partimento import experiment
from partimento.errors import Interrupted, UserError
from partimento.runs.checkpoint import AtomicCheckpointIO, Checkpointing
from partimento.runs.folder import RunFolder
from partimento.runs.interruption import StopRequest

KILLED = """
import os, signal, sys, torch
from partimento.runs import folder
from partimento.runs.checkpoint import AtomicCheckpointIO
folder.os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
AtomicCheckpointIO().save_checkpoint({"w": torch.ones(100_000)}, sys.argv[1])
"""


def test_a_kill_while_writing_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"w": torch.zeros(3)}, path)
    assert list(path.parent.iterdir()) == [path]
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert torch.equal(torch.load(path, weights_only=True)["w"], torch.zeros(3))


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    from partimento.runs import folder

    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"w": torch.zeros(3)}, path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        AtomicCheckpointIO().save_checkpoint({"w": torch.ones(3)}, path)
    assert torch.equal(torch.load(path, weights_only=True)["w"], torch.zeros(3))
    assert list(tmp_path.iterdir()) == [path]


def test_checkpoints_of_a_run_hold_no_pickled_object(tiny_run):
    """`weights_only` refuses objects; nor is there a random state or a place in Lightning's loops."""
    for name in ("last.ckpt", "best.ckpt"):
        found = torch.load(tiny_run / "checkpoints" / name, weights_only=True)
        card = found["partimento"]
        assert card["format"] == 1
        assert card["config"]["model"]["name"] == "minibach"
        assert "trusted_packages" not in card["config"]
        assert card["representation"]["parts"] == ["soprano", "alto", "tenor", "bass"]
        assert card["counters"]["updates"] == int(found["state_dict"]["updates"]) > 0
        assert card["distribution"]["sizes"] == [27, 24, 24, 31]


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (None, [("best", 6), ("last", 6), ("best", 12), ("last", 12)]),
        (
            4,
            [("last", 4), ("best", 6), ("last", 6), ("last", 10), ("best", 12), ("last", 12)],
        ),
        # Never at the last batch of an epoch before its validation.
        (
            3,
            [("last", 3), ("best", 6), ("last", 6), ("last", 9), ("best", 12), ("last", 12)],
        ),
    ],
)
def test_where_checkpoints_are_saved(tiny, monkeypatch, every, expected):
    saved = []
    save = Checkpointing._save

    def note(self, trainer, path, **options):
        saved.append((path.stem, trainer.lightning_module.counters["updates"]))
        save(self, trainer, path, **options)

    monkeypatch.setattr(Checkpointing, "_save", note)
    partimento.train(tiny("logger=none", f"trainer.checkpoint_every={every or 'null'}"))
    assert saved == expected


# -- the callback alone -----------------------------------------------------------------------------


class Trainer:
    """What `Checkpointing` needs of a trainer."""

    def __init__(self, epoch: int = 0) -> None:
        self.callback_metrics: dict[str, torch.Tensor] = {}
        self.should_stop = False
        self.current_epoch = epoch
        self.max_epochs = 1000
        self.strategy = SimpleNamespace(checkpoint_io=None)
        self.world_size = 1
        progress = SimpleNamespace(is_last_batch=False)
        self.fit_loop = SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress))
        self.saved: list[str] = []

    @property
    def epoch_over(self) -> bool:
        return self.fit_loop.epoch_loop.batch_progress.is_last_batch

    def save_checkpoint(self, path, weights_only=False) -> None:
        self.saved.append(path.stem)


class Counting:
    """What `Checkpointing` needs of a model: one that took some updates, a few batches each."""

    def __init__(self, updates: int, batches: int | None = None, epochs: int = 0) -> None:
        seen = updates if batches is None else batches
        self._counters = {"updates": updates, "batches_seen": seen, "epochs": epochs}

    @property
    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    def count(self, **steps: int) -> None:
        for name, step in steps.items():
            self._counters[name] += step


def after_epoch(callback: Checkpointing, trainer: Trainer, epoch: int, value: float | None) -> None:
    if value is not None:
        trainer.callback_metrics["valid/nll"] = torch.tensor(value)
    model = Counting(5 * epoch, epochs=epoch - 1)
    callback.on_train_epoch_end(trainer, model)
    assert model.counters["epochs"] == epoch


def test_best_is_the_lowest_and_patience_counts_epochs_without_it(tmp_path):
    callback = Checkpointing(RunFolder(tmp_path), per_epoch=5, patience=2)
    trainer = Trainer()
    for epoch, value in enumerate((3.0, 2.0, 2.5, 1.0, 1.0), start=1):
        after_epoch(callback, trainer, epoch, value)
        assert not trainer.should_stop
    assert trainer.saved == ["best", "last", "best", "last", "last", "best", "last", "last"]
    assert (callback.best, callback.waited) == (1.0, 1)
    assert callback.best_counters["updates"] == 20
    after_epoch(callback, trainer, 6, 1.5)
    assert trainer.should_stop
    # A run that goes on knows how long it has waited.
    other = Checkpointing(RunFolder(tmp_path), per_epoch=5, patience=2)
    other.load_state_dict(callback.state_dict())
    resumed = Trainer()
    other.on_train_start(resumed, Counting(30))
    assert resumed.should_stop


def test_when_nothing_is_monitored_the_latest_epoch_is_best(tmp_path):
    callback = Checkpointing(RunFolder(tmp_path), per_epoch=5, monitor=None, patience=1)
    trainer = Trainer()
    for epoch in (1, 2, 3):
        after_epoch(callback, trainer, epoch, float(epoch))
    assert trainer.saved == ["best", "last"] * 3
    assert callback.best_counters["updates"] == 15
    assert not trainer.should_stop


def test_a_monitored_value_that_there_is_not(tmp_path):
    callback = Checkpointing(RunFolder(tmp_path), per_epoch=5, monitor="valid/nnl")
    with pytest.raises(UserError, match=r"monitor=valid/nnl names no value.*'valid/nll'\?"):
        after_epoch(callback, Trainer(), 1, 1.0)


def test_a_value_that_is_no_number_is_never_best(tmp_path):
    callback = Checkpointing(RunFolder(tmp_path), per_epoch=5)
    trainer = Trainer()
    for epoch, value in enumerate((2.0, math.nan, 1.0), start=1):
        after_epoch(callback, trainer, epoch, value)
    assert trainer.saved == ["best", "last", "last", "best", "last"]
    assert callback.best == 1.0


@pytest.mark.parametrize("within", [1, 3])
def test_a_request_to_stop_is_honoured_after_the_batch_once_saved(tmp_path, within):
    callback = Checkpointing(RunFolder(tmp_path), per_epoch=5, stop_requested=lambda: True)
    trainer = Trainer()
    with pytest.raises(Interrupted):
        callback.on_train_batch_end(trainer, Counting(within), None, None, within - 1)
    assert trainer.saved == ["last"]
    assert not trainer.epoch_over


def test_at_the_last_batch_a_stop_waits_for_the_validation(tmp_path):
    callback = Checkpointing(RunFolder(tmp_path), per_epoch=5, stop_requested=lambda: True)
    trainer = Trainer()
    model = Counting(5)
    callback.on_train_batch_end(trainer, model, None, None, 4)
    assert trainer.saved == []
    assert trainer.epoch_over
    trainer.callback_metrics["valid/nll"] = torch.tensor(1.0)
    with pytest.raises(Interrupted):
        callback.on_train_epoch_end(trainer, model)
    assert trainer.saved == ["best", "last"]


@pytest.mark.parametrize(
    ("epoch", "batches", "over"),
    [(0, 3, False), (0, 4, False), (0, 5, True), (0, 7, True), (1, 9, False), (1, 12, True)],
)
def test_an_epoch_is_over_when_the_batches_seen_have_passed_the_data(
    tmp_path, epoch, batches, over
):
    """Whatever the number of updates: a model may take several batches to one."""
    callback = Checkpointing(RunFolder(tmp_path), per_epoch=5)
    trainer = Trainer(epoch)
    callback.on_train_batch_end(trainer, Counting(1, batches), None, None, 0)
    assert trainer.epoch_over is over
    assert not trainer.should_stop
    assert trainer.saved == []


def test_the_distance_between_checkpoints_is_in_batches_since_the_last_one(tmp_path):
    """Three batches an update: every fourth batch is never the last of one, and a resume at 7."""
    callback = Checkpointing(RunFolder(tmp_path), per_epoch=100, every=4)
    trainer, at = Trainer(), []
    callback.on_train_start(trainer, Counting(2, 7))
    for update in range(3, 9):
        before = len(trainer.saved)
        batches = 7 + 3 * (update - 2)
        callback.on_train_batch_end(trainer, Counting(update, batches), None, None, update)
        at += [batches] * (len(trainer.saved) - before)
    assert at == [13, 19, 25]


def test_where_updates_are_limited_training_stops_at_that_number(tmp_path):
    callback = Checkpointing(RunFolder(tmp_path), per_epoch=5, max_updates=3, every=1)
    trainer = Trainer()
    callback.on_train_batch_end(trainer, Counting(2, 2), None, None, 1)
    assert not trainer.should_stop
    callback.on_train_batch_end(trainer, Counting(3, 3), None, None, 2)
    assert trainer.should_stop
    assert trainer.saved == ["last"]  # the next comes after the validation


@pytest.mark.parametrize("other_asked", [False, True])
def test_processes_agree_on_stopping(tmp_path, other_asked):
    """A signal may reach one process only; alone it would leave the other waiting."""
    heard = []

    def reduce(decision: bool, all: bool) -> bool:
        heard.append((decision, all))
        return decision or other_asked

    callback = Checkpointing(RunFolder(tmp_path), per_epoch=5, stop_requested=lambda: False)
    trainer = Trainer()
    trainer.world_size = 2
    trainer.strategy.reduce_boolean_decision = reduce
    if other_asked:
        with pytest.raises(Interrupted):
            callback.on_train_batch_end(trainer, Counting(1), None, None, 0)
    else:
        callback.on_train_batch_end(trainer, Counting(1), None, None, 0)
    assert trainer.saved == ["last"] * other_asked
    assert heard == [(False, False)]


def test_training_takes_the_signals_back_from_lightning(tmp_path):
    with StopRequest() as stop:
        ours = signal.getsignal(signal.SIGTERM)
        callback = Checkpointing(RunFolder(tmp_path), per_epoch=5, stop_requested=stop)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        callback.on_train_start(Trainer(), Counting(0))
        assert signal.getsignal(signal.SIGTERM) == ours
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked == signal.SIGTERM


# -- epochs that are kept ---------------------------------------------------------------------------


def test_kept_epochs_are_saved_beside_best_and_last(tmp_path):
    """Where epochs are kept the last checkpoint is written too, whatever its age."""
    folder = RunFolder(tmp_path)
    callback = Checkpointing(folder, per_epoch=5, monitor=None, keep=[2, 4], seconds=1e9)
    trainer = Trainer()
    callback.on_train_start(trainer, Counting(0))
    for epoch in (1, 2, 3, 4):
        after_epoch(callback, trainer, epoch, None)
    assert trainer.saved == [
        "best", "best", "epoch-0002", "last", "best", "best", "epoch-0004", "last"
    ]  # fmt: skip


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def test_a_kept_epoch_is_what_a_run_of_that_length_ends_with(tiny, tmp_path):
    partimento.train(
        tiny("trainer.max_epochs=3", "trainer.keep_epochs=[2,7]", outputs=tmp_path / "a")
    )
    partimento.train(tiny("trainer.max_epochs=2", outputs=tmp_path / "b"))
    (kept,) = (tmp_path / "a").rglob("epoch-*.ckpt")
    assert kept.name == "epoch-0002.ckpt"
    (last,) = (tmp_path / "b").rglob("last.ckpt")
    same(weights(kept), weights(last))
    trained = partimento.load(kept)
    assert trained.model.counters["epochs"] == 2
    assert trained.model.counters["updates"] == 12


@pytest.mark.parametrize("stop", [4, 10])
def test_a_resumed_run_keeps_the_same_epoch(tiny, tmp_path, monkeypatch, stop):
    """Interrupted before and after the epoch that is kept."""
    more = ("trainer.max_epochs=2", "trainer.keep_epochs=[1]", "trainer.checkpoint_every=1")
    partimento.train(tiny(*more, outputs=tmp_path / "whole"))
    looks = []

    class Stop(StopRequest):
        def __call__(self) -> bool:
            looks.append(None)
            return len(looks) == stop

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(experiment, "StopRequest", Stop)
        partimento.train(tiny(*more, outputs=tmp_path / "resumed"))
    found = list((tmp_path / "resumed").rglob("epoch-0001.ckpt"))
    assert len(found) == (stop > 6)
    partimento.train(tiny(*more, outputs=tmp_path / "resumed"))
    (whole,), (resumed,) = (
        (tmp_path / name).rglob("epoch-0001.ckpt") for name in ("whole", "resumed")
    )
    same(weights(whole), weights(resumed))


def test_which_epochs_are_kept_makes_no_other_run(tiny, tmp_path):
    for more in ((), ("trainer.keep_epochs=[1]",)):
        partimento.train(tiny("trainer.max_epochs=1", *more))
    assert len(list(tmp_path.rglob("run.json"))) == 1


@pytest.mark.parametrize("epochs", ["[0]", "[-3]", "many", "[1.5]"])
def test_epochs_that_there_are_none_of(cli, tiny, epochs):
    result = cli("train", *tiny(f"trainer.keep_epochs={epochs}"))
    assert result.code != 0
    assert "trainer.keep_epochs" in result.sentence
    assert "Traceback" not in result.err


def test_a_run_that_diverges_says_so(tiny):
    with pytest.raises(UserError, match=r"valid/nll was never a number.*model\.optimizer\.lr"):
        partimento.train(tiny("logger=none", "model.optimizer.lr=1e30"))
