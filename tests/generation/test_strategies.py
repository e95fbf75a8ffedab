"""Strategies: what a model is asked, in which mode, and what a config may say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from partimento.data.batch import Given
from partimento.distributions import Categorical
from partimento.errors import UserError
from partimento.generation.strategies import SingleStep, evaluating
from partimento.models.feedforward import Feedforward

GRID = Categorical(shape=(8, 2), sizes=(5, 6), names=("soprano", "bass"))
CONFIG = Path(__file__).parents[2] / "conf" / "strategy" / "single_step.yaml"


@pytest.fixture
def model() -> Feedforward:
    torch.manual_seed(0)
    return Feedforward(GRID)


def soprano(windows: int, seed: int = 0) -> Given:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 5, (windows, 8, 2), generator=generator)
    mask = torch.zeros_like(x, dtype=torch.bool)
    mask[..., 0] = True
    return Given(x, mask)


def test_temperature_zero_takes_the_most_probable_symbols(model: Feedforward) -> None:
    given = soprano(3)
    made = SingleStep().generate(model, given=given)
    parameters = model(given.x[..., [0]])
    expected = model.output_distribution.sample(parameters, temperature=0.0)
    assert torch.equal(made[..., 1], expected[..., 0])
    assert torch.equal(made[..., 0], given.x[..., 0])


def test_a_positive_temperature_draws_with_the_generator(model: Feedforward) -> None:
    given = soprano(1)

    def draw(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return SingleStep(1.0).generate(model, given=given, n=50, generator=generator)

    assert draw(1).shape == (50, 8, 2)
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert (draw(1)[..., 0] == given.x[..., 0]).all()
    assert len(draw(1)[:, 0, 1].unique()) > 1


def test_a_low_temperature_comes_close_to_the_most_probable(model: Feedforward) -> None:
    given = soprano(20)
    generator = torch.Generator().manual_seed(0)
    best = SingleStep(0).generate(model, given=given)[..., 1]
    cold = SingleStep(1e-3).generate(model, given=given, generator=generator)[..., 1]
    hot = SingleStep(1.0).generate(model, given=given, generator=generator)[..., 1]
    # Untrained, the two most probable symbols can be a thousandth apart.
    assert (cold == best).float().mean() > 0.95
    assert (hot == best).float().mean() < 0.5


@pytest.mark.parametrize("temperature", [-0.1, float("nan"), float("inf")])
def test_an_impossible_temperature_is_refused(temperature: float) -> None:
    with pytest.raises(UserError, match=r"strategy\.temperature must be 0"):
        SingleStep(temperature)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_evaluated_meanwhile_and_left_as_it_was(
    model: Feedforward, training: bool
) -> None:
    model.train(training)
    with pytest.raises(UserError, match="every step of soprano must be given"):
        SingleStep().generate(model)
    assert model.training == training
    with evaluating(model):
        assert not model.training
    assert model.training == training


def test_everything_that_a_model_can_be_asked_reaches_it(model: Feedforward) -> None:
    asked = {}

    class Noted(Feedforward):
        def sample(self, n=None, **arguments):
            asked.update(arguments, n=n)
            return super().sample(n, given=arguments["given"])

    request = {
        "given": soprano(2),
        "condition": {"chord": torch.zeros(2)},
        "n": 2,
        "lengths": torch.tensor([8, 5]),
        "z": torch.zeros(2, 3),
        "weights": "ema",
        "generator": torch.Generator(),
    }
    SingleStep(0.5).generate(Noted(GRID), **request)
    assert asked == {**request, "temperature": 0.5}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"z": torch.zeros(1, 3)}, "Feedforward has no use for z"),
        ({"lengths": torch.tensor([8])}, "Feedforward has no use for lengths"),
        ({"weights": "ema"}, "keeps no averaged weights"),
    ],
)
def test_what_the_model_has_no_use_for_is_refused(model: Feedforward, arguments, sentence) -> None:
    with pytest.raises(UserError, match=sentence):
        SingleStep().generate(model, given=soprano(1), **arguments)


def test_the_config_builds_the_strategy_of_minibach() -> None:
    config = OmegaConf.to_container(OmegaConf.load(CONFIG))
    assert isinstance(config, dict)
    assert config.pop("name") == "single_step"
    assert config.pop("_target_") == f"{SingleStep.__module__}.{SingleStep.__name__}"
    assert SingleStep(**config).temperature == 0.0
