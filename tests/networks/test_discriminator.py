"""Discriminators: shapes, what the score knows of the batch, and the Lipschitz bound of spectral norms."""

from __future__ import annotations

import pytest
import torch

from partimento.networks import AutoencoderDiscriminator, MLPDiscriminator
from partimento.networks.discriminator import MinibatchDiscrimination, MinibatchStandardDeviation

X = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))
CONDITION = {"chord": torch.randn(6, 13, generator=torch.Generator().manual_seed(1))}


@pytest.mark.parametrize("minibatch", ["none", "discrimination", "standard_deviation"])
def test_shapes(minibatch) -> None:
    network = MLPDiscriminator((4, 3), {"chord": (13,)}, hidden=(8, 5), minibatch=minibatch)
    scores, features = network(X, CONDITION)
    assert scores.shape == (6,)
    assert features.shape == (6, 5)


@pytest.mark.parametrize(("normalisation", "over"), [("batch", 0), ("layer", 1)])
def test_normalisation_is_over_the_batch_or_within_an_example(normalisation, over) -> None:
    torch.manual_seed(0)
    network = MLPDiscriminator((4, 3), hidden=(64,), normalisation=normalisation)
    hidden = network.body[:2](X.flatten(1))
    torch.testing.assert_close(hidden.mean(over), torch.zeros(hidden.shape[1 - over]))
    spread = hidden.var(over, unbiased=False)
    torch.testing.assert_close(spread, torch.ones_like(spread), atol=2e-3, rtol=0)


def test_minibatch_discrimination_is_the_papers_sum() -> None:
    layer = MinibatchDiscrimination(4, kernels=2, size=3)
    features = X[:, :, 0]
    found = layer(features)
    projected = (features @ layer.project.weight.T).reshape(6, 2, 3)
    for one in range(6):
        for kernel in range(2):
            total = sum(
                torch.exp(-(projected[one, kernel] - projected[other, kernel]).abs().sum())
                for other in range(6)
                if other != one
            )
            torch.testing.assert_close(found[one, 4 + kernel], total)
    torch.testing.assert_close(found[:, :4], features)


def test_minibatch_standard_deviation() -> None:
    layer = MinibatchStandardDeviation()
    same = layer(torch.ones(5, 3))
    torch.testing.assert_close(same[:, 3], torch.full((5,), 1e-4))
    spread = layer(torch.tensor([[0.0, 0.0], [2.0, 4.0]]))
    torch.testing.assert_close(spread[:, 2], torch.full((2,), 1.5))


def test_spectral_norm_bounds_the_slope() -> None:
    torch.manual_seed(0)
    network = MLPDiscriminator((4, 3), hidden=(32, 32), spectral_norm=True)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(50)
        for _ in range(30):
            network(X)  # power iterations
    network.eval()
    x = (10 * X).requires_grad_(True)
    (gradient,) = torch.autograd.grad(network(x)[0].sum(), x)
    assert gradient.flatten(1).norm(dim=1).max() < 1.01


def test_an_autoencoder_scores_its_error() -> None:
    network = AutoencoderDiscriminator((4, 3), hidden=(8,), code=2)
    error, code = network(X)
    assert code.shape == (6, 2)
    expected = (X - network.decoder(network.encoder(X))).abs().mean((1, 2))
    torch.testing.assert_close(error, expected)
