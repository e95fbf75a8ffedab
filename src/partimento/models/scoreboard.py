"""The running means of an adversarial game, and the losses that its players had last."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from partimento.errors import UserError

Player = Literal["discriminator", "generator"]
NAMES: dict[Player, tuple[str, ...]] = {
    "discriminator": ("loss", "score_real", "score_fake"),
    "generator": ("loss", "score_fake"),
}
ROWS: dict[Player, int] = {"discriminator": 0, "generator": 1}


def several() -> bool:
    """Whether other processes train beside this one."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


class Scoreboard(nn.Module):
    """Sums of losses and mean scores per player since they were last taken.

    They are buffers: a resumed run logs what an uninterrupted one does, and nothing waits for a GPU
    before the means are taken.
    """

    sums: Tensor
    last: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(2, 4, dtype=torch.float64))
        self.register_buffer("last", torch.zeros(2))  # nothing is below a share of 0

    def note(self, player: Player, loss: Tensor, *scores: Tensor) -> None:
        """Add a player's loss and the means of scores to its sums."""
        one = loss.new_ones(())
        means = [loss.detach(), *(s.detach().mean() for s in scores)]
        means += [one.new_zeros(())] * (3 - len(means))
        self.sums[ROWS[player]].add_(torch.stack([*means, one]))

    def take(self) -> dict[str, float]:
        """Return the means since the last time, by the names under which they are logged."""
        means = {}
        for player, names in NAMES.items():
            *totals, count = self.sums[ROWS[player]].tolist()
            for name, total in zip(names, totals, strict=False):
                means[f"train/{player}_{name}"] = total / max(count, 1)
        self.sums.zero_()
        return means

    def refuse_divergence(self, updates: int, *, cheaply: bool = False) -> None:
        """Stop training where a loss was no number in any process; the sums remember it.

        Under DDP every process must ask, and they come to the same answer.

        Args:
            updates: Generator updates made.
            cheaply: Leave the question out where it would make a GPU or other processes wait.

        Raises:
            UserError: Naming the player and the generator update.
        """
        sums = self.sums
        if cheaply and (several() or sums.device.type != "cpu"):
            return
        if several():
            sums = sums.clone()
            torch.distributed.all_reduce(sums)
        if math.isfinite(float(sums.sum())):
            return
        for player, row in ROWS.items():
            if not math.isfinite(float(sums[row].sum())):
                raise UserError(
                    f"The {player}'s loss is no number at generator update {updates}: training "
                    "diverged, and the last checkpoint is kept; try a smaller learning rate, "
                    "trainer.gradient_clip=1, or another objective."
                )

    def wins(self, player: Player, loss: float, share: float) -> bool:
        """Whether a player's loss is below a share of the other's last one; it is remembered.

        Under DDP it is the mean loss, so that all processes come to the same answer.
        """
        mine = self.last[ROWS[player]].fill_(loss)
        if several():
            torch.distributed.all_reduce(mine)
            mine.div_(torch.distributed.get_world_size())
            loss = float(mine)
        return loss < share * float(self.last[1 - ROWS[player]])
