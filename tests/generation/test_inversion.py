"""The style of given music: found again where it is known, music given back, model untouched."""

from __future__ import annotations

import pytest
import torch

from partimento.distributions import Bernoulli, Categorical
from partimento.errors import Mismatch
from partimento.generation.inversion import invert, music_of_styles
from partimento.generation.styles import mixed_styles
from partimento.models.adversarial import Adversarial
from partimento.models.feedforward import Feedforward
from partimento.models.latent import seeded_codes
from partimento.networks import StyleGenerator

GRID = Categorical((8, 2), (5, 4), names=("a", "b"))


def gan(distribution=GRID, **options) -> Adversarial:
    torch.manual_seed(0)

    def small(*shapes) -> StyleGenerator:
        return StyleGenerator(*shapes, hidden=(24, 24), mapping_layers=1, style=24)

    return Adversarial(distribution, generator=small, latent=6, **options)


def test_music_of_the_generator_itself_is_found_again() -> None:
    """Its own samples have styles, so that the descent should find some that give them back."""
    model = gan()
    network = model.generator
    with torch.no_grad():
        styles = network.per_layer(network.styles(seeded_codes(model, 1, 4)))
    x = music_of_styles(model, styles)
    found = invert(model, x, steps=150)
    assert found.styles.shape == (4, 4, 24)
    assert (found.agreement > 0.9).all()
    again = music_of_styles(model, found.styles)
    agreement = (again == x).flatten(1).double().mean(1)
    torch.testing.assert_close(agreement, found.agreement)


def test_a_style_to_each_layer_says_more_of_any_music_than_one_for_all() -> None:
    model = gan()
    x = torch.stack([torch.randint(0, n, (6, 8)) for n in GRID.sizes], -1)
    one = invert(model, x, steps=100, per_layer=False)
    assert torch.equal(one.styles, one.styles[:, :1].expand(-1, 4, -1))
    each = invert(model, x, steps=100)
    mean = music_of_styles(model, model.generator.mean_style.expand(6, 4, -1))
    begun = (mean == x).double().mean()
    assert float(each.agreement.mean()) > float(one.agreement.mean()) > float(begun)


def test_an_examples_style_does_not_depend_on_the_others() -> None:
    model = gan()
    x = torch.stack([torch.randint(0, n, (3, 8)) for n in GRID.sizes], -1)
    together = invert(model, x, steps=10).styles
    alone = invert(model, x[1:2], steps=10).styles
    torch.testing.assert_close(together[1:2], alone, atol=1e-3, rtol=1e-3)


def test_piano_rolls_have_styles_too_and_mixtures_are_music() -> None:
    model = gan(Bernoulli((8, 6)))
    x = (torch.rand(2, 8, 6) < 0.4).to(torch.uint8)
    found = invert(model, x, steps=100)
    silence = (x == 0).flatten(1).double().mean(1)
    assert (found.agreement > silence).all()
    mixed = music_of_styles(model, mixed_styles(found.styles[:1], found.styles[1:], [2, 3]))
    assert mixed.shape == (1, 8, 6)
    assert set(mixed.unique().tolist()) <= {0, 1}


def test_the_model_stays_as_it_is() -> None:
    model = gan(ema=0.9).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.stack([torch.randint(0, n, (1, 8)) for n in GRID.sizes], -1)
    state = torch.get_rng_state()
    invert(model, x, steps=3)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert model.training
    assert model.generator.training


def test_equal_styles_give_equal_music_at_any_temperature() -> None:
    model = gan()
    styles = torch.randn(1, 4, 24).expand(5, -1, -1)
    made = music_of_styles(model, styles, temperature=1.0, seed=2)
    assert (made == made[:1]).all()
    assert not torch.equal(made, music_of_styles(model, styles, temperature=1.0, seed=3))


def test_models_without_styles_say_so() -> None:
    with pytest.raises(Mismatch, match="has no latent codes"):
        invert(Feedforward(GRID, given=["a"]), torch.zeros(1, 8, 2, dtype=torch.long))
