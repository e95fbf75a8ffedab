"""Tests of the CPU's mode during a run: denormals are zero inside the block, and change no weight."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from partimento.runs.arithmetic import cpu_arithmetic

SMALLEST_NORMAL = 2.0**-126


def denormal() -> torch.Tensor:
    return torch.full((3,), SMALLEST_NORMAL) * 0.5


def trained(updates: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Train two weights, of which the second has a gradient at the first update only."""
    weight = torch.tensor([0.3, 0.2], requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=1e-3)
    for update in range(updates):
        optimizer.zero_grad()
        features = torch.tensor([1.0, float(update == 0)])
        ((features * weight).sum() - 1).square().backward()
        optimizer.step()
    return weight.detach(), optimizer.state[weight]["exp_avg"]


def test_denormals_are_zero_inside_and_are_back_outside() -> None:
    with cpu_arithmetic(1):
        assert torch.equal(denormal(), torch.zeros(3))
    assert (denormal() > 0).all()


def test_the_mode_is_left_after_an_error() -> None:
    try:
        with cpu_arithmetic(1):
            raise ValueError
    except ValueError:
        assert (denormal() > 0).all()


def test_the_number_of_threads_is_set() -> None:
    with cpu_arithmetic(2):
        assert torch.get_num_threads() == 2


def test_weights_are_bit_equal_with_and_without_denormals() -> None:
    plain, average = trained(900)
    assert 0 < abs(average[1]) < SMALLEST_NORMAL
    with cpu_arithmetic(1):
        flushed, zero = trained(900)
    assert zero[1] == 0
    assert torch.equal(plain, flushed)


def test_numpy_does_not_warn_inside() -> None:
    with cpu_arithmetic(1), warnings.catch_warnings():
        warnings.simplefilter("error")
        str(np.finfo(np.float32))
        str(np.finfo(np.float64))
