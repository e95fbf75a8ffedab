"""From a MusicXML file, compressed or not, to the root element of its part-wise score."""

from __future__ import annotations

import gc
import io
import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from xml.etree.ElementTree import Element

import defusedxml.ElementTree as SafeTree
from defusedxml import DefusedXmlException

from partimento.errors import UserError
from partimento.formats.limits import shortened

MAX_BYTES = 64 * 2**20
"""Largest score that is read, in decompressed bytes: a guard against files made to fill memory."""

# However few bytes of the file it is, an element takes some 130 bytes of memory and two
# microseconds, an attribute 260 bytes; a movement of a symphony has half as many.
_MAX_ELEMENTS, _MAX_ATTRIBUTES = 2_000_000, 1_000_000

_MAX_MEMBERS = 1000  # of a compressed file: a score, a container, perhaps pictures

# What zipfile raises on damaged bytes; RuntimeError, and NotImplementedError under it, when they
# claim to be encrypted or compressed in some unknown way.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
_CONTAINER = "META-INF/container.xml"


def load_score(path: str | Path) -> Element:
    """Return the `score-partwise` element of a MusicXML file, compressed (.mxl) or plain.

    Whether the file is compressed is told by its content, not by its suffix.

    Raises:
        UserError: When the file is missing, too large, or not a part-wise MusicXML score.
    """
    path = Path(path)
    name = path.name
    if not path.is_file():
        raise UserError(f"There is no file '{path}'.")
    if path.stat().st_size > MAX_BYTES:
        raise _too_large(name)
    data = path.read_bytes()
    if not data.strip():
        raise UserError(f"'{name}' is empty, where a MusicXML score was expected.")
    if data.startswith(b"PK"):
        data = _unpack(data, name)
    root = _parse(data, name)
    if root.tag == "score-timewise":
        raise UserError(
            f"'{name}' is a time-wise MusicXML score; save it part-wise, as most programs do."
        )
    if root.tag != "score-partwise":
        raise UserError(
            f"'{name}' is XML but not a MusicXML score: it holds <{shortened(root.tag)}>."
        )
    return root


def part_names(root: Element) -> tuple[str, ...]:
    """Return the names of a score's parts in order; a nameless part is called by its id."""
    names = {
        part.get("id"): (part.findtext("part-name") or "").strip()
        for part in root.iterfind("part-list/score-part")
    }
    ids = [part.get("id") or "" for part in root.iterfind("part")]
    return tuple(names.get(key) or key for key in ids)


def _too_large(name: str) -> UserError:
    return UserError(f"'{name}' is larger than {MAX_BYTES // 2**20} MiB, the most that is read.")


def _parse(data: bytes, name: str) -> Element:
    elements = data.count(b"<") - data.count(b"</")
    if elements > _MAX_ELEMENTS or data.count(b"=") > _MAX_ATTRIBUTES:
        raise UserError(f"'{name}' has more XML elements or attributes than any score.")
    collecting = gc.isenabled()
    # Looking for cycles among millions of new elements, where there are none, takes half the time.
    gc.disable()
    try:
        return SafeTree.fromstring(data)
    except DefusedXmlException as error:
        raise UserError(f"'{name}' defines XML entities, which no score needs.") from error
    except (SafeTree.ParseError, ValueError, LookupError) as error:
        # ValueError and LookupError: an encoding that the parser does not know.
        raise UserError(f"'{name}' is not XML, so not a MusicXML score: {error}.") from error
    finally:
        if collecting:
            gc.enable()


def _unpack(data: bytes, name: str) -> bytes:
    """Return the score inside a compressed file."""
    if data.count(b"PK\x01\x02") > _MAX_MEMBERS:
        raise UserError(f"'{name}' is a zip file of more than {_MAX_MEMBERS} files, and no score.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _member(archive, _score_member(archive, name), name)
    except _DAMAGED as error:
        raise UserError(
            f"'{name}' is a damaged compressed MusicXML file: {shortened(error, 200)}."
        ) from error


def _member(archive: zipfile.ZipFile, member: str, name: str) -> bytes:
    info = archive.getinfo(member)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # MusicXML 4.0 allows no other, and zipfile decompresses others without a bound.
        raise zipfile.BadZipFile("it is compressed by another method than 'deflate'")
    if info.file_size > MAX_BYTES:
        raise _too_large(name)
    with archive.open(info) as file:
        # With a bound: archive.read decompresses all there is, whatever size is announced.
        return file.read(MAX_BYTES + 1)


def _named_in(container: bytes, name: str) -> list[str]:
    """Return the files that a container names; none when it is not well-formed."""
    try:
        root = _parse(container, name)
    except UserError as error:
        if isinstance(error.__cause__, DefusedXmlException):
            raise
        return []
    return [element.get("full-path", "") for element in root.iterfind(".//{*}rootfile")]


def _score_member(archive: zipfile.ZipFile, name: str) -> str:
    """Return the score that the container names, else the first XML file in the archive.

    Some programs write containers that are no XML (a file's name with an apostrophe in it, say).
    """
    members = archive.namelist()
    if _CONTAINER in members:
        named = _named_in(_member(archive, _CONTAINER, name), name)
        if member := next((path for path in named if path in members), None):
            return member
    for member in members:
        if member.lower().endswith((".xml", ".musicxml")) and not member.startswith("META-INF/"):
            return member
    raise UserError(f"'{name}' is a zip file without a MusicXML score in it.")
