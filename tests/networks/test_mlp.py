"""The multi-layer perceptron: widths, order of layers, conditions, dropout."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn

from partimento.networks.mlp import ACTIVATIONS, MLP


def test_output_is_the_matrix_product_written_out():
    torch.manual_seed(0)
    network = MLP((3, 4), (2, 5), hidden=[7, 6], activation="tanh").double()
    x = torch.randn(8, 3, 4, dtype=torch.float64)
    (w1, b1), (w2, b2), (w3, b3) = (
        (layer.weight, layer.bias) for layer in network.layers if isinstance(layer, nn.Linear)
    )
    expected = torch.tanh(torch.tanh(x.reshape(8, 12) @ w1.T + b1) @ w2.T + b2) @ w3.T + b3
    torch.testing.assert_close(network(x), expected.reshape(8, 2, 5))


@pytest.mark.parametrize("hidden", [[], [9], [9, 8, 7]])
def test_number_of_parameters(hidden):
    widths = [12, *hidden, 10]
    expected = sum(a * b + b for a, b in pairwise(widths))
    network = MLP((3, 4), (2, 5), hidden=hidden)
    assert sum(p.numel() for p in network.parameters()) == expected
    assert len([layer for layer in network.layers if isinstance(layer, nn.ReLU)]) == len(hidden)


def test_without_hidden_layers_it_is_linear():
    torch.manual_seed(0)
    network = MLP((6,), (3,), hidden=[]).double()
    a, b = torch.randn(2, 5, 6, dtype=torch.float64)
    zero = network(torch.zeros(1, 6, dtype=torch.float64))
    torch.testing.assert_close(network(a + b) - zero, network(a) + network(b) - 2 * zero)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations(name):
    torch.manual_seed(0)
    network = MLP((4,), (4,), hidden=[4], activation=name)
    x = torch.randn(5, 4)
    first, act, last = network.layers
    assert type(act) is type(ACTIVATIONS[name]())
    function = getattr(torch.nn.functional, name)
    if name == "leaky_relu":
        function = partial(function, negative_slope=0.2)
    torch.testing.assert_close(network(x), last(function(first(x))).reshape(5, 4))


def test_conditions_enter_beside_the_input_in_the_order_of_their_names():
    torch.manual_seed(0)
    network = MLP((2, 3), (4,), {"metre": (2,), "key": (5, 1)}, hidden=[])
    (layer,) = network.layers
    assert layer.in_features == 6 + 5 + 2
    x, key, metre = torch.randn(7, 2, 3), torch.randn(7, 5, 1), torch.randn(7, 2)
    made = network(x, {"metre": metre, "key": key, "unused": torch.randn(7, 9)})
    torch.testing.assert_close(made, layer(torch.cat([x.flatten(1), key.flatten(1), metre], 1)))
    with pytest.raises(KeyError, match="key"):
        network(x)


def test_dropout_is_where_it_was_asked_for_and_only_in_training():
    network = MLP((50,), (2,), hidden=[40, 30], dropout=0.5, input_dropout=0.25)
    kinds = [type(layer).__name__ for layer in network.layers]
    block = ["Linear", "ReLU", "Dropout"]
    assert kinds == ["Dropout", *block, *block, "Linear"]
    assert [layer.p for layer in network.layers if isinstance(layer, nn.Dropout)] == [
        0.25,
        0.5,
        0.5,
    ]
    x = torch.ones(4, 50)
    torch.manual_seed(0)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
