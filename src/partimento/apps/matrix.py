"""`partimento matrix`: which parts of a run go together, and why others don't."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from partimento.apps.command import command

if TYPE_CHECKING:
    from partimento.combinations import Cells

# Any representation of fixed length will do; this one is built without reading a file.
GAME = ("dataset=chorales", "representation=multivoice")


@command("matrix", free_text=("output",))
def main(config: DictConfig) -> None:
    """Print a table of all products, and the reason of every refusal."""
    from pathlib import Path

    from hydra import compose
    from rich.console import Console
    from rich.markdown import Markdown

    from partimento import combinations, compatibility
    from partimento.config import MatrixConfig, check, plain

    raw, resolved = plain(config)
    check(raw, resolved, MatrixConfig)
    output = resolved["output"] and Path(resolved["output"])
    if resolved["table"] == "objectives":
        pairs = objectives()
        Console().print(Markdown(combinations.as_markdown(pairs)))
        if output:
            combinations.write_markdown(pairs, output)
        return
    groups = ("dataset", "representation", "model")
    cells = compatibility.matrix(*(compatibility.nodes(group, compose) for group in groups))
    Console().print(Markdown(compatibility.as_markdown(cells)))
    if output:
        compatibility.write_markdown(cells, output)


def objectives() -> Cells:
    """Return what came of every pair of an objective and a technique; Hydra must be initialised."""
    from partimento.building import build_dataset, build_representation
    from partimento.combinations import table

    parts = checked([])
    return table(checked, build_representation(parts, build_dataset(parts)))


def checked(overrides: list[str]) -> dict[str, Any]:
    """Return the resolved config of a training run with more overrides; Hydra must be initialised.

    Raises:
        UserError: With the sentence that `partimento train` would say.
    """
    from hydra import compose

    from partimento.apps.sentences import sentence_of
    from partimento.config import check, plain
    from partimento.errors import UserError

    overrides = [*GAME, *overrides]
    try:
        raw, resolved = plain(compose("train", overrides=overrides))
        check(raw, resolved)
    except Exception as error:
        sentence = sentence_of(error, overrides, "train")
        if sentence is None:
            raise
        raise UserError(sentence) from error
    return resolved


if __name__ == "__main__":
    main()
