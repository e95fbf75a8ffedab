"""How a model is evaluated: likelihood and metrics over a whole split, in all processes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torchmetrics import Metric, SumMetric

from partimento.data.batch import Batch
from partimento.distributions import Distribution


class Evaluation(NamedTuple):
    """What a model says about a batch it is tested on.

    Attributes:
        log_prob: Unreduced log-probabilities in nats, the shape of `x`, 0 outside the mask; None
            when the model has no likelihood.
        prediction: The model's most probable `x`; None when it makes none.
        mask: True for the cells that the model had to predict, the shape of `x`.
    """

    log_prob: Tensor | None
    prediction: Tensor | None
    mask: Tensor


class Evaluated(LightningModule):
    """What a model says about validation and test, summed up exactly.

    Args:
        distribution: What a tensor `x` means.
        metrics: Metrics by name, each with `update(prediction, target, mask)`.
    """

    metrics: nn.ModuleDict

    def __init__(
        self, distribution: Distribution, metrics: Mapping[str, Metric] | None = None
    ) -> None:
        super().__init__()
        self.distribution = distribution
        self.metrics = nn.ModuleDict(dict(metrics or {}))
        # NaN must stay NaN: a diverged model whose NaNs are left out would look the best.
        self.nll_sum = SumMetric(nan_strategy="disable").set_dtype(torch.float64)
        self.unit_count = SumMetric(nan_strategy="disable").set_dtype(torch.float64)

    @abstractmethod
    def emit(self, values: Mapping[str, Any]) -> None:
        """Send values to all loggers."""

    @abstractmethod
    def evaluate(self, batch: Batch) -> Evaluation:
        """Return likelihood and prediction of the cells that the model has to predict."""

    def _metrics(self) -> dict[str, Metric]:
        return cast("dict[str, Metric]", dict(self.metrics.items()))

    def _evaluation_step(self, batch: Batch) -> None:
        log_prob, prediction, mask = self.evaluate(batch)
        if log_prob is not None:
            self.nll_sum.update(-log_prob.sum(dtype=torch.float64))
            self.unit_count.update(self.distribution.count(mask))
        if prediction is not None:
            for metric in self._metrics().values():
                metric.update(prediction, batch.x, mask)

    def _evaluation_end(self, stage: str) -> None:
        values: dict[str, Tensor] = {}
        if self.unit_count.update_called:
            values[f"{stage}/nll"] = self.nll_sum.compute() / self.unit_count.compute()
        for name, metric in self._metrics().items():
            if metric.update_called:
                result = metric.compute()
                items = result.items() if isinstance(result, dict) else [(name, result)]
                values.update({f"{stage}/{key}": value for key, value in items})
            metric.reset()
        self.nll_sum.reset()
        self.unit_count.reset()
        self.log_dict({k: v.float() for k, v in values.items()}, logger=False)
        self.emit({key: float(value) for key, value in values.items()})

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._evaluation_step(batch)

    def on_validation_epoch_end(self) -> None:
        self._evaluation_end("valid")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._evaluation_step(batch)

    def on_test_epoch_end(self) -> None:
        self._evaluation_end("test")
