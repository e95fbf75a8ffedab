"""A loss that is no number: training stops, says whose and when, and keeps what was good."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import only_runs
from torch import Tensor

import partimento
from partimento.errors import UserError
from partimento.loading import read_checkpoint
from partimento.losses.objectives import NonSaturating

SLIM = (
    "model=gan", "model.generator.hidden=[8]", "model.discriminator.hidden=[8]", "model.latent=4",
    "model.ema=0.9", "trainer.checkpoint_every=1", "trainer.max_epochs=4",
)  # fmt: skip


def saved(outputs: Path) -> dict[str, Path]:
    """The run's checkpoints, of which every number is one."""
    (folder,) = only_runs(outputs)
    checkpoints = {path.stem: path for path in (folder / "checkpoints").glob("*.ckpt")}
    assert set(checkpoints) == {"best", "last"}
    for path in checkpoints.values():
        weights = read_checkpoint(path)["state_dict"]
        assert 0 < int(weights["updates"]) <= 9
        assert all(torch.isfinite(w).all() for w in weights.values() if w.is_floating_point())
    return checkpoints


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(
    ("player", "method"),
    [("generator", "generator_loss"), ("discriminator", "discriminator_loss")],
)
def test_the_last_good_checkpoints_stay(
    tiny: Callable[..., list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    player: str,
    method: str,
    value: float,
) -> None:
    plain, calls = getattr(NonSaturating, method), []

    def failing(self: NonSaturating, *scores: Tensor) -> Tensor:
        calls.append(None)
        loss = plain(self, *scores)
        return loss * value if len(calls) == 10 else loss  # in the second epoch of six batches

    monkeypatch.setattr(NonSaturating, method, failing)
    kept = [text for text in tiny() if not text.startswith("model.hidden")]
    with pytest.raises(UserError) as stopped:
        partimento.train([*kept, *SLIM])
    sentence = str(stopped.value)
    told = re.match(rf"The {player}'s loss is no number at generator update (\d+): ", sentence)
    assert told, sentence
    assert int(told[1]) == 9  # those made before
    assert "last checkpoint is kept" in sentence
    checkpoints = saved(tmp_path)
    monkeypatch.undo()
    for which in ("best", "last"):
        x = partimento.load(checkpoints[which]).model.sample(3)
        assert x.shape[0] == 3


def test_an_update_without_a_gradient_that_is_a_number_is_not_saved(
    tiny: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of the tenth update is finite, but not its gradient: the square root of 0."""
    plain, calls = NonSaturating.generator_loss, []

    def failing(self: NonSaturating, fake: Tensor, real: Tensor | None = None) -> Tensor:
        calls.append(None)
        loss = plain(self, fake, real)
        return loss + (loss * 0).sqrt() if len(calls) == 10 else loss

    monkeypatch.setattr(NonSaturating, "generator_loss", failing)
    kept = [text for text in tiny() if not text.startswith("model.hidden")]
    with pytest.raises(
        UserError, match=r"^The generator's weights are no numbers at .* update 10,"
    ):
        partimento.train([*kept, *SLIM])
    saved(tmp_path)
