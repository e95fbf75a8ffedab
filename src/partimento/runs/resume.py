"""The same command again: is the run finished, does it go on, or must it be refused?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from partimento.errors import UserError
from partimento.runs.folder import RunFolder
from partimento.runs.identity import code_checksums, differences, identity_content


@dataclass(frozen=True)
class Decision:
    """What to do with a run folder.

    Attributes:
        action: "done": nothing; "start": from the beginning; "resume": from `checkpoint`; "anew":
            set the folder aside, then start; "join": a further process of a run under way.
        checkpoint: Where to go on from.
        reason: What to tell the user.
        force: Go on although something changed.
    """

    action: Literal["done", "start", "resume", "anew", "join"]
    checkpoint: Path | None
    reason: str = ""
    force: bool = False

    def check(self, folder: RunFolder, record: Mapping[str, Any]) -> None:
        """Refuse to go on with other code or data than the run began with.

        Raises:
            UserError: With the list of differences.
        """
        if self.action != "resume" or self.force:
            return
        found = changes(folder, record)
        if found:
            raise UserError(
                f"{folder.path} cannot go on exactly, since it began with another state of things "
                f"({'; '.join(found)}): restore that, start anew with resume=never, or go on all "
                "the same with resume=force."
            )


def changes(folder: RunFolder, record: Mapping[str, Any]) -> list[str]:
    """List what differs between the run as it began and as it would go on."""
    old = folder.read()
    found = differences(
        {"data": _data_of(old), "versions": _versions_of(old)},
        {"data": _data_of(record), "versions": _versions_of(record)},
    )
    return found + code_changes(folder)


def code_changes(folder: RunFolder, trusted: list[str] | None = None) -> list[str]:
    """List the source files that changed since the run began."""
    before = folder.read_json("code.json")
    if not before:
        return []
    now = code_checksums(trusted or folder.config().get("trusted_packages") or [])
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return [f"{name} changed" for name in names]


def _data_of(record: Mapping[str, Any]) -> dict[str, Any]:
    data = record.get("data", {})
    return {name: data.get(name) for name in ("fingerprint", "checksum", "split_manifest")}


def _versions_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the versions on which arithmetic and randomness rest."""
    versions = record.get("versions", {})
    return {name: versions.get(name) for name in ("python", "torch", "pytorch-lightning", "numpy")}


def refuse_other_config(folder: RunFolder, resolved: Mapping[str, Any], device: str) -> None:
    """Refuse a folder, chosen by hand, that holds a run of another config.

    Raises:
        UserError: With the list of differences.
    """
    old = folder.config()
    if not old:
        return
    before = identity_content(old, "", folder.read().get("device", device))
    found = differences(before["config"], identity_content(resolved, "", device)["config"])
    if found:
        raise UserError(
            f"{folder.path} holds a run of another config ({'; '.join(found)}): choose another "
            "folder, or leave hydra.run.dir out and each config gets its own."
        )


def decide(folder: RunFolder, resume: str, *, leased: bool = False) -> Decision:
    """Decide from the folder's state and `resume=auto|must|never|force`.

    Args:
        folder: The run folder.
        resume: "auto" goes on where it can, "must" refuses to begin, "never" starts anew, "force"
            goes on even with changed code or data.
        leased: Whether the caller holds the lease (the former folder is set aside by then).

    Raises:
        UserError: When resume=must finds nothing to go on from.
    """
    record = folder.read()
    if resume == "never" and not leased:
        return Decision("anew", None)
    if record.get("status") == "finished":
        return Decision("done", None, _finished(folder))
    if folder.last.exists() and resume != "never":
        return Decision("resume", folder.last, force=resume == "force")
    if resume == "must":
        raise UserError(
            f"{folder.path} holds no checkpoint to resume from; leave resume=must out to begin."
        )
    return Decision("start", None)


def _finished(folder: RunFolder) -> str:
    changed = code_changes(folder)
    if not changed:
        return "already finished; resume=never trains anew."
    return (
        f"already finished, by other code ({len(changed)} files changed since, such as "
        f"{changed[0].removesuffix(' changed')}); resume=never trains anew."
    )
