"""Numbers that a distribution keeps as tensors: made once, usable in training, in no pickle."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from partimento.distributions import Categorical, Normal

GRID = Categorical((4, 2), (3, 5))
NOTES = Normal((4, 2), scale=[2.0, 4.0], loc=[1.0, 3.0])
CASES = [
    (GRID, torch.tensor([[[0, 1], [2, 4], [1, 0], [0, 3]]])),
    (NOTES, torch.tensor([[[1.0, 3.0], [3.0, 7.0], [5.0, -1.0], [0.0, 0.0]]])),
]


@pytest.mark.parametrize(("distribution", "x"), CASES)
def test_they_are_made_once(distribution, x, monkeypatch):
    distribution = copy.deepcopy(distribution)
    first = distribution.features(x)

    def copied(*_args, **_kwargs):
        raise AssertionError("a copy for every batch")

    monkeypatch.setattr(torch, "tensor", copied)
    monkeypatch.setattr(torch, "as_tensor", copied)
    assert torch.equal(distribution.features(x), first)


def test_they_are_right_for_every_type():
    x = CASES[1][1]
    for dtype in (torch.float32, torch.float64, torch.float32):
        made = NOTES.from_features(NOTES.features(x).to(dtype))
        assert made.dtype == dtype
        torch.testing.assert_close(made, x.to(dtype))


@pytest.mark.parametrize(("distribution", "x"), CASES)
def test_what_validation_made_serves_training(distribution, x):
    distribution = copy.deepcopy(distribution)
    with torch.inference_mode():
        distribution.features(x)
    weight = torch.ones(distribution.feature_shape, requires_grad=True)
    (distribution.features(x) * weight).sum().backward()
    assert torch.equal(weight.grad, distribution.features(x)[0])
    if distribution.kind == "normal":
        mean = torch.ones(distribution.feature_shape, requires_grad=True)
        distribution.from_features(mean[None]).sum().backward()
        assert torch.equal(mean.grad, torch.tensor([2.0, 4.0]).expand(4, 2))


@pytest.mark.parametrize(("distribution", "x"), CASES)
def test_they_are_in_no_pickle_and_make_no_difference(distribution, x):
    fresh = copy.deepcopy(distribution)
    size = len(pickle.dumps(fresh))
    features = fresh.features(x)
    assert len(pickle.dumps(fresh)) == size
    again = pickle.loads(pickle.dumps(fresh))
    assert again == fresh == type(fresh).from_state(fresh.state())
    assert hash(again) == hash(fresh)
    assert torch.equal(again.features(x), features)


@pytest.mark.parametrize("scale", [0.0, -1.0, [1.0, 0.0]])
def test_a_scale_that_is_not_positive_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be positive"):
        Normal((4, 2), scale=scale)
