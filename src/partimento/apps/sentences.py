"""Hydra's and the system's errors as one sentence that names the fault and the nearest right name."""

from __future__ import annotations

import functools
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from partimento.config import conf_dir
from partimento.config.schema import OTHERS_KEYS
from partimento.errors import UserError, did_you_mean


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and those before it, along the chain of causes."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        yield current
        seen.add(id(current))
        current = current.__cause__ or current.__context__


def cause_of(
    error: BaseException, kinds: type[BaseException] | tuple[type[BaseException], ...]
) -> BaseException | None:
    """Return the first error of one of the kinds along the chain of causes."""
    return next((link for link in chain_of(error) if isinstance(link, kinds)), None)


def origin_of(error: BaseException) -> BaseException:
    """Return the error at the beginning of the chain of causes."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error


def sentence_of(error: BaseException, arguments: list[str], config_name: str) -> str | None:
    """Return the sentence for a mistake of the user's; None for anything else."""
    from hydra.errors import HydraException, OverrideParseException
    from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

    user_error = cause_of(error, UserError)
    if user_error is not None:
        return str(user_error)
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override} cannot be read as an override: write key=value, and quote a value "
            "with spaces, commas or brackets."
        )
    if "Config group override must be" in str(error):
        return _no_option(arguments)
    if isinstance(error, InterpolationResolutionError) and not isinstance(
        origin_of(error), (KeyError, OSError, OmegaConfBaseException)
    ):
        return None  # a resolver of ours ran into an error that is no mistake of the user's
    library = next(filter(None, map(_library_sentence, chain_of(error))), None)
    if library is not None:
        return library
    if cause_of(error, (HydraException, OmegaConfBaseException)) is not None:
        return _composition_sentence(str(error), arguments, config_name)
    os_error = cause_of(error, OSError)
    if isinstance(os_error, OSError) and os_error.filename and os_error.strerror:
        return f"{os_error.filename}: {os_error.strerror.lower()}; choose another place."
    return None


def _library_sentence(error: BaseException) -> str | None:
    """The sentence for what W&B or Lightning refuses; by name, since neither may be imported here."""
    names = {kind.__name__ for kind in type(error).__mro__}
    text = " ".join(str(error).split()).rstrip(".")
    if type(error).__module__.startswith("wandb") and names & {"UsageError", "CommError"}:
        return f"W&B refuses ({text}): run `wandb login`, or use logger.wandb.mode=offline."
    frames = list(traceback.walk_tb(error.__traceback__))
    inside = [f for f, _ in frames if "/pytorch_lightning/callbacks/" in _path_of(f)]
    last = frames[-1][0] if frames else None
    refused = "MisconfigurationException" in names
    if not refused and not (isinstance(error, RuntimeError) and inside and inside[-1] is last):
        return None
    owner = inside[-1].f_locals.get("self") if inside else None
    whose = "the trainer" if owner is None else type(owner).__name__
    return f"Lightning refuses the settings of {whose}: {text}."


def _path_of(frame: FrameType) -> str:
    return Path(frame.f_code.co_filename).as_posix()


def _composition_sentence(message: str, arguments: list[str], config_name: str) -> str:
    missing = re.search(r"(?:Could not find|In '.*?': Could not find) '([^']+)'", message)
    if missing:
        return _missing_option(missing.group(1), message)
    unknown = re.search(r"Could not override '([^']+)'", message)
    if unknown:
        key = unknown.group(1)
        return _unknown_key(key, arguments, config_name)
    taken = re.search(r"An item is already at '([^']+)'", message)
    if taken:
        key = taken.group(1)
        return f"There already is a config key '{key}': write {key}=… without the +."
    several = re.search(r"Ambiguous value for argument '([^'=]+)=(.*)'", message)
    if several:
        key, values = several.groups()
        return f"{key}={values} is ambiguous: write {key}=[{values}] for a list, or -m for a sweep."
    first = message.strip().splitlines()[0].rstrip(".")
    return f"The config cannot be composed: {first}."


def _unknown_key(key: str, arguments: list[str], config_name: str) -> str:
    """The sentence for an override of a key that the composed config does not have."""
    if key in OTHERS_KEYS:
        return OTHERS_KEYS[key]
    known = known_keys(config_name)
    if key not in known:
        return f"There is no config key '{key}'.{did_you_mean(key, known)}"
    parents = [name for name in groups() if key.startswith(name.replace("/", ".") + ".")]
    group = max(parents, key=len, default="")
    chosen = [text.partition("=")[2] for text in arguments if text.startswith(f"{group}=")]
    reason = _reason(group, chosen[-1], key) if chosen else None
    if reason is not None:
        return f"{group}={chosen[-1]} has no key '{key.rpartition('.')[2]}': {reason}."
    others = [option for option in option_names(group) if key in _keys_of_option(group, option)]
    has_it = f"{' and '.join(others)} {'has' if len(others) == 1 else 'have'} it"
    return (
        f"There is no config key '{key}' with the chosen option of the config group '{group}': "
        f"{has_it if 0 < len(others) < 4 else 'another option has it'}."
    )


def _reason(group: str, option: str, key: str) -> str | None:
    """Return why an option has not a key that others of its group have, where its class says so."""
    from partimento.config import resolve_target

    path = conf_dir() / group / f"{option}.yaml"
    if not path.is_file():
        return None
    *parents, name = key.split(".")
    node = _content(path)
    for part in parents[len(_package_of(path, conf_dir()).split(".")) :]:
        node = node.get(part, {})
    lacks: dict[str, str] = {}
    if "_target_" in node:
        lacks = getattr(resolve_target(group, node["_target_"]), "LACKS", lacks)
    return lacks.get(name)


def _no_option(arguments: list[str]) -> str:
    """The sentence for `group=null`, `group=3` and the like."""
    for argument in arguments:
        group, _, option = argument.lstrip("+").partition("=")
        if group in groups() and option not in option_names(group):
            return _missing_option(f"{group}/{option}", "")
        if not group:
            break
    return f"{argument} cannot be read as an override: write key=value."


def _missing_option(path: str, message: str) -> str:
    """The sentence for `group=option` where the group has no such option."""
    group, _, option = path.rpartition("/")
    options = re.search(r"Available options in '[^']*':\n((?:\s+\S+\n?)+)", message)
    names = options.group(1).split() if options else option_names(group)
    if names or group in groups():
        return f"config group '{group}' has no option '{option}'.{did_you_mean(option, names)}"
    return f"There is no config group '{group or option}'.{did_you_mean(group or option, groups())}"


def groups() -> list[str]:
    """Return the names of all shipped config groups."""
    root = conf_dir()
    folders = (path for path in root.rglob("*") if path.is_dir())
    return sorted(str(path.relative_to(root)) for path in folders)


def option_names(group: str) -> list[str]:
    """Return the options of one shipped config group."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def known_keys(config_name: str) -> list[str]:
    """Return the names of all keys that the shipped config files and groups define."""
    root = conf_dir()
    names = set(groups())
    for path in [root / f"{config_name}.yaml", *root.rglob("*/*.yaml")]:
        package = _package_of(path, root)
        names.update(_keys(_content(path), package))
    return sorted(names)


@functools.cache
def _content(path: Path) -> dict[str, Any]:
    """Return what a shipped config file says, before any composition."""
    import yaml

    return yaml.safe_load(path.read_text()) or {}


def _keys_of_option(group: str, option: str) -> list[str]:
    """Return the full names of the keys that an option of a shipped group defines."""
    path = conf_dir() / group / f"{option}.yaml"
    return _keys(_content(path), _package_of(path, conf_dir()))


def _package_of(path: Path, root: Path) -> str:
    """Return where in the config a file's keys go: its `# @package` line says, else its folder."""
    header = re.match(r"#\s*@package\s+(\S+)", path.read_text())
    if header:
        return "" if header.group(1) == "_global_" else header.group(1)
    return ".".join(path.relative_to(root).parts[:-1])


def _keys(node: object, prefix: str) -> list[str]:
    if not isinstance(node, dict):
        return []
    found = []
    for key, value in node.items():
        if key in ("defaults", "hydra", "name") or str(key).startswith("_"):
            continue
        where = f"{prefix}.{key}" if prefix else str(key)
        found += [where, *_keys(value, where)]
    return found
