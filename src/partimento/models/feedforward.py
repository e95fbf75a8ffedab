"""Feedforward: from some voices of a window to the others in one step; MiniBach is its first config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from partimento.data.batch import Batch, Given
from partimento.data.loader import TrainLoader
from partimento.distributions import Categorical, Distribution
from partimento.errors import Mismatch, UserError, did_you_mean
from partimento.losses import Objective, SoftmaxObjective
from partimento.models.base import Evaluation, Model, OptimizerFactory
from partimento.models.sampling import expanded
from partimento.networks import MLP


class Feedforward(Model):
    """Conditioning(Feedforward(network)): given voices in, the other voices out, in a single step.

    With an MLP of one hidden layer of 200 ReLU units and the soprano given this is MiniBach
    (Briot, Hadjeres & Pachet, "Deep Learning Techniques for Music Generation", 2020, section 6.1.1;
    first described by Hadjeres). The predicted voices are independent of each other given the
    input, which is what a single step can say.

    | tensor     | shape                                               |
    |------------|-----------------------------------------------------|
    | x          | `(batch, steps, voices)` integers                    |
    | input      | `(batch, steps, sum of sizes of the given voices)`   |
    | parameters | `(batch, steps, sum of sizes of the other voices)`   |

    Args:
        distribution: Meaning of `x`, categorical with named voices.
        conditions: Meanings of further conditions that enter the network beside the given voices.
        metrics: Metrics by name.
        network: Makes the network from `(input_shape, output_shape, condition_shapes)`.
        objective: What is minimised; the negative log-likelihood when not given.
        optimizer: Makes the optimizer from the parameters; Adam with 1e-3 when not given.
        given: Names of the voices that are given.
    """

    _given_index: Tensor
    _predicted_index: Tensor

    draws = True

    def __init__(
        self,
        distribution: Distribution,
        conditions: Mapping[str, Distribution] | None = None,
        metrics: Mapping[str, Metric] | None = None,
        *,
        network: Callable[..., nn.Module] = MLP,
        objective: Objective | None = None,
        optimizer: OptimizerFactory = torch.optim.Adam,
        given: Sequence[str] = ("soprano",),
    ) -> None:
        super().__init__(distribution, conditions, metrics)
        voices = _voices(distribution, given)
        assert isinstance(distribution, Categorical)  # for the type checker; _voices has spoken
        self.given_voices = tuple(given)
        self.predicted_voices = tuple(name for name in voices if name not in given)
        # Buffers, since a list as an index is copied to the GPU at every use.
        for name, chosen in (("given", self.given_voices), ("predicted", self.predicted_voices)):
            index = torch.tensor([voices.index(voice) for voice in chosen])
            self.register_buffer(f"_{name}_index", index, persistent=False)
        self.input_distribution = distribution.select(self.given_voices)
        self.output_distribution = distribution.select(self.predicted_voices)
        self.objective = objective or SoftmaxObjective()
        self.objective.check(self.output_distribution)
        self._optimizer = optimizer
        self.automatic_optimization = False
        self.network = network(
            self.input_distribution.feature_shape,
            self.output_distribution.parameter_shape,
            {name: d.feature_shape for name, d in self.conditions.items()},
        )

    def forward(self, given: Tensor, condition: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the parameters of the predicted voices from the given ones, `(batch, steps, g)`."""
        features = {
            name: d.features((condition or {})[name]) for name, d in self.conditions.items()
        }
        return self.network(self.input_distribution.features(given), features)

    def training_step(self, source: TrainLoader, batch_idx: int) -> None:
        """Make a round of updates, each on one fresh batch."""
        for _ in range(self.draws_of_round(source)):
            self.seed_noise()
            loss = self.loss(self.draw(source))
            self.descend(loss)
            self.counted_loss(loss)

    def loss(self, batch: Batch) -> Tensor:
        """Return the objective over the voices that are not given."""
        parameters = self(self._given_part(batch.x), batch.condition)
        target = self._predicted_part(batch.x)
        mask = None if batch.lengths is None else self._predicted_part(self._cells(batch))
        return self.objective(self.output_distribution, parameters, target, mask)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self._optimizer(self.parameters())

    def evaluate(self, batch: Batch) -> Evaluation:
        parameters = self(self._given_part(batch.x), batch.condition)
        target, mask = self._predicted_part(batch.x), self._cells(batch)
        values = self.output_distribution.log_prob(parameters, target, self._predicted_part(mask))
        best = self.output_distribution.sample(parameters, temperature=0.0)
        log_prob = torch.zeros(batch.x.shape, device=batch.x.device)
        return Evaluation(
            self._with_predicted(log_prob, values), self._with_predicted(batch.x, best), mask
        )

    def given_of(self, batch: Batch) -> Given | None:
        mask = torch.zeros_like(batch.x, dtype=torch.bool)
        return Given(batch.x, mask.index_fill(-1, self._given_index.to(mask.device), True))

    def _cells(self, batch: Batch) -> Tensor:
        """True for the cells to predict: valid steps of the voices that are not given."""
        mask = batch.step_mask().unsqueeze(-1).repeat(1, 1, batch.x.shape[-1])
        return mask.index_fill(-1, self._given_index, False)

    def _given_part(self, x: Tensor) -> Tensor:
        return x.index_select(-1, self._given_index)

    def _predicted_part(self, x: Tensor) -> Tensor:
        return x.index_select(-1, self._predicted_index)

    def _with_predicted(self, x: Tensor, values: Tensor) -> Tensor:
        """Return `x` with the values in place of the predicted voices, in the type of `x`."""
        return x.index_copy(-1, self._predicted_index, values.to(x.dtype))

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
        self.refuse(z=z, lengths=lengths)
        self.refuse_ema(weights)
        wanted = ", ".join(self.given_voices)
        n, given, conditions = expanded(n, given, condition, self.device)
        if given is None or not self._given_part(given.mask).all():
            raise UserError(
                f"This model realises {', '.join(self.predicted_voices)} from a given {wanted}: "
                f"every step of {wanted} must be given."
            )
        if missing := sorted(set(self.conditions) - set(conditions)):
            raise UserError(f"This model needs the condition '{missing[0]}': pass it as condition.")
        parameters = self(self._given_part(given.x), conditions)
        drawn = self.output_distribution.sample(parameters, temperature, generator)
        return torch.where(given.mask, given.x, self._with_predicted(given.x, drawn))


def _voices(distribution: Distribution, given: Sequence[str]) -> tuple[str, ...]:
    """Return the voices' names after checking that some, but not all, are given."""
    if not isinstance(distribution, Categorical) or len(distribution.shape) != 2:
        kind = "token sequence" if isinstance(distribution, Categorical) else distribution.kind
        raise Mismatch(
            "A feedforward harmoniser such as minibach needs a categorical grid with given voices; "
            f"this representation is a {kind}. Try representation=multivoice."
        )
    names = distribution.names
    for voice in given:
        if voice not in names:
            raise UserError(
                f"model.given names no voice '{voice}' of the representation."
                f"{did_you_mean(voice, names)}"
            )
    if not given or len(set(given)) == len(names) or len(set(given)) < len(given):
        raise UserError(
            f"model.given={list(given)} must name at least one voice, each once, and leave at "
            f"least one of {', '.join(names)} to predict."
        )
    return names
