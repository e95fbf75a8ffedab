"""Latent codes: ways between two against closed forms, and what a generator is asked with."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from partimento.distributions import Bernoulli, Categorical, Normal
from partimento.errors import Mismatch, UserError
from partimento.models import Feedforward
from partimento.models.adversarial import Adversarial
from partimento.models.base import Model
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.models.latent import check_codes, generative, interpolate, seeded_codes
from partimento.models.relaxation import Relaxation
from partimento.networks import MLP, MLPDiscriminator
from partimento.seeds import stream_seed

GRID = Categorical((4, 2), (5, 3), names=("a", "b"))
LATENT = 6


def gan(distribution=GRID, conditions=None, **options) -> Adversarial:
    torch.manual_seed(0)
    return Adversarial(
        distribution,
        conditions,
        generator=lambda *shapes: MLP(*shapes, hidden=(16,)),
        discriminator=lambda *shapes: MLPDiscriminator(*shapes, hidden=(16,)),
        latent=LATENT,
        **options,
    )


def imle(distribution=GRID, conditions=None, **options) -> ImplicitMaximumLikelihood:
    torch.manual_seed(0)
    return ImplicitMaximumLikelihood(
        distribution,
        conditions,
        generator=lambda *shapes: MLP(*shapes, hidden=(16,)),
        latent=LATENT,
        **options,
    )


both = pytest.mark.parametrize("make", [gan, imle], ids=["gan", "imle"])


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


# -- ways between two codes -------------------------------------------------------------------------


def test_a_straight_line_has_equal_steps():
    way = interpolate(vector(0, 4, -1), vector(2, 0, -1), 5, "linear")
    expected = [[0, 4, -1], [0.5, 3, -1], [1, 2, -1], [1.5, 1, -1], [2, 0, -1]]
    assert way.tolist() == expected


def test_a_quarter_circle_has_equal_angles():
    way = interpolate(vector(2, 0, 0), vector(0, 2, 0), 4)
    angles = [k * math.pi / 6 for k in range(4)]
    expected = torch.tensor([[2 * math.cos(a), 2 * math.sin(a), 0] for a in angles])
    torch.testing.assert_close(way, expected, rtol=0, atol=1e-6)


def test_it_agrees_with_whites_formula_where_norms_are_equal():
    """White 2016: sin((1-t)w)/sin(w) p + sin(tw)/sin(w) q, with cos(w) of the directions."""
    first, second = torch.randn(2, 64, generator=torch.Generator().manual_seed(0)).double()
    second = second * first.norm() / second.norm()
    angle = torch.arccos(first @ second / (first.norm() * second.norm()))
    way = interpolate(first, second, 7)
    for share, code in zip(torch.linspace(0, 1, 7).double(), way, strict=True):
        left = torch.sin((1 - share) * angle) / torch.sin(angle)
        right = torch.sin(share * angle) / torch.sin(angle)
        torch.testing.assert_close(code, left * first + right * second, rtol=0, atol=1e-6)


codes = st.lists(
    st.floats(-5, 5, width=32).filter(lambda v: v == 0 or abs(v) > 1e-3), min_size=3, max_size=3
)


@settings(deadline=None, max_examples=60)
@given(codes, codes, st.integers(2, 9), st.sampled_from(["linear", "spherical"]))
def test_ends_are_exact_and_norms_even(first, second, steps, method):
    ends = vector(*first), vector(*second)
    way = interpolate(*ends, steps, method)
    assert way.shape == (steps, 3)
    assert torch.equal(way[0], ends[0])
    assert torch.equal(way[-1], ends[1])
    assert torch.isfinite(way).all()
    cross = torch.linalg.cross(ends[0].double(), ends[1].double()).norm()
    apart = float(torch.atan2(cross, ends[0].double() @ ends[1].double()))
    if method == "spherical" and apart > 1e-5:
        norms = torch.linspace(float(ends[0].norm()), float(ends[1].norm()), steps)
        torch.testing.assert_close(way.norm(dim=1), norms, rtol=1e-4, atol=1e-4)
        steps_apart = nn.functional.cosine_similarity(way[1:].double(), way[:-1].double())
        turn = torch.full_like(steps_apart, math.cos(apart / (steps - 1)))
        torch.testing.assert_close(steps_apart, turn, rtol=0, atol=1e-4)


def test_opposite_codes_are_gone_around_not_through():
    first = vector(3, 0.1, 4)
    way = interpolate(first, -first, 5)
    torch.testing.assert_close(way.norm(dim=1), first.norm().expand(5), rtol=1e-6, atol=0)
    assert abs(float(way[2] @ first)) < 1e-4  # half way is at a right angle
    assert way[2].abs().argmax() == 1  # by the axis along which the first code is smallest
    assert torch.equal(way, interpolate(first, -first, 5))
    assert float(interpolate(first, -first, 5, "linear")[2].norm()) == 0


@pytest.mark.parametrize(
    ("first", "second"), [((1, 2), (1, 2)), ((1, 2), (2, 4)), ((0, 0), (1, 2)), ((1,), (-1,))]
)
def test_codes_without_an_angle_have_the_straight_line(first, second):
    ends = vector(*first), vector(*second)
    assert torch.equal(interpolate(*ends, 5), interpolate(*ends, 5, "linear"))


def test_one_step_is_no_way():
    with pytest.raises(UserError, match=r"^An interpolation has 2 steps or more, .*, not 1\.$"):
        interpolate(vector(1, 0), vector(0, 1), 1)


def test_the_middle_of_a_line_is_no_likely_code():
    """Of 64 dimensions a code has norm 8 +- 0.7; half way between two it is 5.7, turned it is 8."""
    first, second = torch.randn(2, 64, generator=torch.Generator().manual_seed(1))
    assert float(interpolate(first, second, 3, "linear")[1].norm()) < 6.8
    assert 6.8 < float(interpolate(first, second, 3)[1].norm()) < 9.2


# -- what a generator is asked with -----------------------------------------------------------------


@both
def test_the_code_decides(make):
    model = make(Normal((3, 2)))
    z = torch.randn(4, LATENT)
    samples = model.sample(z=z)
    assert torch.equal(samples, model.sample(z=z))
    assert torch.equal(samples, model.sample(4, z=z))
    expected = model.generator.eval()(z, {})
    torch.testing.assert_close(samples, model.distribution.from_features(expected))
    torch.testing.assert_close(samples[[2, 0]], model.sample(z=z[[2, 0]]))


@both
@pytest.mark.parametrize("distribution", [GRID, Bernoulli((4, 7))], ids=["grid", "roll"])
def test_hard_samples_of_codes(make, distribution):
    model = make(distribution, relaxation=Relaxation(noise=False))
    z = torch.randn(3, LATENT)
    samples = model.sample(z=z)
    assert samples.dtype == (torch.int64 if distribution is GRID else distribution.dtype)
    assert torch.equal(samples, distribution.sample(model.generator(z, {}), 0.0))
    assert torch.equal(samples, model.sample(z=z, temperature=1.0))  # no noise to spread


@both
def test_codes_in_double_precision_are_taken(make):
    model = make()
    z = torch.randn(3, LATENT)
    assert torch.equal(model.sample(z=z.double(), temperature=0), model.sample(z=z, temperature=0))
    model.double()
    assert model.sample(z=z, temperature=0).shape == (3, 4, 2)
    assert model.sample(3).shape == (3, 4, 2)


BAD = [
    (
        torch.zeros(2, LATENT + 1),
        r"^z must have the shape \(n, 6\) for this model, not \(2, 7\)\.$",
    ),
    (torch.zeros(LATENT), r"^z must have the shape \(n, 6\) for this model, not \(6,\)\.$"),
    (torch.zeros(0, LATENT), r"^z must have the shape \(n, 6\) for this model, not \(0, 6\)\.$"),
    (
        torch.zeros(2, LATENT, dtype=torch.int64),
        r"^z must be a tensor of floats, .*torch\.int64\.$",
    ),
    ([[0.0] * LATENT], r"^z must be a tensor of floats, \(n, 6\), not list\.$"),
    (torch.tensor([[0.0] * 6, [math.nan] * 6]), r"^z must hold finite numbers, but code 1 \(from"),
    (torch.full((1, LATENT), math.inf), r"^z must hold finite numbers, but code 0 \(from 0\) has"),
]


@both
@pytest.mark.parametrize(("z", "sentence"), BAD)
def test_bad_codes_are_told_in_a_sentence(make, z, sentence):
    with pytest.raises(UserError, match=sentence):
        make().sample(z=z)


@both
def test_more_samples_than_codes(make):
    with pytest.raises(
        UserError, match=r"^z holds 2 codes where n asks for 3 samples: leave n out"
    ):
        make().sample(3, z=torch.zeros(2, LATENT))


@both
def test_conditions_are_needed_and_decide_with_the_code(make):
    chord = Categorical((1,), (4,))
    model = make(Normal((3, 2)), {"chord": chord})
    with pytest.raises(
        UserError, match=r"^This model makes music under conditions and was not given"
    ):
        model.sample(2)
    z = torch.randn(1, LATENT).expand(3, LATENT)
    given_chords = {"chord": torch.tensor([[0], [1], [0]])}
    samples = model.sample(z=z, condition=given_chords)
    assert torch.equal(samples[0], samples[2])
    assert not torch.equal(samples[0], samples[1])
    one = model.sample(z=z, condition={"chord": torch.tensor([[1]])})
    torch.testing.assert_close(one, samples[1].expand(3, 3, 2))


def test_averaged_weights_are_sampled_unless_raw_ones_are_asked_for():
    model = gan(Normal((3, 2)), ema=0.9)
    with torch.no_grad():
        for parameter in model.generator.parameters():
            parameter.zero_()
    z = torch.randn(2, LATENT)
    assert float(model.sample(z=z, weights="raw").abs().max()) == 0
    assert float(model.sample(z=z).abs().max()) > 0
    assert torch.equal(model.sample(z=z), model.sample(z=z, weights="ema"))


@both
def test_a_seed_stands_for_codes(make: Callable[[], Model]):
    model = generative(make())
    drawn = torch.Generator().manual_seed(stream_seed(5, "latent"))
    assert torch.equal(seeded_codes(model, 5, 3), torch.randn(3, LATENT, generator=drawn))
    assert not torch.equal(seeded_codes(model, 5), seeded_codes(model, 6))
    uniform = seeded_codes(generative(make(latent_kind="uniform")), 5, 50)  # type: ignore[call-arg]
    assert -1 <= float(uniform.min()) < -0.9
    assert 0.9 < float(uniform.max()) < 1


def test_a_model_without_codes():
    with pytest.raises(
        Mismatch, match=r"^Feedforward has no latent codes: take a model with a gen"
    ):
        generative(Feedforward(GRID, given=["a"]))
    assert torch.equal(check_codes(torch.ones(1, 2), 2), torch.ones(1, 2))
