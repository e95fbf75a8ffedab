"""Adversarial losses on a discriminator's scores: pure functions, softplus(t) = log(1 + exp(t)).

Scores are logits `(batch,)`: with `D = sigmoid(score)`, `-log D = softplus(-score)` and
`-log(1 - D) = softplus(score)`. All losses are minimised.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropy(scores: Tensor, label: float) -> Tensor:
    """Mean binary cross-entropy of scores against one label in [0, 1], in nats."""
    if label in (0, 1):  # half the work, and no 0 times infinity
        return F.softplus(-scores if label else scores).mean()
    return (label * F.softplus(-scores) + (1 - label) * F.softplus(scores)).mean()


def minimax_discriminator(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))): Goodfellow et al. 2014, algorithm 1.

    A `real_label` below 1 is one-sided label smoothing (Salimans et al. 2016, section 3.4).
    """
    return cross_entropy(real, real_label) + cross_entropy(fake, 0.0)


def minimax_generator(fake: Tensor) -> Tensor:
    """E log(1 - D(G(z))): Goodfellow et al. 2014, algorithm 1; saturates where D is sure."""
    return -F.softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """-E log D(G(z)): Goodfellow et al. 2014, section 3."""
    return F.softplus(-fake).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor, real_label: float = 1.0) -> Tensor:
    """E (D(x) - 1)^2 / 2 + E D(G(z))^2 / 2: Mao et al. 2017, equation 9 with b = 1, a = 0."""
    return ((real - real_label).square().mean() + fake.square().mean()) / 2


def least_squares_generator(fake: Tensor) -> Tensor:
    """E (D(G(z)) - 1)^2 / 2: Mao et al. 2017, equation 9 with c = 1."""
    return (fake - 1).square().mean() / 2


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))): Lim & Ye 2017; Miyato et al. 2018, equation 16."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E D(G(z)) - E D(x): Arjovsky et al. 2017, algorithm 1."""
    return fake.mean() - real.mean()


def wasserstein_generator(fake: Tensor) -> Tensor:
    """-E D(G(z)): Arjovsky et al. 2017, algorithm 1; the hinge loss of G is the same."""
    return -fake.mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E softplus(-(D(x) - D(G(z)))) over pairs: Jolicoeur-Martineau 2018; Huang et al. 2024 (R3GAN)."""
    return F.softplus(fake - real).mean()


def relativistic_generator(fake: Tensor, real: Tensor) -> Tensor:
    """E softplus(-(D(G(z)) - D(x))) over pairs: as `relativistic_discriminator`, roles exchanged."""
    return F.softplus(real - fake).mean()


def began_discriminator(real: Tensor, fake: Tensor, balance: Tensor) -> Tensor:
    """L(x) - k_t L(G(z)) of reconstruction errors: Berthelot et al. 2017, section 3.4."""
    return real.mean() - balance * fake.mean()


def began_balance(balance: Tensor, real: Tensor, fake: Tensor, gamma: float, rate: float) -> Tensor:
    """Return k_{t+1} = k_t + rate (gamma L(x) - L(G(z))), kept in [0, 1] (same source)."""
    return (balance + rate * (gamma * real.mean() - fake.mean())).clamp(0.0, 1.0)


def began_convergence(real: Tensor, fake: Tensor, gamma: float) -> Tensor:
    """Return M = L(x) + |gamma L(x) - L(G(z))|: Berthelot et al. 2017, section 3.4.1."""
    return real.mean() + torch.abs(gamma * real.mean() - fake.mean())
