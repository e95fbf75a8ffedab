"""Requests to sample: one number of examples for everything, on the model's device."""

from __future__ import annotations

import pytest
import torch

from partimento.data.batch import Given
from partimento.distributions import Categorical
from partimento.errors import UserError
from partimento.models import Feedforward
from partimento.models.sampling import expanded

GRID = Categorical(shape=(4, 2), sizes=(3, 5), names=("soprano", "bass"))
CHORD = Categorical(shape=(4,), sizes=(6,))


def given(count: int) -> Given:
    x = torch.arange(count * 8).reshape(count, 4, 2) % 3
    return Given(x, torch.tensor([True, False]).expand(count, 4, 2))


def chord(count: int) -> dict[str, torch.Tensor]:
    return {"chord": torch.arange(count * 4).reshape(count, 4) % 6}


@pytest.mark.parametrize(
    ("n", "cells", "conditions", "expected"),
    [(None, 3, 3, 3), (None, 1, 4, 4), (None, 2, 1, 2), (5, 1, 1, 5), (5, 5, 1, 5), (1, 1, 1, 1)],
)
def test_one_example_serves_all_samples(n, cells, conditions, expected):
    count, kept, condition = expanded(n, given(cells), chord(conditions), "cpu")
    assert count == expected
    assert kept is not None
    assert len(kept.x) == len(kept.mask) == len(condition["chord"]) == expected
    for index in range(expected):
        assert torch.equal(kept.x[index], given(cells).x[index % cells])
        assert torch.equal(
            condition["chord"][index], chord(conditions)["chord"][index % conditions]
        )


def test_nothing_given_is_one_sample():
    assert expanded(None, None, None, "cpu") == (1, None, {})
    assert expanded(7, None, None, "cpu") == (7, None, {})


def test_everything_goes_to_the_device():
    _, kept, condition = expanded(2, given(1), chord(2), "meta")
    assert kept is not None
    assert {t.device.type for t in (*kept, *condition.values())} == {"meta"}


@pytest.mark.parametrize(
    ("n", "cells", "conditions", "sentence"),
    [
        (5, 3, 1, r"^given\.x holds 3 examples where 1 or 5 are needed for 5 sample\(s\)\.$"),
        (2, 2, 3, r"^condition 'chord' holds 3 examples where 1 or 2 are needed for 2 sample"),
        (None, 2, 3, r"^given\.x holds 2 examples where 1 or 3 are needed for 3 sample"),
        (1, 3, 1, r"^given\.x holds 3 examples where 1 is needed for 1 sample"),
    ],
)
def test_another_number_of_examples_is_refused(n, cells, conditions, sentence):
    with pytest.raises(UserError, match=sentence):
        expanded(n, given(cells), chord(conditions), "cpu")


def test_a_model_makes_as_many_samples_as_are_asked_for():
    torch.manual_seed(0)
    model = Feedforward(GRID, {"chord": CHORD})
    made = model.sample(6, given=given(1), condition=chord(1))
    assert made.shape == (6, 4, 2)
    assert torch.equal(made[..., 0], given(1).x[..., 0].expand(6, 4))
    # Each sample has the condition of its own.
    apart = model.sample(3, given=given(1), condition=chord(3), temperature=0)
    for index in range(3):
        one = {"chord": chord(3)["chord"][index : index + 1]}
        alone = model.sample(1, given=given(1), condition=one, temperature=0)
        assert torch.equal(apart[index], alone[0])
    with pytest.raises(UserError, match=r"^given\.x holds 3 examples where 1 or 6 are needed"):
        model.sample(6, given=given(3), condition=chord(1))


def test_indices_of_voices_are_buffers_that_no_checkpoint_holds():
    model = Feedforward(GRID)
    buffers = dict(model.named_buffers())
    assert buffers["_given_index"].tolist() == [0]
    assert buffers["_predicted_index"].tolist() == [1]
    assert not {"_given_index", "_predicted_index"} & set(model.state_dict())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_training_step_never_waits_for_the_gpu():
    from partimento.data.batch import Batch

    model = Feedforward(GRID, {"chord": CHORD}).cuda()
    model.counted_loss = lambda loss: loss  # type: ignore[method-assign]
    model.count_batch = lambda batch: None  # type: ignore[method-assign]
    batch = Batch(given(3).x, condition=chord(3)).to("cuda")
    model.training_step(batch, 0)  # makes what is made once per device
    torch.cuda.set_sync_debug_mode("error")
    try:
        model.training_step(batch, 0).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
