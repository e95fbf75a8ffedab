"""Music in an archive that is downloaded on request: MAESTRO, Lakh, POP909, or any other."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from annotated_types import Ge, Gt
from filelock import FileLock

from partimento.datasets.base import Card
from partimento.datasets.download import fetch, file_sha256
from partimento.datasets.folder import SPLIT_RULE, Folder, key_of
from partimento.datasets.unpacking import unpack
from partimento.errors import UserError


class Archive(Folder):
    """The files in one archive, read as those of a folder are.

    Nothing is downloaded unless `download` is true. The archive is kept in the cache beside the
    files taken out of it, and may be deleted once the dataset is prepared.

    Args:
        corpus: A short name, for files of the cache and for messages.
        urls: Where the archive is to be had, mirrors after the first choice.
        sha256: Hash of the archive; null takes whatever comes, and tells its hash.
        pattern: What the path of a file inside the archive must match; `*` crosses folders.
        title: What the corpus is.
        licence: Under which terms it may be used, and where these are stated.
        citation: How to cite it.
        path: An archive that is here already, or the folder with its files; null: in the cache.
        download: Whether to download what is not there.
        unpacked_gib: How much the files may come to, in GiB: a guard against archives made to
            fill disks.
        workers: Processes that read the files; null: one for each core. Changes no result.

    Raises:
        UserError: On first use, when the archive is absent, wrong or damaged.
    """

    chords = False  # MIDI has no chord symbols

    def __init__(
        self,
        corpus: str,
        urls: Sequence[str],
        sha256: str | None,
        pattern: str,
        title: str,
        licence: str,
        citation: str,
        path: str | None = None,
        download: bool = False,
        unpacked_gib: Annotated[float, Gt(0)] = 20.0,
        workers: Annotated[int, Ge(0)] | None = None,
    ) -> None:
        super().__init__(path or ".", pattern, workers=workers)
        self.name = corpus
        self.place = Path(path).expanduser() if path else None
        self.urls = tuple(urls)
        self.sha256 = sha256.lower() if sha256 else None
        self.title = title
        self.licence = licence
        self.citation = citation
        self.download = download
        self.unpacked_gib = unpacked_gib

    def options(self) -> dict[str, Any]:
        return {**super().options(), "corpus": self.name}

    def fingerprint(self) -> str:
        """Return a hash of the archive's own hash, or of the files in a folder, and the options.

        Without a hash to go by, the address stands for what it gives.
        """
        if self.place is not None and self.place.is_dir():
            return super().fingerprint()
        return key_of({"archive": self._content, **self.options()})

    @functools.cached_property
    def _content(self) -> str:
        if self.place is None:
            return self.sha256 or " ".join(self.urls)
        return self._checked(self.place)

    def root(self, cache: str | None) -> Path:
        """Return the folder with the archive's files, after unpacking it if need be.

        Raises:
            UserError: When the archive is absent, wrong or damaged.
        """
        if self.place is not None and self.place.is_dir():
            return self.place
        if cache is None:
            raise UserError(
                f"dataset={self.name} needs a cache to unpack its archive in: leave paths.cache as "
                "it is, or set dataset.path to the folder with its files."
            )
        folder = Path(cache) / "archives" / f"{self.name}-{key_of({'archive': self._content})}"
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{self.name}.lock"):
            if not folder.is_dir():
                archive = self._archive(folder.parent)
                for leftover in folder.parent.glob(f".{folder.name}.*"):
                    shutil.rmtree(leftover)
                most = int(self.unpacked_gib * 2**30)
                unpack(archive, folder, self.pattern or "*", most)
        return folder

    def _archive(self, folder: Path) -> Path:
        """Return the archive, which is downloaded into the folder when that is asked for."""
        if self.place is not None:
            return self.place
        target = folder / (Path(urlsplit(self.urls[0]).path).name or self.name)
        if target.exists():
            self._checked(target)
            return target
        if not self.download:
            raise UserError(
                f"dataset={self.name} is not here (nor is '{target}'): add dataset.download=true "
                f"to get it from {self.urls[0]}, or set dataset.path to the archive or its folder."
            )
        return fetch(self.urls, target, self.sha256)

    def _checked(self, path: Path) -> str:
        if not path.is_file():
            raise UserError(f"dataset.path: there is no archive or folder '{path}'.")
        found = file_sha256(path)
        if self.sha256 not in (None, found):
            raise UserError(
                f"'{path}' has the SHA-256 {found}, not {self.sha256} as dataset.sha256 says: it "
                "is another version, or damaged; delete it, or set dataset.sha256 to what it has."
            )
        return found

    def _without_files(self) -> UserError:
        return UserError(f"dataset={self.name}: nothing in it matches '{self.pattern}'.")

    def card(self, counts: dict[str, int]) -> Card:
        source = str(self.place) if self.place else self.urls[0]
        return Card(
            name=self.name,
            title=self.title,
            source=f"{source}, SHA-256 {self.sha256 or 'not stated'}",
            licence=self.licence,
            citation=self.citation,
            counts=counts,
            split_rule=SPLIT_RULE,
        )
