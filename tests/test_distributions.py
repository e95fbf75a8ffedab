"""Distributions against closed forms, torch.distributions, and the statistics of their samples."""

from __future__ import annotations

import math
import pickle

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from partimento.distributions import Bernoulli, Categorical, Distribution, Normal

SIZES = (3, 5, 2)
GRID = Categorical((4, 3), SIZES, names=("a", "b", "c"))
TOKENS = Categorical((None,), (6,))
ROLL = Bernoulli((4, 7))
TUPLES = Normal((4, 2), scale=(0.5, 3.0), loc=(1.0, -2.0))
ALL = (GRID, TOKENS, ROLL, TUPLES)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parameters_of(distribution: Distribution, batch: int = 2, seed: int = 0) -> torch.Tensor:
    shape = [size or 4 for size in distribution.parameter_shape]
    return 2 * torch.randn(batch, *shape, generator=generator(seed))


def example_of(distribution: Distribution, batch: int = 2, seed: int = 1) -> torch.Tensor:
    return distribution.sample(parameters_of(distribution, batch, seed), generator=generator(seed))


def chi_square(observed: torch.Tensor, probability: torch.Tensor) -> float:
    """Pearson's statistic of counts against probabilities over the last axis."""
    expected = probability * observed.sum()
    return ((observed - expected) ** 2 / expected).sum().item()


# --- what holds for every distribution ---------------------------------------------------------


def test_units_of_a_mean_likelihood():
    mask = torch.zeros(2, 4, 3, dtype=torch.bool)
    mask[0, 1, :2] = mask[1, 3, 2] = True
    assert GRID.count(mask) == 3  # cells
    assert ROLL.count(mask) == TUPLES.count(mask) == 2  # frames
    assert TOKENS.count(mask[..., 0]) == 1


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: d.kind)
def test_shapes(distribution):
    parameters, x = parameters_of(distribution), example_of(distribution)
    features = distribution.features(x)
    shape = tuple(size or 4 for size in distribution.shape)
    feature_shape = tuple(size or 4 for size in distribution.feature_shape)
    assert x.shape == (2, *shape)
    assert features.shape == distribution.relax(parameters).shape == (2, *feature_shape)
    assert features.dtype == torch.get_default_dtype()
    assert distribution.log_prob(parameters, x).shape == x.shape
    assert x.dtype == distribution.dtype
    assert distribution.distance(features, features).shape == (2,)


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: d.kind)
def test_masked_cells_cost_nothing(distribution):
    parameters, x = parameters_of(distribution), example_of(distribution)
    mask = torch.rand(x.shape, generator=generator()) < 0.5
    everything = distribution.log_prob(parameters, x)
    masked = distribution.log_prob(parameters, x, mask)
    assert torch.equal(masked[mask], everything[mask])
    assert mask.any()
    assert not mask.all()
    assert (masked[~mask] == 0).all()


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: d.kind)
def test_masked_cells_send_no_gradient(distribution):
    parameters = parameters_of(distribution).requires_grad_()
    x = example_of(distribution)
    mask = torch.zeros(x.shape, dtype=torch.bool)
    mask[0, 0] = True
    distribution.log_prob(parameters, x, mask).sum().backward()
    assert parameters.grad[0, 0].abs().sum() > 0
    assert parameters.grad[0, 1:].abs().sum() == parameters.grad[1].abs().sum() == 0


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: d.kind)
def test_a_generator_fixes_the_draw(distribution):
    parameters = parameters_of(distribution)
    for draw in (distribution.sample, distribution.relax):
        first = draw(parameters, generator=generator(3))
        assert torch.equal(first, draw(parameters, generator=generator(3)))
        assert not torch.equal(first, draw(parameters, generator=generator(4)))


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: d.kind)
def test_a_generator_leaves_the_global_one_alone(distribution):
    before = torch.get_rng_state()
    distribution.sample(parameters_of(distribution), generator=generator())
    distribution.relax(parameters_of(distribution), generator=generator())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: d.kind)
def test_temperature_zero_gives_the_most_probable_value(distribution):
    parameters = parameters_of(distribution)
    mode = distribution.sample(parameters, temperature=0)
    assert mode.dtype == distribution.dtype
    best = distribution.log_prob(parameters, mode)
    for seed in range(20):
        other = distribution.sample(parameters, 3.0, generator=generator(seed))
        assert (distribution.log_prob(parameters, other) <= best + 1e-6).all()


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: d.kind)
def test_relaxed_samples_carry_gradients(distribution):
    parameters = parameters_of(distribution).requires_grad_()
    relaxed = distribution.relax(parameters, generator=generator())
    # Weights that differ within a voice: the sum of a softmax is constant.
    (relaxed * torch.randn(relaxed.shape, generator=generator(1))).sum().backward()
    assert (parameters.grad != 0).all()


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: d.kind)
def test_states_rebuild_an_equal_distribution(distribution):
    again = Distribution.from_state(distribution.state())
    assert type(again) is type(distribution)
    assert again == distribution
    assert hash(again) == hash(distribution)
    assert pickle.loads(pickle.dumps(distribution)) == distribution
    assert str(type(distribution).__name__) in repr(distribution)


def test_states_survive_a_checkpoint_of_weights_only(tmp_path):
    symbols = [(60, "hold", "rest"), (1, 2, 3, 4, 5), (0, 1)]
    named = Categorical((4, 3), SIZES, names=("a", "b", "c"), symbols=symbols)
    torch.save([d.state() for d in (*ALL, named)], tmp_path / "states.pt")
    states = torch.load(tmp_path / "states.pt", weights_only=True)
    assert [Distribution.from_state(state) for state in states] == [*ALL, named]


def test_different_distributions_are_unequal():
    others = [
        *ALL,
        Categorical((4, 3), (3, 5, 4), names=("a", "b", "c")),
        Categorical((4, 3), SIZES, names=("a", "b", "d")),
        Categorical((5, 3), SIZES, names=("a", "b", "c")),
        Bernoulli((4, 8)),
        Normal((4, 2)),
        Normal((4, 7)),
    ]
    assert len(set(others)) == len(others)
    assert all((a == b) == (i == j) for i, a in enumerate(others) for j, b in enumerate(others))
    assert GRID != "categorical"


@pytest.mark.parametrize("distribution", ALL, ids=lambda d: d.kind)
def test_distance_is_euclidean_and_has_gradients(distribution):
    shape = [size or 4 for size in distribution.feature_shape]
    x = torch.randn(2, *shape, generator=generator()).requires_grad_()
    y = torch.randn(2, *shape, generator=generator(1))
    distance = distribution.distance(x, y)
    for item in range(2):
        expected = math.sqrt(((x[item] - y[item]) ** 2).sum().item())
        assert distance[item].item() == pytest.approx(expected, rel=1e-5)
    distance.sum().backward()
    # The gradient of a length is the unit vector of the difference.
    unit = (x - y).detach() / distance.detach().reshape(2, *[1] * len(shape))
    torch.testing.assert_close(x.grad, unit)


# --- categorical -------------------------------------------------------------------------------


def test_categorical_agrees_with_torch():
    parameters, x = parameters_of(GRID), example_of(GRID)
    columns = [
        torch.distributions.Categorical(logits=logits).log_prob(x[..., voice])
        for voice, logits in enumerate(GRID.voices(parameters))
    ]
    torch.testing.assert_close(GRID.log_prob(parameters, x), torch.stack(columns, -1))
    tokens = example_of(TOKENS)
    expected = torch.distributions.Categorical(logits=parameters_of(TOKENS)).log_prob(tokens)
    torch.testing.assert_close(TOKENS.log_prob(parameters_of(TOKENS), tokens), expected)


def test_equal_logits_cost_the_logarithm_of_the_alphabet():
    x = example_of(GRID)
    cost = -GRID.log_prob(torch.zeros(2, 4, 10), x)
    expected = torch.tensor([math.log(3), math.log(5), math.log(2)]).expand(2, 4, 3)
    torch.testing.assert_close(cost, expected)


def test_log_probs_are_those_of_every_symbol():
    parameters, x = parameters_of(GRID), example_of(GRID)
    table = GRID.log_probs(parameters)
    assert table.shape == parameters.shape
    for voice in GRID.voices(table):
        torch.testing.assert_close(voice.exp().sum(-1), torch.ones(2, 4))
    picked = [v.gather(-1, x[..., i : i + 1]) for i, v in enumerate(GRID.voices(table))]
    torch.testing.assert_close(torch.cat(picked, -1), GRID.log_prob(parameters, x))


def test_small_integers_mean_the_same():
    parameters, x = parameters_of(GRID), example_of(GRID)
    assert torch.equal(GRID.log_prob(parameters, x.to(torch.uint8)), GRID.log_prob(parameters, x))
    assert torch.equal(GRID.features(x.to(torch.int8)), GRID.features(x))


def test_features_are_one_hot_in_the_order_of_voices():
    x = torch.tensor([[[0, 4, 1]]])
    assert GRID.features(x).tolist() == [[[1, 0, 0, 0, 0, 0, 0, 1, 0, 1]]]
    assert TOKENS.features(torch.tensor([[2]])).tolist() == [[[0, 0, 1, 0, 0, 0]]]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.data())
def test_categorical_features_can_be_undone(batch, steps, data):
    columns = [
        data.draw(arrays("int64", (batch, steps), elements=st.integers(0, size - 1)))
        for size in SIZES
    ]
    x = torch.stack([torch.from_numpy(column) for column in columns], -1)
    grid = Categorical((steps, 3), SIZES)
    assert torch.equal(grid.from_features(grid.features(x)), x)
    tokens = Categorical((steps,), (5,))
    assert torch.equal(tokens.from_features(tokens.features(x[..., 1])), x[..., 1])


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_categorical_samples_have_the_right_frequencies(temperature):
    parameters = torch.tensor([0.0, 1.0, 2.0, -1.0, 0.5, 0.0, 1.5, 0.3, 0.0, 1.0])
    draws = 20_000
    x = GRID.sample(parameters.expand(draws, 1, 10), temperature, generator(7))
    for voice, logits in enumerate(GRID.voices(parameters)):
        counts = torch.bincount(x[..., voice].flatten(), minlength=SIZES[voice])
        # The 99.99 % points of chi-square with 2, 4 and 1 degrees of freedom.
        limit = {2: 18.4, 4: 23.5, 1: 15.1}[SIZES[voice] - 1]
        assert chi_square(counts, (logits / temperature).softmax(-1)) < limit


def test_voices_are_drawn_independently():
    x = GRID.sample(torch.zeros(30_000, 1, 10), generator=generator(5))[:, 0]
    pairs = torch.bincount(x[:, 0] * 5 + x[:, 1], minlength=15)
    # The 99.99 % point of chi-square with 14 degrees of freedom.
    assert chi_square(pairs, torch.full((15,), 1 / 15)) < 42.6


def test_relaxed_voices_are_probabilities_and_harden():
    parameters = parameters_of(GRID, batch=50)
    soft = GRID.relax(parameters, 1.0, generator())
    hard = GRID.relax(parameters, 0.01, generator())
    for voice in GRID.voices(soft):
        torch.testing.assert_close(voice.sum(-1), torch.ones(50, 4))
        assert (voice > 0).any(-1).all()
    tops = torch.stack([voice.amax(-1) for voice in GRID.voices(hard)], -1)
    assert (tops > 0.99).double().mean() > 0.97
    assert (torch.stack([v.amax(-1) for v in GRID.voices(soft)], -1) > 0.99).double().mean() < 0.5
    # The temperature softens, but does not change which symbol wins, nor how often.
    assert torch.equal(GRID.from_features(soft), GRID.from_features(hard))


def test_relaxed_winners_have_the_frequencies_of_samples():
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0, 0.5, 0.0])
    relaxed = TOKENS.relax(logits.expand(20_000, 1, 6), 0.7, generator(2))
    counts = torch.bincount(TOKENS.from_features(relaxed).flatten(), minlength=6)
    # The 99.99 % point of chi-square with 5 degrees of freedom.
    assert chi_square(counts, logits.softmax(-1)) < 25.8


@pytest.mark.parametrize(
    ("shape", "sizes", "message"),
    [
        ((4, 3), (2, 2), "2 alphabet sizes do not fit"),
        ((4,), (2, 2), "2 alphabet sizes do not fit"),
        ((4, 1, 1), (2,), "1 alphabet sizes do not fit"),
        ((4, 2), (2, 0), "alphabet sizes must be positive"),
    ],
)
def test_categorical_mistakes(shape, sizes, message):
    with pytest.raises(ValueError, match=message):
        Categorical(shape, sizes)


# --- Bernoulli ---------------------------------------------------------------------------------


def test_bernoulli_agrees_with_torch():
    parameters, x = parameters_of(ROLL), example_of(ROLL)
    expected = torch.distributions.Bernoulli(logits=parameters).log_prob(x.float())
    torch.testing.assert_close(ROLL.log_prob(parameters, x), expected)


def test_even_cells_cost_a_bit():
    cost = -ROLL.log_prob(torch.zeros(2, 4, 7), example_of(ROLL)).sum((1, 2))
    torch.testing.assert_close(cost, torch.full((2,), 28 * math.log(2)))


@settings(max_examples=50, deadline=None)
@given(arrays("uint8", (2, 4, 7), elements=st.integers(0, 1)))
def test_bernoulli_features_can_be_undone(values):
    x = torch.from_numpy(values)
    assert torch.equal(ROLL.from_features(ROLL.features(x)), x)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_bernoulli_samples_have_the_right_frequencies(temperature):
    logits = torch.tensor([-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
    draws = 20_000
    x = ROLL.sample(logits.expand(draws, 1, 7), temperature, generator(1))
    probability = torch.sigmoid(logits / temperature)
    deviation = (x.double().mean((0, 1)) - probability) / (
        probability * (1 - probability) / draws
    ).sqrt()
    assert deviation.abs().max() < 4.5


def test_binary_concrete_hardens():
    parameters = parameters_of(ROLL, batch=100)
    soft = ROLL.relax(parameters, 1.0, generator())
    hard = ROLL.relax(parameters, 0.01, generator())
    assert ((soft >= 0) & (soft <= 1)).all()
    assert torch.minimum(hard, 1 - hard).max() <= 0.5
    assert (torch.minimum(hard, 1 - hard) < 0.01).double().mean() > 0.97
    assert torch.equal(ROLL.from_features(soft), ROLL.from_features(hard))


def test_binary_concrete_has_the_right_frequencies():
    logits = torch.tensor([-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
    x = ROLL.from_features(ROLL.relax(logits.expand(20_000, 1, 7), 0.5, generator(1)))
    probability = torch.sigmoid(logits)
    deviation = (x.double().mean((0, 1)) - probability) / (
        probability * (1 - probability) / 20_000
    ).sqrt()
    assert deviation.abs().max() < 4.5


# --- normal ------------------------------------------------------------------------------------


def test_entropies_agree_with_torch():
    parameters = torch.randn((2, 4, 8), generator=torch.Generator().manual_seed(0)) * 4
    grid = Categorical((4, 2), (5, 3))
    voices = torch.distributions.Categorical
    expected = [voices(logits=v).entropy() for v in parameters.split((5, 3), -1)]
    torch.testing.assert_close(grid.entropy(parameters), torch.stack(expected, -1))
    word = Categorical((4,), (8,)).entropy(torch.zeros(2, 4, 8))
    torch.testing.assert_close(word, torch.full((2, 4), math.log(8)))
    cells = torch.distributions.Bernoulli(logits=parameters.double()).entropy()
    roll = Bernoulli((4, 8))
    torch.testing.assert_close(roll.entropy(parameters).double(), cells, rtol=1e-4, atol=1e-6)
    assert roll.entropy(torch.tensor([-1e4, 0.0, 1e4])).tolist() == [
        0,
        pytest.approx(math.log(2)),
        0,
    ]
    assert Normal((4, 8)).entropy(parameters) is None


def test_normal_agrees_with_torch():
    parameters, x = parameters_of(TUPLES), example_of(TUPLES)
    scale, loc = torch.tensor(TUPLES.scale), torch.tensor(TUPLES.loc)
    expected = torch.distributions.Normal(loc + scale * parameters, scale).log_prob(x)
    torch.testing.assert_close(TUPLES.log_prob(parameters, x), expected)


def test_normal_density_at_the_mean():
    x = torch.tensor([[[1.0, -2.0]]])
    density = TUPLES.log_prob(torch.zeros(1, 1, 2), x).exp()
    expected = torch.tensor([[[1 / 0.5, 1 / 3.0]]]) / math.sqrt(2 * math.pi)
    torch.testing.assert_close(density, expected)


def test_normal_features_are_standardised():
    features = TUPLES.features(torch.tensor([[[2.0, 4.0]]]))
    assert features.tolist() == [[[2.0, 2.0]]]
    one = Normal((4, 2), scale=2.0, loc=1.0)
    assert one.features(torch.tensor([[[3.0, -1.0]]])).tolist() == [[[1.0, -1.0]]]


@settings(max_examples=50, deadline=None)
@given(arrays("float32", (2, 4, 2), elements=st.floats(-100, 100, width=32)))
def test_normal_features_can_be_undone(values):
    x = torch.from_numpy(values)
    torch.testing.assert_close(TUPLES.from_features(TUPLES.features(x)), x, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_normal_samples_have_the_right_moments(temperature):
    draws = 40_000
    parameters = torch.tensor([0.5, -1.0]).expand(draws, 1, 2)
    x = TUPLES.sample(parameters, temperature, generator(1))[:, 0]
    mean, deviation = torch.tensor([1.25, -5.0]), temperature * torch.tensor([0.5, 3.0])
    assert ((x.mean(0) - mean).abs() / deviation * math.sqrt(draws) < 4.5).all()
    # The variance of a sample variance is 2 / (n - 1) of its square.
    assert ((x.var(0) / deviation**2 - 1).abs() < 4.5 * math.sqrt(2 / draws)).all()


def test_normal_reparameterises():
    parameters = parameters_of(TUPLES).requires_grad_()
    TUPLES.relax(parameters, generator=generator()).sum().backward()
    assert torch.equal(parameters.grad, torch.ones_like(parameters))


@pytest.mark.parametrize("scale", [0.0, -1.0, [1.0, 0.0]])
def test_normal_refuses_a_scale_that_is_not_positive(scale):
    with pytest.raises(ValueError, match="scale must be positive"):
        Normal((4, 2), scale=scale)
