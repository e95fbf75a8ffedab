"""The scoreboard: means as they are, whenever its state is asked for; losses that are no numbers."""

import math

import pytest
import torch

from partimento.errors import UserError
from partimento.models.scoreboard import MOST, Scoreboard


def played(board: Scoreboard, updates: int, seed: int = 0) -> list[tuple[float, float, float]]:
    """Note updates of both players; return what the discriminator's were."""
    draw = torch.Generator().manual_seed(seed)
    noted = []
    for _ in range(updates):
        loss, real = torch.rand((), generator=draw), torch.randn(8, generator=draw)
        fake = torch.randn(8, generator=draw)
        board.note("discriminator", loss, real, fake)
        board.note("generator", 2 * loss, fake)
        noted.append((float(loss), float(real.mean()), float(fake.mean())))
    return noted


def test_means_are_those_of_the_updates():
    board = Scoreboard()
    noted = played(board, 7)
    taken = board.take()
    for place, name in enumerate(("loss", "score_real", "score_fake")):
        expected = sum(values[place] for values in noted) / 7
        assert taken[f"train/discriminator_{name}"] == pytest.approx(expected, rel=1e-6)
    assert taken["train/generator_loss"] == pytest.approx(2 * taken["train/discriminator_loss"])


def test_taking_begins_anew():
    board = Scoreboard()
    played(board, 3)
    board.take()
    noted = played(board, 1, seed=1)
    assert board.take()["train/discriminator_loss"] == pytest.approx(noted[0][0])


def test_state_asked_for_on_the_way_changes_no_mean():
    whole, saved = Scoreboard(), Scoreboard()
    played(whole, 2 * MOST + 5)
    draw = played(saved, 40)
    assert len(draw) == 40
    state = saved.state_dict()
    assert float(state["sums"][0, -1]) == 40
    resumed = Scoreboard()
    resumed.load_state_dict(state)
    other = Scoreboard()
    played(other, 40)
    for board in (resumed, other):
        played(board, 30, seed=5)
    assert resumed.take() == other.take()


def test_minibatches_of_different_sizes_each_count_once():
    board = Scoreboard()
    for size, value in ((8, 1.0), (3, 4.0)):
        scores = torch.full((size,), value)
        board.note("discriminator", torch.tensor(0.5), scores, scores)
    assert board.take()["train/discriminator_score_real"] == pytest.approx(2.5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_refused_at_once_and_later(value):
    board = Scoreboard()
    played(board, 2)
    board.note("generator", torch.tensor(value), torch.zeros(8))
    with pytest.raises(UserError, match="generator's loss is no number at generator update 3"):
        board.refuse_last(3)
    played(board, 1)
    board.refuse_last(4)  # looks at the last one alone
    with pytest.raises(UserError, match="generator's loss is no number"):
        board.refuse_divergence(4)
