"""Stabilisation techniques: closed forms of what they add, when they pause a player, what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from partimento.distributions import Normal
from partimento.errors import UserError
from partimento.losses import objectives
from partimento.models.adversarial import Adversarial
from partimento.models.techniques import (
    FeatureMatching,
    Freezing,
    Game,
    InstanceNoise,
    ModeSeeking,
    Scored,
)
from partimento.networks import AutoencoderDiscriminator

POINTS = Normal((1, 2))
REAL = torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]]])
FAKE = torch.tensor([[[0.0, 0.0]], [[0.0, 2.0]]], requires_grad=True)


class Judge:
    """A discriminator whose features are twice the example, and whose score is its sum."""

    def judge(self, features: Tensor, condition: object) -> Scored:
        flat = features.flatten(1)
        return Scored(flat.sum(1), 2 * flat)


def game(codes: Tensor | None = None) -> Game:
    return Game(Judge(), REAL, FAKE, {}, codes, FAKE)  # type: ignore[arg-type]


def test_feature_matching() -> None:
    # Mean features (4, 0) and (0, 2); mean examples (2, 0) and (0, 1).
    loss = FeatureMatching(0.5).generator_loss(game())
    assert float(loss.detach()) == pytest.approx(0.5 * (16 + 4))
    both = FeatureMatching(1.0, input_weight=0.1).generator_loss(game())
    assert float(both.detach()) == pytest.approx(20 + 0.1 * (4 + 1))
    (gradient,) = torch.autograd.grad(FeatureMatching().generator_loss(game()), FAKE)
    assert (gradient != 0).any()


def test_mode_seeking_divides_the_means() -> None:
    codes = torch.tensor([[0.0, 0.0], [1.0, 3.0]])
    loss = ModeSeeking(3.0).generator_loss(game(codes))
    assert float(loss.detach()) == pytest.approx(3.0 / (1.0 / 2.0 + 1e-5))  # mean |y| 1, mean |z| 2


def test_instance_noise_fades() -> None:
    noise = InstanceNoise(0.5, updates=100)
    torch.manual_seed(0)
    many = torch.zeros(20_000)
    assert float(noise.shown(many, 0).std()) == pytest.approx(0.5, rel=0.03)
    assert float(noise.shown(many, 50).std()) == pytest.approx(0.25, rel=0.03)
    assert torch.equal(noise.shown(many, 100), many)


def test_the_winner_pauses_below_its_share() -> None:
    model = Adversarial(POINTS, techniques={"freezing": Freezing(0.7)})
    assert not model.scoreboard.wins("discriminator", 1.0, 0.7)  # nothing is known of the other yet
    assert model.scoreboard.wins("generator", 0.69, 0.7)
    assert not model.scoreboard.wins("discriminator", 0.5, 0.7)  # 0.5 against 0.69: a draw
    assert model.scoreboard.wins("discriminator", 0.4, 0.7)
    restored = Adversarial(POINTS, techniques={"freezing": Freezing(0.7)})
    restored.load_state_dict(model.state_dict())
    assert restored.scoreboard.wins("generator", 0.2, 0.7)  # it remembers the 0.4


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"objective": objectives.Wasserstein(), "techniques": {"f": Freezing()}},
            r"compares the two players' losses, which must both be positive: .* not Wasserstein\.",
        ),
        ({"objective": objectives.Began()}, r"needs a discriminator that gives a reconstruction,"),
        (
            {"discriminator": AutoencoderDiscriminator},
            r"needs a discriminator that gives a score, but AutoencoderDiscriminator",
        ),
        ({"discriminator_steps": {5: 1}}, r"discriminator_steps must say what is in force from"),
        ({"discriminator_steps": -1}, r"must be 0 or more"),
        ({"discriminator_steps": {0: 1, 5: 0}, "generator_steps": 0}, r"both end in 0"),
    ],
)
def test_what_makes_no_game(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Adversarial(POINTS, **options)  # type: ignore[arg-type]


def test_requests_that_a_gan_cannot_serve() -> None:
    model = Adversarial(POINTS, latent=5)
    with pytest.raises(UserError, match=r"z must have the shape \(n, 5\) for this model"):
        model.sample(z=torch.zeros(3, 4))
    with pytest.raises(UserError, match=r"keeps no averaged weights"):
        model.sample(3, weights="ema")
    with pytest.raises(UserError, match=r"has no use for lengths"):
        model.sample(3, lengths=torch.tensor([1, 1, 1]))
    same = model.sample(z=torch.ones(2, 5))
    assert torch.equal(same[0], same[1])
