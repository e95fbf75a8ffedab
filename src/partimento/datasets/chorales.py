"""Four-part chorales harmonised by J. S. Bach, read from the user's own installed music21."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from partimento.datasets import music21_corpus
from partimento.datasets.base import Card, Corpus, Dataset, Skipped
from partimento.datasets.grouping import RUN, melody_intervals, shared_run_groups
from partimento.datasets.music21_corpus import collection_folder, missing
from partimento.datasets.store import FORMAT_VERSION, cached_pieces
from partimento.errors import UserError
from partimento.formats.musicxml import READER_VERSION, piece_of_score
from partimento.formats.musicxml_file import load_score, part_names
from partimento.formats.musicxml_part import GRACE_NOTES
from partimento.music import Piece

DATASET_VERSION = 1
"""Raised whenever this file would choose or name pieces differently; part of the cache key."""

PARTS = ("soprano", "alto", "tenor", "bass")

# Lowest and highest note of each part in all 365 chorales, as MIDI numbers (checked in the tests).
RANGES = ((57, 81), (53, 74), (48, 69), (36, 64))

_WHAT = "The chorales are"
LICENCE = (
    "The music is in the public domain; its encodings come with music21, 'distributed with the "
    "permission of the encoders', and some 'may not be used for commercial uses or have other "
    "restrictions' (music21/corpus/license.txt; most of these name Margaret Greentree, "
    "jsbchorales.net). They are read from your own installation and not redistributed."
)
CITATION = (
    "Michael Scott Cuthbert and Christopher Ariza: music21: A Toolkit for Computer-Aided "
    "Musicology and Symbolic Music Data. ISMIR 2010, 637-642."
)


def corpus_folder() -> Path:
    """Return the folder of Bach's works in the installed music21, which is not imported.

    Raises:
        UserError: When music21 is not installed, or without its corpus.
    """
    return collection_folder("bach", _WHAT)


def music21_version() -> str:
    """Return the version of the installed music21.

    Raises:
        UserError: When it is not installed.
    """
    return music21_corpus.music21_version(_WHAT)


def corpus_files(folder: Path) -> dict[str, Path]:
    """Return the MusicXML files of a folder by their names without suffix, in stable order."""
    files = [path for path in folder.iterdir() if path.suffix in (".mxl", ".xml")]
    return {path.stem: path for path in sorted(files)}


def read_bach(number: str) -> Piece:
    """Return a work of Bach's from the installed music21 by its BWV number, such as "253" or "4.8".

    Raises:
        UserError: When music21 is missing, or has no such work.
    """
    files = corpus_files(corpus_folder())
    name = "bwv" + number.strip().lower().removeprefix("bwv").strip()
    if name not in files:
        close = difflib.get_close_matches(name, files, n=1)
        hint = f"; the nearest is '{close[0]}'" if close else ""
        raise UserError(f"music21's corpus of Bach has no '{name}'{hint}.")
    path = files[name]
    return _named(piece_of_score(load_score(path), **_identity(path)))


def _identity(path: Path) -> dict[str, str]:
    return {"id": path.stem, "source": f"music21/corpus/bach/{path.name}", "name": path.name}


def _is_satb(names: Sequence[str]) -> bool:
    return tuple(name.lower() for name in names) == PARTS


def _named(piece: Piece) -> Piece:
    """Return the piece with this dataset's part names, when it has exactly the four voices."""
    return dataclasses.replace(piece, parts=PARTS) if _is_satb(piece.parts) else piece


def wholly_in(piece: Piece, beats: int, beat_type: int) -> bool:
    """Tell whether every bar of a piece, its pick-up included, is under one metre."""
    return all((bar.beats, bar.beat_type) == (beats, beat_type) for bar in piece.bars)


class Chorales(Dataset):
    """The 365 chorales in music21's corpus that are written for exactly four voices.

    Pieces keep their own key, metre and pick-up; repeats are not expanded. Two chorales are in one
    group when their sopranos share 16 successive intervals or are the same: Bach set many
    hymn tunes several times, and no tune may be both trained on and tested on.

    Args:
        metre: "any": all 365; "4/4": the 326 that are in 4/4 from beginning to end.

    Raises:
        UserError: When music21 is not installed (on first use, not on construction).
    """

    parts: Sequence[str] = PARTS
    ranges: Sequence[tuple[int, int]] = RANGES

    def __init__(self, metre: Literal["any", "4/4"] = "any") -> None:
        if metre not in ("any", "4/4"):
            raise UserError(f"chorales: metre is 'any' or '4/4', not '{metre}'.")
        self.metre = metre

    def fingerprint(self) -> str:
        """Return a hash of music21's version, the reader's, the file format's and the options."""
        key = {
            "music21": music21_version(),
            "reader": READER_VERSION,
            "format": FORMAT_VERSION,
            "dataset": DATASET_VERSION,
            "metre": self.metre,
        }
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]

    def prepare(self, cache: str | None) -> Corpus:
        """Return the corpus: some seconds the first time, a tenth of one from the cache.

        Raises:
            UserError: When music21 is missing or a file of its corpus is damaged.
        """
        path = Path(cache) / f"chorales-{self.fingerprint()}.npz" if cache is not None else None
        pieces, extra = cached_pieces(path, self._build)
        melodies = {piece.id: melody_intervals(piece, part=0) for piece in pieces}
        groups = shared_run_groups(melodies)
        skipped = tuple(Skipped(*row) for row in extra["skipped"])
        return Corpus(
            pieces=tuple(pieces),
            groups=tuple(groups[piece.id] for piece in pieces),
            skipped=skipped,
            card=self._card(pieces, len(set(groups.values())), len(skipped)),
        )

    def _build(self) -> tuple[list[Piece], dict[str, Any]]:
        """Read the corpus anew."""
        pieces: list[Piece] = []
        skipped: list[tuple[str, str]] = []
        for path in corpus_files(corpus_folder()).values():
            root = load_score(path)
            names = part_names(root)
            identity = _identity(path)
            if not _is_satb(names):
                reason = f"has the parts {', '.join(names)}, not the four voices alone"
                skipped.append((identity["source"], reason))
                continue
            piece = _named(piece_of_score(root, **identity))
            if self.metre == "4/4" and not wholly_in(piece, 4, 4):
                skipped.append((identity["source"], "is not in 4/4 throughout"))
                continue
            pieces.append(piece)
        if not pieces:
            raise missing(_WHAT, "comes without the chorales")
        return pieces, {"skipped": skipped}

    def _card(self, pieces: Sequence[Piece], groups: int, skipped: int) -> Card:
        return Card(
            name="chorales",
            title="Chorales harmonised by J. S. Bach, four voices",
            source=f"music21 {music21_version()}, corpus/bach",
            licence=LICENCE,
            citation=CITATION,
            counts={
                "pieces": len(pieces),
                "pieces in 4/4 throughout": sum(wholly_in(piece, 4, 4) for piece in pieces),
                "notes": sum(map(len, pieces)),
                "groups": groups,
                "files left out": skipped,
                GRACE_NOTES: sum(int(piece.metadata.get(GRACE_NOTES, 0)) for piece in pieces),
            },
            split_rule=(
                f"Chorales whose sopranos share {RUN} successive intervals stay on one side."
            ),
            ranges=dict(zip(PARTS, RANGES, strict=True)),
            notes=(
                "Repeats are not expanded; pick-ups and original keys are kept.",
                "Works with fewer, more or other parts than the four voices are left out.",
                "Not the JSB Chorales set of Boulanger-Lewandowski et al. (2012): its pieces and "
                "split cannot be rebuilt from these files, so likelihoods do not compare.",
            ),
        )
