"""What a `_target_` may name, and the project's only way to build an object from a node."""

from __future__ import annotations

import collections.abc
import functools
import importlib
import inspect
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from partimento.errors import UserError

OWN_PACKAGES = ("partimento", "torch", "pytorch_lightning", "torchmetrics")
# Keys that say what to build; `name` labels the chosen option of a group.
DIRECTIVES = {"_target_", "_partial_", "name"}


def section_types() -> dict[str, type]:
    """Return the base type of the nodes that stand in a section of the config, by section."""
    from pytorch_lightning import Callback
    from pytorch_lightning.loggers import Logger

    from partimento.datasets.base import Dataset
    from partimento.generation.strategies import Strategy
    from partimento.models.base import Model
    from partimento.representations.base import Representation

    return {
        "model": Model,
        "dataset": Dataset,
        "representation": Representation,
        "strategy": Strategy,
        "diagnostics": Callback,
        "logger": Logger,
    }


def allowed_types() -> tuple[type, ...]:
    """Return the types of which a `_target_` must be a subclass."""
    from torch.nn import Module
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler
    from torchmetrics import Metric

    from partimento.component import Component

    return (*section_types().values(), Component, Module, Optimizer, LRScheduler, Metric)


def expected_types(annotation: Any) -> tuple[type, ...]:
    """Return the allowed base types that an annotation asks for, be it as what a factory returns.

    An empty tuple says that the annotation asks for none, and anything allowed may stand there.
    """
    if inspect.isclass(annotation) and not typing.get_args(annotation):
        return (annotation,) if issubclass(annotation, allowed_types()) else ()
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is collections.abc.Callable:
        arguments = arguments[-1:]
    return tuple(kind for argument in arguments for kind in expected_types(argument))


def asks_for_factory(annotation: Any) -> bool:
    """True for an annotation such as `Callable[..., Module]`, which only a factory satisfies."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        return all(asks_for_factory(kind) for kind in members)
    return typing.get_origin(annotation) is collections.abc.Callable


def resolve_target(
    path: str, target: object, trusted: Sequence[str] = (), expected: tuple[type, ...] = ()
) -> type:
    """Return the class that a `_target_` names.

    A module prefix alone would let `torch.load` run a pickle, so the target must also be a class
    of an allowed base type.

    Args:
        path: Where the node stands in the config.
        target: What stands there as `_target_`.
        trusted: Packages besides the project's own whose classes may be built.
        expected: Base types of which one is needed at this place; empty: any allowed one will do.

    Raises:
        UserError: When the package is not trusted, or the target is no class of an allowed type.
    """
    where = f"{path}._target_={target}"
    if not isinstance(target, str) or "." not in target:
        raise UserError(f"{where} is refused: it must be the dotted name of a class.")
    package = target.split(".", 1)[0]
    if package not in (*OWN_PACKAGES, *trusted):
        raise UserError(
            f"{where} is refused: package '{package}' is not in trusted_packages, and only classes "
            f"of {', '.join(OWN_PACKAGES)} and of the packages you list there are built."
        )
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{where} cannot be found: {error}.") from error
    kinds = expected or allowed_types()
    if not inspect.isclass(found) or not issubclass(found, kinds):
        names = ", ".join(kind.__name__ for kind in kinds)
        needed = "the type needed here" if expected else "an allowed type"
        raise UserError(f"{where} is refused: it is not a class of {needed} ({names}).")
    return found


def check_targets(
    node: Any, path: str, trusted: Sequence[str], expected: tuple[type, ...] = ()
) -> None:
    """Refuse a `_target_`, at any depth, that is not allowed or does not fit where it stands.

    Raises:
        UserError: About the first such target.
    """
    if isinstance(node, list):
        for index, item in enumerate(node):
            check_targets(item, f"{path}[{index}]", trusted, expected)
    elif isinstance(node, Mapping):
        kinds = dict.fromkeys(node, expected)
        if "_target_" in node:
            kind = resolve_target(path, node["_target_"], trusted, expected)
            hints = parameters_of(kind)
            kinds = {key: expected_types(hints.get(key, Any)) for key in node}
        for key, value in node.items():
            check_targets(value, f"{path}.{key}", trusted, kinds[key])


def instantiate(node: Mapping[str, Any], path: str, *, trusted: Sequence[str] = (), **extra: Any):
    """Build the object that a config node describes, with the meaning of Hydra's `_target_`.

    It is not Hydra's own `instantiate`, since that evaluates interpolations anew in what it is
    given: in a node that came with a checkpoint, `${oc.create:...}` would make up targets that
    nobody has checked, and a file name with `${` would be taken for an interpolation.

    Args:
        node: A plain mapping with `_target_`; `_partial_: true` makes a factory.
        path: Where the node stands in the config, for messages.
        trusted: Packages besides the project's own whose classes may be built.
        **extra: Arguments that the caller supplies (a distribution, say).

    Raises:
        UserError: When a target is refused, or a constructor refuses its arguments.
    """
    check_targets(node, path, trusted, _expected_at(path))
    return _built(node, path, trusted, extra)


def _built(node: Any, path: str, trusted: Sequence[str], extra: Mapping[str, Any]) -> Any:
    """Build a checked node and what is in it; keys that only interpolations read are left out."""
    if isinstance(node, list):
        return [_built(item, f"{path}[{index}]", trusted, {}) for index, item in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    values = {
        key: _built(value, f"{path}.{key}", trusted, {})
        for key, value in node.items()
        if key not in DIRECTIVES or "_target_" not in node
    }
    if "_target_" not in node:
        return values
    kind = resolve_target(path, node["_target_"], trusted)
    accepted = parameters_of(kind)
    arguments = {key: v for key, v in values.items() if key in accepted or None in accepted}
    factory = functools.partial(kind, **arguments, **extra)
    if node.get("_partial_"):
        return factory
    try:
        return factory()
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be built: {' '.join(str(error).split())}.") from error


def _expected_at(path: str) -> tuple[type, ...]:
    """Return the base type that the section asks for, where a node stands directly in it."""
    section, *below = path.split(".")
    depth = 1 if section in ("diagnostics", "logger") else 0  # these hold named nodes
    kind = section_types().get(section)
    return (kind,) if kind is not None and len(below) == depth else ()


def targets_of(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield (path, target) of every node with a `_target_`, at any depth."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield path, node["_target_"]
        for key, value in node.items():
            yield from targets_of(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from targets_of(value, f"{path}[{index}]")


def parameters_of(kind: type) -> dict[str | None, Any]:
    """Return name → annotation of a class's constructor; a key None when it takes any keyword."""
    signature = inspect.signature(kind)
    try:
        hints = typing.get_type_hints(inspect.getattr_static(kind, "__init__"), include_extras=True)
    except (NameError, TypeError):
        hints = {}
    result: dict[str | None, Any] = {}
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            result[None] = Any
        elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            result[name] = hints.get(name, Any)
    return result
