"""Models evaluated by their samples: perfect, copying, collapsed and real ones; points and music."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import only_runs
from torch import Tensor

import partimento
from partimento.data.batch import Batch
from partimento.data.module import MusicDataModule
from partimento.data.reference import reference
from partimento.datasets.chorale_modes import ChoraleModes
from partimento.datasets.chorales import Chorales
from partimento.datasets.mixtures import Ring
from partimento.errors import UserError
from partimento.evaluation import generated
from partimento.evaluation.generated import (
    copies_section,
    draw,
    evaluate_generator,
    windows_section,
)
from partimento.evaluation.generated_tables import csv_of, json_of, markdown
from partimento.evaluation.run import evaluate
from partimento.metrics.music.statistics import STATISTICS
from partimento.representations.multivoice import MultiVoice
from partimento.representations.points import Points
from partimento.spaces.fixed import decoded

RUN = (
    "model=gan", "model.generator.hidden=[16]", "model.discriminator.hidden=[16]",
    "trainer.max_updates=20", "trainer.max_epochs=1", "trainer.progress_bar=false",
    "accelerator=cpu", "accelerator.threads=1", "logger=csv", "diagnostics=none",
)  # fmt: skip


ONE_BAR = set(STATISTICS) - {"groove_consistency"}
"""What windows of one bar have a value of."""


class Sampler(torch.nn.Module):
    """A model that deals out given examples, in turn, as its samples."""

    device = torch.device("cpu")

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.counters = {"updates": 9}
        self.x, self.place = x, 0

    def given_of(self, batch: Batch) -> None:
        return None

    def sample(self, n: int, **_: Any) -> Tensor:
        rows = torch.arange(self.place, self.place + n) % len(self.x)
        self.place += n
        return self.x[rows]


@pytest.fixture(scope="module")
def chorales(cache: Path) -> MusicDataModule:
    grid = MultiVoice(Chorales().parts, Chorales().ranges, bars=1)
    return MusicDataModule(Chorales(), grid, cache=str(cache))


def report_of(data: MusicDataModule, x: Tensor, count: int | None = None) -> generated.Report:
    return evaluate_generator(Sampler(x), data.representation, data, count=count)


@pytest.fixture(scope="module")
def small(chorales: MusicDataModule) -> MusicDataModule:
    """The chorales with training examples in their own keys, which is quicker."""
    chorales.config.transpose = False
    chorales.config.stride = 4
    return chorales


@pytest.fixture(scope="module", autouse=True)
def fewer():
    """Compare fewer examples than a user would, to be quick."""
    before = generated.MOST_A_SIDE, generated.MOST
    generated.MOST_A_SIDE, generated.MOST = 30, 250
    yield
    generated.MOST_A_SIDE, generated.MOST = before


@pytest.fixture(scope="module")
def perfect(small: MusicDataModule) -> generated.Report:
    return report_of(small, reference(small, "valid", 250).x)


def excesses(report: generated.Report) -> Mapping[str, float]:
    return {name: row["excess"] for name, row in report["collapse"].items() if "excess" in row}


def test_unseen_music_passes_for_held_out_music(perfect) -> None:
    """Inside their intervals, or, of thirty windows of few tunes, not far outside."""
    far = {name: value for name, value in excesses(perfect).items() if abs(value) > 2}
    assert not far
    assert set(perfect["music"]) == ONE_BAR
    apart = 0
    for row in perfect["music"].values():
        for side in ("samples", "held_out", "train"):
            assert row[f"{side}_low"] <= row[side] <= row[f"{side}_high"]
        low, high = row["samples_low"], row["samples_high"]
        apart += low > row["held_out_high"] or high < row["held_out_low"]
    assert apart <= 2
    for name, row in perfect["distances"].items():
        assert row["overlap"] > 0.85, name
        assert row["train_overlap"] > 0.85, name


def test_by_default_as_many_samples_as_training_examples(perfect, small) -> None:
    counts = perfect["about"]["examples"]
    assert counts["samples"] == counts["train"] == len(reference(small, "train", 250))
    assert counts["held_out"] == len(reference(small, "test", 250))
    assert perfect["collapse"]["examples_a_side"]["value"] == 30


def test_copies_are_found(small) -> None:
    train = small.examples("train").x
    held_out = reference(small, "test", 250)
    copier = draw(Sampler(train), small, 300, temperature=1.0, seed=0)
    copies = copies_section(copier, held_out, small, seed=0)
    assert copies["exact_copies"]["samples"] == copies["near_copies"]["samples"] == 1
    assert copies["exact_copies"]["held_out"] < 0.1
    # All windows of up to a bar stand in a training piece; of held-out music the short ones do.
    grid = small.representation
    pieces = [decoded(grid, side.x, None) for side in (copier, held_out)]
    windows = windows_section(*pieces, small, seed=0)
    assert [windows[n]["samples"] for n in "1234"] == [1, 1, 1, 1]
    assert windows["4"]["samples_longest"] == 1 / 4 == windows["1"]["samples_longest"]
    quoted = [windows[n]["held_out"] for n in "1234"]
    assert quoted[0] > 0.5
    assert quoted == sorted(quoted, reverse=True)
    assert quoted[3] < 0.15
    # One cell of 64 differs: near and not exact.
    other = train.clone()
    other[:, 0, 0] = (other[:, 0, 0] + 1) % 20
    varied = draw(Sampler(other), small, 300, temperature=1.0, seed=0)
    copies = copies_section(varied, held_out, small, seed=0)
    assert copies["near_copies"]["samples"] == 1
    assert copies["exact_copies"]["samples"] < 0.1


def test_a_point_collapse_is_seen_everywhere(small) -> None:
    report = report_of(small, small.examples("test").x[:1], count=300)
    copies, bad = report["copies"], excesses(report)
    assert copies["unique"]["samples"] == pytest.approx(1 / 114, abs=1e-6)
    assert copies["effective_support"]["samples"] == 1
    assert bad["coverage"] < -2
    assert bad["nearest_ratio"] > 2
    assert set(report["failures"]) & {"point_collapse", "few_modes"}
    for name, row in report["distances"].items():
        assert (row["overlap"], row["divergence"], row["spread"]) == (0, math.inf, 0), name


def test_points_have_the_true_law_and_no_music(tmp_path) -> None:
    ring = Ring(samples=2000)
    data = MusicDataModule(ring, Points(), cache=str(tmp_path))
    x = torch.from_numpy(Ring(samples=9000).examples("valid").x)
    report = report_of(data, x, count=900)
    assert set(report) == {"about", "collapse", "failures", "oracle"}
    oracle = report["oracle"]
    assert oracle["modes"] == {"samples": 8, "held_out": 8, "perfect": 8}
    assert oracle["high_quality"]["perfect"] == pytest.approx(1 - math.exp(-4.5))
    assert oracle["high_quality"]["samples"] == pytest.approx(0.989, abs=0.012)
    assert oracle["reverse_kl"]["perfect"] == pytest.approx(7 / 1800, rel=0.05)
    assert list((tmp_path / "calibrations").iterdir())
    assert report_of(data, x, count=900) == report
    half = x[ring.oracle.assign(x.numpy()).mode < 4]
    found = report_of(data, half, count=400)["oracle"]
    assert found["modes"]["samples"] == 4
    assert found["reverse_kl"]["samples"] == pytest.approx(math.log(2), abs=0.05)


def test_music_of_a_known_law_is_judged_by_it(monkeypatch) -> None:
    monkeypatch.setattr(generated, "MOST_A_SIDE", 10)
    dataset = ChoraleModes(samples=400)
    data = MusicDataModule(dataset, MultiVoice(dataset.parts, dataset.ranges, steps_per_bar=4))
    report = report_of(data, data.examples("valid").x, count=40)
    assert report["oracle"]["modes"]["perfect"] == 24
    assert report["oracle"]["high_quality"]["samples"] > 0.95
    assert {"music", "distances", "copies", "copied_windows", "collapse"} <= set(report)


def test_too_small_a_corpus_says_nothing_of_collapse(caplog) -> None:
    data = MusicDataModule(Ring(samples=20), Points())
    report = report_of(data, torch.zeros(5, 1, 2), count=5)
    assert set(report) == {"about", "oracle"}
    assert "Nothing is said of mode collapse" in caplog.text
    assert not [v for row in report["oracle"].values() for v in row.values() if math.isnan(v)]


def test_tables_say_what_the_report_says(perfect) -> None:
    text = markdown(perfect, "a model on music")
    assert text.startswith("# a model on music\n")
    for heading in ("## Music", "## Distances (MGEval)", "## Mode collapse", "## Copies"):
        assert text.count(heading) == 1
    assert "## The true law" not in text
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert ONE_BAR | set(perfect["distances"]) | set(perfect["collapse"]) <= set(rows)
    value = perfect["music"]["scale_consistency"]["held_out"]
    assert f" {value:.4g} (" in rows["scale_consistency"]
    lines = csv_of(perfect).splitlines()
    assert lines[0] == "section,name,column,value"
    assert f"music,scale_consistency,held_out,{value}" in lines
    kept = json.loads(json_of({**perfect, "distances": {"x": {"divergence": math.inf}}}))
    assert kept["distances"] == {"x": {"divergence": None}}
    assert kept["music"] == perfect["music"]


def test_statistics_whose_intervals_do_not_meet_are_marked() -> None:
    row = {"samples": 2.0, "samples_low": 1.5, "samples_high": 2.5}
    near = {"held_out": 3.0, "held_out_low": 2.4, "held_out_high": 4.0}
    far = {**near, "held_out_low": 2.6}
    for other, mark in ((near, False), (far, True), ({"held_out": 9.0}, False)):
        report = {
            "about": {"examples": {"samples": 9.0}},
            "music": {"polyphony": {**row, **other}},
        }
        line = next(x for x in markdown(report, "").splitlines() if x.startswith("| polyphony"))
        assert ("≠" in line) == mark


@pytest.fixture(scope="module")
def gan_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    outputs = tmp_path_factory.mktemp("gan")
    music = ("dataset=chorales", "representation.bars=1", "data.transpose=false", "data.stride=4")
    partimento.train([*RUN, *music, f"paths.outputs={outputs}", f"paths.cache={cache}"])
    return only_runs(outputs)[0]


def test_an_untrained_gan_is_no_bach(gan_run, cache) -> None:
    done = evaluate(gan_run, count=200, cache=str(cache))
    assert {f"evaluation.{end}" for end in ("json", "md", "csv")} <= {
        path.name for path in gan_run.iterdir()
    }
    assert done.path == gan_run / "evaluation.json"
    assert done.text == (gan_run / "evaluation.md").read_text()
    found = json.loads(done.path.read_text())
    assert found["about"]["examples"]["samples"] == 200
    music = found["music"]
    assert music["scale_consistency"]["samples_high"] < music["scale_consistency"]["held_out_low"]
    assert music["parallel_fifths"]["samples"] > 3 * music["parallel_fifths"]["train"]
    assert found["copied_windows"]["4"]["samples"] < 0.05
    # The rates of Bach stand on the same grid, and are Bach's.
    assert music["parallel_fifths"]["train"] < 2
    assert music["polyphony"]["train"] == pytest.approx(3.9, abs=0.1)


def test_weights_are_left_to_the_model_which_takes_averaged_ones(small, monkeypatch) -> None:
    asked: list[Any] = []

    class Noted(Sampler):
        def sample(self, n: int, **arguments: Any) -> Tensor:
            asked.append((n, arguments["weights"], arguments["temperature"]))
            return super().sample(n)

    monkeypatch.setattr(generated, "CHUNK", 30)
    x = small.examples("valid").x
    found = draw(Noted(x), small, 70, temperature=0.5, seed=0)
    assert asked == [(30, None, 0.5), (30, None, 0.5), (10, None, 0.5)]
    assert torch.equal(found.x, x[:70])
    assert len(set(found.group)) == 70


@pytest.mark.full
def test_a_model_of_sequences_of_any_length(tmp_path, cache, monkeypatch) -> None:
    """Marginal counts over tunes, which differ in length: samples have the lengths of test tunes."""
    monkeypatch.setattr(generated, "MOST", 60)  # a whole tune each
    celtic = ("dataset=celtic", "dataset.metre=6/8", "dataset.rhythm=jig", "representation=abc")
    fixed = ("model=marginal", *RUN[5:], *celtic, "data.transpose=false")
    partimento.train([*fixed, f"paths.outputs={tmp_path}", f"paths.cache={cache}"])
    found = json.loads(evaluate(only_runs(tmp_path)[0], cache=str(cache)).path.read_text())
    assert found["about"]["examples"]["samples"] == 60
    assert found["copies"]["exact_copies"]["samples"] == 0
    assert "parallel_fifths" not in found["music"]  # one part
    # Tokens by chance do not make bars that are alike in length.
    real = found["music"]["scale_consistency"]
    assert real["samples"] < real["held_out"]


def test_a_model_that_cannot_sample_by_itself_is_refused_in_its_own_words(small) -> None:
    class Needy(Sampler):
        def sample(self, n: int, **_: Any) -> Tensor:
            raise UserError("This model needs a melody.")

    with pytest.raises(UserError, match="This model needs a melody"):
        evaluate_generator(Needy(torch.zeros(1)), small.representation, small)
