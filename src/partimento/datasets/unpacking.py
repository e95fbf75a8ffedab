"""What is wanted out of an archive, which may have been made to do harm."""

from __future__ import annotations

import fnmatch
import lzma
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from partimento.errors import UserError
from partimento.formats.musicxml_file import MAX_BYTES

# What zipfile and tarfile raise on damaged bytes, and the file system on impossible names.
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
_BLOCK = 2**20


def unpack(archive: Path, folder: Path, pattern: str, most_bytes: int) -> None:
    """Write the files of a zip or tar archive that match a pattern below a folder.

    The folder appears whole or not at all. Only regular files are written, never links.

    Args:
        archive: A .zip, or a .tar in whatever compression Python knows.
        folder: Folder to make; it must not exist.
        pattern: What a member's path must match; `*` crosses folders, capitals do not count.
        most_bytes: How much all files may come to.

    Raises:
        UserError: When the archive is damaged, would write outside the folder, or is too large.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        left = most_bytes
        for name, content in _members(archive, pattern):
            target = temporary / _safe(name, archive)
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("xb") as file:
                left -= _copy(content, file, min(left, MAX_BYTES), name, archive)
        temporary.chmod(0o755)
        temporary.rename(folder)
    except UserError:
        raise
    except _DAMAGED as error:
        raise UserError(f"The archive '{archive}' cannot be unpacked ({error}).") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _members(archive: Path, pattern: str) -> Iterator[tuple[str, IO[bytes]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                if (
                    not info.is_dir()
                    and kind in (0, stat.S_IFREG)
                    and _wanted(info.filename, pattern)
                ):
                    yield info.filename, zipped.open(info)
        return
    # Read as a stream; the list of members that is kept nevertheless is emptied (tarfile's docs).
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is not None and _wanted(member.name, pattern):
                yield member.name, content
            tar.members = []  # type: ignore[attr-defined]  # documented, but not in the stubs


def _wanted(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name.lower(), pattern.lower())


def _safe(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not path.parts:
        raise UserError(
            f"The archive '{archive}' is not unpacked: '{name}' in it would lie outside its folder."
        )
    return path


def _copy(source: IO[bytes], target: IO[bytes], most: int, name: str, archive: Path) -> int:
    written = 0
    while block := source.read(_BLOCK):
        written += len(block)
        if written > most:
            raise UserError(
                f"The archive '{archive}' is not unpacked: with '{name}' it comes to more than "
                f"dataset.unpacked_gib allows, or a file in it to more than {MAX_BYTES // 2**20} MiB."
            )
        target.write(block)
    return written
