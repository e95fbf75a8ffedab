"""Which parts of an adversarial game go together, and the sentences for those that do not."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from partimento.errors import UserError
from partimento.losses.objectives import AdversarialObjective
from partimento.losses.penalties import Penalty

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def check_players(
    objective: AdversarialObjective, discriminator: nn.Module, penalties: Mapping[str, Penalty]
) -> None:
    """Refuse an objective or penalties that the discriminator cannot serve.

    Raises:
        UserError: With the sentence that says why.
    """
    given = getattr(discriminator, "output", "score")
    if given != objective.output:
        raise UserError(
            f"model.objective={type(objective).__name__} needs a discriminator that gives a "
            f"{objective.output}, but {type(discriminator).__name__} gives a {given}."
        )
    if penalties and any(isinstance(module, BATCH_NORMS) for module in discriminator.modules()):
        raise UserError(
            f"model.penalties.{next(iter(penalties))} takes the gradient of each score by its own "
            "example, which batch normalisation in the discriminator mixes: leave it out there, or "
            "use layer normalisation."
        )
