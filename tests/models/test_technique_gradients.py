"""What each technique does to the gradient of an update, from the same weights and random streams."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from partimento.data.batch import Batch
from partimento.distributions import Categorical
from partimento.losses import objectives, penalties
from partimento.models import techniques
from partimento.models.adversarial import Adversarial
from partimento.models.policy import Reinforce
from partimento.models.relaxation import Relaxation
from partimento.networks import MLP, MLPDiscriminator

GRID = Categorical((3, 2), (4, 3))
LATENT = 3
REAL = Batch(
    torch.stack([torch.arange(24).reshape(8, 3) % 4, torch.arange(24).reshape(8, 3) % 3], dim=-1)
)


class Noting(Adversarial):
    """Notes the gradients with which it would go down, and stays where it is."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.noted: list[Tensor] = []

    def descend(self, loss: Tensor, index: int | None = None) -> None:
        network = self.discriminator if index else self.generator
        found = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
        self.noted.append(torch.cat([g.flatten() for g in found if g is not None]))


def model_of(networks: dict[str, object] | None = None, **options: object) -> Noting:
    torch.manual_seed(6)
    settings: dict[str, object] = {
        "generator": lambda *shapes: MLP(*shapes, hidden=(9,)),
        "discriminator": lambda *shapes: MLPDiscriminator(*shapes, hidden=(9,), **networks or {}),  # type: ignore[arg-type]
        "latent": LATENT,
    }
    model = Noting(GRID, **{**settings, **options})
    model.seed = 6
    return model


def gradients(model: Noting) -> tuple[Tensor, Tensor]:
    """Return the gradients of one update of the discriminator and one of the generator."""
    model.update_discriminator(REAL)
    model.update_generator(REAL)
    discriminator, generator = model.noted[-2:]
    return discriminator, generator


ON_GENERATOR = {
    "feature_matching": {"techniques": {"t": techniques.FeatureMatching()}},
    "mode_seeking": {"techniques": {"t": techniques.ModeSeeking()}},
    "gumbel": {"relaxation": Relaxation(hard=False)},
    "deterministic": {"relaxation": Relaxation(noise=False)},
    "softmax": {"relaxation": Relaxation(hard=False, noise=False)},
    "temperature": {"relaxation": Relaxation(temperature=0.3)},
    "reinforce": {"relaxation": Reinforce()},
}
ON_DISCRIMINATOR = {
    "label_smoothing": {"objective": objectives.NonSaturating(0.9)},
    "r1": {"penalties": {"p": penalties.R1()}},
    "r2": {"penalties": {"p": penalties.R2()}},
    "gradient": {"penalties": {"p": penalties.GradientPenalty()}},
    "dragan": {"penalties": {"p": penalties.Dragan()}},
}
ON_BOTH = {
    "instance_noise": {"techniques": {"t": techniques.InstanceNoise(0.5)}},
    "relativistic": {"objective": objectives.Relativistic()},
    "hinge": {"objective": objectives.Hinge()},
}


@pytest.mark.parametrize("name", [*ON_GENERATOR, *ON_DISCRIMINATOR, *ON_BOTH])
def test_it_changes_the_gradient_of_whom_it_means(name: str) -> None:
    plain = gradients(model_of())
    found = gradients(model_of(**(ON_GENERATOR | ON_DISCRIMINATOR | ON_BOTH)[name]))
    changed = [not torch.equal(a, b) for a, b in zip(plain, found, strict=True)]
    if name in ON_DISCRIMINATOR:
        assert changed == [True, False]
    elif name in ON_BOTH:
        assert changed == [True, True]
    else:
        assert changed[1]
        if "techniques" in ON_GENERATOR[name]:
            assert not changed[0]


@pytest.mark.parametrize(
    "networks", [{"spectral_norm": True}, {"normalisation": "layer"}, {"normalisation": "batch"}]
)
def test_a_normalised_discriminator_gives_other_gradients(networks: dict[str, object]) -> None:
    assert not torch.allclose(gradients(model_of())[1], gradients(model_of(networks))[1])


def test_smoothing_takes_its_share_of_the_mean_real_score() -> None:
    """The cross-entropy's derivative by a real score is sigmoid(score) - label."""
    one, other = model_of(), model_of(objective=objectives.NonSaturating(0.8))
    mean = one.judge(GRID.features(REAL.x), {}).scores.mean()
    found = torch.autograd.grad(mean, list(one.discriminator.parameters()))
    share = torch.cat([g.flatten() for g in found])
    difference = gradients(other)[0] - gradients(one)[0]
    torch.testing.assert_close(difference, (1 - 0.8) * share, rtol=1e-4, atol=1e-6)


def mixing(networks: dict[str, object], pack: int = 1) -> Tensor:
    """Return which score depends on which example: `(scores, examples)`."""
    model = model_of(networks, pack=pack)
    x = (GRID.features(REAL.x) + 0.01 * torch.arange(8.0).reshape(8, 1, 1)).requires_grad_()
    scores = model.judge(techniques.packed(x, pack), {}).scores
    rows = [torch.autograd.grad(score, x, retain_graph=True)[0] for score in scores]
    return torch.stack(rows).flatten(2).abs().sum(2) > 0


def test_who_judges_a_batch_sees_all_of_it() -> None:
    alone = torch.eye(8, dtype=torch.bool)
    assert torch.equal(mixing({}), alone)
    assert mixing({"minibatch": "discrimination"}).all()
    assert mixing({"minibatch": "standard_deviation"}).all()
    assert torch.equal(mixing({}, pack=2), alone[::2] | alone[1::2])


def test_lazy_regularisation_comes_every_so_often_and_as_much_stronger() -> None:
    model = {every: model_of(penalties={"r1": penalties.R1(1.0, every=every)}) for every in (1, 3)}
    model[0] = model_of()
    found: dict[int, list[Tensor]] = {}
    for every, one in model.items():
        for _ in range(4):
            one.update_discriminator(REAL)
        found[every] = one.noted
    for update in range(4):
        due = update % 3 == 0
        eager = found[1][update] - found[0][update]
        lazy = found[3][update] - found[0][update]
        assert bool(eager.abs().max() > 1e-4)
        if due:
            torch.testing.assert_close(lazy, 3 * eager, rtol=1e-3, atol=1e-6)
        else:
            assert not lazy.any()


class Stepping(Adversarial):
    """Takes steps with its optimizers, without a trainer."""

    def descend(self, loss: Tensor, index: int | None = None) -> None:
        optimizer = self.configure_optimizers()[index or 0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_two_time_scales_are_two_rates() -> None:
    """Down the same gradient, the discriminator moves four times as far and the generator as before."""

    def moved(rate: float) -> list[Tensor]:
        torch.manual_seed(6)
        model = Stepping(
            GRID,
            discriminator_optimizer=lambda p: torch.optim.SGD(p, lr=rate),
            generator_optimizer=lambda p: torch.optim.SGD(p, lr=1e-2),
        )
        steps = []
        for network in (model.discriminator, model.generator):
            before = nn.utils.parameters_to_vector(network.parameters()).detach().clone()
            discriminates = network is model.discriminator
            (model.update_discriminator if discriminates else model.update_generator)(REAL)
            after = nn.utils.parameters_to_vector(network.parameters()).detach()
            steps.append(after - before)
        return steps

    slow, fast = moved(1e-3), moved(4e-3)
    assert slow[0].abs().max() > 1e-5
    torch.testing.assert_close(fast[0], 4 * slow[0], rtol=1e-2, atol=1e-6)
    torch.testing.assert_close(fast[1], slow[1], rtol=0.1, atol=1e-6)
