"""One evaluation for models and baselines alike, and the table that stands them side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from partimento.distributions import Distribution
from partimento.errors import UserError, did_you_mean
from partimento.evaluation.baselines import Baseline, MostFrequentSymbol, NearestNeighbour
from partimento.evaluation.hmm import ChordHMM
from partimento.evaluation.layout import GridLayout
from partimento.evaluation.regression import LogisticRegression
from partimento.metrics.grid import GridAccuracy

BASELINES: dict[str, Callable[[], Baseline]] = {
    "most_frequent": MostFrequentSymbol,
    "nearest_neighbour": NearestNeighbour,
    "logistic_regression": LogisticRegression,
    "chord_hmm": ChordHMM,
}

COLUMNS = ("nll", "accuracy", "accuracy_no_hold", "accuracy_onset", "accuracy_all_voices")

Rows = Mapping[str, Mapping[str, float]]


def grid_metrics(distribution: Distribution, given: Sequence[str]) -> dict[str, Metric]:
    """Return fresh metrics for a grid with this distribution."""
    layout = GridLayout.of(distribution, given)
    rests = [
        hold if rest is None else rest for hold, rest in zip(layout.hold, layout.rest, strict=True)
    ]
    return {"grid": GridAccuracy(layout.names, layout.hold, rests)}


def evaluate_predictor(
    predict: Callable[[Tensor], Tensor],
    log_prob: Callable[[Tensor], Tensor] | None,
    x_test: Tensor,
    distribution: Distribution,
    given: Sequence[str],
    metrics: Mapping[str, Metric],
) -> dict[str, float]:
    """Return how well a predictor fills in the voices that are not given.

    Args:
        predict: From windows `(windows, steps, voices)` to predicted windows of the same shape.
            It is called with symbol 0 in the cells to be predicted, so that it cannot see them.
        log_prob: From windows to log p(predicted voices | given voices) in nats, either summed,
            `(windows,)`, or of each cell, `(windows, steps, voices)`, where given voices do not
            count; None for a predictor that has no likelihood.
        x_test: Test windows, shape `(windows, steps, voices)`.
        distribution: What the symbols mean.
        given: Names of the given voices.
        metrics: Metrics with `update(prediction, target, mask)`; they are reset first. A metric
            that computes a dictionary adds its entries, another its value under its name.

    Returns:
        "nll", in nats per predicted cell, and the values of the metrics.

    Raises:
        UserError: When there is no window, a given voice is unknown, or the predictor changes a
            given voice or returns another shape.
    """
    if not len(x_test):
        raise UserError("There is no test window to evaluate on; choose a larger test split.")
    asked = torch.from_numpy(GridLayout.of(distribution, given).mask()).to(x_test.device)
    mask = asked.expand(x_test.shape)
    values: dict[str, float] = {}
    with torch.no_grad():
        if log_prob is not None:
            values["nll"] = -_total(log_prob(x_test), mask) / int(distribution.count(mask))
        prediction = predict(x_test.masked_fill(mask, 0))
    if prediction.shape != x_test.shape or not torch.equal(prediction[~mask], x_test[~mask]):
        raise UserError(
            f"The predictor must return windows of the shape {tuple(x_test.shape)} with the given "
            f"voices ({', '.join(given)}) unchanged."
        )
    for name, metric in metrics.items():
        metric.to(x_test.device).reset()
        metric.update(prediction.long(), x_test.long(), mask)
        result = metric.compute()
        found = result if isinstance(result, Mapping) else {name: result}
        values.update({key: float(value) for key, value in found.items()})
    return values


def _total(log_prob: Tensor, mask: Tensor) -> float:
    """Return the sum over all windows and predicted cells, in nats."""
    if log_prob.shape == mask.shape:
        log_prob = log_prob.masked_fill(~mask, 0)
    elif log_prob.shape != mask.shape[:1]:
        raise UserError(
            f"A predictor's log_prob must have the shape {tuple(mask.shape[:1])} or "
            f"{tuple(mask.shape)}, not {tuple(log_prob.shape)}."
        )
    return float(log_prob.double().sum())


def baseline_table(
    x_train: Tensor,
    x_valid: Tensor | None,
    x_test: Tensor,
    distribution: Distribution,
    given: Sequence[str],
    which: Sequence[str] = tuple(BASELINES),
) -> dict[str, dict[str, float]]:
    """Fit baselines on training windows and evaluate them on test windows.

    Hyperparameters are chosen on the validation windows, never on the test windows. The result is
    the same each time.

    Args:
        x_train: Training windows, transpositions included, `(windows, steps, voices)`.
        x_valid: Validation windows, shaped alike; None: documented defaults are used.
        x_test: Test windows, shaped alike.
        distribution: What the symbols mean.
        given: Names of the given voices.
        which: Names of the baselines, in the order of the rows.

    Raises:
        UserError: When a baseline is unknown or cannot be fitted to this task.
    """
    for name in which:
        if name not in BASELINES:
            raise UserError(f"There is no baseline '{name}'.{did_you_mean(name, BASELINES)}")
    rows = {}
    for name in which:
        baseline = BASELINES[name]()
        baseline.fit(x_train, distribution, given, x_valid)
        rows[name] = evaluate_predictor(
            baseline.predict,
            baseline.log_prob,
            x_test,
            distribution,
            given,
            grid_metrics(distribution, given),
        )
    return rows


def format_table(rows: Rows, columns: Sequence[str] | None = COLUMNS) -> str:
    """Return the rows as a Markdown table, aligned so that it also reads as plain text.

    Args:
        rows: Row name → metric → value.
        columns: Metrics to show, those that no row has left out; None: every metric of any row.
    """
    found = list(dict.fromkeys(metric for row in rows.values() for metric in row))
    shown = found if columns is None else [column for column in columns if column in found]
    cells = [["", *shown]]
    cells += [[name, *(_cell(row.get(column)) for column in shown)] for name, row in rows.items()]
    return aligned(cells)


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """Return rows of cells, the first one the head, as a Markdown table that reads as plain text."""
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for row in [cells[0], rule, *cells[1:]]:
        numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("| " + " | ".join([row[0].ljust(widths[0]), *numbers]) + " |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def to_json(rows: Rows) -> str:
    """Return the rows as JSON; a value that is not finite becomes null, which JSON can hold."""
    plain = {
        name: {metric: value if math.isfinite(value) else None for metric, value in row.items()}
        for name, row in rows.items()
    }
    return json.dumps(plain, indent=2)
