"""Irish and Scottish tunes of O'Neill, Ryan and Aird, read from the user's own installed music21."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from partimento.datasets.base import Card, Corpus, Dataset, Skipped
from partimento.datasets.chorales import wholly_in
from partimento.datasets.grouping import RUN, melody_intervals, shared_run_groups
from partimento.datasets.music21_corpus import collection_folder, missing, music21_version
from partimento.datasets.store import FORMAT_VERSION, cached_pieces
from partimento.errors import UserError
from partimento.formats.abc import MELODY, READER_VERSION, Unreadable, decode_abc, read_tunes
from partimento.formats.abc_header import AbcError, parse_metre
from partimento.formats.musicxml_part import GRACE_NOTES
from partimento.music import Piece

DATASET_VERSION = 1
"""Raised whenever this file would choose or name pieces differently; part of the cache key."""

Collection = Literal["oneill", "ryan", "aird"]
FOLDERS: dict[Collection, str] = {
    "oneill": "oneills1850",
    "ryan": "ryansMammoth",
    "aird": "airdsAirs",
}
# Lowest and highest note in all collections, as MIDI numbers (checked in the tests).
RANGE = (55, 93)
LOWER_NOTES = "notes below the melody dropped"
"""Name of the metadata entry that counts notes of lower voices and of double stops."""

_WHAT = "The tunes of O'Neill, Ryan and Aird are"
LICENCE = (
    "The tunes, printed between 1778 and 1903, are in the public domain; their encodings come with "
    "music21, 'distributed with the permission of the encoders', and some 'may not be used for "
    "commercial uses or have other restrictions' (music21/corpus/license.txt). They are read from "
    "your own installation and not redistributed."
)
CITATION = (
    "Francis O'Neill: O'Neill's Music of Ireland. Chicago, 1903. William Bradbury Ryan: Ryan's "
    "Mammoth Collection. Boston, 1883. James Aird: A Selection of Scotch, English, Irish and "
    "Foreign Airs. Glasgow, 1778-1801. As encoded in: Michael Scott Cuthbert and Christopher "
    "Ariza: music21: A Toolkit for Computer-Aided Musicology and Symbolic Music Data. ISMIR 2010, "
    "637-642."
)


class Celtic(Dataset):
    """Some 4,100 fiddle and pipe tunes of three printed collections, one melody each.

    Repeats are played out as written. A tune that occurs more than once, in whatever key, is kept
    once. Of several voices the first is taken, of double stops the upper note. Two tunes are in
    one group when they share 16 successive intervals, so that no turn of phrase of such a length
    is both trained on and tested on.

    Args:
        collections: "oneill" (O'Neill's Music of Ireland), "ryan" (Ryan's Mammoth Collection),
            "aird" (Aird's Airs).
        metre: "any", or the metre of every bar, such as "6/8", "C" or "C|".
        key: "any", or the tonic, such as "D" or "Bb".
        mode: "any", "major", "minor", "dorian", "mixolydian", "lydian" or "phrygian".
        rhythm: "any", or a kind of tune such as "reel", "hornpipe", "jig" or "slip jig"; "jig"
            holds double and slip jigs as well. It is what the transcriber wrote (field R:), so a
            tune without it is left out: all of Aird and half of O'Neill.

    Raises:
        UserError: When a choice is none of these, or music21 is not installed (on first use).
    """

    parts: Sequence[str] = (MELODY,)
    ranges: Sequence[tuple[int, int]] = (RANGE,)

    def __init__(
        self,
        collections: Sequence[Collection] = ("oneill", "ryan", "aird"),
        metre: str = "any",
        key: str = "any",
        mode: Literal[
            "any", "major", "minor", "dorian", "mixolydian", "lydian", "phrygian"
        ] = "any",
        rhythm: str = "any",
    ) -> None:
        unknown = [name for name in collections if name not in FOLDERS]
        if unknown or not collections:
            raise UserError(
                f"celtic: collections are {', '.join(FOLDERS)}, not '{', '.join(unknown)}'."
            )
        try:
            self.metre = None if metre == "any" else parse_metre(metre)
        except AbcError as error:
            raise UserError(f"celtic: metre is 'any' or one such as 6/8, not '{metre}'.") from error
        self.collections: tuple[Collection, ...] = tuple(n for n in FOLDERS if n in collections)
        self.key, self.mode = key, mode
        self.rhythm = " ".join(rhythm.lower().split())

    def fingerprint(self) -> str:
        """Return a hash of music21's version, the reader's, the file format's and the options."""
        key = {
            "music21": music21_version(_WHAT),
            "reader": READER_VERSION,
            "format": FORMAT_VERSION,
            "dataset": DATASET_VERSION,
            "collections": self.collections,
            "choice": [self.metre, self.key, self.mode, self.rhythm],
        }
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]

    def prepare(self, cache: str | None) -> Corpus:
        """Return the corpus: five seconds the first time, half of one from the cache.

        Raises:
            UserError: When music21 is missing, or no tune is as asked for.
        """
        path = Path(cache) / f"celtic-{self.fingerprint()}.npz" if cache is not None else None
        pieces, extra = cached_pieces(path, self._build)
        skipped = tuple(Skipped(*row) for row in extra["skipped"])
        return Corpus(
            pieces=tuple(pieces),
            groups=tuple(extra["groups"]),
            skipped=skipped,
            card=self._card(pieces, len(set(extra["groups"])), skipped),
        )

    def _build(self) -> tuple[list[Piece], dict[str, Any]]:
        """Read the collections anew."""
        pieces: list[Piece] = []
        skipped: list[tuple[str, str]] = []
        first: dict[bytes, str] = {}
        for tune in self._tunes():
            if isinstance(tune, Unreadable):
                skipped.append((f"{tune.source} ({tune.id})", tune.reason))
                continue
            where = f"{tune.source} ({tune.id})"
            reason = self._unwanted(tune)
            if reason is None:
                earlier = first.setdefault(_signature(tune), tune.id)
                reason = f"is the same as {earlier}" if earlier != tune.id else None
            if reason is None:
                pieces.append(tune)
            else:
                skipped.append((where, reason))
        if not pieces:
            raise UserError("celtic: no tune has the metre, key, mode and rhythm asked for.")
        groups = shared_run_groups({piece.id: melody_intervals(piece) for piece in pieces})
        return pieces, {"skipped": skipped, "groups": [groups[piece.id] for piece in pieces]}

    def _tunes(self) -> Iterator[Piece | Unreadable]:
        """Yield every tune of the collections, under a name of its own."""
        taken: Counter[str] = Counter()
        for collection in self.collections:
            folder = collection_folder(FOLDERS[collection], _WHAT)
            files = sorted(folder.glob("*.abc"))
            if not files:
                raise missing(_WHAT, "comes without its corpus")
            for path in files:
                source = f"music21/corpus/{folder.name}/{path.name}"
                for tune in read_tunes(decode_abc(path.read_bytes()), id=path.stem, source=source):
                    yield _named(tune, collection, taken)

    def _unwanted(self, piece: Piece) -> str | None:
        """Say why a tune is not asked for; None: it is."""
        if self.metre is not None and not wholly_in(piece, *self.metre):
            return f"is not in {self.metre[0]}/{self.metre[1]} throughout"
        tonic, _, mode = piece.metadata.get("key", "").partition(" ")
        if self.key not in ("any", tonic) or self.mode not in ("any", mode):
            return f"is in {tonic} {mode}"
        rhythm = rhythm_of(piece)
        if self.rhythm != "any" and not set(self.rhythm.split()) <= set(rhythm.split()):
            return f"is a {rhythm}" if rhythm else "is of no stated rhythm"
        return None

    def _card(self, pieces: Sequence[Piece], groups: int, skipped: Sequence[Skipped]) -> Card:
        total: Counter[str] = Counter()
        for piece in pieces:
            for name in (GRACE_NOTES, LOWER_NOTES):
                total[name] += int(piece.metadata.get(name, 0))
        return Card(
            name="celtic",
            title="Irish and Scottish tunes of O'Neill, Ryan and Aird, one melody each",
            source=f"music21 {music21_version(_WHAT)}, corpus/"
            + ", ".join(FOLDERS[name] for name in self.collections),
            licence=LICENCE,
            citation=CITATION,
            counts={
                "pieces": len(pieces),
                "notes": sum(map(len, pieces)),
                "groups": groups,
                "tunes left out": len(skipped),
                "duplicates left out": sum("is the same as" in skip.reason for skip in skipped),
                "pieces of a stated rhythm": sum(bool(rhythm_of(piece)) for piece in pieces),
                **total,
            },
            split_rule=f"Tunes that share {RUN} successive intervals stay on one side.",
            ranges={MELODY: RANGE},
            notes=(
                "Repeats and variant endings are played out as written; D.C. and D.S. are not.",
                "The rhythm (reel, jig, ...) is what the transcriber wrote: all of Ryan and half "
                "of O'Neill have it, Aird has not.",
                "Duplicates are tunes with the same intervals and durations throughout; variants "
                "of a tune stay, in one group as far as they share a run.",
            ),
        )


def rhythm_of(piece: Piece) -> str:
    """Return the kind of tune as written, in small letters, such as "slip jig"; "" when unsaid."""
    words = piece.metadata.get("rhythm", "").lower().replace("slipjig", "slip jig").split()
    return " ".join(words)


def _named(tune: Piece | Unreadable, collection: str, taken: Counter[str]) -> Piece | Unreadable:
    """Return the tune as one melody, called by its collection and number or file."""
    if isinstance(tune, Unreadable):
        return tune._replace(id=f"{collection}-{tune.id}")
    name = tune.id if collection == "ryan" else tune.metadata["number"]
    taken[name := f"{collection}-{name}"] += 1
    if taken[name] > 1:
        # O'Neill's files overlap.
        name += f"({taken[name]})"
    return dataclasses.replace(melody_of(tune), id=name)


def melody_of(piece: Piece) -> Piece:
    """Return the piece with the upper notes of its first part alone, one at a time.

    What is dropped is counted in the metadata. A note ends where the next begins.
    """
    notes = piece.notes(0)
    onset = notes["onset"]
    upper = np.append(np.diff(onset) > 0, True)[: len(onset)]
    columns = {name: column[upper] for name, column in notes.items()}
    gap = np.diff(columns["onset"], append=piece.end)
    metadata = dict(piece.metadata)
    if len(gap) < len(piece):
        metadata[LOWER_NOTES] = str(len(piece) - len(gap))
    return dataclasses.replace(
        piece,
        **columns | {"duration": np.minimum(columns["duration"], gap)},
        part=np.zeros(len(gap), np.int32),
        parts=(MELODY,),
        metadata=metadata,
    )


def _signature(piece: Piece) -> bytes:
    """Return bytes that are equal for the same notes in any key and resolution."""
    ticks = np.stack([piece.onset, piece.duration]).astype(np.int64)
    # A multiple of every resolution that the collections need.
    fine = ticks * 5040 // piece.resolution
    pitch = piece.pitch - piece.pitch[0]
    return hashlib.sha256(fine.tobytes() + pitch.tobytes()).digest()
