"""Which pieces train, validate and test: whole groups, seeded, and stable when pieces are added."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from partimento.errors import UserError

SPLITS = ("train", "valid", "test")
FRACTIONS: Mapping[str, float] = MappingProxyType({"train": 0.8, "valid": 0.1, "test": 0.1})

GROUP_RULE = (
    "Groups of pieces that share music, never divided, are ordered by the SHA-256 of seed and "
    "group id and cut into {shares} of the pieces."
)
PUBLISHED_RULE = "As published with the dataset."


def split_by_group(
    ids: Sequence[str],
    groups: Sequence[str],
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
) -> dict[str, tuple[str, ...]]:
    """Return the ids of each split; no group is divided.

    Groups are put in an order that depends on each group's id and the seed alone, so that a piece
    more or less moves only groups at the cuts. A group goes to the split in whose share of the
    pieces its middle falls, so each cut is met to within half a group.

    Args:
        ids: Ids of all pieces.
        groups: Group of each piece.
        fractions: Share of the pieces for each split; they sum to 1.
        seed: Another seed gives another order of groups.

    Returns:
        For each split its ids, in the order of `ids`.

    Raises:
        UserError: When the fractions are no shares of 1, an id occurs twice, or a split is empty.
    """
    _check(ids, groups, fractions)
    sizes = Counter(groups)
    names, bounds = list(fractions), _cumulative(fractions, len(ids))
    home: dict[str, str] = {}
    before = 0
    for group in sorted(sizes, key=lambda group: _order(seed, group)):
        middle = before + sizes[group] / 2
        before += sizes[group]
        home[group] = next(
            name for name, bound in zip(names, bounds, strict=True) if middle < bound
        )
    splits = {
        name: tuple(id for id, group in zip(ids, groups, strict=True) if home[group] == name)
        for name in names
    }
    for name, members in splits.items():
        if not members:
            raise UserError(
                f"The {name} split would be empty: {len(ids)} pieces in {len(sizes)} groups are "
                f"too few for the fractions {_shares(fractions)}."
            )
    return splits


def _order(seed: int, group: str) -> bytes:
    return hashlib.sha256(json.dumps([seed, group]).encode()).digest()


def _cumulative(fractions: Mapping[str, float], total: int) -> list[float]:
    """Return the number of pieces up to the end of each split; the last holds whatever is left."""
    bounds: list[float] = []
    for fraction in fractions.values():
        bounds.append((bounds[-1] if bounds else 0.0) + fraction * total)
    bounds[-1] = float("inf")
    return bounds


def _shares(fractions: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {fraction:g}" for name, fraction in fractions.items())


def _check(ids: Sequence[str], groups: Sequence[str], fractions: Mapping[str, float]) -> None:
    if len(ids) != len(groups):
        raise ValueError(f"{len(ids)} ids but {len(groups)} groups")
    if not fractions or any(not 0 < fraction <= 1 for fraction in fractions.values()):
        raise UserError(
            f"Each split needs a fraction above 0 and up to 1, got {_shares(fractions) or 'none'}."
        )
    if abs(sum(fractions.values()) - 1) > 1e-6:
        raise UserError(
            f"The fractions of the splits should sum to 1, but {_shares(fractions)} sum to "
            f"{sum(fractions.values()):g}."
        )
    twice = [id for id, count in Counter(ids).items() if count > 1]
    if twice:
        raise UserError(f"The piece id '{twice[0]}' occurs twice, so pieces cannot be split by id.")


@dataclass(frozen=True)
class Manifest:
    """Which pieces went where, to be kept with a run and compared on resume.

    Attributes:
        splits: Ids of each split.
        rule: How they were assigned, in a sentence.
        seed: Seed of the assignment; None for a published split.
    """

    splits: Mapping[str, tuple[str, ...]]
    rule: str
    seed: int | None = None

    @classmethod
    def by_group(
        cls,
        ids: Sequence[str],
        groups: Sequence[str],
        fractions: Mapping[str, float] = FRACTIONS,
        seed: int = 0,
    ) -> Manifest:
        """Return the manifest of `split_by_group`.

        Raises:
            UserError: As `split_by_group` does.
        """
        rule = GROUP_RULE.format(shares=_shares(fractions))
        return cls(split_by_group(ids, groups, fractions, seed), rule, seed)

    @classmethod
    def published(cls, splits: Mapping[str, Sequence[str]]) -> Manifest:
        """Return the manifest of a split that comes with the data."""
        return cls({name: tuple(ids) for name, ids in splits.items()}, PUBLISHED_RULE)

    @property
    def hash(self) -> str:
        """SHA-256 of which ids are in which split; the order of ids and the rule do not count."""
        members = {name: sorted(ids) for name, ids in self.splits.items()}
        canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def plain(self) -> dict[str, Any]:
        """Return the manifest, its hash included, as plain containers."""
        splits = {name: list(ids) for name, ids in self.splits.items()}
        return {"splits": splits, "rule": self.rule, "seed": self.seed, "hash": self.hash}
