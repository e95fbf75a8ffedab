"""PacGAN's packs of conditional games: examples that are judged together bring their conditions."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from partimento.data.batch import Batch
from partimento.data.loader import Beats, EvalLoader, TrainLoader, epoch_order
from partimento.distributions import Normal
from partimento.losses.penalties import R1, Penalty
from partimento.models.adversarial import Adversarial
from partimento.networks import MLPDiscriminator
from partimento.runs.quiet import quiet_lightning

POINTS = Normal((1, 2))


def alone() -> Trainer:
    """A trainer of one epoch that does nothing else."""
    return Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        limit_val_batches=0,
    )  # fmt: skip


@pytest.mark.parametrize("penalties", [{}, {"r1": R1()}])
def test_examples_that_are_judged_together_bring_their_conditions(
    penalties: dict[str, Penalty],
) -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    class Watching(MLPDiscriminator):
        def forward(
            self, x: Tensor, condition: Mapping[str, Tensor] | None = None
        ) -> tuple[Tensor, Tensor]:
            assert condition is not None
            seen.append((x, condition["place"]))
            return super().forward(x, condition)

    torch.manual_seed(0)
    model = Adversarial(
        POINTS, {"place": POINTS}, discriminator=Watching, penalties=penalties, pack=2
    )
    x, place = torch.randn(6, 1, 2), torch.arange(12.0).reshape(6, 1, 2)
    loader = TrainLoader(Batch(x, condition={"place": place}), batch_size=6, seed=0)
    with quiet_lightning():
        alone().fit(model, Beats(loader), EvalLoader(Batch(x), batch_size=6))  # type: ignore[arg-type]
    assert model.counters["updates"] == 1
    assert {(tuple(x.shape), tuple(c.shape)) for x, c in seen} == {((3, 1, 4), (3, 1, 4))}
    (real, condition), order = seen[0], epoch_order(6, 0, 0)
    assert torch.equal(real.reshape(6, 2), x[order, 0])
    assert torch.equal(condition.reshape(6, 2), place[order, 0])
