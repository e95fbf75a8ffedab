"""The nearest name to a mistyped one, and how it is told."""

from __future__ import annotations

import pytest

from partimento.errors import Interrupted, Mismatch, UserError, did_you_mean, nearest

KEYS = ("model.hidden", "model.optimizer.lr", "dataset.split.seed", "trainer.max_epochs")


@pytest.mark.parametrize(
    ("word", "names", "expected"),
    [
        ("minibahc", ("minibach", "minivae", "deephear"), "minibach"),
        ("hidden", KEYS, "model.hidden"),  # the same last component
        ("lr", KEYS, "model.optimizer.lr"),
        ("model.hiden", KEYS, "model.hidden"),
        ("max_epoch", KEYS, "trainer.max_epochs"),  # a last component that is nearly the same
        ("zzz", KEYS, None),
        ("anything", (), None),
        ("seed", ("a.b.seed", "c.seed"), "c.seed"),  # the shortest of several
    ],
)
def test_nearest(word, names, expected):
    assert nearest(word, names) == expected


def test_the_same_tail_wins_over_more_similar_letters():
    names = ("model.optimizer.lr", "trainer.rl")
    assert nearest("trainer.lr", names) == "model.optimizer.lr"


def test_a_word_does_not_stand_for_itself_among_tails():
    assert nearest("model.lr", ("model.lr", "encoder.lr")) == "encoder.lr"


def test_nearest_does_not_depend_on_the_order_of_names():
    assert nearest("ab", ("abx", "aby")) == nearest("ab", ("aby", "abx")) is not None


def test_cutoff():
    assert nearest("minib", ("minibach",), cutoff=0.95) is None
    assert nearest("minib", ("minibach",), cutoff=0.5) == "minibach"


def test_did_you_mean():
    assert did_you_mean("minibahc", ["minibach", "deephear"]) == " Did you mean 'minibach'?"
    assert did_you_mean("xyz", ["minibach", "deephear", "minibach"]) == (
        " There is: deephear, minibach."
    )
    assert did_you_mean("xyz", []) == ""


def test_kinds_of_error():
    assert issubclass(Mismatch, UserError)
    assert not issubclass(Interrupted, UserError)
