"""`partimento inspect`: what a dataset holds in a representation, in figures, pictures and sound.

The file is not called after the command, since Python's own `inspect` must be found beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from partimento.apps.command import command
from partimento.apps.quoting import TRAIN_FREE_TEXT

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from partimento.data.module import MusicDataModule


@command("inspect", free_text=(*TRAIN_FREE_TEXT, "output", "cache"))
def main(config: DictConfig) -> None:
    """Print counts, lengths, ranges and losses; write a picture of examples and round trips."""
    import os
    from pathlib import Path

    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from partimento.config import InspectConfig, check, plain
    from partimento.reports.overview import example_facts, music_facts, muspy_statistics

    raw, resolved = plain(config)
    check(raw, resolved, InspectConfig)
    data = module_of(resolved)
    name = f"{resolved['dataset']['name']}-{resolved['representation']['name']}"
    folder = Path(resolved["output"] or Path("outputs") / "inspect" / name)
    console = Console(highlight=False, markup=False)
    card = data.corpus.card
    console.print(f"{card.title} ({card.source})", soft_wrap=True)
    music = {**music_facts(data.corpus), **muspy_statistics(data.corpus.pieces)}
    for title, facts in (("music", music), ("examples", example_facts(data))):
        table = Table(title, "", box=None)
        for key, text in facts.items():
            table.add_row(key, text)
        console.print(table)
    for path in write_examples(
        data, folder, resolved["count"], np.random.default_rng(resolved["seed"])
    ):
        console.print(os.path.relpath(path), soft_wrap=True)


def module_of(resolved: dict[str, Any]) -> MusicDataModule:
    """Build the data module of a resolved config."""
    from partimento.building import build_dataset, build_representation
    from partimento.config.schema import data_config
    from partimento.data.module import MusicDataModule

    dataset = build_dataset(resolved)
    representation = build_representation(resolved, dataset)
    return MusicDataModule(dataset, representation, data_config(resolved), cache=resolved["cache"])


def write_examples(
    data: MusicDataModule, folder: Path, count: int, rng: np.random.Generator
) -> list[Path]:
    """Write a picture of random training examples, and random pieces before and after a round trip."""
    from partimento.errors import UserError
    from partimento.reports.pianoroll import draw_sheet
    from partimento.reports.points import draw_points
    from partimento.reports.score import write_midi

    batch, representation = data.examples("train"), data.representation
    if representation.content == "points":
        centres = getattr(data.dataset.oracle, "centres", None)
        draw_points(batch.x[:1000].numpy(), folder / "examples.png", centres=centres)
        return [folder / "examples.png"]
    rows = rng.permutation(len(batch))[:count]
    lengths = None if batch.lengths is None else batch.lengths.tolist()
    shown = [batch.x[row][: None if lengths is None else lengths[row]].numpy() for row in rows]
    written = [folder / "examples.png"]
    titles = [f"example {row}" for row in rows]
    draw_sheet([representation.decode(x) for x in shown], written[0], titles=titles)
    pieces = data.pieces("train")
    for index in rng.permutation(len(pieces))[:count]:
        piece = pieces[index]
        try:
            again = representation.decode(representation.encode(piece), piece.frame())
        except UserError:
            continue  # `example_facts` has counted what the representation cannot hold
        stem = "".join(letter if letter.isalnum() else "_" for letter in piece.id)
        for suffix, music in (("original", piece), ("round_trip", again)):
            written.append(folder / f"{stem}.{suffix}.mid")
            write_midi(music, written[-1])
    return written


if __name__ == "__main__":
    main()
