"""Where the installed music21 keeps its corpus; the package itself is not imported."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

from partimento.errors import UserError


def collection_folder(collection: str, what: str) -> Path:
    """Return the folder of one collection of the corpus, such as "bach".

    Args:
        collection: Name of the folder.
        what: What is read from it, for the sentence when it is missing: "The chorales are".

    Raises:
        UserError: When music21 is not installed, or without its corpus.
    """
    spec = importlib.util.find_spec("music21")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "corpus" / collection
        if folder.is_dir():
            return folder
    raise missing(what, "comes without its corpus" if spec else "is not installed")


def music21_version(what: str) -> str:
    """Return the version of the installed music21.

    Raises:
        UserError: When it is not installed.
    """
    try:
        return importlib.metadata.version("music21")
    except importlib.metadata.PackageNotFoundError as error:
        raise missing(what, "is not installed") from error


def missing(what: str, why: str) -> UserError:
    """Return the error that says what cannot be read, why, and what to do."""
    return UserError(
        f"{what} read from music21, which {why} here; "
        "install it with: pip install 'music21>=9.9,<10'."
    )
