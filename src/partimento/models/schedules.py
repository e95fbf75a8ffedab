"""Numbers that change through training: constant, or by the iterations already made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from annotated_types import Ge

from partimento.errors import UserError

Steps = Annotated[int, Ge(0)] | Mapping[int, int]
"""A number of updates, or `{iteration: number from there on}`, which begins with 0."""


def in_force(steps: Steps, iteration: int) -> int:
    """Return the number that a schedule gives at an iteration."""
    if isinstance(steps, int):
        return steps
    return steps[max(begin for begin in steps if begin <= iteration)]


def last(steps: Steps) -> int:
    """Return the number with which a schedule ends."""
    return steps if isinstance(steps, int) else steps[max(steps)]


def check_turns(discriminator: Steps, generator: Steps) -> None:
    """Refuse numbers of updates of two players that make no training.

    Raises:
        UserError: When one of them is wrong by itself, or when both end in 0.
    """
    check_steps("model.discriminator_steps", discriminator)
    check_steps("model.generator_steps", generator)
    if last(discriminator) == 0 and last(generator) == 0:
        raise UserError(
            "model.discriminator_steps and model.generator_steps both end in 0: nothing would be "
            "trained; let one of them be 1 or more."
        )


def check_steps(name: str, steps: Steps) -> None:
    """Refuse numbers of updates that make no training.

    Raises:
        UserError: When a number is negative or a schedule does not begin with iteration 0.
    """
    values = {0: steps} if isinstance(steps, int) else steps
    if 0 not in values:
        raise UserError(
            f"{name} must say what is in force from iteration 0 on, such as {{0: 1, 500: 0}}."
        )
    for begin, value in values.items():
        if value < 0 or begin < 0:
            raise UserError(
                f"{name} must be 0 or more at iterations from 0 on, not {begin}: {value}."
            )
