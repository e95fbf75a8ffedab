"""LSTM layers: single steps, states that are taken over, both directions, against torch's own layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from partimento.networks.lstm import LSTMStack

BATCH, STEPS = 5, 7


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(4)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_layers_of_one_width_are_torchs(bidirectional: bool) -> None:
    theirs = nn.LSTM(4, 6, num_layers=2, batch_first=True, bidirectional=bidirectional)
    ours = LSTMStack(4, (6, 6), bidirectional=bidirectional)
    for index, layer in enumerate(ours.layers):
        for name, weight in layer.named_parameters():
            weight.data.copy_(getattr(theirs, name.replace("_l0", f"_l{index}")))
    x = torch.randn(BATCH, STEPS, 4)
    outputs, states = ours(x)
    expected, (last, cell) = theirs(x)
    torch.testing.assert_close(outputs, expected)
    directions = ours.directions
    for index, (output, inner) in enumerate(states):
        own = slice(index * directions, (index + 1) * directions)
        torch.testing.assert_close(output, last[own].transpose(0, 1).flatten(1))
        torch.testing.assert_close(inner, cell[own].transpose(0, 1).flatten(1))


def test_steps_with_states_go_on_where_a_whole_run_was() -> None:
    """What sequence models of other kinds are built of: a state taken over, then single steps."""
    stack = LSTMStack(4, (6, 5))
    x = torch.randn(BATCH, STEPS, 4)
    whole, last = stack(x)
    _, states = stack(x[:, :3])
    for step in range(3, STEPS):
        output, states = stack.step(x[:, step], states)
        torch.testing.assert_close(output, whole[:, step])
    for found, expected in zip(states, last, strict=True):
        torch.testing.assert_close(found, expected)
    resumed, _ = stack(x[:, 3:], stack(x[:, :3])[1])
    torch.testing.assert_close(resumed, whole[:, 3:])


def test_bidirectional_states_hold_both_directions() -> None:
    stack = LSTMStack(4, (6,), bidirectional=True)
    x = torch.randn(BATCH, STEPS, 4)
    outputs, ((output, _),) = stack(x)
    assert stack.width == 12
    torch.testing.assert_close(output[:, :6], outputs[:, -1, :6])
    torch.testing.assert_close(output[:, 6:], outputs[:, 0, 6:])  # backwards, it ends at the first
    with pytest.raises(ValueError, match="no single steps"):
        stack.step(x[:, 0], stack.start(x))
