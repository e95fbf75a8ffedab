"""A composed config as plain containers, with no secret of the environment in it."""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Mapping
from typing import Any

from partimento.errors import UserError

_SECRET_NAME = re.compile(
    r"((^|_)KEY|APIKEY|_PAT|_PWD|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)$",
    re.IGNORECASE,
)


def plain(config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a composed config as plain containers: (with interpolations as text, resolved).

    Raises:
        UserError: When a mandatory value is missing or an interpolation cannot be resolved.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    job = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    raw = OmegaConf.to_container(job, resolve=False)
    try:
        resolved = OmegaConf.to_container(job, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key}=… is missing and must be given.") from error
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", "") or ""
        reason = str(error).splitlines()[0]
        raise UserError(f"{key} has no usable value: {reason}.") from error
    return typing.cast(dict, raw), typing.cast(dict, redacted(resolved))


def secrets(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the values of environment variables whose names say that they are secret."""
    named = [value for name, value in environment.items() if _SECRET_NAME.search(name)]
    return sorted({v for v in named if len(v) >= 8 and not v.isspace()}, key=len, reverse=True)


def redacted(value: Any) -> Any:
    """Return the value with every secret of the environment replaced by `<redacted>`."""
    hidden = secrets()
    if isinstance(value, Mapping):
        return {redacted(key): redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redacted(item) for item in value]
    if isinstance(value, str):
        for secret in hidden:
            value = value.replace(secret, "<redacted>")
    return value
