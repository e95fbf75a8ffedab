"""Which datasets, representations and models go together, found by building every product."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partimento.building import build_dataset, build_model, build_representation
from partimento.config import conf_dir
from partimento.datasets.base import Dataset
from partimento.errors import UserError
from partimento.representations.base import Representation

PLACEHOLDER = "FILE"
"""Stands for a path that a dataset asks for; constructors do not look at it."""

Nodes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Cell:
    """What is known of one dataset in one representation.

    Attributes:
        reason: Why the two do not go together; None when they do.
        models: For each model the reason why it does not take the product; None when it does.
    """

    reason: str | None
    models: Mapping[str, str | None]


def options(group: str) -> list[str]:
    """Return the names of a config group's shipped options."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def nodes(group: str, compose: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Return the resolved node of every option of a group, with placeholders for missing paths.

    Args:
        group: A config group.
        compose: Hydra's `compose`, initialised with the shipped configs.
    """
    from omegaconf import OmegaConf

    found = {}
    for option in options(group):
        config = compose("train", overrides=[f"{group}={option}"])
        node = OmegaConf.to_container(config[group], resolve=True)
        assert isinstance(node, dict)
        found[option] = {
            str(key): PLACEHOLDER if value == "???" else value for key, value in node.items()
        }
    return found


def matrix(datasets: Nodes, representations: Nodes, models: Nodes) -> dict[tuple[str, str], Cell]:
    """Build every product of the options and return what came of each (dataset, representation)."""
    cells = {}
    for name, node in datasets.items():
        dataset = build_dataset({"dataset": node})
        for other, representation_node in representations.items():
            representation = _representation(representation_node, dataset)
            if isinstance(representation, str):
                cells[name, other] = Cell(representation, {})
            else:
                refusals = {key: refusal(model, representation) for key, model in models.items()}
                cells[name, other] = Cell(None, refusals)
    return cells


def _representation(node: Mapping[str, Any], dataset: Dataset) -> Representation | str:
    """Build a representation for a dataset, or return the sentence that refuses it."""
    try:
        return build_representation({"representation": node}, dataset)
    except UserError as error:
        return str(error)


def refusal(node: Mapping[str, Any], representation: Representation) -> str | None:
    """Return why a model does not take a representation; None when it does."""
    import torch

    try:
        with torch.device("meta"):  # weights that are never used need no memory
            build_model({"model": node, "seed": 0}, representation)
    except UserError as error:
        return str(error)
    return None


def as_markdown(cells: Mapping[tuple[str, str], Cell]) -> str:
    """Return the matrix as a Markdown table of models, with numbered reasons for the empty cells."""
    rows = list(dict.fromkeys(dataset for dataset, _ in cells))
    columns = list(dict.fromkeys(representation for _, representation in cells))
    reasons: dict[str, int] = {}
    lines = [
        "| dataset \\ representation | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for row in rows:
        texts = [_text(cells[row, column], reasons) for column in columns]
        lines.append(f"| **{row}** | " + " | ".join(texts) + " |")
    lines += ["", *(f"{number}. {reason}" for reason, number in reasons.items())]
    return "\n".join(lines)


def _text(cell: Cell, reasons: dict[str, int]) -> str:
    """Return the models that take a cell; the reasons why others do not are numbered."""

    def numbered(sentences: Iterable[str | None]) -> str:
        told = {reasons.setdefault(text, len(reasons) + 1) for text in sentences if text}
        return " ".join(f"({number})" for number in sorted(told))

    if cell.reason is not None:
        return numbered([cell.reason])
    fitting = ", ".join(name for name, reason in cell.models.items() if reason is None)
    return " ".join(filter(None, [fitting, numbered(cell.models.values())]))


def write_markdown(cells: Mapping[tuple[str, str], Cell], path: Path) -> None:
    """Write the matrix into a file of its own."""
    head = (
        "# What goes with what\n\nWritten by `partimento matrix output=docs/matrix.md`: each cell "
        "names the models that take the dataset in the representation; numbers are the reasons "
        "below why something does not go together.\n\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + as_markdown(cells) + "\n")
