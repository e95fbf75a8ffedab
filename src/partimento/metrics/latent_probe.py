"""What a sample keeps of its code: how far it moves with it, and whether the code can be read off it."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from partimento.metrics.comparison import Gathered

STEP = 0.05
"""Standard deviation of a step in each dimension of a code, small beside the codes' own of 1."""
STRENGTHS = tuple(10.0**power for power in range(-6, 3))
"""Strengths of the ridge that are tried, in largest singular values of the samples."""


def moved_codes(codes: Tensor, generator: torch.Generator, step: float = STEP) -> Tensor:
    """Return codes `(n, latent)` a small random step away from others."""
    noise = torch.randn(codes.shape, generator=generator, device=codes.device, dtype=codes.dtype)
    return codes + step * noise


def sensitivities(made: Tensor, moved: Tensor, codes: Tensor, others: Tensor) -> Tensor:
    """Return how far each sample moves for a step of its code, |G(z + d) - G(z)| / |d|, `(n,)`.

    Odena et al., "Is Generator Conditioning Causally Related to GAN Performance?", ICML 2018, look
    at the same Jacobian by its singular values. There is no value that is right: a generator's is
    compared with its own earlier ones.

    Args:
        made: Samples of `codes`, without other noise, `(n, ...)`.
        moved: Samples of `others`.
        codes: Codes `(n, latent)`.
        others: Codes nearby, none equal to its own.
    """
    apart = (moved - made).flatten(1).double().norm(dim=1)
    return apart / (others - codes).double().norm(dim=1)


class LocalSensitivity(Metric):
    """The mean of `sensitivities`, as `local_sensitivity`."""

    is_differentiable = False
    full_state_update = False

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, made: Tensor, moved: Tensor, codes: Tensor, others: Tensor) -> None:
        """Add samples of codes and of their neighbours; see `sensitivities`."""
        self.total += sensitivities(made, moved, codes, others).sum()
        self.count += len(made)

    def compute(self) -> dict[str, float]:
        """Return the mean by name; NaN where nothing was added."""
        return {"local_sensitivity": float(self.total / self.count)}


def latent_probe(codes: Tensor, made: Tensor) -> float:
    """Return how much of codes a linear map reads off samples: R^2 on samples it was not fitted to.

    1 - E|z - h(x)|^2 / E|z - mean z|^2 with h a ridge regression that the first half of the samples
    fits; a part of that half chooses its strength. 0 where samples say nothing linear of their
    codes, as after a collapse to one point; at or below 0 by chance where there are few samples.

    Args:
        codes: Codes `(n, latent)`.
        made: Samples as features `(n, features)`.

    Raises:
        ValueError: When there are fewer than eight pairs, or not as many samples as codes.
    """
    if len(codes) != len(made) or len(codes) < 8:
        raise ValueError(f"a probe needs eight codes with a sample each, not {len(codes)} codes")
    half = len(codes) // 2
    z, x = codes.double(), made.flatten(1).double()
    chosen = min(STRENGTHS, key=lambda strength: _missed(x[:half], z[:half], half // 2, strength))
    varied = (z[half:] - z[half:].mean(dim=0)).square().sum()
    return 1 - _missed(x, z, half, chosen) / float(varied)


def _missed(x: Tensor, z: Tensor, fitted: int, strength: float) -> float:
    """Return the squared error on all but the first `fitted` pairs, of a ridge on those."""
    centre_x, centre_z = x[:fitted].mean(dim=0), z[:fitted].mean(dim=0)
    left, values, right = torch.linalg.svd(x[:fitted] - centre_x, full_matrices=False)
    # In units of the largest, so that features may be scaled; where nothing varies all weights are 0.
    shrunk = values / (values.square() + (strength * values[0].clamp(min=1e-30)) ** 2)
    weights = right.T @ (shrunk[:, None] * (left.T @ (z[:fitted] - centre_z)))
    guessed = centre_z + (x[fitted:] - centre_x) @ weights
    return float((z[fitted:] - guessed).square().sum())


class LatentProbe(Gathered):
    """`latent_probe` over batches and processes."""

    SIDES = ("codes", "made")

    codes: list[Tensor]
    made: list[Tensor]

    def update(self, codes: Tensor, made: Tensor) -> None:
        """Add codes `(n, latent)` and their samples as features `(n, features)`."""
        self.gather(codes, "codes")
        self.gather(made, "made")

    def values_of(self, *sides: Tensor) -> dict[str, float]:
        return {"latent_probe": latent_probe(*sides)}
