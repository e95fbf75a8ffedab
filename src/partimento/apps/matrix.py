"""`partimento matrix`: which datasets, representations and models go together, and why others don't."""

from __future__ import annotations

from omegaconf import DictConfig

from partimento.apps.command import command


@command("matrix", free_text=("output",))
def main(config: DictConfig) -> None:
    """Print the table of all products, and the reason of every refusal."""
    from pathlib import Path

    from hydra import compose
    from rich.console import Console
    from rich.markdown import Markdown

    from partimento.compatibility import as_markdown, matrix, nodes, write_markdown
    from partimento.config import MatrixConfig, check, plain

    raw, resolved = plain(config)
    check(raw, resolved, MatrixConfig)
    cells = matrix(*(nodes(group, compose) for group in ("dataset", "representation", "model")))
    Console().print(Markdown(as_markdown(cells)))
    if resolved["output"]:
        write_markdown(cells, Path(resolved["output"]))


if __name__ == "__main__":
    main()
