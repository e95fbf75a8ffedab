"""Token accuracy against torchmetrics' own, by kind, and without what the mask leaves out."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy

from partimento.metrics.tokens import TokenAccuracy, count_right

KINDS = [["", "", "Bar", "Pitch", "Pitch", "Duration"]]


def test_values_that_can_be_counted_by_hand():
    metric = TokenAccuracy(KINDS)
    target = torch.tensor([[2, 3, 5, 0], [1, 4, 5, 5]])
    prediction = torch.tensor([[2, 4, 5, 0], [0, 4, 5, 3]])
    mask = torch.tensor([[True, True, True, False], [True, True, True, True]])
    metric.update(prediction, target, mask)
    assert {name: round(float(value), 6) for name, value in metric.compute().items()} == {
        "accuracy": round(4 / 7, 6),
        "accuracy/Bar": 1.0,
        "accuracy/Pitch": 0.5,
        "accuracy/Duration": round(2 / 3, 6),
    }


@pytest.mark.parametrize("dtype", [torch.int64, torch.int16, torch.uint8])
def test_agrees_with_torchmetrics_over_several_batches(dtype):
    generator = torch.Generator().manual_seed(0)
    metric = TokenAccuracy(KINDS)
    seen = []
    for _ in range(4):
        target = torch.randint(0, 6, (5, 9), generator=generator).to(dtype)
        prediction = torch.where(
            torch.rand(5, 9, generator=generator) < 0.5,
            target,
            torch.randint(0, 6, (5, 9), generator=generator).to(dtype),
        )
        mask = torch.rand(5, 9, generator=generator) < 0.7
        metric.update(prediction, target, mask)
        seen.append(torch.stack([target[mask], prediction[mask]]))
    truth, guess = torch.cat(seen, dim=1).long()
    values = metric.compute()
    expected = multiclass_accuracy(guess, truth, num_classes=6, average="micro")
    assert float(values["accuracy"]) == pytest.approx(float(expected))
    for kind in ("Bar", "Pitch", "Duration"):
        of_kind = torch.tensor([KINDS[0][token] == kind for token in truth])
        expected = multiclass_accuracy(
            guess[of_kind], truth[of_kind], num_classes=6, average="micro"
        )
        assert float(values[f"accuracy/{kind}"]) == pytest.approx(float(expected))


def test_fields_of_compound_words_have_kinds_of_their_own():
    metric = TokenAccuracy([["", "Bar", "Position"], ["", "Pitch"]])
    target = torch.tensor([[[1, 0], [2, 1], [2, 1]]])
    prediction = torch.tensor([[[1, 1], [2, 1], [1, 0]]])
    metric.update(prediction, target)
    assert {name: float(value) for name, value in metric.compute().items()} == {
        "accuracy": 0.5,
        "accuracy/Bar": 1.0,
        "accuracy/Position": 0.5,
        "accuracy/Pitch": 0.5,
    }


def test_nothing_counted_has_no_value():
    metric = TokenAccuracy(KINDS)
    tokens = torch.ones(2, 3, dtype=torch.long)
    metric.update(tokens, tokens, torch.zeros(2, 3, dtype=torch.bool))
    assert metric.compute() == {}
    metric.update(tokens, tokens)
    assert {name: float(value) for name, value in metric.compute().items()} == {"accuracy": 1.0}


def test_counts_per_kind():
    target = torch.tensor([0, 1, 1, 2])
    right, total = count_right(
        torch.tensor([0, 1, 2, 2]), target, torch.tensor([True, True, True, False]), target, 4
    )
    assert right.tolist() == [1, 1, 0, 0]
    assert total.tolist() == [1, 2, 0, 0]


def test_other_shapes_are_refused():
    metric = TokenAccuracy(KINDS)
    with pytest.raises(ValueError, match="must have the same shape"):
        metric.update(torch.zeros(2, 3).long(), torch.zeros(2, 4).long())
    with pytest.raises(ValueError, match="expected tokens of 1 field"):
        metric.update(torch.zeros(2, 3, 4).long(), torch.zeros(2, 3, 4).long())
    with pytest.raises(ValueError, match="expected tokens of 2 field"):
        TokenAccuracy([["a"], ["b"]]).update(torch.zeros(2, 3).long(), torch.zeros(2, 3).long())
