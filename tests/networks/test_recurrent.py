"""Recurrent networks: against plain loops of cells, gradients to the first step, one batch by heart."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from partimento.errors import UserError
from partimento.losses.penalties import input_gradient
from partimento.networks.lstm import LSTMStack
from partimento.networks.recurrent import (
    RecurrentDiscriminator,
    RecurrentGenerator,
    averaged_logit,
)

STEPS, WIDTH, BATCH = 7, 4, 5


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(4)


def cells_of(stack: LSTMStack) -> list[nn.LSTMCell]:
    """Return torch's own cells with the weights of a stack."""
    made = []
    for layer in stack.layers:
        assert isinstance(layer, nn.LSTM)
        cell = nn.LSTMCell(layer.input_size, layer.hidden_size)
        cell.load_state_dict(
            {name.removesuffix("_l0"): value for name, value in layer.state_dict().items()}
        )
        made.append(cell)
    return made


def plain_loop(network: RecurrentGenerator, codes: Tensor, fed: list[Tensor] | None) -> Tensor:
    """The paper's figure 1 as a loop of LSTMCell: `codes` (batch, steps, k), `fed` or own outputs."""
    cells = cells_of(network.stack)
    states = [(torch.zeros(BATCH, c.hidden_size), torch.zeros(BATCH, c.hidden_size)) for c in cells]
    before, outputs = torch.zeros(BATCH, WIDTH), []
    for step in range(codes.shape[1]):
        x = torch.cat([codes[:, step], before], dim=1)
        for index, cell in enumerate(cells):
            states[index] = cell(x, states[index])
            x = states[index][0]
        outputs.append(x @ network.output.weight.T + network.output.bias)
        before = outputs[-1] if fed is None else fed[step]
    return torch.stack(outputs, dim=1)


def test_the_generator_is_a_loop_of_cells() -> None:
    network = RecurrentGenerator((STEPS * 3,), (STEPS, WIDTH), hidden=(9, 6), code="steps")
    z = torch.rand(BATCH, STEPS * 3)
    expected = plain_loop(network, z.reshape(BATCH, STEPS, 3), None)
    torch.testing.assert_close(network(z), expected)
    assert float(expected.detach().std(dim=1).min()) > 0  # steps differ


def test_a_whole_code_is_told_to_every_step() -> None:
    network = RecurrentGenerator((3,), (STEPS, WIDTH), hidden=(9,))
    z = torch.rand(BATCH, 3)
    expected = plain_loop(network, z[:, None].expand(-1, STEPS, -1), None)
    torch.testing.assert_close(network(z), expected)


def test_forced_events_follow_the_real_ones() -> None:
    network = RecurrentGenerator((STEPS * 2,), (STEPS, WIDTH), hidden=(8, 8), code="steps")
    z, real = torch.rand(BATCH, STEPS * 2), torch.randn(BATCH, STEPS, WIDTH)
    codes = z.reshape(BATCH, STEPS, 2)
    torch.testing.assert_close(
        network.forced(z, real), plain_loop(network, codes, list(real.unbind(1)))
    )
    # Four events from the third on: the codes are those of these steps, and nothing came before.
    part = real[:, 2:6]
    expected = plain_loop(network, codes[:, 2:6], list(part.unbind(1)))
    torch.testing.assert_close(network.forced(z, part, begin=2), expected)


def test_what_is_foretold_of_an_event_does_not_know_it() -> None:
    network = RecurrentGenerator((2,), (STEPS, WIDTH), hidden=(8,))
    z = torch.rand(BATCH, 2)
    real = torch.randn(BATCH, STEPS, WIDTH, requires_grad=True)
    (gradient,) = torch.autograd.grad(network.forced(z, real)[:, 3].sum(), real)
    assert (gradient[:, :3] != 0).all()
    assert (gradient[:, 3:] == 0).all()


@pytest.mark.parametrize(
    ("feedback", "squash"), [("softmax", lambda y: y.softmax(-1)), ("sigmoid", torch.sigmoid)]
)
def test_symbols_are_fed_back_as_probabilities(feedback, squash) -> None:
    network = RecurrentGenerator((2,), (STEPS, WIDTH), hidden=(8,), feedback=feedback)
    z = torch.rand(BATCH, 2)
    made = network(z)
    # The events of a free run are those that are foretold when the same probabilities are fed.
    torch.testing.assert_close(network.forced(z, squash(made)), made)
    assert not torch.allclose(network.forced(z, made), made)


def test_without_feedback_the_code_alone_decides() -> None:
    network = RecurrentGenerator(
        (STEPS * 2,), (STEPS, WIDTH), hidden=(8,), code="steps", feedback="none"
    )
    z = torch.rand(BATCH, STEPS * 2)
    assert network.stack.layers[0].input_size == 2
    torch.testing.assert_close(network.forced(z, torch.randn(BATCH, STEPS, WIDTH)), network(z))


def test_gradients_reach_the_first_step() -> None:
    """The last event depends on the first step's numbers, through the states and the feedback."""
    network = RecurrentGenerator((STEPS * 3,), (STEPS, WIDTH), hidden=(9, 6), code="steps")
    z = torch.rand(BATCH, STEPS * 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(z)[:, -1].sum(), z)
    assert (gradient.unflatten(1, (STEPS, 3)) != 0).all()
    first = network(z)[:, 0].sum()
    (gradient,) = torch.autograd.grad(first, z)
    assert (gradient.unflatten(1, (STEPS, 3))[:, 1:] == 0).all()  # time has one direction


def test_one_batch_is_learnt_by_heart() -> None:
    network = RecurrentGenerator((STEPS * 3,), (STEPS, WIDTH), hidden=(24,), code="steps")
    z, wanted = torch.rand(3, STEPS * 3), torch.randn(3, STEPS, WIDTH)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-2)
    for _ in range(200):
        loss = (network(z) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.01


def test_dropout_is_between_layers_and_only_in_training() -> None:
    network = RecurrentGenerator((3,), (STEPS, WIDTH), hidden=(32, 32), dropout=0.5)
    z = torch.rand(BATCH, 3)
    assert not torch.equal(network(z), network(z))
    network.eval()
    assert torch.equal(network(z), network(z))


def test_conditions_are_dealt_out_or_told_to_all_steps() -> None:
    shapes = {"chord": (13,), "line": (STEPS, 2)}
    condition = {"chord": torch.randn(BATCH, 13), "line": torch.randn(BATCH, STEPS, 2)}
    network = RecurrentGenerator((3,), (STEPS, WIDTH), shapes, hidden=(8,), feedback="none")
    assert network.stack.layers[0].input_size == 3 + 13 + 2
    z = torch.rand(BATCH, 3)
    line = condition["line"].clone()
    line[:, 4] += 1  # the fourth step hears of it, the steps before do not
    moved = (network(z, {**condition, "line": line}) != network(z, condition)).any(dim=(0, 2))
    assert moved.tolist() == [False] * 4 + [True] * 3
    chord = network(z, {**condition, "chord": condition["chord"] + 1}) != network(z, condition)
    assert chord.any(dim=(0, 2)).all()
    scores, _ = RecurrentDiscriminator((STEPS, WIDTH), shapes, hidden=(8,))(
        torch.randn(BATCH, STEPS, WIDTH), condition
    )
    assert scores.shape == (BATCH,)


def test_a_code_that_cannot_be_dealt_out() -> None:
    with pytest.raises(UserError, match=r"^model.latent=10 cannot be dealt out to 7 steps evenly"):
        RecurrentGenerator((10,), (STEPS, WIDTH), code="steps")


# -- the discriminator --------------------------------------------------------------------------


def test_the_score_is_the_logit_of_the_average_judgement() -> None:
    network = RecurrentDiscriminator((STEPS, WIDTH), hidden=(6, 5))
    x = torch.randn(BATCH, STEPS, WIDTH)
    scores, features = network(x)
    assert features.shape == (BATCH, STEPS * 10)
    judged = torch.sigmoid(
        features.unflatten(1, (STEPS, 10)) @ network.judge.weight[0] + network.judge.bias
    )
    torch.testing.assert_close(torch.sigmoid(scores), judged.mean(dim=1))
    network.average = "logits"
    torch.testing.assert_close(network(x)[0], torch.logit(judged).mean(dim=1))


def test_an_average_of_sure_judgements_stays_finite() -> None:
    logits = torch.tensor([[200.0, 200.0], [-200.0, -200.0], [200.0, -200.0]], requires_grad=True)
    found = averaged_logit(logits)
    torch.testing.assert_close(found.detach(), torch.tensor([200.0, -200.0, 0.0]))
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert gradient.isfinite().all()


def test_it_reads_both_ways() -> None:
    network = RecurrentDiscriminator((STEPS, WIDTH), hidden=(6,))
    x = torch.randn(BATCH, STEPS, WIDTH, requires_grad=True)
    features = network(x)[1].unflatten(1, (STEPS, 12))
    (gradient,) = torch.autograd.grad(features[:, 3].sum(), x)
    assert (gradient.abs().sum(dim=(0, 2)) > 0).all()


def test_a_penalty_on_its_slope_has_gradients() -> None:
    network = RecurrentDiscriminator((STEPS, WIDTH), hidden=(6,))
    before = copy.deepcopy(network.state_dict())
    gradient = input_gradient(lambda x: network(x)[0], torch.randn(BATCH, STEPS, WIDTH))
    gradient.square().sum().backward()
    first = network.stack.layers[0]
    assert float(first.weight_ih_l0.grad.abs().sum()) > 0
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
