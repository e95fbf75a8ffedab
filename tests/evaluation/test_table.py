"""One evaluation for all, and how its figures are shown."""

import json
import math

import pytest
import torch
from torchmetrics import Metric

from partimento.distributions import Categorical
from partimento.errors import UserError
from partimento.evaluation.table import (
    BASELINES,
    baseline_table,
    evaluate_predictor,
    format_table,
    grid_metrics,
    to_json,
)

GRID = Categorical((2, 2), [3, 3], ["top", "low"], [[60, 62, "hold"], [48, 50, "hold"]])
X = torch.tensor([[[0, 0], [2, 2]], [[1, 1], [0, 1]]])


def test_perfect_and_uniform_predictor() -> None:
    def uniform(x: torch.Tensor) -> torch.Tensor:
        return torch.full(x.shape, -math.log(3))

    values = evaluate_predictor(lambda _: X, uniform, X, GRID, ["top"], grid_metrics(GRID, ["top"]))
    assert values["nll"] == pytest.approx(math.log(3))
    assert values["accuracy"] == values["accuracy/low"] == values["accuracy_all_voices"] == 1
    assert "accuracy/top" not in values


def test_summed_and_unreduced_likelihoods_agree() -> None:
    cells = -torch.rand(X.shape, generator=torch.Generator().manual_seed(0))
    metrics = grid_metrics(GRID, ["low"])
    unreduced = evaluate_predictor(lambda _: X, lambda _: cells, X, GRID, ["low"], metrics)
    summed = cells[..., 0].sum(dim=1)
    reduced = evaluate_predictor(lambda _: X, lambda _: summed, X, GRID, ["low"], metrics)
    assert unreduced["nll"] == pytest.approx(-cells[..., 0].mean().item())
    assert reduced == pytest.approx(unreduced)


def test_predictor_cannot_see_what_it_is_to_predict() -> None:
    seen = []

    def predict(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return x

    evaluate_predictor(predict, None, X, GRID, ["top"], {})
    assert torch.equal(seen[0][..., 0], X[..., 0])
    assert (seen[0][..., 1] == 0).all()


def test_any_metric_and_no_likelihood() -> None:
    class Voices(Metric):
        def __init__(self) -> None:
            super().__init__()
            self.add_state("asked", torch.tensor(0), dist_reduce_fx="sum")

        def update(self, prediction, target, mask) -> None:
            self.asked += mask.sum()

        def compute(self) -> torch.Tensor:
            return self.asked

    metric = Voices()
    for _ in range(2):  # Reset in between.
        values = evaluate_predictor(lambda x: x, None, X, GRID, ["top"], {"asked": metric})
        assert values == {"asked": 4.0}


def test_mistakes_of_a_predictor_are_told() -> None:
    with pytest.raises(UserError, match=r"given voices \(top\) unchanged"):
        evaluate_predictor(lambda x: 1 - x, None, X, GRID, ["top"], {})
    with pytest.raises(UserError, match=r"log_prob must have the shape \(2,\) or \(2, 2, 2\)"):
        evaluate_predictor(lambda x: x, lambda x: x[0], X[:, :2], GRID, ["top"], {})
    with pytest.raises(UserError, match="no test window"):
        evaluate_predictor(lambda x: x, None, X[:0], GRID, ["top"], {})
    with pytest.raises(UserError, match=r"no baseline 'chord_hm'\. Did you mean 'chord_hmm'"):
        baseline_table(X, None, X, GRID, ["top"], which=["chord_hm"])


def test_baselines_on_real_chorales(chorales) -> None:
    """On unheard chorales what knows more is likelier: uniform, step, soprano and beat, past."""
    rows = baseline_table(
        chorales.train, chorales.valid, chorales.test, chorales.distribution, ["soprano"]
    )
    assert list(rows) == list(BASELINES)
    uniform = sum(math.log(size) for size in chorales.distribution.sizes[1:]) / 3
    nll = {name: row["nll"] for name, row in rows.items()}
    assert nll["chord_hmm"] < nll["logistic_regression"] < nll["most_frequent"] < uniform / 2
    assert rows["logistic_regression"]["accuracy"] > rows["most_frequent"]["accuracy"]
    assert rows["logistic_regression"]["accuracy_onset"] > rows["most_frequent"]["accuracy_onset"]


def test_format_table() -> None:
    rows = {"a model": {"nll": 0.25, "accuracy": 1.0}, "other": {"nll": math.nan, "extra": 2.0}}
    assert format_table(rows).splitlines() == [
        "|         |   nll | accuracy |",
        "| ------- | ----: | -------: |",
        "| a model | 0.250 |    1.000 |",
        "| other   |     – |        – |",
    ]
    assert "extra" in format_table(rows, columns=None)
    assert format_table(rows, columns=["extra"]).splitlines()[-1] == "| other   | 2.000 |"


def test_to_json_is_strict() -> None:
    text = to_json({"a": {"nll": math.inf, "accuracy": 0.5}})
    assert json.loads(text, parse_constant=pytest.fail) == {"a": {"nll": None, "accuracy": 0.5}}
