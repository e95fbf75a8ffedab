"""Marginal: every cell by itself, with the frequencies of the training data; the baseline of all tables."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pytorch_lightning.strategies import ParallelStrategy
from torch import Tensor
from torchmetrics import Metric

from partimento.data.batch import Batch, Given
from partimento.data.loader import TrainLoader
from partimento.distributions import Bernoulli, Categorical, Distribution, Normal
from partimento.errors import Mismatch, UserError
from partimento.models.base import Evaluation, Model
from partimento.models.sampling import expanded

ADDED = 0.5
"""Added to the count of each outcome, so that none is impossible (Jeffreys' prior)."""
LEAST_VARIANCE = 1e-6
"""In the distribution's own units squared; a channel that never varies would have infinite density."""


def count_cells(distribution: Distribution, x: Tensor, mask: Tensor) -> Tensor:
    """Return the sufficient statistics of cells, summed over examples and steps, float64.

    | distribution                | statistics                                            |
    |-----------------------------|-------------------------------------------------------|
    | Bernoulli, `(steps, keys)`  | `(2, keys)`: ones, cells                               |
    | Categorical                 | `(sum of alphabet sizes,)`: cells with each symbol     |
    | Normal, `(steps, channels)` | `(3, channels)`: cells, sum and sum of squares of features |

    Args:
        distribution: What `x` means.
        x: Examples `(batch, *shape)`.
        mask: True for cells that count, the shape of `x`.

    Raises:
        Mismatch: When the distribution is of another kind.
    """
    if isinstance(distribution, Bernoulli):
        return torch.stack([(x.bool() & mask).sum((0, 1)), mask.sum((0, 1))]).double()
    if isinstance(distribution, Categorical):
        offsets = [sum(distribution.sizes[:voice]) for voice in range(len(distribution.sizes))]
        shift = torch.tensor(offsets, device=x.device)
        symbols = x.long() + (shift if x.dim() == 3 else 0)
        return torch.bincount(symbols[mask], minlength=sum(distribution.sizes)).double()
    if isinstance(distribution, Normal):
        weight = mask.double()
        features = distribution.features(x).double() * weight
        return torch.stack(
            [weight.sum((0, 1)), features.sum((0, 1)), features.square().sum((0, 1))]
        )
    raise Mismatch(f"model=marginal counts no cells of the kind '{distribution.kind}'.")


def no_cells(distribution: Distribution) -> Tensor:
    """Return the statistics of no cells at all, zeros."""
    if isinstance(distribution, Categorical):
        return torch.zeros(sum(distribution.sizes), dtype=torch.float64)
    rows = {"bernoulli": 2, "normal": 3}.get(distribution.kind)
    if rows is None:
        raise Mismatch(f"model=marginal counts no cells of the kind '{distribution.kind}'.")
    widths = [width for width in distribution.shape[1:] if width is not None]
    return torch.zeros(rows, *widths, dtype=torch.float64)


def fitted(distribution: Distribution, counts: Tensor) -> tuple[Distribution, Tensor]:
    """Return the marginal distribution of a cell and its parameters for one step.

    Probabilities are (count + 1/2) / (cells + outcomes / 2). A normal cell has the mean and the
    variance of its channel, so the distribution returned has another location and scale than the
    representation's, and its parameters are zero; with no cells counted it is the representation's.

    Args:
        distribution: What the cells mean.
        counts: What `count_cells` returns, summed over batches.
    """
    if isinstance(distribution, Bernoulli):
        ones, cells = counts
        return distribution, torch.log(ones + ADDED) - torch.log(cells - ones + ADDED)
    if isinstance(distribution, Categorical):
        voices = [(c + ADDED) / (c + ADDED).sum() for c in counts.split(distribution.sizes)]
        return distribution, torch.log(torch.cat(voices))
    assert isinstance(distribution, Normal)  # no_cells has refused others
    cells, total, squares = counts
    mean = total / cells.clamp(min=1)
    variance = torch.where(cells > 0, squares / cells.clamp(min=1) - mean.square(), 1.0)
    like = torch.ones_like(mean)
    scale = torch.tensor(distribution.scale, dtype=like.dtype, device=like.device) * like
    loc = torch.tensor(distribution.loc, dtype=like.dtype, device=like.device) + mean * scale
    spread = (scale * variance.clamp(min=LEAST_VARIANCE).sqrt()).tolist()
    return Normal(distribution.shape, spread, loc.tolist()), torch.zeros_like(mean)


class Marginal(Model):
    """Independent cells: each has the frequencies that it has in the training data, whatever its step.

    It is what a model of music must beat, and a check of the whole way from data to likelihood:
    for binary frames it is the "note 1-gram" of Boulanger-Lewandowski et al. (ICML 2012, table 1).
    There is one probability per key for binary frames, one per symbol and voice for grids, one per
    symbol for token sequences, one mean and variance per channel for real values.

    One pass over the training data counts all there is to know; training stops after it. There is
    no optimizer. The counts are a buffer, in every checkpoint, so that a resumed run goes on
    counting where it stood.

    Args:
        distribution: Meaning of `x`.
        conditions: Meanings of conditions; they are ignored.
        metrics: Metrics by name.

    Attributes:
        counts: What `count_cells` says of the batches seen.

    Raises:
        Mismatch: When the distribution is of a kind that cannot be counted.
    """

    counts: Tensor
    draws = True

    def __init__(
        self,
        distribution: Distribution,
        conditions: Mapping[str, Distribution] | None = None,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        super().__init__(distribution, conditions, metrics)
        self.register_buffer("counts", no_cells(distribution))
        self.automatic_optimization = False

    def configure_optimizers(self) -> None:
        """Return none: counting needs no gradient."""

    def setup(self, stage: str) -> None:
        """Refuse several processes, each of which would see only its share of the data.

        Raises:
            UserError: Under several processes.
        """
        # DDP would refuse a model without weights, too, but not in a sentence for its user.
        if stage == "fit" and isinstance(self.trainer.strategy, ParallelStrategy):
            raise UserError(
                "model=marginal counts on one process and needs no more: use accelerator=cpu or "
                "accelerator=gpu, not ddp."
            )

    def training_step(self, source: TrainLoader, batch_idx: int) -> None:
        """Count the cells of a round of fresh batches, in the first epoch."""
        for _ in range(self.draws_of_round(source)):
            first = self.counters["batches_seen"] < source.per_epoch
            batch = self.draw(source)
            if first:
                self.counts += count_cells(self.distribution, batch.x, _cells(batch))
            # There is no loss to follow: what is counted is known only when all is.
            self.count(updates=1)

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        # Another pass would count the same cells again.
        self.trainer.should_stop = True

    def evaluate(self, batch: Batch) -> Evaluation:
        mask = _cells(batch)
        distribution, parameters = self._marginal(batch.x.shape[1], len(batch))
        log_prob = distribution.log_prob(parameters, batch.x, mask)
        best = distribution.sample(parameters, temperature=0.0)
        return Evaluation(log_prob, torch.where(mask, best, batch.x).to(batch.x.dtype), mask)

    def _marginal(self, steps: int, examples: int) -> tuple[Distribution, Tensor]:
        """Return the cells' distribution and its parameters, `(examples, steps, ...)`."""
        distribution, parameters = fitted(self.distribution, self.counts)
        parameters = parameters.to(torch.get_default_dtype())
        return distribution, parameters.expand(examples, steps, *parameters.shape)

    @torch.no_grad()
    def sample(
        self,
        n: int | None = None,
        *,
        condition: Mapping[str, Tensor] | None = None,
        given: Given | None = None,
        z: Tensor | None = None,
        lengths: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        weights: str | None = None,
    ) -> Tensor:
        """Draw cells independently; given cells are kept. See `Model.sample`."""
        self.refuse(z=z)
        self.refuse_ema(weights)
        n = len(lengths) if n is None and lengths is not None else n
        n, given, _ = expanded(n, given, condition, self.device)
        steps = self._steps(lengths, given)
        distribution, parameters = self._marginal(steps, n)
        x = distribution.sample(parameters, temperature, generator)
        if given is not None:
            x = torch.where(given.mask, given.x, x)
        if lengths is not None:
            valid = torch.arange(steps, device=x.device) < lengths.to(x.device).view(-1, 1)
            x = x * valid.view(len(valid), steps, *[1] * (x.dim() - 2))
        return x

    def _steps(self, lengths: Tensor | None, given: Given | None) -> int:
        """Return how many steps to draw."""
        if given is not None:
            return given.x.shape[1]
        steps = self.distribution.shape[0]
        if steps is None and lengths is None:
            raise UserError("This model's music has any length: pass lengths to sample().")
        return int(lengths.max()) if steps is None and lengths is not None else int(steps or 0)


def _cells(batch: Batch) -> Tensor:
    """True for the cells to predict: valid steps, less what is given; the shape of `x`."""
    mask = batch.step_mask().view(*batch.x.shape[:2], *[1] * (batch.x.dim() - 2))
    mask = mask.expand(batch.x.shape)
    return mask if batch.given is None else mask & ~batch.given
