"""Collapse in closed form: highest points, boundaries, arrows, and a generator before a frozen judge."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from partimento.data.batch import Batch
from partimento.datasets.mixtures import ring_centres
from partimento.distributions import Categorical, Normal
from partimento.metrics.latent_dependence import latent_dependence
from partimento.models.adversarial import Adversarial
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.networks import MLP
from partimento.studies.collapse import (
    Arrows,
    aimed_modes,
    boundary,
    climb,
    climbed,
    codes_of,
    cosines,
    game_arrows,
    highest_point,
    lattice,
    matched_arrows,
    nearest_rows,
    scores_of,
    train_to,
)

POINTS = Normal((1, 2))
TOP = (0.75, -0.5)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class Linear(nn.Module):
    """A judge whose score is a sum of given weights of the features."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor, condition: object = None) -> tuple[Tensor, Tensor]:
        return x.flatten(1) @ self.weight.flatten(), x.flatten(1)


class Hill(nn.Module):
    """A judge with one maximum, at TOP."""

    def __init__(self) -> None:
        super().__init__()
        self.top = nn.Parameter(torch.tensor(TOP))

    def forward(self, x: Tensor, condition: object = None) -> tuple[Tensor, Tensor]:
        return -(x.flatten(1) - self.top).square().sum(1), x.flatten(1)


def game(judge: Callable[[], nn.Module], distribution=POINTS, **options: object) -> Adversarial:
    torch.manual_seed(0)
    settings = {
        "generator": lambda *shapes: MLP(*shapes, hidden=(32,), activation="tanh"),
        "discriminator": lambda *_: judge(),
        "generator_optimizer": lambda parameters: torch.optim.Adam(parameters, lr=1e-2),
        "latent": 2,
    }
    return Adversarial(distribution, **{**settings, **options})  # type: ignore[arg-type]


def cloud(count: int = 64) -> Batch:
    return Batch(torch.randn(count, 1, 2, generator=torch.Generator().manual_seed(3)))


def test_before_a_frozen_judge_all_samples_come_to_its_highest_point():
    """The course's argument with a judge of one maximum: G(z) = x* for every z."""
    model = game(Hill, discriminator_steps={0: 0}, generator_steps=1)
    before = [p.clone() for p in model.discriminator.parameters()]
    seen = {}

    def look(mark: int) -> None:
        x = model.sample(500, generator=torch.Generator().manual_seed(1))
        spread = latent_dependence(x.unsqueeze(1), cloud().x)["latent_spread"]
        seen[mark] = float(spread), x.mean(0).flatten().tolist()

    train_to(model, cloud(), [0, 50, 600], look, batch_size=16)
    assert seen[600][0] < 1e-3 < 1e-2 < seen[0][0]
    assert seen[600][1] == pytest.approx(TOP, abs=0.02)
    assert seen[50][0] > seen[600][0]
    for old, new in zip(before, model.discriminator.parameters(), strict=True):
        assert torch.equal(old, new)


def test_marks_are_met_exactly_and_looking_changes_nothing():
    def trained(marks: list[int], met: list[tuple[int, int]]) -> Adversarial:
        model = game(Hill, discriminator_steps=2)

        def look(mark: int) -> None:
            met.append((mark, model.counters["iterations"]))
            model.sample(5, generator=torch.Generator().manual_seed(mark))

        train_to(model, cloud(), marks, look, batch_size=16)
        return model

    met: list[tuple[int, int]] = []
    often, once = trained([0, 1, 7, 12], met), trained([12], [])
    assert met == [(0, 0), (1, 1), (7, 7), (12, 12)]
    for one, other in zip(often.parameters(), once.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_highest_point_is_found_inside_and_missed_at_the_edge():
    model = game(Hill)
    point, inside = highest_point(lambda nodes: scores_of(model, nodes), 2.0)
    assert point == pytest.approx(TOP, abs=1e-3)
    assert inside
    slope = np.array([1.0, -2.0])
    point, inside = highest_point(lambda nodes: nodes @ slope, 2.0)
    assert point == pytest.approx([2, -2])
    assert not inside


def test_of_two_hills_the_higher_is_taken():
    def two(nodes: np.ndarray) -> np.ndarray:
        near = [np.square(nodes - top).sum(1) for top in ([-1.0, 0.3], [1.0, -0.2])]
        return np.exp(-20 * near[0]) + 1.1 * np.exp(-20 * near[1])

    assert highest_point(two, 2.0)[0] == pytest.approx([1, -0.2], abs=1e-2)
    top, inside = climb(two, np.array([-0.6, 0.0]), 2.0, width=0.1)
    assert top == pytest.approx([-1, 0.3], abs=1e-2)
    assert inside
    top, inside = climb(lambda nodes: nodes @ np.array([1.0, 0.5]), np.zeros(2), 3.0, width=0.1)
    assert top == pytest.approx([3, 3])
    assert not inside


def test_a_boundary_is_where_the_score_is_0():
    circle = boundary(lambda nodes: np.square(nodes).sum(1) - 1, 1.5)
    assert len(circle) > 200
    assert np.hypot(*circle.T) == pytest.approx(1, abs=1e-3)
    line = boundary(lambda nodes: nodes @ np.array([1.0, 2.0]) - 0.5, 1.0, 21)
    assert line @ np.array([1.0, 2.0]) == pytest.approx(0.5, abs=1e-9)
    assert len(boundary(lambda nodes: nodes[:, 0] + 9, 1.0)) == 0


def test_a_lattice_runs_row_by_row_from_below():
    nodes = lattice(2.0, 3)
    assert nodes[:3].tolist() == [[-2, -2], [0, -2], [2, -2]]
    assert nodes[-1].tolist() == [2, 2]


def test_arrows_of_the_game_are_the_gradient_in_closed_form():
    """Non-saturating: the loss is softplus(-D), so a sample goes along sigmoid(-D) times D's slope."""
    weight = torch.tensor([0.7, -1.3])
    model = game(lambda: Linear(weight))
    found = game_arrows(model, codes_of(model, 40, 5))
    score = found.points @ weight.numpy()
    expected = weight.numpy() / (1 + np.exp(score))[:, None]
    np.testing.assert_allclose(found.steps, expected, rtol=1e-4)
    assert len(np.unique(found.points, axis=0)) == 40


def test_arrows_of_imle_go_from_the_nearest_sample_to_each_real_point():
    torch.manual_seed(0)
    model = ImplicitMaximumLikelihood(
        POINTS, generator=lambda *shapes: MLP(*shapes, hidden=(16,)), latent=2, pool=6, noise=0.0
    )
    real = cloud(30)
    found = matched_arrows(model, real, torch.Generator().manual_seed(4))
    with torch.no_grad():
        pool = model.made(model.codes(180, torch.Generator().manual_seed(4)), {}).flatten(1).numpy()
    nearest = nearest_rows(real.x.flatten(1).numpy(), pool)
    np.testing.assert_allclose(found.points, nearest, atol=1e-6)
    np.testing.assert_allclose(
        found.steps, 2 * (real.x.flatten(1).numpy() - nearest), rtol=1e-4, atol=1e-6
    )
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_arrows_are_counted_for_the_first_mode_in_their_direction():
    centres = ring_centres(8, 1.0)
    toward = Arrows(np.zeros((8, 2)), centres)
    assert aimed_modes(toward, centres) == 8
    assert aimed_modes(Arrows(np.zeros((8, 2)), np.repeat(centres[:1], 8, axis=0)), centres) == 1
    # From the left of the circle to the right: the mode there is behind the point, at its foot.
    across = Arrows(np.array([[-1.5, 0.0]]), np.array([[1.0, 0.0]]))
    assert aimed_modes(across, centres) == 1
    away = Arrows(3 * centres, centres)
    assert aimed_modes(away, centres) == 0


def test_angles_are_told_by_their_cosine():
    steps = np.array([[2.0, 0.0], [0.0, 3.0], [0.0, 0.0], [-1.0, 0.0]])
    wanted = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0], [5.0, 0.0]])
    assert cosines(steps, wanted) == pytest.approx([math.sqrt(0.5), 0, 0, -1])


def test_climbing_takes_the_best_symbol_of_each_cell():
    grid = Categorical((3, 2), (4, 5), names=("a", "b"))
    weight = torch.randn(3, 9, generator=torch.Generator().manual_seed(2))
    model = game(lambda: Linear(weight), grid)
    best, score = climbed(model, model.sample(6, generator=torch.Generator().manual_seed(0)))
    expected = torch.stack([weight[:, :4].argmax(1), weight[:, 4:].argmax(1)], dim=-1)
    assert torch.equal(best, expected.expand(6, 3, 2))
    highest = weight[:, :4].amax(1).sum() + weight[:, 4:].amax(1).sum()
    torch.testing.assert_close(score, highest.expand(6))
