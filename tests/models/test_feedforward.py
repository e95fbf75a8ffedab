"""The feedforward paradigm: against a second implementation, its operators, and what it refuses."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.optim import Adam

from partimento.data.batch import Batch, Given
from partimento.datasets.chorales import PARTS, RANGES, read_bach
from partimento.distributions import Bernoulli, Categorical
from partimento.errors import Mismatch, UserError
from partimento.losses import SigmoidObjective, SoftmaxObjective
from partimento.models import Feedforward
from partimento.models.base import Model
from partimento.networks import MLP
from partimento.representations.multivoice import MultiVoice

CHORALES = ("253", "254", "256", "267")


@pytest.fixture(autouse=True)
def one_thread(isolated: None) -> None:
    """Matrices this small are slower on two; `isolated` puts the number back."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def grid() -> MultiVoice:
    return MultiVoice(PARTS, RANGES, bars=2)


@pytest.fixture(scope="module")
def batch(grid: MultiVoice) -> Batch:
    """Sixteen windows of four chorales."""
    windows = [grid.grids(read_bach(number), stride=1) for number in CHORALES]
    return Batch(torch.from_numpy(np.concatenate(windows)[::2][:16]))


def fitted(model: Model, batch: Batch, steps: int, lr: float = 0.01) -> float:
    """Train on one batch and return the last loss."""
    optimizer = Adam(model.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        optimizer.step()
    return loss.item()


def share_equal(made: torch.Tensor, x: torch.Tensor) -> float:
    return (made == x).double().mean().item()


def nll(model: Model, batch: Batch) -> float:
    with torch.no_grad():
        log_prob, _, mask = model.evaluate(batch)
    return float(-log_prob.sum() / mask.sum())


# -- against a second implementation ------------------------------------------------------------


def reference(model: Feedforward, x: np.ndarray) -> tuple[float, float, np.ndarray]:
    """MiniBach in NumPy on the model's weights: NLL, binary cross-entropy, most probable symbols."""
    w1, b1, w2, b2 = (p.detach().numpy() for p in model.network.parameters())
    sizes = [high - low + 3 for low, high in RANGES]
    windows, steps, _ = x.shape
    soprano = np.eye(sizes[0])[x[..., 0]].reshape(windows, -1)
    logits = (np.maximum(soprano @ w1.T + b1, 0) @ w2.T + b2).reshape(windows, steps, -1)
    nll = bce = 0.0
    best = x.copy()
    for voice in (1, 2, 3):
        start = sum(sizes[1:voice])
        cell = logits[..., start : start + sizes[voice]]
        target = np.eye(sizes[voice])[x[..., voice]]
        nll += (np.log(np.exp(cell).sum(-1)) - (cell * target).sum(-1)).sum()
        p = 1 / (1 + np.exp(-cell))
        bce -= (target * np.log(p) + (1 - target) * np.log(1 - p)).sum()
        best[..., voice] = cell.argmax(-1)
    cells = windows * steps * 3
    return nll / cells, bce / cells, best


@pytest.mark.parametrize("objective", [SoftmaxObjective(), SigmoidObjective()])
def test_forward_and_loss_are_those_of_a_second_implementation(grid, batch, objective):
    torch.manual_seed(0)
    model = Feedforward(grid.distribution, objective=objective)
    fitted(model, batch, 3)
    expected_nll, expected_bce, best = reference(model, batch.x.numpy())
    assert nll(model, batch) == pytest.approx(expected_nll, rel=1e-5)
    loss = model.loss(batch).item()
    softmax = isinstance(objective, SoftmaxObjective)
    assert loss == pytest.approx(expected_nll if softmax else expected_bce, rel=1e-5)
    prediction = model.evaluate(batch).prediction
    np.testing.assert_array_equal(prediction.numpy(), best)


@pytest.mark.parametrize("objective", [SoftmaxObjective(), SigmoidObjective()])
def test_one_batch_can_be_learnt_by_heart(grid, batch, objective):
    """The soprano tells which window it is, so nothing stays uncertain."""
    torch.manual_seed(0)
    model = Feedforward(grid.distribution, objective=objective)
    before = nll(model, batch)
    assert before == pytest.approx(np.mean([math.log(h - low + 3) for low, h in RANGES[1:]]), 0.1)
    fitted(model, batch, 160)
    assert nll(model, batch) < 0.01
    made = model.sample(given=model.given_of(batch), temperature=0)
    assert share_equal(made, batch.x) > 0.998


def test_the_sizes_of_the_book(grid):
    """Section 6.1.1: 64 steps of 21 soprano symbols in, 64 of 21 + 21 + 28 out.

    1344 × 200 + 200 + 200 × 4480 + 4480 weights and biases.
    """
    ranges = [(60, 79), (55, 74), (48, 67), (36, 62)]
    book = MultiVoice(PARTS, ranges, rest=False)
    assert book.distribution.sizes == (21, 21, 21, 28)
    model = Feedforward(book.distribution, network=partial(MLP, hidden=[200]))
    first, _, last = model.network.layers
    assert (first.in_features, first.out_features) == (64 * 21, 200) == (1344, 200)
    assert last.out_features == 64 * (21 + 21 + 28) == 4480
    assert sum(p.numel() for p in model.parameters()) == 1_169_480


# -- what is given ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [("soprano",), ("bass",), ("tenor", "bass"), ("bass", "soprano"), ("alto",)]
)
def test_given_voices_come_back_and_alone_decide(grid, batch, given):
    torch.manual_seed(0)
    model = Feedforward(grid.distribution, given=given)
    index = [PARTS.index(voice) for voice in given]
    others = [i for i in range(4) if i not in index]
    assert model.predicted_voices == tuple(PARTS[i] for i in others)
    mask = model.given_of(batch).mask
    assert mask[..., index].all()
    assert not mask[..., others].any()
    hidden = batch.x.masked_fill(~mask, 0)
    made = model.sample(given=Given(hidden, mask), temperature=0)
    assert torch.equal(made[..., index], batch.x[..., index])
    assert torch.equal(made, model.evaluate(batch).prediction)
    for voice, size in enumerate(grid.distribution.sizes):
        assert 0 <= made[..., voice].min() <= made[..., voice].max() < size
    # Another given voice gives other harmony; the network does read it.
    moved = batch.x.clone()
    moved[..., index] = (moved[..., index] + 3) % 10
    again = model.sample(given=Given(moved, mask), temperature=0)
    assert not torch.equal(made[..., others], again[..., others])


def test_any_further_cells_can_be_given(grid, batch):
    torch.manual_seed(0)
    model = Feedforward(grid.distribution)
    mask = model.given_of(batch).mask.clone()
    mask |= torch.rand(mask.shape, generator=torch.Generator().manual_seed(1)) < 0.3
    made = model.sample(given=Given(batch.x, mask), temperature=1.0)
    assert torch.equal(made[mask], batch.x[mask])
    assert not torch.equal(made, batch.x)


def test_one_given_example_serves_any_number_of_samples(grid, batch):
    torch.manual_seed(0)
    model = Feedforward(grid.distribution)
    given = model.given_of(batch[slice(0, 1)])
    stream = torch.Generator().manual_seed(2)
    made = model.sample(7, given=given, generator=stream)
    assert made.shape == (7, *batch.x.shape[1:])
    assert (made[..., 0] == batch.x[0, :, 0]).all()
    assert len({tuple(x.flatten().tolist()) for x in made}) == 7
    again = model.sample(7, given=given, generator=torch.Generator().manual_seed(2))
    assert torch.equal(made, again)


def test_samples_follow_the_models_own_probabilities(grid, batch):
    torch.manual_seed(0)
    model = Feedforward(grid.distribution)
    fitted(model, batch, 10, lr=0.003)
    one = batch[slice(0, 1)]
    stream = torch.Generator().manual_seed(0)
    made = model.sample(4000, given=model.given_of(one), generator=stream)
    with torch.no_grad():
        logits = model(one.x[..., [0]])
    probability = model.output_distribution.log_probs(logits).exp()
    alto = probability[0, 0, : grid.distribution.sizes[1]]
    counts = torch.bincount(made[:, 0, 1], minlength=len(alto)) / 4000
    # Five standard deviations of a share of 4,000 draws.
    assert ((counts - alto).abs() < 5 * (alto * (1 - alto) / 4000).sqrt() + 1e-3).all()


# -- conditions and lengths ---------------------------------------------------------------------


def test_conditions_enter_the_network(grid, batch):
    """Which of two harmonisations of one soprano is meant, only the condition tells."""
    torch.manual_seed(0)
    key = Categorical((1,), (2,))
    model = Feedforward(grid.distribution, {"key": key})
    assert model.network.layers[0].in_features == 32 * grid.distribution.sizes[0] + 2
    x = batch.x[:4].repeat(2, 1, 1)
    x[4:, :, 1:] = batch.x[8:12, :, 1:]
    which = torch.arange(8).unsqueeze(1) // 4
    told = Batch(x, condition={"key": which})
    fitted(model, told, 80)
    assert nll(model, told) < 0.05
    given = model.given_of(told)
    made = model.sample(given=given, condition={"key": which}, temperature=0)
    assert share_equal(made, x) > 0.98
    swapped = model.sample(given=given, condition={"key": 1 - which}, temperature=0)
    assert share_equal(swapped[:4], x[4:]) > 0.95
    # Not told, nobody can do better than a coin where the two differ.
    blind = Feedforward(grid.distribution)
    fitted(blind, Batch(x), 80)
    differing = (x[:4, :, 1:] != x[4:, :, 1:]).float().mean().item()
    assert nll(blind, Batch(x)) > 0.9 * differing * math.log(2)


def test_steps_beyond_the_length_count_for_nothing(grid, batch):
    torch.manual_seed(0)
    model = Feedforward(grid.distribution)
    short = Batch(batch.x, lengths=torch.full((16,), 8))
    evaluation = model.evaluate(short)
    assert evaluation.mask.sum() == 16 * 8 * 3
    assert (evaluation.log_prob[:, 8:] == 0).all()
    loss = model.loss(short).item()
    assert loss == pytest.approx(nll(model, short), rel=1e-5)
    changed = batch.x.clone()
    changed[:, 8:, 1:] = 0
    again = model.loss(Batch(changed, lengths=short.lengths)).item()
    assert again == pytest.approx(loss, rel=1e-6)


# -- a combination that no paper has --------------------------------------------------------------


def test_an_alto_and_a_soprano_over_given_tenor_and_bass_by_a_linear_model(grid, batch):
    """Conditioning from below, no hidden layer, independent sigmoids; a new architecture by config."""
    torch.manual_seed(0)
    model = Feedforward(
        grid.distribution,
        network=partial(MLP, hidden=[]),
        objective=SigmoidObjective(),
        given=["tenor", "bass"],
    )
    (layer,) = model.network.layers
    sizes = grid.distribution.sizes
    assert layer.in_features == 32 * (sizes[2] + sizes[3])
    assert layer.out_features == 32 * (sizes[0] + sizes[1])
    before = nll(model, batch)
    fitted(model, batch, 40)
    assert nll(model, batch) < 0.05 < before
    made = model.sample(given=model.given_of(batch), temperature=0)
    assert share_equal(made, batch.x) > 0.998


# -- refusals ------------------------------------------------------------------------------------


def test_what_sampling_refuses(grid, batch):
    model = Feedforward(grid.distribution)
    given = model.given_of(batch)
    with pytest.raises(UserError, match="Feedforward has no use for z: leave it out"):
        model.sample(given=given, z=torch.zeros(16, 2))
    with pytest.raises(UserError, match="has no use for lengths"):
        model.sample(given=given, lengths=torch.ones(16))
    with pytest.raises(UserError, match="keeps no averaged weights: use weights='raw', not 'ema'"):
        model.sample(given=given, weights="ema")
    assert model.sample(given=given, weights="raw").shape == batch.x.shape
    sentence = "realises alto, tenor, bass from a given soprano: every step of soprano must be"
    with pytest.raises(UserError, match=sentence):
        model.sample(4)
    mask = given.mask.clone()
    mask[3, 5, 0] = False
    with pytest.raises(UserError, match=sentence):
        model.sample(given=Given(batch.x, mask))


def test_what_the_constructor_refuses(grid):
    with pytest.raises(UserError, match=r"no voice 'sopran'.*Did you mean 'soprano'\?"):
        Feedforward(grid.distribution, given=["sopran"])
    for given in ([], ["bass", "bass"], list(PARTS)):
        with pytest.raises(UserError, match="must name at least one voice, each once, and leave"):
            Feedforward(grid.distribution, given=given)
    with pytest.raises(Mismatch, match=r"is a bernoulli\. Try representation=multivoice"):
        Feedforward(Bernoulli((32, 88)))
    with pytest.raises(Mismatch, match="is a token sequence"):
        Feedforward(Categorical((32,), (90,)))
