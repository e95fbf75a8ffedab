"""Classical keyboard and quartet music: from the installed music21, or MIDI files of the user's own."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge

from partimento.datasets.base import Card
from partimento.datasets.chorales import CITATION, LICENCE, corpus_folder, music21_version
from partimento.datasets.folder import SPLIT_RULE, Folder, Found, files_below, key_of
from partimento.datasets.shards import PieceShards

Kind = Literal["all", "keyboard", "quartets"]

# Below music21's corpus: what is MusicXML there of solo keyboard music and of string quartets.
WORKS: dict[str, tuple[str, ...]] = {
    "keyboard": ("cpebach/h186*", "joplin/*", "mozart/k545/*", "schumann_clara/polonaise*"),
    "quartets": (
        "beethoven/*",
        "haydn/*",
        "mozart/k80/*",
        "mozart/k155/*",
        "mozart/k156/*",
        "mozart/k458/*",
        "schumann_robert/opus41no1/*",
    ),
}
MUSICXML = (".mxl", ".xml", ".musicxml")
MIDI = "*.mid*"


def work_of(source: str) -> str:
    """Return the work that a file of the corpus belongs to: its folder, or the file itself."""
    folders = source.split("/")
    return "/".join(folders[:2])


class Classical(Folder):
    """Classical music of several voices, as C-RNN-GAN was trained on (there: MIDI from the web).

    Without a path it is what the installed music21 holds of keyboard music (C. P. E. Bach, Mozart,
    Clara Schumann, Joplin) and of string quartets (Haydn, Mozart, Beethoven, Robert Schumann). That
    is some 60 movements, so a stand-in for the 3,697 MIDI files of Mogren (2016), not a replica.
    Movements of one work are in one group.

    Args:
        path: Folder with the user's own MIDI files; null: music21's corpus.
        music: Which part of music21's corpus.
        workers: Processes that read the files; null: one for each core. Changes no result.

    Raises:
        UserError: On first use, when music21 or the folder is missing.
    """

    chords = False
    name = "classical_midi"

    def __init__(
        self,
        path: str | None = None,
        music: Kind = "all",
        workers: Annotated[int, Ge(0)] | None = None,
    ) -> None:
        super().__init__(path or ".", MIDI if path else None, workers=workers)
        self.own = path is not None
        self.music = music

    def root(self, cache: str | None) -> Path:
        return super().root(cache) if self.own else corpus_folder().parent

    def files(self, root: Path) -> Iterator[Found]:
        if self.own:
            yield from super().files(root)
            return
        kinds = WORKS if self.music == "all" else {self.music: WORKS[self.music]}
        patterns = [pattern for works in kinds.values() for pattern in works]
        for composer in sorted({pattern.split("/")[0] for pattern in patterns}):
            for file in files_below(root / composer):
                name = f"{composer}/{file.name}"
                if name.endswith(MUSICXML) and any(fnmatch.fnmatchcase(name, p) for p in patterns):
                    yield file._replace(name=name)

    def fingerprint(self) -> str:
        """Return a hash of the user's files, or of music21's version, and of the options."""
        if self.own:
            return super().fingerprint()
        return key_of({"music21": music21_version(), **self.options()})

    def options(self) -> dict[str, Any]:
        return {**super().options(), "music": self.music, "works": WORKS}

    def groups(self, shards: PieceShards) -> tuple[str, ...]:
        return super().groups(shards) if self.own else tuple(map(work_of, shards.ids))

    def card(self, counts: dict[str, int]) -> Card:
        if self.own:
            return super().card(counts)
        return Card(
            name=self.name,
            title="Classical keyboard and quartet music",
            source=f"music21 {music21_version()}, corpus",
            licence=LICENCE,
            citation=CITATION,
            counts=counts,
            split_rule="Movements of one work stay on one side.",
            notes=(
                "A stand-in for the MIDI files that C-RNN-GAN was trained on (Mogren 2016), which "
                "are not published: scores, not performances, and far fewer.",
                f"With dataset.path: {SPLIT_RULE}",
            ),
        )
