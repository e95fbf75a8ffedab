"""The check of a composed config, key by key, before any work is done."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from partimento.config.schema import OTHERS_KEYS, TrainConfig, section
from partimento.config.targets import (
    DIRECTIVES,
    asks_for_factory,
    expected_types,
    parameters_of,
    resolve_target,
    section_types,
    targets_of,
)
from partimento.errors import UserError, did_you_mean

_REFERENCE = re.compile(r"\$\{(\.*)([A-Za-z_][\w.]*|)\}")


def check(raw: Mapping[str, Any], resolved: Mapping[str, Any], schema: type = TrainConfig) -> None:
    """Refuse a composed config that names unknown keys, wrong types or forbidden targets.

    Args:
        raw: The config as plain containers with interpolations left as text.
        resolved: The same with interpolations resolved.
        schema: Schema of the command's primary config.

    Raises:
        UserError: One sentence about the first fault found.
    """
    trusted = resolved.get("trusted_packages") or []
    _Checker(references_of(raw), []).type("trusted_packages", trusted, list[str])
    _Checker(references_of(raw), trusted).section("", schema, resolved)


def references_of(raw: Any, path: str = "") -> dict[str, str]:
    """Return full name of a key → full name of the key that its value is an interpolation of."""
    found: dict[str, str] = {}
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            found |= references_of(value, f"{path}.{key}" if path else str(key))
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            found |= references_of(value, f"{path}.{index}")
    elif isinstance(raw, str):
        for dots, name in _REFERENCE.findall(raw):
            parents = path.split(".")[: -len(dots)] if dots else []
            found[path] = ".".join([*parents, name])
    return found


def keys_of(node: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield the full names of all keys below a node."""
    for key, value in node.items():
        where = f"{path}.{key}" if path else str(key)
        if not str(key).startswith("_"):
            yield where
        if isinstance(value, Mapping):
            yield from keys_of(value, where)


class _Checker:
    """Walks a resolved config; messages name the key that the user can change."""

    def __init__(self, references: Mapping[str, str], trusted: Sequence[str]) -> None:
        self.references = references
        self.trusted = trusted

    def section(self, path: str, schema: type, values: Any) -> None:
        """Check a section against its schema."""
        if not isinstance(values, Mapping):
            raise UserError(f"{path}={_short(values)} is not a section with keys of its own.")
        prefix = f"{path}." if path else ""
        hints = typing.get_type_hints(schema, include_extras=True)
        for key, value in values.items():
            where = f"{prefix}{key}"
            if key not in hints:
                if key != "name":
                    known = [f"{prefix}{name}" for name in hints]
                    self.unread(where, value, [*known, *keys_of(values, path)])
            elif is_dataclass(hints[key]):
                self.section(where, typing.cast(type, hints[key]), value)
            elif hints[key] is Any:
                kind = section_types().get(key)
                self.node(where, value, () if kind is None else (kind,))
            else:
                self.type(where, value, hints[key])
        for item in fields(schema):
            needed = item.default is MISSING and item.default_factory is MISSING
            if needed and item.name not in values:
                raise UserError(f"{prefix}{item.name} is missing: the config cannot do without it.")
        if path:
            section(schema, values)  # a schema may refuse what its keys say together

    def node(self, path: str, node: Any, expected: tuple[type, ...] = ()) -> None:
        """Check a node, or a mapping or list of nodes, against the signatures of their targets."""
        if isinstance(node, list):
            for index, item in enumerate(node):
                self.node(f"{path}.{index}", item, expected)
        elif isinstance(node, Mapping) and "_target_" in node:
            self.arguments(path, node, expected)
        elif isinstance(node, Mapping):
            for key, value in node.items():
                if key != "name" and not isinstance(value, Mapping):
                    raise UserError(
                        f"Nothing reads {path}.{key}={_short(value)}: {path} holds named nodes, "
                        "each with a _target_."
                    )
                self.node(f"{path}.{key}", value, expected)

    def arguments(self, path: str, node: Mapping[str, Any], expected: tuple[type, ...]) -> None:
        """Check the keys of a node against the signature of its target."""
        parameters = parameters_of(resolve_target(path, node["_target_"], self.trusted, expected))
        for key, value in node.items():
            where = f"{path}.{key}"
            if key in DIRECTIVES:
                continue
            if key not in parameters and None not in parameters:
                known = [f"{path}.{name}" for name in parameters]
                self.unread(where, value, [*known, *keys_of(node, path)])
            elif next(targets_of(value, ""), None) is not None:
                hint = parameters.get(key, Any)
                if asks_for_factory(hint) and "_target_" in value and not value.get("_partial_"):
                    raise UserError(
                        f"{where} needs _partial_: true, since {path} builds it later, with "
                        "arguments of its own."
                    )
                self.node(where, value, expected_types(hint))
            else:
                self.type(where, value, parameters.get(key, Any))

    def unread(self, path: str, value: Any, known: Sequence[str]) -> None:
        """Refuse a key that no schema, signature or interpolation reads."""
        if any(ref == path or ref.startswith(f"{path}.") for ref in self.references.values()):
            return
        if path in OTHERS_KEYS:
            raise UserError(OTHERS_KEYS[path])
        others = [name for name in known if name != path and not name.startswith(f"{path}.")]
        raise UserError(f"Nothing reads {path}={_short(value)}.{did_you_mean(path, others)}")

    def type(self, path: str, value: Any, annotation: Any) -> None:
        """Check a value against an annotation, strictly: no text becomes a number."""
        from pydantic import ConfigDict, TypeAdapter, ValidationError
        from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

        if annotation is Any:
            return
        try:
            adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
        except (PydanticSchemaGenerationError, PydanticUserError):
            return  # an annotation that only a running object can satisfy, such as torch's ParamsT
        try:
            # By way of JSON, where a list may stand for a tuple but a text never for a number.
            adapter.validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            inner = "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
            message = first["msg"][0].lower() + first["msg"][1:]
            if first["type"] == "needs_python_object":
                message = "it takes objects, each written as a node with a _target_"
            message = message.replace("a valid array", "a list, written [a, b]")
            where = self.references.get(path, path)
            shown = _short(first["input"] if inner else value)
            raise UserError(f"{where}{inner}={shown} is wrong: {message}.") from None


def _short(value: Any, limit: int = 60) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= limit else text[: limit - 1] + "…"
