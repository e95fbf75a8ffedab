"""Latent codes: where a generator's randomness comes from, and ways between two codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Protocol

import torch
from annotated_types import Gt
from torch import Tensor, nn

from partimento.distributions import Distribution
from partimento.errors import Mismatch, UserError
from partimento.models.relaxation import Relaxation
from partimento.models.sampling import expanded

Kind = Literal["normal", "uniform"]


def draw_latent(
    count: int,
    size: Annotated[int, Gt(0)],
    kind: Kind,
    generator: torch.Generator | None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return codes `(count, size)`, standard normal or uniform in [-1, 1)."""
    if kind == "uniform":
        return torch.rand(count, size, generator=generator, device=device) * 2 - 1
    return torch.randn(count, size, generator=generator, device=device)


def interpolate(
    first: Tensor, second: Tensor, steps: int, kind: Literal["linear", "spherical"] = "spherical"
) -> Tensor:
    """Return codes `(steps, size)` on the way from one code to another, both ends included.

    Spherical interpolation (White 2016, section 2.1) keeps the norm that a normal code of many
    dimensions nearly always has; codes in one direction fall back to the straight line.
    """
    share = torch.linspace(0, 1, steps, device=first.device, dtype=first.dtype).unsqueeze(1)
    if kind == "spherical":
        cosine = torch.nn.functional.cosine_similarity(first, second, dim=0).clamp(-1, 1)
        angle = torch.arccos(cosine)
        if float(torch.sin(angle)) > 1e-6:
            weights = torch.sin((1 - share) * angle), torch.sin(share * angle)
            return (weights[0] * first + weights[1] * second) / torch.sin(angle)
    return (1 - share) * first + share * second


def check_fixed_length(distribution: Distribution) -> None:
    """Refuse examples of varying length, which no generator from one code makes.

    Raises:
        Mismatch: With the sentence that says so.
    """
    if None in distribution.shape:
        raise Mismatch(
            "A generator from latent codes makes examples of one length, but those of this "
            "representation vary: take one of windows, such as representation=pianoroll or melody."
        )


class Generative(Protocol):
    """What a model with a generator of latent codes has."""

    distribution: Distribution
    conditions: dict[str, Distribution]
    relaxation: Relaxation
    latent: int
    latent_kind: Kind

    @property
    def device(self) -> torch.device: ...


def sample_generator(
    model: Generative,
    network: nn.Module,
    n: int | None,
    *,
    condition: Mapping[str, Tensor] | None,
    z: Tensor | None,
    temperature: float,
    generator: torch.Generator | None,
) -> Tensor:
    """Return hard samples `(n, *shape)` of a generator, from codes that are given or drawn.

    Raises:
        UserError: When the codes have another size than the model's.
    """
    if z is not None and z.shape[1:] != (model.latent,):
        raise UserError(
            f"z must have the shape (n, {model.latent}) for this model, not {tuple(z.shape)}."
        )
    count, _, conditions = expanded(n if z is None else len(z), None, condition, model.device)
    if z is None:
        z = draw_latent(count, model.latent, model.latent_kind, generator, model.device)
    features = {name: d.features(conditions[name]) for name, d in model.conditions.items()}
    training = network.training
    network.eval()
    try:
        parameters = network(z.to(model.device), features)
    finally:
        network.train(training)
    return model.relaxation.hard_sample(model.distribution, parameters, temperature, generator)
