"""Explicit downloads: checked by hash, continued where they broke off, from whichever mirror answers."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from partimento.datasets.progress import Progress
from partimento.errors import UserError

TRIES = 5
"""How often a download that broke off is continued before the next mirror is asked."""

TIMEOUT = 30.0  # seconds without an answer
_BLOCK = 2**18

log = logging.getLogger(__name__)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(urls: Sequence[str], target: Path, sha256: str | None = None) -> Path:
    """Download a file, unless it is there already, and return it.

    What has arrived of a broken download lies beside the target and is continued by the next call.
    Without a hash to check, the hash that was found is told in the log.

    Args:
        urls: Where the file is to be had: mirrors, of which the first that works is used.
        target: Where to put it.
        sha256: Hash that it must have.

    Raises:
        UserError: When no mirror gives it, or it has another hash.
    """
    import pooch  # type: ignore[import-untyped]

    problems = []
    target.parent.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("WARNING")  # what it would tell is told here
    for url in urls:
        if not url.startswith(("https://", "http://")):
            raise UserError(f"'{url}' cannot be downloaded: only http and https addresses can.")
        log.info("Downloading %s", url)
        try:
            pooch.retrieve(
                url,
                known_hash=f"sha256:{sha256}" if sha256 else None,
                fname=target.name,
                path=target.parent,
                downloader=Resuming(target.with_name(f"{target.name}.part")),
            )
        except ValueError as error:
            raise UserError(
                f"What '{url}' gives has not the SHA-256 {sha256} that dataset.sha256 says, so it "
                "was thrown away: the file there is another one now, or was damaged on its way."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            problems.append(f"{url}: {getattr(error, 'reason', None) or error}")
            continue
        if sha256 is None:
            log.warning(
                "Nothing says what %s must be; to be sure of getting the same again, pin it with "
                "dataset.sha256=%s",
                target.name,
                file_sha256(target),
            )
        return target
    raise UserError(
        f"'{target.name}' cannot be downloaded ({'; '.join(problems)}): try again, which goes on "
        f"where it broke off, or put the file at '{target}' yourself."
    )


class Resuming:
    """A downloader for pooch that goes on with what is there of a file, by HTTP ranges.

    Args:
        part: Where the unfinished file lies; beside it, what its server called this version of it,
            so that two versions are never joined (RFC 9110, section 13.1.5).
    """

    def __init__(self, part: Path) -> None:
        self.part = part
        self.tag = part.with_name(f"{part.name}.tag")

    def __call__(
        self, url: str, output_file: str | os.PathLike[str], pooch: Any, check_only: bool = False
    ) -> None:
        """Put the whole file at `output_file`.

        Raises:
            OSError: When the server cannot be reached, or the connection broke off too often.
        """
        for left in reversed(range(TRIES)):
            try:
                self._continue(url)
                break
            except urllib.error.HTTPError as error:
                error.close()
                raise
            except (OSError, http.client.HTTPException):
                if not left or not self.part.exists():
                    raise
        os.replace(self.part, output_file)
        self.tag.unlink(missing_ok=True)

    def _continue(self, url: str) -> None:
        have = self.part.stat().st_size if self.part.exists() and self.tag.exists() else 0
        request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
        if have:
            request.add_header("Range", f"bytes={have}-")
            request.add_header("If-Range", self.tag.read_text())
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            whole = error.headers.get("Content-Range", "") == f"bytes */{have}"
            if error.code == 416 and have and whole:
                error.close()
                return  # nothing is missing
            raise
        with response:
            self._write(response, have)

    def _write(self, response: Any, have: int) -> None:
        going_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        done = have if going_on else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        # A weak tag does not promise the same bytes.
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        self.tag.unlink(missing_ok=True)
        with (
            self.part.open("ab" if going_on else "wb") as file,
            Progress("Downloading", "MB", (total or 0) // 10**6) as progress,
        ):
            if tag and not tag.startswith("W/"):
                self.tag.write_text(tag)
            while block := response.read(_BLOCK):
                file.write(block)
                done += len(block)
                progress.show(done // 10**6)
        if total is not None and done < total:
            raise OSError(f"the connection broke off after {done:,} of {total:,} bytes")
