"""Which stabilisation techniques go with which adversarial objectives, found by building each pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from partimento.compatibility import refusal
from partimento.errors import UserError
from partimento.models.catalogue import OBJECTIVES, STABILISATIONS, Objective, Stabilisation
from partimento.representations.base import Representation

Compose = Callable[[list[str]], Mapping[str, Any]]
"""Makes a checked, resolved config of overrides, or raises the sentence that refuses them."""

Cells = Mapping[tuple[str, str], str | None]
"""For each (objective, technique) the sentence that refuses the pair; None where it is allowed."""

GAME = "model=gan"


def table(compose: Compose, representation: Representation) -> dict[tuple[str, str], str | None]:
    """Build a game of every pair and return what came of each (objective, technique).

    Args:
        compose: Makes a config of overrides.
        representation: What the game is about; any that models from latent codes take.
    """
    return {
        (objective.name, technique.name): pair_refusal(
            objective, technique, compose, representation
        )
        for objective in OBJECTIVES
        for technique in STABILISATIONS
    }


def overrides_of(objective: Objective, technique: Stabilisation | None = None) -> list[str]:
    """Return what to type for an objective, with a technique or without."""
    added = [] if technique is None else technique.beside(objective)
    return [GAME, *objective.overrides, *added]


def pair_refusal(
    objective: Objective, technique: Stabilisation, compose: Compose, representation: Representation
) -> str | None:
    """Return the sentence that refuses a pair; None when it is built."""
    try:
        resolved = compose(overrides_of(objective, technique))
    except UserError as error:
        return str(error)
    return refusal(resolved["model"], representation)


def as_markdown(cells: Cells) -> str:
    """Return the table in Markdown, the reasons of its empty cells, and a line on every part."""
    columns = [technique.name for technique in STABILISATIONS]
    reasons: dict[str, int] = {}
    lines = [
        "| objective \\ technique | " + " | ".join(columns) + " |",
        "|---" + "|:-:" * len(columns) + "|",
    ]
    for objective in OBJECTIVES:
        texts = [_text(cells[objective.name, column], reasons) for column in columns]
        lines.append(f"| **{objective.name}** | " + " | ".join(texts) + " |")
    lines += ["", *(f"{number}. {reason}" for reason, number in reasons.items())]
    lines += ["", "## Objectives", "", *_described(OBJECTIVES)]
    lines += ["", "## Techniques", "", *_described(STABILISATIONS)]
    return "\n".join(lines)


def _text(reason: str | None, reasons: dict[str, int]) -> str:
    """Return a tick, or the number of the reason."""
    return "✓" if reason is None else f"({reasons.setdefault(reason, len(reasons) + 1)})"


def _described(parts: Iterable[Objective | Stabilisation]) -> list[str]:
    return [f"- **{p.name}**: {p.does} ({p.source}): {_typed(p.overrides)}" for p in parts]


def _typed(overrides: Sequence[str]) -> str:
    shown = " ".join(overrides).replace("{penalty}", "NAME")
    return f"`{shown}`"


def write_markdown(cells: Cells, path: Path) -> None:
    """Write the table into a file of its own."""
    head = (
        "# Objectives and techniques of adversarial training\n\nWritten by `partimento matrix "
        "table=objectives output=docs/objectives.md`: each pair was built with `model=gan` and "
        "the overrides below. A tick means that it is allowed; a number, that it is refused with "
        "the sentence below, which is what the command says. Penalties go with other objectives "
        "too, with `model/penalties=r1` or `[r1,r2]`, and several techniques with one another, "
        "with `model/techniques=[unrolled,freezing]`.\n\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + as_markdown(cells) + "\n")
