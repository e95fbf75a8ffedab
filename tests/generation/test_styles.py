"""Strategies of style-based generators: truncation's ends, mixing, noise, and who has no styles."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from partimento.distributions import Categorical
from partimento.errors import Mismatch, UserError
from partimento.generation.strategies import SingleStep, Strategy
from partimento.generation.styles import StyleMixing, Truncation, mixed_styles, style_network
from partimento.models.adversarial import Adversarial
from partimento.models.feedforward import Feedforward
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.models.latent import seeded_codes
from partimento.models.relaxation import Relaxation
from partimento.networks import MLP, StyleGenerator
from partimento.networks.noise import Noise

GRID = Categorical((16, 2), (9, 7), names=("a", "b"))
LATENT = 5
CHORD = {"chord": Categorical((2,), (4,))}


def small(*shapes) -> StyleGenerator:
    """Return a generator whose mean style is that of many codes, with strong noise."""
    network = StyleGenerator(*shapes, hidden=(12, 12), mapping_layers=2, style=8)
    for module in network.modules():
        if isinstance(module, Noise):
            torch.nn.init.constant_(module.strength, 1.0)
    condition = {n: torch.zeros(500, *s) for n, s in (shapes[2] or {}).items()}
    network.mean_style.copy_(network.styles(torch.randn(500, LATENT), condition).detach().mean(0))
    return network


def gan(generator=small, conditions=None, **options) -> Adversarial:
    torch.manual_seed(0)
    # Without noise on its cells, so that only codes and layers decide.
    relaxation = Relaxation(noise=False)
    return Adversarial(
        GRID, conditions, generator=generator, latent=LATENT, relaxation=relaxation, **options
    )


def imle() -> ImplicitMaximumLikelihood:
    torch.manual_seed(0)
    return ImplicitMaximumLikelihood(GRID, generator=small, latent=LATENT)


both = pytest.mark.parametrize("make", [gan, imle])


def made(strategy: Strategy, model, seed: int = 0, n: int = 12, **options) -> Tensor:
    z = seeded_codes(model, 3, n)
    draw = torch.Generator().manual_seed(seed)
    return strategy.generate(model, z=z, generator=draw, **options)


def distinct(x: Tensor) -> int:
    return len(torch.unique(x.flatten(1), dim=0))


@both
def test_psi_0_gives_one_example_for_all_codes_and_psi_1_the_untruncated(make) -> None:
    model = make()
    assert distinct(made(Truncation(0.0, noise=False), model)) == 1
    free = made(Truncation(1.0, noise=False), model)
    assert distinct(free) == 12
    with torch.no_grad():
        codes = seeded_codes(model, 3, 12)
        parameters = model.generator.eval()(codes, {})  # no noise without a stream
    assert torch.equal(free, GRID.sample(parameters, temperature=0.0))


def test_psi_1_with_noise_is_what_the_model_samples() -> None:
    model = gan()
    assert torch.equal(made(Truncation(1.0), model), made(SingleStep(), model))


def test_noise_varies_examples_of_one_style_and_follows_the_seed() -> None:
    model = gan()
    one = made(Truncation(0.0), model)
    assert distinct(one) > 6
    assert torch.equal(one, made(Truncation(0.0), model))
    assert not torch.equal(one, made(Truncation(0.0), model, seed=1))


def test_variety_grows_with_psi() -> None:
    model = gan()
    spread = []
    for psi in (0.0, 0.3, 0.6, 1.0):
        features = GRID.features(made(Truncation(psi, noise=False), model, n=60)).flatten(1)
        spread.append(float(torch.pdist(features).mean()))
    assert spread[0] == 0.0
    assert spread == sorted(spread)


def test_only_some_layers_are_truncated() -> None:
    model = gan()
    every = made(Truncation(0.0, [0, 1, 2, 3], noise=False), model)
    assert torch.equal(every, made(Truncation(0.0, noise=False), model))
    assert torch.equal(
        made(Truncation(0.0, [], noise=False), model), made(Truncation(1.0, noise=False), model)
    )
    assert distinct(made(Truncation(0.0, [0, 1], noise=False), model)) > 1


def test_mixed_styles_are_the_two_layer_by_layer() -> None:
    first, second = torch.randn(3, 4, 8), torch.randn(1, 4, 8)
    mixed = mixed_styles(first, second, [1, 3])
    assert torch.equal(mixed[:, [0, 2]], first[:, [0, 2]])
    assert torch.equal(mixed[:, [1, 3]], second[:, [1, 3]].expand(3, 2, 8))


@both
def test_all_samples_share_the_mixed_layers(make) -> None:
    model = make()
    whole = made(StyleMixing([0, 1, 2, 3], seed=7, noise=False), model)
    assert distinct(whole) == 1
    own = Truncation(1.0, noise=False).generate(model, z=seeded_codes(model, 7))
    assert torch.equal(whole[:1], own)
    none = made(StyleMixing([], noise=False), model)
    assert torch.equal(none, made(Truncation(1.0, noise=False), model))
    some = made(StyleMixing([2, 3], seed=7, noise=False), model)
    assert distinct(some) > 1
    assert not torch.equal(some, none)


def test_conditions_go_with_both_codes() -> None:
    model = gan(conditions=CHORD)
    chords = {"chord": torch.tensor([[0, 1]] * 6 + [[2, 3]] * 6)}
    whole = made(StyleMixing([0, 1, 2, 3], noise=False), model, condition=chords)
    assert distinct(whole) == 2
    assert distinct(whole[:6]) == distinct(whole[6:]) == 1


def test_averaged_weights_are_asked_by_default() -> None:
    model = gan(ema=0.9)
    assert style_network(model) is model.generator_ema
    assert style_network(model, "raw") is model.generator
    with torch.no_grad():
        model.generator_ema.bias.add_(torch.randn(16, 1))
    ema, raw = (made(Truncation(noise=False), model, weights=w) for w in ("ema", "raw"))
    assert not torch.equal(ema, raw)
    assert torch.equal(ema, made(Truncation(noise=False), model))


def test_the_model_stays_in_its_mode_and_its_mean_style_as_it_is() -> None:
    model = gan().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made(Truncation(), model)
    assert model.training
    assert model.generator.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(m.drawn for m in model.generator.modules() if isinstance(m, Noise))


@pytest.mark.parametrize("strategy", [Truncation(), StyleMixing([0])])
def test_models_without_styles_say_so(strategy) -> None:
    plain = gan(lambda *shapes: MLP(*shapes, hidden=(8,)))
    with pytest.raises(Mismatch, match=r"^Styles are those of model/generator=style.* is a MLP\.$"):
        strategy.generate(plain, n=2)
    with pytest.raises(Mismatch, match="Feedforward has no latent codes"):
        strategy.generate(Feedforward(GRID, given=["a"]), n=2)


@pytest.mark.parametrize("strategy", [Truncation(layers=[0, 4]), StyleMixing([4])])
def test_layers_that_there_are_not(strategy) -> None:
    with pytest.raises(UserError, match=r"layer 4, and this generator has layers 0 .* to 3\.$"):
        strategy.generate(gan(), n=2)


def test_temperatures_and_psi_are_checked() -> None:
    with pytest.raises(UserError, match=r"strategy\.temperature must be 0"):
        Truncation(temperature=float("nan"))
    with pytest.raises(UserError, match=r"strategy\.psi must be a number such as 0\.7, not inf\."):
        Truncation(float("inf"))
