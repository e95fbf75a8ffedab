"""Which cells sound, begin and are given."""

import numpy as np
import pytest

from partimento.distributions import Bernoulli, Categorical
from partimento.errors import UserError
from partimento.evaluation.layout import GridLayout, sounding, starts

SYMBOLS = [[60, 62, "hold", "rest"], [48, "hold", "rest"], [40, 41, 42, "hold"]]
GRID = Categorical((5, 3), [4, 3, 4], ["high", "middle", "low"], SYMBOLS)


def test_layout_reads_alphabets_and_voices() -> None:
    layout = GridLayout.of(GRID, ["middle"])
    assert layout.pitches == (2, 1, 3)
    assert layout.hold == (2, 1, 3)
    assert layout.rest == (3, 2, None)
    assert layout.given == (1,)
    assert layout.predicted == (0, 2)
    assert layout.mask().tolist() == [True, False, True]


def test_sounding_and_starts_by_hand() -> None:
    layout = GridLayout.of(GRID, ["high"])
    # high: 60 held, rest twice, hold in silence; middle: leading hold, then 48 struck twice, held.
    x = np.array([[[0, 1, 0], [2, 0, 3], [3, 0, 2], [3, 1, 2], [2, 1, 3]]])
    assert sounding(x, layout)[0].T.tolist() == [[0, 0, 2, 2, 2], [1, 0, 0, 0, 0], [0, 0, 2, 2, 2]]
    assert starts(x, layout)[0].T.tolist() == [
        [True, False, True, False, False],
        [True, True, True, False, False],
        [True, False, True, True, False],
    ]


def test_unknown_given_voice_is_named() -> None:
    with pytest.raises(UserError, match=r"'midle' is given but no voice\. Did you mean 'middle'\?"):
        GridLayout.of(GRID, ["midle"])


def test_all_voices_given_is_refused() -> None:
    with pytest.raises(UserError, match="nothing to predict"):
        GridLayout.of(GRID, ["high", "middle", "low"])


@pytest.mark.parametrize(
    "distribution",
    [
        Bernoulli((4, 88)),
        Categorical((4,), [3]),
        Categorical((4, 1), [3]),
        Categorical((4, 1), [3], ["a"], [["hold", 60, 61]]),
        Categorical((4, 1), [3], ["a"], [[60, 61, "rest"]]),
    ],
)
def test_other_representations_are_refused(distribution) -> None:
    with pytest.raises(UserError, match="needs a multi-voice grid"):
        GridLayout.of(distribution, [])
