"""Convolutions along time: shapes of every distribution, what a step sees, and options that hold."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from partimento.distributions import Bernoulli, Categorical, Distribution, Normal
from partimento.errors import UserError
from partimento.losses.objectives import NonSaturating
from partimento.losses.penalties import R1
from partimento.models.rules import check_players
from partimento.models.techniques import packed, packed_shape
from partimento.networks import (
    ConvolutionalAutoencoder,
    ConvolutionalDiscriminator,
    ConvolutionalGenerator,
    MLPDiscriminator,
)
from partimento.networks.convolutional import as_channels, as_steps, coarsest
from partimento.networks.discriminator import MinibatchDiscrimination

STEPS = 13
KINDS = {
    "grid": Categorical((STEPS, 2), (5, 3), names=("a", "b")),
    "melody": Categorical((STEPS,), (7,)),
    "roll": Bernoulli((STEPS, 6)),
    "two planes": Bernoulli((STEPS, 6, 2)),
    "values": Normal((STEPS, 4)),
    "one value": Normal((STEPS,)),
}
CONDITIONS = {"chord": torch.randn(4, 5), "before": torch.randn(4, STEPS, 3)}
SHAPES = {"chord": (5,), "before": (STEPS, 3)}
of_every_kind = pytest.mark.parametrize("distribution", KINDS.values(), ids=KINDS.keys())


@of_every_kind
def test_the_generator_makes_parameters_of_any_distribution(distribution: Distribution) -> None:
    network = ConvolutionalGenerator((6,), distribution.parameter_shape, SHAPES, hidden=(8, 6, 4))
    parameters = network(torch.randn(4, 6), CONDITIONS)
    assert parameters.shape == (4, *distribution.parameter_shape)
    x = distribution.sample(parameters)
    assert torch.isfinite(distribution.log_prob(parameters, x)).all()


@of_every_kind
def test_the_discriminators_judge_examples_of_any_distribution(distribution: Distribution) -> None:
    features = distribution.features(
        distribution.sample(torch.randn(4, *distribution.parameter_shape))
    )
    network = ConvolutionalDiscriminator(distribution.feature_shape, SHAPES, hidden=(8, 6))
    scores, seen = network(features, CONDITIONS)
    assert scores.shape == (4,)
    assert seen.shape == (4, 6 * 7)
    errors, codes = ConvolutionalAutoencoder(distribution.feature_shape, hidden=(8, 6), code=3)(
        features
    )
    assert errors.shape == (4,)
    assert codes.shape == (4, 3)
    assert (errors > 0).all()


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 70),
    st.integers(1, 6),
    st.lists(st.integers(1, 4), max_size=2),
    st.integers(1, 3),
)
def test_any_number_of_steps(steps: int, depth: int, rest: list[int], batch: int) -> None:
    """As many resolutions as one likes: what is too much is cut off, and little is too much."""
    shape = (steps, *rest)
    hidden = [2] * depth
    made = ConvolutionalGenerator((3,), shape, hidden=hidden)(torch.randn(batch, 3))
    assert made.shape == (batch, *shape)
    start = coarsest(steps, depth)
    assert start * 2 ** (depth - 1) >= steps > (start - 1) * 2 ** (depth - 1)
    assert torch.equal(as_steps(as_channels(made), shape), made)
    scores, seen = ConvolutionalDiscriminator(shape, hidden=hidden)(made)
    assert scores.shape == (batch,)
    assert seen.shape == (batch, 2 * start)


def test_a_layer_is_a_sum_over_time() -> None:
    """The first convolution against its sum written out, step by step."""
    network = ConvolutionalDiscriminator((5, 2), hidden=(3,))
    x = torch.randn(1, 5, 2)
    layer = network.body[0]
    assert isinstance(layer, nn.Conv1d)
    found = layer(as_channels(x))
    for step in range(5):
        expected = layer.bias.clone()
        for lag in (-1, 0, 1):
            if 0 <= step + lag < 5:
                expected = expected + layer.weight[:, :, lag + 1] @ x[0, step + lag]
        torch.testing.assert_close(found[0, :, step], expected)


@pytest.mark.parametrize(("step", "sources"), [(0, [0, 1]), (8, [1, 2, 3]), (15, [2, 3])])
def test_a_step_grows_out_of_its_neighbourhood(step: int, sources: list[int]) -> None:
    """Of the four coarsest steps, those that kernels of three reach on the way to sixteen."""
    torch.manual_seed(0)
    network = ConvolutionalGenerator((4,), (16, 3), hidden=(5, 5, 5), activation="tanh")
    grown = torch.randn(1, 5, 4, requires_grad=True)
    network.layers(grown)[0, :, step].sum().backward()
    reached = grown.grad.abs().sum((0, 1)).nonzero().flatten()
    assert reached.tolist() == sources


@pytest.mark.parametrize("pack", [1, 2, 3])
def test_examples_are_packed_along_channels(pack: int) -> None:
    x = torch.randn(6, STEPS, 4)
    network = ConvolutionalDiscriminator(packed_shape((STEPS, 4), pack), hidden=(8,))
    scores, _ = network(packed(x, pack))
    assert scores.shape == (6 // pack,)
    first = network.body[0]
    assert isinstance(first, nn.Conv1d)
    assert first.in_channels == 4 * pack


def test_a_condition_with_steps_is_joined_step_by_step() -> None:
    """A change of its step t reaches only what a convolution around t sees; a chord reaches all."""
    network = ConvolutionalDiscriminator((STEPS, 4), SHAPES, hidden=(8,))
    x = torch.randn(4, STEPS, 4)
    plain = network.body[0](
        torch.cat(
            [as_channels(x), *map(network._channels, (CONDITIONS["before"], CONDITIONS["chord"]))],
            1,
        )
    )
    moved = CONDITIONS["before"].clone()
    moved[:, 6] += 1
    changed = network.body[0](
        torch.cat([as_channels(x), *map(network._channels, (moved, CONDITIONS["chord"]))], 1)
    )
    differs = (plain != changed).flatten(0, 1).any(0)
    assert differs.nonzero().flatten().tolist() == [5, 6, 7]
    other = network.body[0](
        torch.cat(
            [
                as_channels(x),
                *map(network._channels, (CONDITIONS["before"], CONDITIONS["chord"] + 1)),
            ],
            1,
        )
    )
    assert (plain != other).flatten(0, 1).any(0).all()


def test_spectral_norms_are_one() -> None:
    torch.manual_seed(0)
    network = ConvolutionalDiscriminator((STEPS, 4), hidden=(8, 6), spectral_norm=True)
    for _ in range(200):  # power iterations, one to a pass
        network(torch.randn(4, STEPS, 4))
    network.eval()
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Linear):
            largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
            torch.testing.assert_close(largest, torch.tensor(1.0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("minibatch", ["discrimination", "standard_deviation"])
def test_the_score_knows_of_the_batch_and_features_do_not(minibatch) -> None:
    torch.manual_seed(0)
    network = ConvolutionalDiscriminator((STEPS, 4), hidden=(8, 6), minibatch=minibatch)
    x = torch.randn(4, STEPS, 4)
    alike = torch.cat([x[:1]] * 4)
    scores, seen = network(x)
    other, same = network(alike)
    assert torch.equal(seen[0], same[0])
    assert scores[0] != other[0]


def test_options_are_those_of_the_fully_connected_discriminator() -> None:
    import inspect

    own, other = (
        set(inspect.signature(kind).parameters)
        for kind in (ConvolutionalDiscriminator, MLPDiscriminator)
    )
    assert own - other == {"kernel"}
    assert other <= own
    mixing = ConvolutionalDiscriminator((STEPS, 4), minibatch="discrimination")
    assert isinstance(mixing.minibatch, MinibatchDiscrimination)
    with pytest.raises(UserError, match="minibatch discrimination in the discriminator mixes"):
        check_players(NonSaturating(), mixing, {"r1": R1()})
    batch = ConvolutionalDiscriminator((STEPS, 4), normalisation="batch")
    with pytest.raises(UserError, match="batch normalisation in the discriminator mixes"):
        check_players(NonSaturating(), batch, {"r1": R1()})
    check_players(
        NonSaturating(), ConvolutionalDiscriminator((STEPS, 4), normalisation="layer"), {"r1": R1()}
    )


@pytest.mark.parametrize("normalisation", ["batch", "layer"])
def test_normalised_channels_have_unit_size(normalisation) -> None:
    torch.manual_seed(0)
    network = ConvolutionalDiscriminator((STEPS, 4), hidden=(64,), normalisation=normalisation)
    hidden = network.body[:2](as_channels(torch.randn(8, STEPS, 4)))
    over = (0, 2) if normalisation == "batch" else (1, 2)
    torch.testing.assert_close(
        hidden.mean(over), torch.zeros(hidden.mean(over).shape), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        hidden.var(over, unbiased=False), torch.ones(hidden.mean(over).shape), atol=2e-3, rtol=0
    )


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: ConvolutionalGenerator((3,), (8, 2), hidden=()),
            "needs the channels of one layer",
        ),
        (lambda: ConvolutionalDiscriminator((8, 2), kernel=4), r"an odd number.*not kernel=4"),
        (lambda: ConvolutionalAutoencoder((8, 2), kernel=2), r"ConvolutionalAutoencoder.*kernel=2"),
    ],
)
def test_what_makes_no_network(make, sentence) -> None:
    with pytest.raises(UserError, match=sentence):
        make()


@pytest.mark.parametrize("power", [1, 2])
def test_an_autoencoders_score_is_the_mean_of_the_errors_power(power) -> None:
    network = ConvolutionalAutoencoder((STEPS, 4), hidden=(8, 6), code=3, power=power)
    x = torch.randn(5, STEPS, 4)
    errors, codes = network(x)
    difference = (x - network.decoder(codes)).abs() ** power
    torch.testing.assert_close(errors, difference.mean((1, 2)))


def test_an_autoencoder_learns_a_batch() -> None:
    torch.manual_seed(0)
    grid = KINDS["grid"]
    x = grid.features(torch.stack([torch.randint(0, n, (6, STEPS)) for n in (5, 3)], -1))
    network = ConvolutionalAutoencoder(grid.feature_shape, hidden=(32, 32), code=32)
    adam = torch.optim.Adam(network.parameters(), lr=3e-3)
    before = float(network(x)[0].detach().mean())
    for _ in range(400):
        adam.zero_grad()
        network(x)[0].mean().backward()
        adam.step()
    assert float(network(x)[0].detach().mean()) < 0.1 * before


def test_a_generator_learns_a_batch() -> None:
    """Six codes are made to say six melodies."""
    torch.manual_seed(0)
    network = ConvolutionalGenerator((4,), (STEPS, 7), hidden=(32, 32, 32))
    codes, melodies = torch.randn(6, 4), torch.randint(0, 7, (6, STEPS))
    adam = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(200):
        adam.zero_grad()
        nn.functional.cross_entropy(network(codes).flatten(0, 1), melodies.flatten()).backward()
        adam.step()
    assert torch.equal(network(codes).argmax(2), melodies)


def test_a_discriminator_learns_to_tell_a_melody_from_the_same_notes_in_another_order() -> None:
    """What an order of notes is, no histogram of them says."""
    torch.manual_seed(0)
    notes = torch.arange(8)
    real = torch.stack([notes.roll(k) for k in range(8)])  # stepwise
    fake = torch.stack([notes[torch.randperm(8)] for _ in range(8)])
    x = nn.functional.one_hot(torch.cat([real, fake]), 8).float()
    kind = torch.tensor([1.0] * 8 + [0.0] * 8)
    network = ConvolutionalDiscriminator((8, 8), hidden=(16, 16))
    adam = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(100):
        adam.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(network(x)[0], kind).backward()
        adam.step()
    assert torch.equal((network(x)[0] > 0).float(), kind)
