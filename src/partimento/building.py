"""From a resolved config to the objects of a run, in the order in which they need each other."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from partimento.config import instantiate, resolve_target
from partimento.datasets.base import Dataset
from partimento.errors import Mismatch, UserError
from partimento.generation.strategies import Strategy
from partimento.models.base import Model
from partimento.representations.base import Representation
from partimento.seeds import seed_global

# torch has no error type of its own for this on the CPU, where it says "can't allocate memory".
_OUT_OF_MEMORY = re.compile(r"allocate memory|out ?of ?memory|MemoryError|overflow", re.IGNORECASE)
_NO_MEMORY = "weights do not fit into memory; make it smaller."


@dataclass(frozen=True)
class Parts:
    """The objects of a run that exist before any data are prepared."""

    dataset: Dataset
    representation: Representation
    strategy: Strategy
    model: Model


def supplied(node: Mapping[str, Any], path: str, trusted: Sequence[str], **extra: Any) -> Any:
    """Build a node, giving it those of the extra arguments that its constructor takes.

    What the node says wins over them; null in the node is no word.
    """
    target = resolve_target(path, node["_target_"], trusted)
    taken = inspect.signature(target).parameters
    chosen = {n: value for n, value in extra.items() if n in taken and node.get(n) is None}
    said = {name: value for name, value in node.items() if name not in chosen}
    return instantiate(said, path, trusted=trusted, **chosen)


def build_dataset(resolved: Mapping[str, Any]) -> Dataset:
    """Build the dataset of a resolved config."""
    trusted = resolved.get("trusted_packages") or []
    return _of_type(Dataset, instantiate(resolved["dataset"], "dataset", trusted=trusted))


def build_strategy(resolved: Mapping[str, Any]) -> Strategy:
    """Build the generation strategy of a resolved config."""
    trusted = resolved.get("trusted_packages") or []
    return _of_type(Strategy, instantiate(resolved["strategy"], "strategy", trusted=trusted))


def build_representation(resolved: Mapping[str, Any], dataset: Dataset) -> Representation:
    """Build the representation of a resolved config with what the dataset declares.

    Raises:
        UserError: When dataset and representation do not go together.
    """
    trusted = resolved.get("trusted_packages") or []
    node = resolved["representation"]
    _refuse_other_content(node, dataset, trusted)
    steps = dataset.steps_per_quarter
    built = supplied(
        node,
        "representation",
        trusted,
        parts=list(dataset.parts),
        ranges=[list(pair) for pair in dataset.ranges],
        **({} if steps is None else {"steps_per_quarter": steps}),
    )
    representation = _of_type(Representation, built)
    if representation.wants_chords and dataset.chords is False:
        raise Mismatch(
            f"representation={node.get('name') or type(built).__name__} needs pieces with chord "
            "symbols, which this dataset has not: take dataset=leadsheets, nottingham or "
            "chorale_leadsheets, or representation.chord=none."
        )
    return representation


def build(resolved: Mapping[str, Any]) -> Parts:
    """Build dataset, representation, strategy and model, and try out the optimizer.

    Raises:
        UserError: When a node cannot be built or the parts do not go together.
    """
    dataset = build_dataset(resolved)
    representation = build_representation(resolved, dataset)
    model = build_model(resolved, representation)
    return Parts(dataset, representation, build_strategy(resolved), model)


def _refuse_other_content(
    node: Mapping[str, Any], dataset: Dataset, trusted: Sequence[str]
) -> None:
    """Refuse a representation of other things than the dataset gives, before it is built."""
    kind: type[Any] = resolve_target("representation", node["_target_"], trusted, (Representation,))
    if kind.content != dataset.content:
        name = node.get("name") or kind.__name__
        raise Mismatch(
            f"representation={name} holds {kind.content}, but the dataset gives "
            f"{dataset.content}: take a representation of {dataset.content}, or a dataset of "
            f"{kind.content}."
        )


def try_build(resolved: Mapping[str, Any]) -> None:
    """Find out whether a config can be built, without making weights where that can be done.

    Raises:
        UserError: When a node cannot be built or the parts do not go together.
    """
    # A stranger's class may keep a table for its next object, which must not be a meta tensor.
    model = None if resolved.get("trusted_packages") else _weightless(resolved)
    if model is None:
        build(resolved)
    else:
        _refuse_larger_than_memory(model)


def _weightless(resolved: Mapping[str, Any]) -> Model | None:
    """Build a config on torch's meta device; None when that fails, for whatever reason."""
    try:
        with torch.device("meta"):
            return build(resolved).model
    except Exception:  # a fault, or only what meta tensors cannot do: a real build tells which
        return None


def _refuse_larger_than_memory(model: Model) -> None:
    needed = sum(p.numel() * p.element_size() for p in model.parameters())
    if needed > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise UserError(f"model cannot be built: {needed / 2**30:,.0f} GiB of {_NO_MEMORY}")


def build_model(resolved: Mapping[str, Any], representation: Representation) -> Model:
    """Build the model with the initial weights that the seed gives."""
    trusted = resolved.get("trusted_packages") or []
    seed_global(resolved["seed"], "init")
    try:
        built = supplied(
            resolved["model"],
            "model",
            trusted,
            distribution=representation.distribution,
            conditions=representation.conditions,
            metrics=representation.metrics(),
        )
    except (RuntimeError, MemoryError, UserError) as error:
        if not _OUT_OF_MEMORY.search(f"{type(error).__name__}: {error}"):
            raise
        raise UserError(f"model cannot be built: its {_NO_MEMORY}") from error
    model = _of_type(Model, built)
    model.seed = resolved["seed"]
    try:
        model.configure_optimizers()
    except (ValueError, TypeError) as error:
        raise UserError(f"model.optimizer cannot be built: {error}.") from error
    return model


def _of_type(kind: type, built: Any) -> Any:
    if not isinstance(built, kind):
        raise UserError(
            f"{type(built).__module__}.{type(built).__name__} stands where a {kind.__name__} "
            "is needed."
        )
    return built
