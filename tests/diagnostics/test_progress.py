"""The progress bar: on a terminal a bar, elsewhere a line now and then, and always the right count."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from partimento.diagnostics import progress
from partimento.diagnostics.progress import ProgressBar


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def bar_on(terminal: bool, total: int = 100, counter: str = "batches_seen") -> ProgressBar:
    bar = ProgressBar(total, "valid/nll", interval=20.0, counter=counter)
    bar.console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    return bar


def written(bar: ProgressBar) -> str:
    file = bar.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def model_at(batches: int) -> SimpleNamespace:
    """A model that takes five batches to an update."""
    return SimpleNamespace(counters={"updates": batches // 5, "batches_seen": batches})


def trainer(epoch: int = 0, **values: float) -> SimpleNamespace:
    metrics = {name.replace("_", "/"): torch.tensor(value) for name, value in values.items()}
    return SimpleNamespace(callback_metrics=metrics, current_epoch=epoch, is_global_zero=True)


def test_without_a_terminal_a_line_at_intervals_with_the_time_left(clock):
    bar = bar_on(terminal=False)
    bar.on_train_start(trainer(), model_at(0))
    for batches in range(1, 11):
        clock.now += 5
        bar.on_train_batch_end(trainer(), model_at(batches), None, None, batches)
    # 4 batches in 20 s: 96 more take 480 s; 8 in 40 s: 92 more take 460 s.
    assert written(bar).splitlines() == [
        "epoch 1: 4/100 batches seen, about 480 s left",
        "epoch 1: 8/100 batches seen, about 460 s left",
    ]


def test_where_updates_are_limited_updates_are_shown(clock):
    bar = bar_on(terminal=False, total=10, counter="updates")
    bar.on_train_start(trainer(), model_at(10))
    clock.now += 20
    bar.on_train_batch_end(trainer(), model_at(30), None, None, 5)
    # 4 updates in 20 s, of which 4 are left.
    assert written(bar) == "epoch 1: 6/10 updates, about 20 s left\n"
    shown = bar_on(terminal=True, total=10, counter="updates")
    shown.on_train_start(trainer(), model_at(30))
    (task,) = shown._progress.tasks
    assert (task.completed, task.total) == (6, 10)
    shown.on_train_end(trainer(), model_at(50))
    assert "updates" in written(shown)


def test_after_a_resume_the_time_left_follows_from_this_process_alone(clock):
    bar = bar_on(terminal=False)
    bar.on_train_start(trainer(), model_at(60))
    clock.now += 20
    bar.on_train_batch_end(trainer(2, valid_nll=0.81237), model_at(70), None, None, 0)
    assert written(bar) == "epoch 3 valid/nll 0.8124: 70/100 batches seen, about 60 s left\n"


def test_on_a_terminal_the_bar_stands_where_training_does(clock):
    bar = bar_on(terminal=True)
    bar.on_train_start(trainer(), model_at(40))
    (task,) = bar._progress.tasks
    assert (task.completed, task.total) == (40, 100)
    clock.now += 0.1
    bar.on_train_batch_end(trainer(), model_at(41), None, None, 0)
    assert task.completed == 40  # drawn five times a second at most
    clock.now += 0.2
    bar.on_train_batch_end(trainer(1, valid_nll=2.0), model_at(43), None, None, 0)
    assert task.completed == 43
    assert task.description == "epoch 2 valid/nll 2.0000"
    bar.on_train_end(trainer(), model_at(100))
    assert bar._progress is None
    assert "epoch" in written(bar)


def test_the_bar_is_taken_down_when_training_fails(clock):
    bar = bar_on(terminal=True)
    bar.on_train_start(trainer(), model_at(0))
    shown = bar._progress
    bar.on_exception(trainer(), model_at(3), RuntimeError("out of memory"))
    assert shown.finished is False
    assert not shown.live.is_started
    bar.on_train_end(trainer(), model_at(3))  # and a second call does no harm


def test_other_processes_are_silent(clock):
    for terminal in (True, False):
        bar = bar_on(terminal)
        other = trainer()
        other.is_global_zero = False
        bar.on_train_start(other, model_at(0))
        clock.now += 60
        bar.on_train_batch_end(other, model_at(5), None, None, 0)
        bar.on_train_end(other, model_at(5))
        assert written(bar) == ""
