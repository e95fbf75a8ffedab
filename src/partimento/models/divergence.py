"""Weights that are no numbers, which must never overwrite a good checkpoint."""

from __future__ import annotations

import torch
from torch import nn

from partimento.errors import UserError


def refuse_infinite(updates: int, **players: nn.Module) -> None:
    """Refuse weights that an update with a finite loss, but without a finite gradient, has left.

    Raises:
        UserError: Naming the player and the generator update.
    """
    for player, network in players.items():
        finite = [parameter.isfinite().all() for parameter in network.parameters()]
        if finite and not bool(torch.stack(finite).all()):
            raise UserError(
                f"The {player}'s weights are no numbers at generator update {updates}, though its "
                "loss was one: its gradient was not, and the last checkpoint is kept; try a "
                "smaller learning rate, trainer.gradient_clip=1, or another objective."
            )
