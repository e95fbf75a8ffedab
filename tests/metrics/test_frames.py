"""Frame accuracy against torchmetrics, by hand, over batches and masks, and on the published sets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rolls import published
from torchmetrics.classification import BinaryJaccardIndex, BinaryPrecision, BinaryRecall

from partimento.formats.pianoroll_files import read_rolls
from partimento.metrics.frames import FrameAccuracy, count_keys


def batch(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(seed)
    shape = (3, 5, 88)
    prediction, target = (torch.rand(shape, generator=stream) < p for p in (0.1, 0.05))
    lengths = torch.tensor([5, 2, 0])
    mask = (torch.arange(5) < lengths[:, None]).unsqueeze(-1).expand(shape)
    return prediction.to(torch.uint8), target.to(torch.uint8), mask


def test_a_frame_counted_by_hand():
    """60 and 64 sound; 60, 65 and 67 are predicted: one hit, two false, one missed."""
    prediction, target = torch.zeros(2, 1, 1, 88, dtype=torch.uint8)
    prediction[0, 0, [39, 44, 46]] = 1
    target[0, 0, [39, 43]] = 1
    metric = FrameAccuracy()
    metric.update(prediction, target)
    found = {name: float(value) for name, value in metric.compute().items()}
    assert found == pytest.approx(
        {"frame_accuracy": 1 / 4, "frame_precision": 1 / 3, "frame_recall": 1 / 2}
    )


def test_against_torchmetrics_own_over_several_batches():
    metric = FrameAccuracy()
    flat: list[list[torch.Tensor]] = [[], []]
    for seed in range(4):
        prediction, target, mask = batch(seed)
        metric.update(prediction, target, mask)
        for side, tensor in zip(flat, (prediction, target), strict=True):
            side.append(tensor[mask])
    one, other = (torch.cat(side).int() for side in flat)
    references = {
        "frame_accuracy": BinaryJaccardIndex(),
        "frame_precision": BinaryPrecision(),
        "frame_recall": BinaryRecall(),
    }
    found = metric.compute()
    assert set(found) == set(references)
    for name, reference in references.items():
        assert float(found[name]) == pytest.approx(float(reference(one, other)), abs=1e-6)


def test_long_pieces_weigh_more():
    """Sums first, then the quotient: not the mean of the pieces' accuracies."""
    metric = FrameAccuracy()
    right = torch.ones(1, 9, 1, dtype=torch.uint8)
    metric.update(right, right)
    wrong = torch.zeros(1, 1, 1, dtype=torch.uint8)
    metric.update(wrong, 1 - wrong)
    assert float(metric.compute()["frame_accuracy"]) == pytest.approx(0.9)


def test_padding_does_not_count():
    prediction, target, mask = batch(0)
    expected = count_keys(prediction, target, mask)
    noise = torch.where(mask, prediction, 1 - prediction)
    assert count_keys(noise, target, mask) == expected
    table = (prediction.numpy().astype(bool), target.numpy().astype(bool), mask.numpy())
    hits = np.sum(table[0] & table[1] & table[2])
    assert int(expected[0]) == hits


def test_what_cannot_be_said_is_absent():
    silent = torch.zeros(1, 2, 88, dtype=torch.uint8)
    sounding = silent.clone()
    sounding[0, 0, 5] = 1
    metric = FrameAccuracy()
    metric.update(silent, sounding)
    assert metric.compute() == {"frame_accuracy": 0.0, "frame_recall": 0.0}
    metric.reset()
    metric.update(silent, silent)
    assert metric.compute() == {}


def test_shapes_must_agree():
    metric = FrameAccuracy()
    with pytest.raises(ValueError, match="differ in shape"):
        metric.update(torch.zeros(1, 2, 88), torch.zeros(1, 3, 88))


@pytest.mark.parametrize(
    ("file", "share"), [("JSB_Chorales.mat", 0.222), ("Nottingham.mat", 0.649)]
)
def test_what_copying_the_frame_before_gets_right_in_the_published_sets(file, share):
    """22.2 % and 64.9 % of the keys of the test frames that have a frame before."""
    metric = FrameAccuracy()
    for table in read_rolls(published(file))["test"]:
        frames = torch.from_numpy(table)[None]
        metric.update(frames[:, :-1], frames[:, 1:])
    assert float(metric.compute()["frame_accuracy"]) == pytest.approx(share, abs=5e-4)
