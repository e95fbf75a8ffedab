"""`partimento generate`: harmonise a melody, or draw music from a model that needs none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from partimento.apps.command import command

if TYPE_CHECKING:
    from pathlib import Path

    from partimento.generation.strategies import Strategy
    from partimento.loading import Trained


@command("generate", free_text=("run", "input", "output", "z", "chords", "priming"))
def main(config: DictConfig) -> None:
    """Write the input with the model's voices added; or samples, or the way between two codes."""
    import os
    from pathlib import Path

    from rich.console import Console

    from partimento.apps.drawing import asked, draw, write
    from partimento.building import build_strategy
    from partimento.config import GenerateConfig, check, plain
    from partimento.loading import home_of, load

    raw, resolved = plain(config)
    check(raw, resolved, GenerateConfig)
    kind = asked(resolved)
    trained = load(resolved["run"], trusted_packages=resolved["trusted_packages"])
    strategy = build_strategy(resolved)
    console = Console(highlight=False, markup=False)
    generated = home_of(Path(resolved["run"])) / "generated"
    if kind == "input":
        files = _harmonize(trained, resolved, strategy, generated, console)
    elif kind == "bars":
        files = _continue(trained, resolved, strategy, generated, console)
    else:
        made = draw(trained, resolved, strategy)
        folder = Path(resolved["output"]) if resolved["output"] else generated / made.stem
        files = write(trained, made, folder, resolved["seed"])
    for name, path in files.items():
        console.print(f"{name:11} {os.path.relpath(path)}", soft_wrap=True)


def _harmonize(
    trained: Trained,
    resolved: Mapping[str, Any],
    strategy: Strategy,
    generated: Path,
    console: Any,
) -> dict[str, Path]:
    """Write MIDI, MusicXML, piano-roll and sound of the input with the model's voices added."""
    import re
    from pathlib import Path

    from partimento.reports.score import write_all

    done = trained.harmonization(resolved["input"], strategy, seed=resolved["seed"])
    source = Path(resolved["input"])
    name = re.sub(r"[:/\\]", "", resolved["input"] if source.suffix == "" else source.stem)
    stem = Path(resolved["output"]) if resolved["output"] else generated / name
    for message in done.messages:
        console.print(message, soft_wrap=True)
    return write_all(done.piece, stem)


def _continue(
    trained: Trained,
    resolved: Mapping[str, Any],
    strategy: Strategy,
    generated: Path,
    console: Any,
) -> dict[str, Path]:
    """Write MIDI, MusicXML, piano-roll and sound of a melody made bar by bar; chords sound too."""
    import re
    from pathlib import Path

    from partimento.reports.accompaniment import with_chords
    from partimento.reports.audio import write_wav
    from partimento.reports.score import write_all, write_midi

    seed = resolved["seed"]
    asked = {name: resolved[name] for name in ("chords", "bars", "priming", "priming_bar")}
    done = trained.bar_by_bar(**asked, strategy=strategy, seed=seed)
    chords = re.sub(r"[^\w#]+", "-", resolved["chords"] or "")[:40]
    bars = done.piece.end // (4 * done.piece.resolution)
    named = "-".join(word for word in ("melody", chords, f"{bars}-bars-seed-{seed}") if word)
    stem = Path(resolved["output"]) if resolved["output"] else generated / named
    for message in done.messages:
        console.print(message, soft_wrap=True)
    files = write_all(done.piece, stem)
    if done.piece.chords:
        sounding = with_chords(done.piece)
        write_wav(sounding, files["wav"])
        files["accompanied"] = write_midi(sounding, f"{stem}-with-chords.mid")
    return files


if __name__ == "__main__":
    main()
