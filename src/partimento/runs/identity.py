"""What makes two runs the same run: the config without what can't change the result, and the data."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from partimento.config import without_non_identity

PACKAGES = (
    "torch",
    "pytorch-lightning",
    "hydra-core",
    "omegaconf",
    "wandb",
    "muspy",
    "torchmetrics",
    "music21",
    "numpy",
)


def canonical(value: Any) -> str:
    """Return the JSON text of plain containers with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def identity(resolved: Mapping[str, Any], data_fingerprint: str, device: str) -> str:
    """Return the 12 hexadecimal digits that name a run.

    Args:
        resolved: The resolved config.
        data_fingerprint: Hash of what can change the pieces (`Dataset.fingerprint`).
        device: The kind of device that `accelerator.device=auto` came to.
    """
    content = identity_content(resolved, data_fingerprint, device)
    return hashlib.sha256(canonical(content).encode()).hexdigest()[:12]


def identity_content(
    resolved: Mapping[str, Any], data_fingerprint: str, device: str
) -> dict[str, Any]:
    """Return what is hashed: config, data and device."""
    config = without_non_identity(resolved)
    config["accelerator"] = {**config.get("accelerator", {}), "device": device}
    return {"config": config, "data": data_fingerprint}


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """List the places in which two plain containers differ, one line each."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        lines = []
        for key in sorted({*old, *new}, key=str):
            where = f"{path}.{key}" if path else str(key)
            if key not in old:
                lines.append(f"{where}: not there before, now {new[key]!r}")
            elif key not in new:
                lines.append(f"{where}: was {old[key]!r}, now gone")
            else:
                lines += differences(old[key], new[key], where)
        return lines
    return [] if old == new else [f"{path}: was {old!r}, now {new!r}"]


def code_checksums(trusted_packages: Sequence[str] = ()) -> dict[str, str]:
    """Return a short hash of every Python file that can change a run, by package-relative name."""
    roots = {"partimento": Path(__file__).parents[1]}
    for name in trusted_packages:
        roots.update((name, root) for root in _package_folder(name))
    sums = {}
    for package, root in roots.items():
        files = sorted(root.rglob("*.py")) if root.is_dir() else [root]
        for file in files:
            relative = file.relative_to(root) if root.is_dir() else file.name
            digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
            sums[f"{package}/{relative}"] = digest
    return sums


def _package_folder(name: str) -> list[Path]:
    from importlib.util import find_spec

    spec = find_spec(name)
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return [Path(place) for place in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.origin else []


def git_state() -> dict[str, Any]:
    """Return the commit of the clone that the program runs from, and whether it has changes."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=20
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    # A wheel installed inside some other project's clone must not report that project's commit.
    tracked = git("ls-files", "--error-unmatch", __file__)
    if commit is None or tracked is None:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(git("status", "--porcelain"))}


def versions() -> dict[str, str]:
    """Return the versions of the packages that matter to a result."""
    import platform

    found = {name: metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "partimento": own_version(), **found}


def own_version() -> str:
    """Return the installed version of Partimento."""
    return metadata.version("partimento")
