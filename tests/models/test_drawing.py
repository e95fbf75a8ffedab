"""Models that draw their own batches, k to a step: what they see, when an epoch ends, resuming."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from drawing import (
    BATCH,
    EPOCHS,
    PER_EPOCH,
    SEED,
    WINDOWS,
    Adversaries,
    Averaging,
    Drawing,
    Place,
    Run,
    Schedule,
    places,
)
from torch import Tensor

from partimento.data.batch import Batch
from partimento.data.loader import Beats, TrainLoader
from partimento.data.module import MusicDataModule
from partimento.errors import Interrupted
from partimento.models.base import Model
from partimento.seeds import generator


def one(update: int) -> int:
    return 1


def three(update: int) -> int:
    return 3


def four(update: int) -> int:
    """Four batches to a step: steps and epochs of six end at different places."""
    return 4


def warming_up(update: int) -> int:
    """As a Wasserstein critic is trained: more batches at first and now and then."""
    return 5 if update < 2 or update % 4 == 0 else 2


def greedy(update: int) -> int:
    """More than an epoch holds, at first."""
    return 8 if update < 2 else 1


SCHEDULES = (one, three, four, warming_up, greedy)
KINDS = (Adversaries, Averaging)
DRAW = Model.draw


@pytest.fixture(autouse=True)
def quiet(isolated: None) -> None:
    torch.set_num_threads(1)


Whole = Callable[[type[Drawing], Schedule], Run]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> Whole:
    """Return uninterrupted runs, each made once; tests look at them and change nothing."""
    made: dict[tuple[type[Drawing], Schedule], Run] = {}

    def make(kind: type[Drawing], schedule: Schedule) -> Run:
        if (kind, schedule) not in made:
            made[kind, schedule] = Run(tmp_path_factory.mktemp("whole"), kind, schedule)
            made[kind, schedule].fit()
        return made[kind, schedule]

    return make


def expected_draws(
    data: MusicDataModule, count: int, per_epoch: int = PER_EPOCH
) -> list[list[Place]]:
    """Return the first batches of a run from the seed alone, without any loader."""
    found = places(data.examples("train"))
    draws: list[list[Place]] = []
    epoch = 0
    while len(draws) < count:
        order = torch.randperm(len(found), generator=generator(SEED, "order", epoch)).tolist()
        whole = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        draws += [[found[index] for index in batch] for batch in whole[:per_epoch]]
        epoch += 1
    return draws[:count]


def expected_ends(schedule: Schedule, epochs: int = EPOCHS) -> list[tuple[int, int]]:
    """Return (updates, batches seen) at the end of each epoch: where a pass is complete."""
    ends: list[tuple[int, int]] = []
    updates = seen = 0
    while len(ends) < epochs:
        seen += schedule(updates)
        updates += 1
        if seen >= (len(ends) + 1) * PER_EPOCH:
            ends.append((updates, seen))
    return ends


def assert_same(left: Any, right: Any, place: str = "") -> None:
    """Assert equality bit for bit of nested containers of tensors."""
    assert type(left) is type(right), place
    if isinstance(left, Tensor):
        assert torch.equal(left, right), place
    elif isinstance(left, dict):
        assert left.keys() == right.keys(), place
        for key, value in left.items():
            assert_same(value, right[key], f"{place}.{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), place
        for index, value in enumerate(left):
            assert_same(value, right[index], f"{place}[{index}]")
    else:
        assert left == right, place


def assert_same_end(run: Run, whole: Run) -> None:
    """Weights, buffers, the state of every optimizer, counters and what is best."""
    assert_same(run.model.state_dict(), whole.model.state_dict())
    assert run.model.counters == whole.model.counters
    one, other = run.last(), whole.last()
    for name in ("state_dict", "optimizer_states", "partimento"):
        assert_same(one[name], other[name], name)
    assert run.checkpointing.state_dict() == whole.checkpointing.state_dict()


# -- an uninterrupted run ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_draw_is_the_next_batch(whole_run, kind, schedule):
    run = whole_run(kind, schedule)
    model = run.model
    updates, seen = expected_ends(schedule)[-1]
    assert seen == sum(schedule(update) for update in range(updates))
    assert len(model.drawn) == seen
    assert model.drawn == expected_draws(run.data, seen)
    # Said again without the order: within a pass no window twice and none left out.
    every = sorted(places(run.data.examples("train")))
    assert len(set(every)) == len(every) == WINDOWS
    for start in range(0, seen - PER_EPOCH + 1, PER_EPOCH):
        assert sorted(sum(model.drawn[start : start + PER_EPOCH], [])) == every
    assert model.drawn[:PER_EPOCH] != model.drawn[PER_EPOCH : 2 * PER_EPOCH]
    assert model.counters == {
        "updates": updates,
        "batches_seen": seen,
        "examples_seen": sum(len(batch) for batch in model.drawn),
        "epochs": EPOCHS,
        "discriminator_updates": seen if kind is Adversaries else 0,
    }
    assert run.last()["partimento"]["counters"] == model.counters
    for name, value in model.counters.items():
        assert int(model.state_dict()[name]) == value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_an_epoch_ends_where_the_batches_have_passed_over_the_data(whole_run, kind, schedule):
    """With one validation there."""
    run = whole_run(kind, schedule)
    model = run.model
    found = [(counters["updates"], counters["batches_seen"]) for counters in model.validated]
    assert found == expected_ends(schedule)
    # The validation belongs to the epoch under way.
    assert [counters["epochs"] for counters in model.validated] == list(range(EPOCHS))
    assert run.trainer.current_epoch == EPOCHS
    assert "valid/nll" in run.trainer.callback_metrics


def test_what_the_models_learn_is_not_nothing(tmp_path):
    """Else equal weights below would show little."""
    for kind in KINDS:
        run = Run(tmp_path / kind.__name__, kind, three)
        before = {name: value.clone() for name, value in run.model.named_parameters()}
        after = dict(run.fit().named_parameters())
        for name, value in before.items():
            assert not torch.equal(value, after[name]), name


def test_the_limit_of_an_epoch_holds_for_draws(tmp_path):
    run = Run(tmp_path, Adversaries, three, limit=4)
    model = run.fit()
    found = [(counters["updates"], counters["batches_seen"]) for counters in model.validated]
    assert found == [(2, 6), (3, 9), (4, 12)]
    assert model.drawn == expected_draws(run.data, 12, per_epoch=4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1, 3, 4])
def test_a_number_of_updates_ends_training_inside_an_epoch(tmp_path, kind, limit):
    run = Run(tmp_path, kind, three, epochs=50, max_updates=limit)
    model = run.fit()
    assert model.counters["updates"] == limit
    assert model.drawn == expected_draws(run.data, 3 * limit)
    assert model.validated[-1]["updates"] == limit
    assert run.last()["partimento"]["counters"] == model.counters


def test_the_loader_is_what_a_step_is_given(tmp_path):
    class Plain(Averaging):
        draws = False

        def training_step(self, source: Batch, batch_idx: int) -> Tensor:
            assert isinstance(source, Batch)
            self.count_batch(source)
            self.drawn.append(places(source))
            parameters = self.generator(self.noise(len(source)))
            real = self.distribution.features(source.x)
            return self.counted_loss((parameters - real).square().mean())

    drawing, plain = Run(tmp_path / "a", Averaging, one), Run(tmp_path / "b", Plain, one)
    # Drawing one batch a step is to a bit what being handed one is.
    assert drawing.fit().drawn == plain.fit().drawn
    assert_same_end(drawing, plain)
    assert drawing.model.validated == plain.model.validated


def test_beats_hand_over_the_loader_without_end():
    loader = TrainLoader(Batch(torch.zeros(5, 2, 1)), batch_size=2, seed=0)
    beats = Beats(loader)
    assert not hasattr(beats, "__len__")  # Lightning would take it for the length of an epoch
    steps = iter(beats)
    assert all(next(steps) is loader for _ in range(20))


def test_any_batch_can_be_taken_out_of_order():
    """A resumed run asks for its place first; another epoch's order must not stick."""
    examples = Batch(torch.arange(WINDOWS).reshape(-1, 1, 1))
    loader = TrainLoader(examples, batch_size=BATCH, seed=SEED)
    forward = [loader.batch(position).x for position in range(4 * PER_EPOCH)]
    for position in (23, 0, 5, 6, 17, 12, 11):
        assert torch.equal(loader.batch(position).x, forward[position])
        fresh = TrainLoader(examples, batch_size=BATCH, seed=SEED)
        assert torch.equal(fresh.batch(position).x, forward[position])


# -- interrupted and resumed ---------------------------------------------------------------------


def stopped(folder: Path, kind: type[Drawing], schedule: Schedule, at: int) -> Run:
    """Return a run that was asked to stop after an update, and did."""
    asked: list[Drawing] = []
    run = Run(
        folder,
        kind,
        schedule,
        stop_requested=lambda: asked[0].counters["updates"] >= at,
    )
    asked.append(run.model)
    with pytest.raises(Interrupted):
        run.fit()
    assert run.model.counters["updates"] == at
    return run


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_stopped_after_any_update_and_resumed_it_is_the_same_run(
    tmp_path, whole_run, kind, schedule
):
    """Inside an epoch, at its end, at its beginning: the same batches and, to a bit, weights."""
    whole = whole_run(kind, schedule)
    updates = whole.model.counters["updates"]
    for at in range(1, updates + 1):
        folder = tmp_path / f"stopped-{at}"
        first = stopped(folder, kind, schedule, at)
        second = Run(folder, kind, schedule)
        assert second.resumed is not None
        second.fit()
        assert first.model.drawn + second.model.drawn == whole.model.drawn
        assert first.model.validated + second.model.validated == whole.model.validated
        assert_same_end(second, whole)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", [one, three, warming_up])
def test_stopped_again_and_again_it_is_the_same_run(tmp_path, whole_run, kind, schedule):
    """Every process makes two updates."""
    whole = whole_run(kind, schedule)
    drawn: list[list[Place]] = []
    for at in range(2, whole.model.counters["updates"], 2):
        drawn += stopped(tmp_path / "pieces", kind, schedule, at).model.drawn
    final = Run(tmp_path / "pieces", kind, schedule)
    final.fit()
    assert drawn + final.model.drawn == whole.model.drawn
    assert_same_end(final, whole)


class Crash(Exception):
    """Stands for a kill: nothing is saved on the way out."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", [one, three, warming_up])
def test_killed_it_goes_on_from_the_last_checkpoint(
    tmp_path, whole_run, kind, schedule, monkeypatch
):
    """Among the draws of a step too, of which some then are drawn again."""
    whole = whole_run(kind, schedule)
    seen = whole.model.counters["batches_seen"]
    for killed_at in range(5, seen, 4):
        folder = tmp_path / f"killed-{killed_at}"
        with monkeypatch.context() as patch:

            def crash(self: Model, source: TrainLoader, at: int = killed_at) -> Batch:
                if self.counters["batches_seen"] == at:
                    raise Crash
                return DRAW(self, source)

            patch.setattr(Model, "draw", crash)
            first = Run(folder, kind, schedule, every=4)
            with pytest.raises(Crash):
                first.fit()
        second = Run(folder, kind, schedule, every=4)
        place = 0
        if second.resumed is not None:
            place = second.last()["partimento"]["counters"]["batches_seen"]
        assert killed_at - place < 4 + schedule(0)
        second.fit()
        assert first.model.drawn[:place] + second.model.drawn == whole.model.drawn
        assert_same_end(second, whole)


def test_a_run_that_is_over_draws_nothing_more(tmp_path):
    whole = Run(tmp_path, Adversaries, three, epochs=1)
    whole.fit()
    again = Run(tmp_path, Adversaries, three, epochs=1)
    again.fit()
    assert again.model.drawn == again.model.validated == []
    assert_same(again.model.state_dict(), whole.model.state_dict())
