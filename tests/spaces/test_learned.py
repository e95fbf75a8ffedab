"""The learnt feature space: modes that are missing, its seed and its cache, and distances in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import only_runs

import partimento
from partimento.datasets.chorale_modes import ChoraleModes
from partimento.errors import UserError
from partimento.loggers.csv import read_metrics
from partimento.metrics.frechet import FrechetDistance, KernelDistance, frechet_distance
from partimento.metrics.manifold import manifold
from partimento.representations.frames import Frames
from partimento.representations.melody import Melody
from partimento.representations.multivoice import MultiVoice
from partimento.representations.pianoroll import PianoRoll
from partimento.representations.points import Points
from partimento.spaces.fixed import PitchClasses
from partimento.spaces.learned import Encoded, Extractor


@pytest.fixture(scope="module")
def chorales() -> tuple[MultiVoice, torch.Tensor, np.ndarray]:
    """2,100 synthetic chorales by quarter notes, and the mode of each."""
    dataset = ChoraleModes()
    representation = MultiVoice(dataset.parts, dataset.ranges, bars=4, steps_per_bar=4)
    pieces = dataset.prepare(None).pieces[:2100]
    x = torch.as_tensor(np.stack(representation.encode_all(pieces)))
    return representation, x, dataset.oracle.assign(pieces).mode


@pytest.fixture(scope="module")
def learnt(chorales) -> Encoded:
    representation, x, _ = chorales
    return Encoded(representation, x[900:])


def small(representation, corpus=None, cache=None, **settings) -> Encoded:
    space = Encoded(representation, features=4, channels=8, updates=20, **settings)
    if corpus is not None:
        space.learn(corpus, cache)
    return space


def test_half_of_the_modes_missing_shows_about_as_clearly_as_in_pitch_classes(chorales, learnt):
    """Pitch classes by the bar are what these modes are made of; the encoder finds them out."""
    representation, x, mode = chorales
    kept = torch.as_tensor(mode[600:900] % 2 == 0)

    def covered(space) -> tuple[float, float]:
        features = space(x[:900])
        real, fake = features[:300], features[600:]
        half = fake[kept]
        return manifold(real, fake[: len(half)]).coverage, manifold(real, half).coverage

    ours, by_hand = covered(learnt), covered(PitchClasses(representation, parts=4))
    assert ours[0] > 0.78
    assert ours[1] == pytest.approx(by_hand[1], abs=0.08)
    assert ours[0] - ours[1] > 0.75 * (by_hand[0] - by_hand[1])


@pytest.mark.full
def test_hiding_parts_is_what_makes_modes_stand_apart(chorales, learnt):
    """An autoencoder that sees all of an example keeps its notes, not its mode."""
    representation, x, mode = chorales
    plain = Encoded(representation, x[900:], hidden=0.0)

    def neighbour_has_the_mode(space) -> float:
        features = space(x[:900])
        distances = torch.cdist(features, features).fill_diagonal_(torch.inf)
        nearest = distances.argmin(dim=1).numpy()
        return float((mode[:900][nearest] == mode[:900]).mean())

    assert neighbour_has_the_mode(learnt) > 0.98
    assert neighbour_has_the_mode(plain) < 0.95


def test_it_follows_from_the_seed_and_leaves_the_common_stream(chorales):
    representation, x, _ = chorales
    state = torch.get_rng_state()
    first, second, other = (small(representation, x[:200], seed=seed)(x[:9]) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_features_of_the_corpus_are_standardised(chorales):
    representation, x, _ = chorales
    features = small(representation, x[:300])(x[:300])
    assert features.shape == (300, 4)
    torch.testing.assert_close(features.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(features.std(0, correction=0), torch.ones(4), atol=1e-3, rtol=0)


def test_a_corpus_is_learnt_at_once_or_later(chorales):
    representation, x, _ = chorales
    at_once = Encoded(representation, x[:200], features=4, channels=8, updates=20)
    assert torch.equal(at_once(x[200:210]), small(representation, x[:200])(x[200:210]))


def test_it_learns_in_inference_mode_too(chorales):
    """Lightning validates in it, and what is made there cannot be trained."""
    representation, x, _ = chorales
    with torch.inference_mode():
        found = small(representation, x[:50].clone())(x[:5])
    assert torch.equal(found.clone(), small(representation, x[:50])(x[:5]))


def test_the_cache_knows_data_and_settings(chorales, tmp_path, monkeypatch):
    representation, x, _ = chorales
    fresh = small(representation, x[:100], cache=tmp_path)(x[:9])
    (kept,) = (tmp_path / "encoders").iterdir()
    other = x[:100].clone()
    other[0, 0, 0] = (other[0, 0, 0] + 1) % 10
    small(representation, other, cache=tmp_path)
    small(representation, x[:100], seed=1, cache=tmp_path)
    assert len(list((tmp_path / "encoders").iterdir())) == 3
    monkeypatch.setattr("partimento.spaces.learned.trained", None)
    again = small(representation, x[:100], cache=tmp_path)
    assert torch.equal(again(x[:9]), fresh)
    assert kept.is_file()


@pytest.mark.parametrize(
    "representation",
    [Melody(bars=1), PianoRoll(bars=1), PianoRoll(bars=1, steps_per_bar=4)],
    ids=["melody", "pianoroll", "a step a part"],
)
def test_other_representations(representation):
    parameters = torch.randn(
        64, *representation.distribution.parameter_shape,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    x = representation.distribution.sample(parameters, generator=torch.Generator().manual_seed(1))
    assert torch.isfinite(small(representation, x)(x)).all()


def test_what_has_no_parts_is_refused(chorales):
    with pytest.raises(UserError, match="Encoded is about notes, but samples are points"):
        Encoded(Points())
    with pytest.raises(UserError, match="Encoded compares examples of one length"):
        Encoded(Frames())
    with pytest.raises(UserError, match="needs examples of a corpus"):
        small(chorales[0], chorales[1][:0])


def test_distances_in_the_learnt_space(chorales, learnt):
    """torchmetrics' distances with our extractor: half of the modes are farther than new chorales."""
    _, x, mode = chorales
    extractor = Extractor(learnt, learnt.num_features)
    kept = torch.as_tensor(mode[450:900] % 2 == 0)
    whole, half = x[450:900][: int(kept.sum())], x[450:900][kept]

    def distance(metric, fake: torch.Tensor) -> float:
        for part in x[:450].chunk(3):
            metric.update(part, real=True)
        metric.update(fake, real=False)
        found = metric.compute()
        return float(found[0] if isinstance(found, tuple) else found)

    new, missing = (distance(FrechetDistance(extractor), fake) for fake in (whole, half))
    assert new == pytest.approx(frechet_distance(learnt(x[:450]), learnt(whole)), rel=1e-3)
    assert missing > 1.5 * new
    kernels = [distance(KernelDistance(extractor, 20, 100), fake) for fake in (whole, half)]
    assert abs(kernels[0]) < kernels[1] / 3


@pytest.mark.full
def test_the_watch_for_mode_collapse_takes_it_by_config(tmp_path):
    partimento.train(
        [
            "model=gan", "dataset=chorale_modes", "dataset.samples=900",
            "representation=multivoice", "representation.bars=4", "representation.steps_per_bar=4",
            "model.generator.hidden=[16]", "model.discriminator.hidden=[16]",
            "trainer.max_updates=20", "trainer.max_epochs=1", "trainer.progress_bar=false",
            "accelerator=cpu", "accelerator.threads=1", "logger=csv",
            "diagnostics=mode_collapse_encoded", "~diagnostics.samples",
            "diagnostics.mode_collapse.every=10", "diagnostics.mode_collapse.count=40",
            "diagnostics.mode_collapse.space.updates=60",
            "diagnostics.mode_collapse.space.features=6",
            f"paths.outputs={tmp_path}", "paths.cache=null",
        ]
    )  # fmt: skip
    (folder,) = only_runs(tmp_path)
    values = {row["name"]: row["value"] for row in read_metrics(folder / "metrics.csv")}
    # An untrained generator makes nearly one chorale of all codes.
    assert values["collapse_thorough_excess/nearest_ratio"] > 4
    assert values["collapse_thorough_excess/coverage"] < -2
