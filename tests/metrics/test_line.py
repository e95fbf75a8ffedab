"""Accuracy of melodies: by hand, masked, and without a token to count."""

from __future__ import annotations

import pytest
import torch

from partimento.metrics.line import LineAccuracy

HOLD, REST = 5, 6


def values(metric: LineAccuracy) -> dict[str, float]:
    return {name: value.item() for name, value in metric.compute().items()}


def test_accuracies_by_hand_over_two_batches():
    metric = LineAccuracy(HOLD, REST)
    target = torch.tensor([[0, HOLD, REST, 3], [1, 2, HOLD, HOLD]])
    metric.update(torch.tensor([[0, HOLD, 0, 4], [1, 2, HOLD, 2]]), target)
    metric.update(target, target)
    assert values(metric) == {
        "accuracy": pytest.approx(13 / 16),
        "accuracy_no_hold": pytest.approx(8 / 10),
        "accuracy_onset": pytest.approx(7 / 8),
    }


def test_tokens_outside_the_mask_do_not_count():
    metric = LineAccuracy(HOLD, REST)
    target = torch.tensor([[0, HOLD, 3]])
    mask = torch.tensor([[True, True, False]])
    metric.update(torch.tensor([[0, 0, 0]]), target, mask)
    assert values(metric) == {"accuracy": 0.5, "accuracy_no_hold": 1.0, "accuracy_onset": 1.0}


def test_what_was_never_counted_is_absent():
    metric = LineAccuracy(HOLD, REST)
    metric.update(torch.tensor([[HOLD]]), torch.tensor([[HOLD]]))
    assert values(metric) == {"accuracy": 1.0}


def test_shapes_must_agree():
    metric = LineAccuracy(HOLD, REST)
    with pytest.raises(ValueError, match="must have the same shape"):
        metric.update(torch.zeros(1, 2, dtype=int), torch.zeros(1, 3, dtype=int))
