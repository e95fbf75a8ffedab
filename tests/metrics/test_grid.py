"""Grid accuracies: values worked out by hand, a plain NumPy reference, merging, and pickling."""

from __future__ import annotations

import pickle

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from partimento.metrics.grid import GridAccuracy, cell_kinds, count_correct, count_correct_steps

VOICES = ("soprano", "alto", "bass")
HOLD, REST = (3, 4, 3), (4, 5, 4)


def metric() -> GridAccuracy:
    return GridAccuracy(VOICES, HOLD, REST)


def plain(values: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: value.item() for name, value in values.items()}


def reference(prediction, target, mask) -> dict[str, float]:
    """Compute the accuracies cell by cell, from the words of their definitions."""
    hits: dict[str, list[bool]] = {}
    for example in range(len(target)):
        for step in range(target.shape[1]):
            asked = [voice for voice in range(target.shape[2]) if mask[example, step, voice]]
            right = {
                voice: bool(prediction[example, step, voice] == target[example, step, voice])
                for voice in asked
            }
            if asked:
                hits.setdefault("accuracy_all_voices", []).append(all(right.values()))
            for voice in asked:
                symbol = target[example, step, voice]
                names = ["accuracy"]
                if symbol != HOLD[voice]:
                    names.append("accuracy_no_hold")
                    if symbol != REST[voice]:
                        names.append("accuracy_onset")
                for name in names:
                    hits.setdefault(name, []).append(right[voice])
                    hits.setdefault(f"{name}/{VOICES[voice]}", []).append(right[voice])
    return {name: float(np.mean(values)) for name, values in hits.items()}


def test_values_worked_out_by_hand():
    # The soprano is given. Alto: pitch, hold, rest, pitch; bass: pitch, hold, hold, hold.
    target = torch.tensor([[[0, 1, 2], [3, 4, 3], [3, 5, 3], [1, 2, 3]]])
    prediction = torch.tensor([[[9, 1, 2], [9, 4, 3], [9, 4, 3], [9, 2, 0]]])
    mask = torch.tensor([False, True, True]).expand(target.shape)
    accuracy = metric()
    accuracy.update(prediction, target, mask)
    assert plain(accuracy.compute()) == pytest.approx(
        {
            "accuracy": 6 / 8,
            "accuracy/alto": 3 / 4,
            "accuracy/bass": 3 / 4,
            "accuracy_no_hold": 3 / 4,
            "accuracy_no_hold/alto": 2 / 3,
            "accuracy_no_hold/bass": 1.0,
            "accuracy_onset": 1.0,
            "accuracy_onset/alto": 1.0,
            "accuracy_onset/bass": 1.0,
            "accuracy_all_voices": 2 / 4,
        }
    )


def test_the_pure_functions_by_hand():
    target = torch.tensor([[[0, 4, 4], [3, 2, 1]]])
    prediction = torch.tensor([[[0, 4, 1], [3, 0, 1]]])
    mask = torch.tensor([[[True, True, True], [False, False, True]]])
    kinds = cell_kinds(target, mask, torch.tensor(HOLD), torch.tensor(REST))
    assert torch.equal(kinds["accuracy"], mask)
    assert kinds["accuracy_no_hold"].tolist() == [[[True, False, True], [False, False, True]]]
    assert kinds["accuracy_onset"].tolist() == [[[True, False, False], [False, False, True]]]
    right, total = count_correct(prediction, target, mask)
    assert (right.tolist(), total.tolist()) == ([1, 1, 1], [1, 1, 2])
    right, total = count_correct_steps(prediction, target, mask)
    assert (right.item(), total.item()) == (1, 2)


grids = st.tuples(st.integers(1, 4), st.integers(1, 6)).flatmap(
    lambda size: st.tuples(
        arrays(np.int64, (*size, 3), elements=st.integers(0, 4)),
        arrays(np.int64, (*size, 3), elements=st.integers(0, 4)),
        arrays(np.bool_, (*size, 3)),
    )
)


@settings(max_examples=100, deadline=None)
@given(grids)
def test_agrees_with_the_plain_reference(case):
    accuracy = metric()
    accuracy.update(*map(torch.from_numpy, case))
    assert plain(accuracy.compute()) == pytest.approx(reference(*case))


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    target = torch.randint(0, 5, (10, 16, 3), generator=generator)
    prediction = torch.where(torch.rand(target.shape, generator=generator) < 0.6, target, 0)
    mask = torch.rand(target.shape, generator=generator) < 0.7
    return prediction, target, mask


def test_two_halves_give_the_whole(batch):
    whole, updated, left, right = metric(), metric(), metric(), metric()
    whole.update(*batch)
    # Halves of unequal size, so that a mean of means would differ.
    first, second = [x[:3] for x in batch], [x[3:] for x in batch]
    updated.update(*first)
    updated.update(*second)
    left.update(*first)
    right.update(*second)
    left.merge_state(right)
    assert plain(updated.compute()) == plain(whole.compute())
    assert plain(left.compute()) == plain(whole.compute())
    assert plain(right.compute()) != plain(whole.compute())


def test_states_add_up_across_processes():
    for name, reduction in metric()._reductions.items():
        assert reduction is not None, name
        assert reduction(torch.tensor([[1, 2], [3, 4]])).tolist() == [4, 6]


def test_forward_gives_the_batch_and_keeps_the_sum(batch):
    accuracy, whole, second = metric(), metric(), metric()
    accuracy(*(x[:3] for x in batch))
    value = accuracy(*(x[3:] for x in batch))
    second.update(*(x[3:] for x in batch))
    whole.update(*batch)
    assert plain(value) == plain(second.compute())
    assert plain(accuracy.compute()) == plain(whole.compute())


def test_pickling_keeps_the_counts(batch):
    accuracy = metric()
    accuracy.update(*batch)
    again = pickle.loads(pickle.dumps(accuracy))
    assert plain(again.compute()) == plain(accuracy.compute())
    again.update(*batch)
    assert plain(again.compute()) == pytest.approx(plain(accuracy.compute()))
    assert again.total.sum() == 2 * accuracy.total.sum()


def test_reset_forgets(batch):
    accuracy, fresh = metric(), metric()
    accuracy.update(*batch)
    accuracy.reset()
    accuracy.update(*(x[:1] for x in batch))
    fresh.update(*(x[:1] for x in batch))
    assert plain(accuracy.compute()) == plain(fresh.compute())


def test_without_a_mask_every_cell_counts(batch):
    prediction, target, _ = batch
    accuracy = metric()
    accuracy.update(prediction, target)
    expected = (prediction == target).double().mean().item()
    assert accuracy.compute()["accuracy"].item() == pytest.approx(expected)
    assert accuracy.total[0].tolist() == [160, 160, 160]


def test_what_was_never_counted_is_absent():
    accuracy = metric()
    accuracy.update(*torch.zeros(2, 1, 4, 3, dtype=torch.long), torch.zeros(1, 4, 3).bool())
    assert accuracy.compute() == {}
    # All targets are holds: there is an accuracy, but none without holds.
    holds = torch.tensor(HOLD).expand(1, 4, 3)
    accuracy.update(holds, holds, torch.ones(1, 4, 3).bool())
    names = {"accuracy", "accuracy_all_voices", *(f"accuracy/{voice}" for voice in VOICES)}
    assert set(accuracy.compute()) == names


def test_alphabets_without_rest():
    accuracy = GridAccuracy(("one",), (2,))
    accuracy.update(torch.tensor([[[0], [2], [0]]]), torch.tensor([[[0], [2], [1]]]))
    values = plain(accuracy.compute())
    assert values["accuracy_onset"] == values["accuracy_no_hold"] == 0.5
    assert values["accuracy"] == pytest.approx(2 / 3)


def test_small_integers_as_the_representation_stores_them():
    grid = torch.tensor([[[0, 4, 200]]], dtype=torch.uint8)
    accuracy = GridAccuracy(VOICES, (3, 4, 200), (4, 5, 201))
    accuracy.update(grid.long(), grid)
    assert accuracy.total.tolist() == [[1, 1, 1], [1, 0, 0], [1, 0, 0]]


def test_mistakes_are_named():
    with pytest.raises(
        ValueError, match="3 voices need as many hold and rest symbols, not 2 and 3"
    ):
        GridAccuracy(VOICES, (1, 2), (1, 2, 3))
    x = torch.zeros(2, 4, 3, dtype=torch.long)
    with pytest.raises(ValueError, match="must have the same shape"):
        metric().update(x, x[:1], x.bool())
    with pytest.raises(ValueError, match="expected 3 voices, got 2"):
        metric().update(x[..., :2], x[..., :2], x[..., :2].bool())
