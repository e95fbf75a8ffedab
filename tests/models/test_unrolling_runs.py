"""Unrolled runs as a user makes them: resumed exactly, and in mixed precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import only_runs
from torch import Tensor

import partimento
from partimento import experiment
from partimento.errors import Interrupted
from partimento.loading import read_checkpoint

SLIM = (
    "model=gan", "model.generator.hidden=[8]", "model.discriminator.hidden=[8]",
    "model.discriminator.dropout=0.3", "model.latent=4", "trainer.checkpoint_every=1",
    "model/techniques=unrolled", "model.techniques.unrolled.steps=2",
    "trainer.max_epochs=3",
)  # fmt: skip


def test_a_resumed_run_foresees_the_same(
    tiny: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overrides(outputs: Path) -> list[str]:
        kept = [text for text in tiny(outputs=outputs) if not text.startswith("model.hidden")]
        return [*kept, *SLIM]

    def state(outputs: Path) -> dict[str, Tensor]:
        (folder,) = only_runs(outputs)
        return read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]

    partimento.train(overrides(tmp_path / "whole"))
    looks = []

    class StopThere(experiment.StopRequest):
        def __call__(self) -> bool:
            looks.append(None)
            return len(looks) == 5

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(experiment, "StopRequest", StopThere)
        partimento.train(overrides(tmp_path / "resumed"))
    broken = state(tmp_path / "resumed")
    partimento.train(overrides(tmp_path / "resumed"))
    expected, found = state(tmp_path / "whole"), state(tmp_path / "resumed")
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name
    assert 0 < int(broken["updates"]) < int(found["updates"])


def test_mixed_precision(tiny: Callable[..., list[str]], tmp_path: Path) -> None:
    """The look-ahead goes through penalties in float32 and networks in half of it."""
    kept = [text for text in tiny() if not text.startswith("model.hidden")]
    more = ("model/penalties=[r1,r2]", "accelerator.precision=bf16-mixed", "trainer.max_updates=4")
    record = partimento.train([*kept, *SLIM, *more])
    assert record["counters"]["updates"] == 4
    (folder,) = only_runs(tmp_path)
    weights = read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]
    assert all(w.isfinite().all() for w in weights.values() if w.is_floating_point())
