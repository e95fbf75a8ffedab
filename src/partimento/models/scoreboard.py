"""The running means of an adversarial game, and the losses that its players had last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

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


MOST = 128
"""Updates that are noted before they are summed, so that what is held stays small."""


class Note(NamedTuple):
    """One update of a player: its loss, and the scores that it saw."""

    player: Player
    loss: Tensor
    scores: tuple[Tensor, ...]


class Scoreboard(nn.Module):
    """Sums of losses and mean scores per player since they were last taken.

    Updates are noted as they are, and summed many at a time: the sums of each would take 2 % of a
    game on the ring. The sums are buffers, so that a resumed run logs what an uninterrupted one
    does, and nothing waits for a GPU before they are wanted.
    """

    sums: Tensor
    last: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(2, 4, dtype=torch.float64))
        self.register_buffer("last", torch.zeros(2))  # nothing is below a share of 0
        self._notes: list[Note] = []
        self.register_state_dict_pre_hook(lambda board, *_: board.add_up())

    def note(self, player: Player, loss: Tensor, *scores: Tensor) -> None:
        """Note an update: a player's loss, and scores whose means are wanted."""
        self._notes.append(Note(player, loss.detach(), tuple(s.detach() for s in scores)))
        if len(self._notes) >= MOST:
            self.add_up()

    def add_up(self) -> None:
        """Add the noted updates to the sums, one after the other."""
        for player, row in ROWS.items():
            notes = [note for note in self._notes if note.player == player]
            if notes:
                columns = [torch.stack([note.loss for note in notes]).tolist()]
                columns += [
                    means(values) for values in zip(*(n.scores for n in notes), strict=True)
                ]
                columns += [[0.0] * len(notes)] * (3 - len(columns)) + [[1.0] * len(notes)]
                totals = [sum(c, t) for c, t in zip(columns, self.sums[row].tolist(), strict=True)]
                self.sums[row] = torch.tensor(totals, dtype=torch.float64)
        self._notes.clear()

    def take(self) -> dict[str, float]:
        """Return the means since the last time, by the names under which they are logged."""
        self.add_up()
        taken = {}
        for player, names in NAMES.items():
            *totals, count = self.sums[ROWS[player]].tolist()
            for name, total in zip(names, totals, strict=False):
                taken[f"train/{player}_{name}"] = total / max(count, 1)
        self.sums.zero_()
        return taken

    def refuse_last(self, updates: int) -> None:
        """Stop training where the last loss is no number, if a GPU or others need not wait for it.

        Raises:
            UserError: As `refuse_divergence` does.
        """
        if not self._notes or several():
            return
        loss = self._notes[-1].loss
        if loss.device.type == "cpu" and not math.isfinite(float(loss)):
            self.refuse_divergence(updates)

    def refuse_divergence(self, updates: int) -> None:
        """Stop training where a loss was no number in any process; the sums remember it.

        Under DDP every process must ask, and they come to the same answer.

        Args:
            updates: Generator updates made.

        Raises:
            UserError: Naming the player and the generator update.
        """
        self.add_up()
        sums = self.sums
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


def means(values: Sequence[Tensor]) -> list[float]:
    """Return the mean of each of several tensors; those of one shape are taken together."""
    if len({value.shape for value in values}) > 1:
        return [float(value.mean()) for value in values]
    return torch.stack(list(values)).flatten(1).mean(1).tolist()
