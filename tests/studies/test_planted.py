"""Planted failures are what they are called, by the law's own oracle, and as severe as is dialled."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from partimento.metrics.oracles import mode_counts, modes_covered, reverse_kl
from partimento.spaces.fixed import PitchClasses
from partimento.studies.planted import (
    FAILURES,
    STEEPEST,
    Chorales,
    Failure,
    Mixture,
    Planted,
    QuarterMusic,
    StackedMotifs,
    World,
    mode_weights,
    world,
)

COUNT = 600


def planted(place: World, failure: Failure | None, severity: float, seed: int = 0) -> Planted:
    rng = np.random.default_rng(seed)
    return Planted(place, failure, severity, place.real(50, rng), rng)


def labels(place: World, x: torch.Tensor):
    if isinstance(place, Mixture):
        return place.law.assign(x.numpy())
    pieces = [place.representation.decode(example) for example in x.numpy()]
    return place.law.assign(pieces)


@pytest.fixture(scope="module", params=["ring", "grid", "chorale_modes"])
def place(request: pytest.FixtureRequest) -> World:
    return world(request.param)


def test_real_examples_are_of_the_law(place: World) -> None:
    found = labels(place, place.real(COUNT, np.random.default_rng(1)))
    assert modes_covered(mode_counts(found, place.modes)) == place.modes
    assert found.good.mean() > place.law.ceiling - 0.02


def test_the_stacked_world_is_of_its_law() -> None:
    place = world("stacked_chorale")
    x = place.real(50, np.random.default_rng(1))
    pieces = [place.representation.decode(example) for example in x.numpy()]
    assert place.law.log_prob(pieces) == pytest.approx(-place.law.entropy)


def test_samples_have_the_mode_that_was_asked_for(place: World) -> None:
    mode = np.arange(COUNT) % place.modes
    found = labels(place, place.draw(mode, np.random.default_rng(2), narrow=0.5))
    assert (found.mode == mode).mean() > 0.99


@pytest.mark.parametrize(
    ("failure", "severity", "left"),
    [
        ("dropped_modes", 0.05, 7),
        ("dropped_modes", 0.7, 6),
        ("dropped_modes", 1.0, 5),
        ("few_modes", 0.05, 3),
        ("few_modes", 0.5, 1),
        ("few_modes", 1.0, 1),
        ("imbalance", 1.0, 8),
    ],
)
def test_modes_that_are_left_on_the_ring(failure: Failure, severity: float, left: int) -> None:
    place = world("ring")
    made = planted(place, failure, severity).make(COUNT).fake
    assert modes_covered(mode_counts(labels(place, made), place.modes)) == left


@pytest.mark.parametrize("modes", [8, 24, 25, 1000])
def test_weights_of_modes(modes: int) -> None:
    assert np.allclose(mode_weights(None, 1.0, modes), 1 / modes)
    uneven = mode_weights("imbalance", 1.0, modes)
    assert uneven[0] / uneven[-1] == pytest.approx(STEEPEST)
    assert np.allclose(mode_weights("imbalance", 0.0, modes), 1 / modes)
    for severity in (0.05, 0.3, 1.0):
        dropped = (mode_weights("dropped_modes", severity, modes) > 0).sum()
        few = (mode_weights("few_modes", severity, modes) > 0).sum()
        assert modes / 2 <= dropped < modes
        assert 1 <= few < modes / 2
    assert (mode_weights("few_modes", 1.0, modes) > 0).sum() == 1


def test_point_collapse_repeats_one_sample_in_every_evaluation(place: World) -> None:
    generator = planted(place, "point_collapse", 0.5)
    for _ in range(2):
        flat = generator.make(COUNT).fake.flatten(1)
        rows, counts = torch.unique(flat, dim=0, return_counts=True)
        assert counts.max() == pytest.approx(COUNT / 2, abs=60)
        assert torch.equal(rows[counts.argmax()], generator._point.flatten().to(rows.dtype))


def test_copies_are_of_the_training_examples(place: World) -> None:
    generator = planted(place, "memorisation", 0.3)
    made = generator.make(COUNT).fake.flatten(1)
    train = generator.train.flatten(1)
    copied = (made[:, None] == train[None]).all(dim=2).any(dim=1).double().mean()
    assert float(copied) == pytest.approx(0.3, abs=0.06)


def test_a_narrow_mode_of_points_has_its_deviation_less() -> None:
    place = world("ring")
    made = planted(place, "intra_mode", 0.7).make(20_000).fake.numpy().reshape(-1, 2)
    away = made - place.law.centres[place.law.assign(made).mode]
    assert away.std() == pytest.approx(0.3 * 0.01, rel=0.05)


@pytest.mark.parametrize("name", ["chorale_modes", "stacked_chorale"])
def test_a_narrow_mode_of_music_is_one_sample(name: str) -> None:
    place = world(name)
    mode = np.repeat(np.arange(20), 5)
    full = place.draw(mode, np.random.default_rng(3), narrow=1.0)
    assert len(torch.unique(full.flatten(1), dim=0)) == 20
    half = place.draw(mode, np.random.default_rng(3), narrow=0.5)
    bars = (half == full).reshape(100, 4, -1).all(dim=2).double().mean()
    assert float(bars) == pytest.approx(0.5, abs=0.1)


def test_codes_do_nothing_where_they_are_ignored(place: World) -> None:
    made = planted(place, "z_independence", 0.7).make(COUNT)
    assert made.again is not None
    same = (made.fake == made.again).flatten(1).all(dim=1)
    assert float(same.double().mean()) == pytest.approx(0.7, abs=0.06)
    counts = mode_counts(labels(place, made.fake), place.modes)
    assert reverse_kl(counts) < 0.06  # samples of different conditions are as they should be
    assert np.array_equal(labels(place, made.fake).mode, labels(place, made.again).mode)


def test_rotation_is_to_another_mode_at_each_evaluation() -> None:
    place = world("ring")
    generator = planted(place, "rotation", 1.0)
    seen = [set(labels(place, generator.make(50).fake).mode.tolist()) for _ in range(8)]
    assert all(len(modes) == 1 for modes in seen)
    assert len(set.union(*seen)) == 8


def test_noise_is_of_no_mode(place: World) -> None:
    made = planted(place, "off_manifold", 1.0).make(COUNT)
    assert labels(place, made.fake).good.mean() < 0.05
    half = planted(place, "off_manifold", 0.5).make(COUNT)
    assert labels(place, half.fake).good.mean() == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("failure", FAILURES)
def test_no_severity_is_health(failure: Failure) -> None:
    place = world("ring")
    made = planted(place, failure, 0.0)
    assert made.failure is None
    counts = mode_counts(labels(place, made.make(COUNT).fake), 8)
    assert reverse_kl(counts) < 0.03
    assert (made.make(10).again is not None) == (failure == "z_independence")


@pytest.mark.parametrize("made_by", [Chorales, StackedMotifs])
def test_features_are_the_shares_of_pitch_classes(made_by: type[QuarterMusic]) -> None:
    """What the study compares is what the notes of the pieces say."""
    place = made_by()
    x = place.real(20, np.random.default_rng(4))
    low = np.array([low for low, _ in place.ranges])
    bars = (x.numpy() + low).reshape(20, 4, -1) % 12
    expected = np.stack([(bars == name).mean(axis=2) for name in range(12)], axis=2)
    found = PitchClasses(place.representation, parts=4)(x)
    assert np.allclose(found.reshape(20, 4, 12), expected, atol=1e-6)
