"""MidiNet's networks: published sizes, shapes, where conditions reach, and the grid of the course."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from partimento.errors import Mismatch
from partimento.networks.conditioning import Entry
from partimento.networks.midinet import BarDiscriminator, BarGenerator

SHAPES = {"previous": (16, 129), "chord": (13,)}
GRID = list(product(("1d", "2d"), ("1d", "2d"), ("one", "all"), (1, 2)))
PAPER = {"previous": Entry("2d"), "chord": Entry("1d")}


def conditions(count: int = 4, bars: int = 1) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    made = {"previous": torch.rand(count, 16 * bars, 129), "chord": torch.rand(count, 13)}
    return {name: value.requires_grad_() for name, value in made.items()}


def weights_of(network: nn.Module) -> list[tuple[int, ...]]:
    kinds = (nn.Linear, nn.Conv1d, nn.ConvTranspose1d)
    return [tuple(m.weight.shape) for m in network.layers.modules() if isinstance(m, kinds)]


def test_the_generators_layers_are_those_of_the_released_code():
    network = BarGenerator((100,), (16, 128), SHAPES, conditions=PAPER)
    more = 13 + 16  # chord and conditioner maps
    assert weights_of(network) == [
        (1024, 100 + 13), (256, 1024 + 13), (128 + more, 128, 2), (128 + more, 128, 2),
        (128 + more, 128, 2), (128, 128 + more, 1),
    ]  # fmt: skip
    pyramid = network.conditioner.encoders["previous"].pyramid
    assert [tuple(step[0].weight.shape) for step in pyramid.steps] == [
        (16, 129, 1), (16, 16, 2), (16, 16, 2), (16, 16, 2),
    ]  # fmt: skip
    assert sum(isinstance(m, nn.BatchNorm1d) for m in network.layers.modules()) == 5


def test_the_discriminators_layers_are_those_of_the_released_code():
    network = BarDiscriminator((16, 128), SHAPES)
    assert weights_of(network) == [
        (14, 128 + 13, 2), (77, 14 + 13, 4), (1024, 3 * 77 + 13), (1, 1024 + 13),
    ]  # fmt: skip
    assert sum(isinstance(m, nn.BatchNorm1d) for m in network.layers.modules()) == 2
    scores, features = network(torch.rand(4, 16, 128), conditions())
    assert scores.shape == (4,)
    assert features.shape == (4, 14 * 8)


def test_initial_weights_are_normal_with_the_papers_scale():
    torch.manual_seed(0)
    for network in (
        BarGenerator((100,), (16, 128), SHAPES),
        BarDiscriminator((16, 128), SHAPES),
    ):
        for module in network.modules():
            if isinstance(module, nn.Linear | nn.Conv1d | nn.ConvTranspose1d):
                count = module.weight.numel()
                spread = float(module.weight.detach().std())
                assert spread == pytest.approx(0.02, rel=5 * (2 * count) ** -0.5)
                assert not module.bias.detach().any()


@pytest.mark.parametrize(("previous", "chord", "at", "bars"), GRID)
def test_the_courses_grid(previous, chord, at, bars):
    """Every point makes bars; at one layer, the layers before have no gradient from a condition."""
    entries = {"previous": Entry(previous, at), "chord": Entry(chord, at)}
    shapes = {**SHAPES, "previous": (16 * bars, 129)}
    network = BarGenerator((9,), (16, 129), shapes, conditions=entries, hidden=[12], channels=8)
    inputs: dict[int, torch.Tensor] = {}
    for place, layer in enumerate(network.layers):
        layer.register_forward_pre_hook(lambda _, x, place=place: inputs.update({place: x[0]}))
    condition = conditions(bars=bars)
    made = network(torch.randn(4, 9), condition)
    assert made.shape == (4, 16, 129)
    for name, form in (("previous", previous), ("chord", chord)):
        first = 5 if at == "one" else 0 if form == "1d" else 2
        for place in range(6):
            total = inputs[place].square().sum()
            gradient = None
            if total.requires_grad:
                (gradient,) = torch.autograd.grad(
                    total, condition[name], retain_graph=True, allow_unused=True
                )
            reached = gradient is not None and bool(gradient.abs().sum() > 0)
            assert reached == (place >= first), (name, place)


@pytest.mark.parametrize("form", ["1d", "2d"])
def test_on_all_layers_a_chord_has_a_way_of_its_own_to_each(form):
    """With the weights from the layer before set to 0, the chord still reaches what follows."""
    network = BarGenerator((9,), (16, 20), {"chord": (13,)}, conditions={"chord": Entry(form)},
                           hidden=[12], channels=8, normalisation="none", init_scale=0.3)  # fmt: skip
    width = network.conditioner.widths[-1]
    with torch.no_grad():
        network.layers[-1][0].weight[:, :-width] = 0
    chord = conditions()["chord"]
    (gradient,) = torch.autograd.grad(network(torch.randn(4, 9), {"chord": chord}).sum(), chord)
    assert gradient.abs().sum() > 0
    without = BarGenerator((9,), (16, 20), {"chord": (13,)}, hidden=[12], channels=8,
                           conditions={"chord": Entry("1d", "input")})  # fmt: skip
    with torch.no_grad():
        without.layers[-1][0].weight.zero_()
    (gradient,) = torch.autograd.grad(without(torch.randn(4, 9), {"chord": chord}).sum(), chord)
    assert not gradient.any()


def test_the_discriminator_sees_the_chord_and_not_the_bar_before():
    torch.manual_seed(0)
    network, condition = BarDiscriminator((16, 129), SHAPES), conditions()
    scores, _ = network(torch.rand(4, 16, 129), condition)
    gradients = torch.autograd.grad(
        scores.sum(), [condition["chord"], condition["previous"]], allow_unused=True
    )
    assert gradients[0] is not None
    assert gradients[0].abs().sum() > 0
    assert gradients[1] is None
    seeing = BarDiscriminator((16, 129), SHAPES, ignores=[])
    scores, _ = seeing(torch.rand(4, 16, 129), condition)
    (gradient,) = torch.autograd.grad(scores.square().sum(), condition["previous"])
    assert gradient.abs().sum() > 0


def test_other_lengths():
    assert BarGenerator((5,), (64, 30))(torch.randn(3, 5)).shape == (3, 64, 30)
    assert BarGenerator((5,), (12, 30), doublings=2)(torch.randn(3, 5)).shape == (3, 12, 30)
    assert BarDiscriminator((64, 30))(torch.rand(3, 64, 30))[0].shape == (3,)


def test_lengths_that_do_not_fit():
    with pytest.raises(Mismatch, match=r"doubles the steps 3 times and cannot make 12: set model"):
        BarGenerator((5,), (12, 30))
    with pytest.raises(
        Mismatch, match="kernels of 2 and 4 steps, for which an example of 6 is too"
    ):
        BarDiscriminator((6, 30))
