"""Free text, such as file names, made safe for Hydra's grammar of overrides."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Keys of train.yaml whose values are taken as they are written.
TRAIN_FREE_TEXT = ("dataset.path", "paths.outputs", "paths.cache")
_QUOTED = re.compile(r"'([^'\\]|\\.)*'" r'|"([^"\\]|\\.)*"', re.DOTALL)


def quoted(argument: str, free_text: Sequence[str]) -> str:
    """Quote the value of a free-text key for Hydra's grammar.

    File names may hold spaces, commas, parentheses, brackets, accents, and quotes; in Hydra's
    grammar most of these mean something. A value that is already quoted stays as it is, and so
    does `null`; a file of that name is `./null`.
    """
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in free_text or value in ("", "null"):
        return argument
    if _QUOTED.fullmatch(value):
        return argument
    # OmegaConf reads ${ as an interpolation, and backslashes before it as escapes of it.
    literal = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    # Hydra reads backslashes as escapes only before a quote, the closing one included.
    escaped = re.sub(r"(\\*)'", r"\1\1\'", literal)
    escaped = re.sub(r"(\\+)\Z", r"\1\1", escaped)
    return f"{key}='{escaped}'"
