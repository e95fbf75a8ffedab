"""`partimento generate`: harmonise a melody (or realise a bass) with a trained model."""

from __future__ import annotations

from omegaconf import DictConfig

from partimento.apps.command import command


@command("generate", free_text=("run", "input", "output"))
def main(config: DictConfig) -> None:
    """Write MIDI, MusicXML, piano-roll and sound of the input with the model's voices added."""
    import os
    import re
    from pathlib import Path

    from rich.console import Console

    from partimento.building import build_strategy
    from partimento.config import GenerateConfig, check, plain
    from partimento.loading import home_of, load
    from partimento.reports.score import write_all

    raw, resolved = plain(config)
    check(raw, resolved, GenerateConfig)
    trusted = resolved["trusted_packages"]
    trained = load(resolved["run"], trusted_packages=trusted)
    done = trained.harmonization(resolved["input"], build_strategy(resolved), seed=resolved["seed"])
    source = Path(resolved["input"])
    name = re.sub(r"[:/\\]", "", resolved["input"] if source.suffix == "" else source.stem)
    made = home_of(Path(resolved["run"])) / "generated" / name
    stem = Path(resolved["output"]) if resolved["output"] else made
    console = Console(highlight=False, markup=False)
    for message in done.messages:
        console.print(message, soft_wrap=True)
    for kind, path in write_all(done.piece, stem).items():
        console.print(f"{kind:10} {os.path.relpath(path)}", soft_wrap=True)


if __name__ == "__main__":
    main()
