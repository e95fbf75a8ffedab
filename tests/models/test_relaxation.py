"""The soft-hard gap: what is logged of it, when it is computed, and that training does not feel it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import only_runs
from torch import Tensor

import partimento
from partimento.distributions import Categorical, Distribution, Normal
from partimento.loading import read_checkpoint
from partimento.loggers.csv import read_metrics
from partimento.models.policy import Reinforce
from partimento.models.relaxation import Relaxation

SLIM = (
    "model=gan", "model.generator.hidden=[8]", "model.discriminator.hidden=[8]",
    "model.discriminator.dropout=0.3", "model.latent=4", "trainer.max_updates=6",
    "trainer.max_epochs=6",
)  # fmt: skip


@pytest.fixture
def run(tiny: Callable[..., list[str]]) -> Callable[..., list[str]]:
    def overrides(*more: str, **places: Path) -> list[str]:
        kept = [text for text in tiny(**places) if not text.startswith("model.hidden")]
        return [*kept, *SLIM, *more]

    return overrides


def test_the_gap_is_the_mean_entropy_of_the_hard_draws() -> None:
    kind = Categorical((2,), (4,))
    parameters = torch.tensor([[[0.0, 0, 0, 0], [100.0, 0, 0, 0]]])
    logged = Relaxation(temperature=0.5).logged(kind, parameters, 3)
    assert logged["train/temperature"] == 0.5
    # log 4 and 0, whatever the temperature: a Gumbel draw's winner does not depend on it.
    assert logged["train/generator_entropy"] == pytest.approx(torch.tensor(4.0).log().item() / 2)
    assert set(Reinforce().logged(kind, parameters, 3)) == set(logged)
    assert set(Relaxation().logged(Normal((2, 4)), parameters, 3)) == {"train/temperature"}


def test_it_is_logged_and_training_does_not_feel_it(
    run: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    plain = Relaxation.logged

    def counted(
        self: Relaxation, distribution: Distribution, parameters: Tensor, update: int
    ) -> dict[str, float]:
        calls.append(update)
        return plain(self, distribution, parameters, update)

    def trained(outputs: Path, every: int) -> tuple[dict[str, Tensor], str]:
        partimento.train(run(f"trainer.log_every={every}", outputs=outputs))
        (folder,) = only_runs(outputs)
        metrics = str(read_metrics(folder / "metrics.csv"))
        return read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"], metrics

    monkeypatch.setattr(Relaxation, "logged", counted)
    often, metrics = trained(tmp_path / "often", 2)
    assert calls == [2, 4, 6]
    assert "train/generator_entropy" in metrics
    seldom, metrics = trained(tmp_path / "seldom", 100)
    assert calls == [2, 4, 6]
    assert "train/generator_entropy" not in metrics
    for name, value in often.items():
        if name.startswith(("generator.", "discriminator.")):
            assert torch.equal(value, seldom[name]), name
