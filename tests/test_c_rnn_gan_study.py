"""The study of C-RNN-GAN: its rules on made-up curves, a run's curves, the page, the picture."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from partimento.loggers.csv import CsvLogger
from partimento.reports.curves import Curve, draw_curves

ROOT = Path(__file__).resolve().parents[1]
EPOCHS = 66
REAL = {
    "mode_consistency": 0.9, "pitch_range": 30.0, "pitches_used": 16.0, "intensity_span": 0.0,
    "joint_onsets": 0.6, "repetitions": 4.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


@pytest.fixture
def rule() -> ModuleType:
    return importlib.import_module("c_rnn_gan_rule")


@pytest.fixture
def study() -> ModuleType:
    return importlib.import_module("c_rnn_gan")


def runs_of(rule: ModuleType, **curves: dict[str, object]) -> dict[str, object]:
    """Return runs of one seed; a number stands for a curve that stays there."""
    found = {}
    for model in rule.MODELS:
        own = {**REAL, **curves.get(model, {})}
        lines = {name: np.broadcast_to(value, EPOCHS).tolist() for name, value in own.items()}
        found[model] = rule.Run(lines, REAL, EPOCHS if model == "baseline" else 6)
    return found


def game(values: np.ndarray) -> np.ndarray:
    """Return a curve with six epochs before a game of sixty."""
    return np.concatenate([np.zeros(6), values])


def test_late_values_are_of_the_last_third(rule: ModuleType) -> None:
    curve = np.concatenate([np.zeros(44), np.ones(22)])
    runs = runs_of(rule, c_rnn_gan={"pitches_used": curve})
    assert runs["c_rnn_gan"].late("pitches_used") == 1


@pytest.mark.parametrize(
    ("claim", "held", "broken"),
    [
        (
            "settles",
            {"c_rnn_gan": {"mode_consistency": game(np.minimum(np.arange(60) / 15, 1) * 0.8)}},
            {"c_rnn_gan": {"mode_consistency": game(np.linspace(0.2, 0.9, 60))}},
        ),
        (
            "repetitions",
            {"c_rnn_gan": {"repetitions": game(np.append(np.arange(25), np.full(35, 3)))}},
            {"c_rnn_gan": {"repetitions": game(np.arange(60))}},
        ),
        ("unique", {"baseline": {"pitches_used": 5}}, {"baseline": {"pitches_used": 15}}),
        ("span", {"baseline": {"pitch_range": 29}}, {"baseline": {"pitch_range": 31}}),
        ("same_scale", {"baseline": {"mode_consistency": 0.93}}, {"baseline": {"mode_consistency": 1}}),
        (
            "follows",
            {"baseline": {"pitch_range": np.arange(66), "pitches_used": np.arange(66) ** 2}},
            {"c_rnn_gan": {"pitch_range": np.arange(66), "pitches_used": np.arange(66)}},
        ),
        (
            "polyphony",
            {"c_rnn_gan": {"joint_onsets": 0.2}, "baseline": {"joint_onsets": 0}},
            {"c_rnn_gan": {"joint_onsets": 0.2}},
        ),
        (
            "empties",
            {"c_rnn_gan_3": {"pitches_used": game(np.where(np.arange(60) == 52, 1, 12))}},
            {"c_rnn_gan_3": {"pitches_used": game(np.where(np.arange(60) == 30, 1, 12))}},
        ),
        ("real_scale", {"c_rnn_gan": {"mode_consistency": 0.8}}, {"c_rnn_gan": {"mode_consistency": 0.7}}),
        ("real_polyphony", {}, {"c_rnn_gan_3": {"joint_onsets": 0.3}}),
        ("real_repetitions", {"c_rnn_gan": {"repetitions": 1}}, {}),
    ],
)  # fmt: skip
def test_a_claim_holds_or_does_not(rule: ModuleType, claim: str, held: dict, broken: dict) -> None:
    rules = rule.CLAIMS[claim]
    good, bad = runs_of(rule, **held), runs_of(rule, **broken)
    assert rule.verdict(rules, [good, good, good]) == "holds"
    assert rule.verdict(rules, [bad, bad, bad]) == "does not hold"
    assert rule.verdict(rules, [good, bad, good]) == "does not hold"  # it must in every seed


def test_music_of_one_intensity_says_nothing_of_spans(rule: ModuleType) -> None:
    claim, runs = rule.CLAIMS["intensity"], runs_of(rule)
    assert rule.verdict(claim, [runs]) == "cannot be told"
    loud = {**REAL, "intensity_span": 60.0}
    run = rule.Run({name: [value] * EPOCHS for name, value in loud.items()}, loud, 6)
    assert rule.verdict(claim, [{"c_rnn_gan": run}]) == "holds"


def test_rank_correlation_is_spearmans(rule: ModuleType) -> None:
    from scipy.stats import spearmanr

    draw = np.random.default_rng(0)
    for _ in range(5):
        first, second = draw.integers(0, 6, (2, 20))
        expected = float(spearmanr(first, second).statistic)
        assert rule.rank_correlation(first, second) == pytest.approx(expected)
    assert rule.rank_correlation([1, 1, 1], [1, 2, 3]) == 0


def test_curves_are_read_from_metrics(rule: ModuleType, study: ModuleType, tmp_path: Path) -> None:
    logger = CsvLogger(tmp_path)
    for epoch in range(4):
        values = {f"music/{name}": epoch + 0.5 for name in REAL if epoch or name != "joint_onsets"}
        values |= {f"music/{name}_held_out": value for name, value in REAL.items()}
        axes = {"updates": 10 * epoch, "batches_seen": 10 * epoch, "examples_seen": 0}
        logger.log_metrics({**values, **axes, "epoch": epoch}, step=10 * epoch)
    run = study.run_of(tmp_path, 2)
    assert run.curves["pitch_range"] == [0.5, 1.5, 2.5, 3.5]
    assert run.curves["joint_onsets"] == [0.0, 1.5, 2.5, 3.5]  # no notes had no value
    assert run.real == REAL
    assert run.game("repetitions").tolist() == [2.5, 3.5]


def test_the_page_has_every_claim_with_its_rule(rule: ModuleType, study: ModuleType) -> None:
    text = (ROOT / "docs" / "c_rnn_gan.md").read_text()
    for claim in rule.CLAIMS.values():
        assert f"| {claim.text} | {claim.rule} |" in text
    figures = study.figures_of([runs_of(rule)] * 3)
    again = study.paged(study.paged(text, figures), figures)
    assert again == study.paged(text, figures)
    assert "| Baseline | 90.0 (90.0, 90.0, 90.0) | 30.0 (30.0, 30.0, 30.0) |" in again
    assert study.paged(again, None) == study.paged(text, None)


def test_the_baseline_is_all_pretraining(study: ModuleType) -> None:
    chosen = study.overrides("baseline", 1, "somewhere")
    assert "experiment=c_rnn_gan_small" in chosen
    assert "model.pretraining.epochs=66" in chosen


def test_curves_are_drawn(tmp_path: Path) -> None:
    curves = [Curve("spans", range(5), [[1, 2, 3, 4, 5], [2, 2, 2, 2, 2]], real=3.0)]
    figure = draw_curves(
        {"one": curves, "other": curves}, tmp_path / "a" / "b.png", begin=2, top=10
    )
    first = figure.axes[0]
    heights = [line.get_ydata()[-1] for line in first.get_lines()]
    assert heights[:3] == [5, 2, 3.0]
    assert first.get_ylim() == (0, 10)
    assert (tmp_path / "a" / "b.png").stat().st_size > 3000
