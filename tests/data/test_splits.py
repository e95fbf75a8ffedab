"""Splits: no music on two sides, fractions met, and steady when pieces come and go."""

from __future__ import annotations

import hashlib
import json
import random as random_module
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partimento.data.splits import FRACTIONS, SPLITS, Manifest, split_by_group
from partimento.datasets.base import Corpus
from partimento.datasets.chorales import Chorales
from partimento.errors import UserError

IDS = [f"p{i:03}" for i in range(300)]
GROUPS = [f"g{i // 3:03}" if i < 90 else f"g{i:03}" for i in range(300)]


@pytest.fixture(scope="module")
def chorales() -> Corpus:
    return Chorales().prepare(cache=None)


def runs_of_sixteen_intervals(corpus: Corpus) -> dict[str, set[str]]:
    """Recompute from the notes alone, in another way: as text of semitone steps."""
    found = {}
    for piece in corpus.pieces:
        is_soprano = piece.part == piece.parts.index("soprano")
        rows = sorted(zip(piece.onset[is_soprano], piece.pitch[is_soprano], strict=True))
        steps = [f"{b[1] - a[1]:+d}" for a, b in pairwise(rows)]
        windows = {" ".join(steps[i : i + 16]) for i in range(len(steps)) if i + 16 <= len(steps)}
        found[piece.id] = windows or {" ".join(steps)}
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_chorale_shares_a_melody_with_another_split(chorales: Corpus, seed: int) -> None:
    ids = [piece.id for piece in chorales.pieces]
    splits = split_by_group(ids, chorales.groups, seed=seed)
    assert sorted(id for members in splits.values() for id in members) == sorted(ids)
    runs = runs_of_sixteen_intervals(chorales)
    seen = {name: set().union(*(runs[id] for id in members)) for name, members in splits.items()}
    assert not seen["train"] & seen["valid"]
    assert not seen["train"] & seen["test"]
    assert not seen["valid"] & seen["test"]
    for name, fraction in FRACTIONS.items():
        assert abs(len(splits[name]) - fraction * 365) <= 5


def test_a_split_blind_to_groups_would_leak(chorales: Corpus) -> None:
    """The test above can fail: shuffled piece by piece, splits do share melodies."""
    ids = [piece.id for piece in chorales.pieces]
    splits = split_by_group(ids, ids)
    runs = runs_of_sixteen_intervals(chorales)
    seen = {name: set().union(*(runs[id] for id in members)) for name, members in splits.items()}
    assert seen["train"] & seen["test"]


@given(
    st.lists(st.integers(0, 30), min_size=60, max_size=120),
    st.integers(0, 1000),
    st.randoms(use_true_random=False),
)
def test_groups_stay_whole_and_order_does_not_matter(
    numbers: list[int], seed: int, random: random_module.Random
) -> None:
    ids = [f"p{i}" for i in range(len(numbers))]
    groups = [f"g{number}" for number in numbers]
    largest = max(groups.count(group) for group in set(groups))
    try:
        splits = split_by_group(ids, groups, {"train": 0.5, "valid": 0.25, "test": 0.25}, seed)
    except UserError:
        # A group can be larger than a quarter of so few pieces.
        assert largest > len(ids) / 8
        return
    homes: dict[str, set[str]] = {}
    for name, members in splits.items():
        for id in members:
            homes.setdefault(groups[int(id[1:])], set()).add(name)
    assert all(len(home) == 1 for home in homes.values())
    assert abs(len(splits["train"]) - 0.5 * len(ids)) <= largest / 2
    assert abs(len(splits["test"]) - 0.25 * len(ids)) <= largest / 2
    pairs = list(zip(ids, groups, strict=True))
    random.shuffle(pairs)
    again = split_by_group(
        [id for id, _ in pairs],
        [group for _, group in pairs],
        {"train": 0.5, "valid": 0.25, "test": 0.25},
        seed,
    )
    assert {name: set(ids) for name, ids in splits.items()} == {
        name: set(ids) for name, ids in again.items()
    }


def test_same_seed_same_split_other_seed_another() -> None:
    assert split_by_group(IDS, GROUPS, seed=3) == split_by_group(IDS, GROUPS, seed=3)
    assert split_by_group(IDS, GROUPS, seed=3) != split_by_group(IDS, GROUPS, seed=4)


def test_assignment_is_the_same_on_every_machine() -> None:
    """Fixed for good: published results name these splits."""
    splits = split_by_group([*"abcdefghij"], [*"abcdefghij"], seed=0)
    order = sorted("abcdefghij", key=lambda g: hashlib.sha256(f'[0, "{g}"]'.encode()).digest())
    assert splits["train"] == tuple(sorted(order[:8]))
    assert (splits["valid"], splits["test"]) == ((order[8],), (order[9],))


@pytest.mark.parametrize("change", ["one more", "one less"])
def test_one_piece_more_or_less_moves_at_most_the_cuts(change: str) -> None:
    before = split_by_group(IDS, GROUPS)
    for turn in range(20):
        ids, groups = list(IDS), list(GROUPS)
        if change == "one more":
            ids.append("new")
            groups.append(f"new{turn}")
        else:
            del ids[13 * turn], groups[13 * turn]
        after = split_by_group(ids, groups)
        moved = {
            id for name in SPLITS for id in set(before[name]) ^ set(after[name]) if id in IDS
        } & set(ids)
        # Two cuts, at each at most one group, of three pieces at most.
        assert len(moved) <= 6


@pytest.mark.parametrize(
    ("fractions", "sentence"),
    [
        (
            {"train": 0.8, "valid": 0.1, "test": 0.2},
            "The fractions of the splits should sum to 1, but train 0.8, valid 0.1, test 0.2 "
            "sum to 1.1.",
        ),
        (
            {"train": 1.1, "valid": -0.1},
            "Each split needs a fraction above 0 and up to 1, got train 1.1, valid -0.1.",
        ),
        ({}, "Each split needs a fraction above 0 and up to 1, got none."),
        (
            {"train": 0.999, "test": 0.001},
            "The test split would be empty: 300 pieces in 240 groups are too few for the "
            "fractions train 0.999, test 0.001.",
        ),
    ],
)
def test_wrong_fractions(fractions: dict[str, float], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        split_by_group(IDS, GROUPS, fractions)
    assert str(caught.value) == sentence


def test_fractions_need_not_sum_to_one_in_the_last_bit() -> None:
    fractions = {"train": 0.7, "valid": 0.2, "test": 0.1}
    assert sum(fractions.values()) != 1
    splits = split_by_group(IDS, GROUPS, fractions)
    assert sum(map(len, splits.values())) == 300


def test_ids_must_be_unique() -> None:
    with pytest.raises(UserError, match="'a' occurs twice"):
        split_by_group(["a", "a"], ["g", "h"])


def test_ids_and_groups_must_pair_up() -> None:
    with pytest.raises(ValueError, match="2 ids but 1 groups"):
        split_by_group(["a", "b"], ["g"])


def test_manifest_says_what_went_where() -> None:
    manifest = Manifest.by_group(IDS, GROUPS, seed=7)
    plain = json.loads(json.dumps(manifest.plain()))
    assert plain["splits"] == {
        name: list(ids) for name, ids in split_by_group(IDS, GROUPS, seed=7).items()
    }
    assert plain["seed"] == 7
    assert "train 0.8, valid 0.1, test 0.1" in plain["rule"]
    members = {name: sorted(ids) for name, ids in plain["splits"].items()}
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    assert plain["hash"] == hashlib.sha256(text.encode()).hexdigest()


def test_hash_changes_with_the_pieces_and_not_with_their_order() -> None:
    one = Manifest.published({"train": ["a", "b"], "test": ["c"]})
    assert one.hash == Manifest.published({"test": ["c"], "train": ["b", "a"]}).hash
    assert one.hash != Manifest.published({"train": ["a"], "test": ["b", "c"]}).hash
    assert one.seed is None
