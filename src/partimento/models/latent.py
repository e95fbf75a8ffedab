"""Latent codes: where a generator's randomness comes from, and ways between two codes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import torch
from annotated_types import Gt
from torch import Tensor, nn

from partimento.distributions import Distribution
from partimento.errors import Mismatch, UserError
from partimento.models.relaxation import Relaxation
from partimento.models.sampling import expanded
from partimento.networks.noise import noise_from
from partimento.seeds import generator as stream

Kind = Literal["normal", "uniform", "unit"]
Method = Literal["linear", "spherical"]
NEARLY = 1e-6
"""Angle in radians below which two directions are taken as one, or as opposite."""


def draw_latent(
    count: int,
    size: Annotated[int, Gt(0)],
    kind: Kind,
    generator: torch.Generator | None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return codes `(count, size)`: standard normal, uniform in [-1, 1), or (unit) in [0, 1)."""
    if kind == "unit":
        return torch.rand(count, size, generator=generator, device=device)
    if kind == "uniform":
        return torch.rand(count, size, generator=generator, device=device) * 2 - 1
    return torch.randn(count, size, generator=generator, device=device)


def interpolate(first: Tensor, second: Tensor, steps: int, method: Method = "spherical") -> Tensor:
    """Return codes `(steps, size)` on the way from one code to another, both ends exact.

    The spherical way (White 2016, "Sampling generative networks", section 2.1) turns evenly from
    one direction to the other, while the norm goes evenly from one to the other: a normal code of
    many dimensions nearly always has a norm near the root of their number, and the middle of the
    straight line has not. Between opposite codes no way is the shortest; the one is taken that
    passes by the axis along which the first code is smallest. Codes of one direction, of one
    dimension, or 0, have the straight line.

    Raises:
        UserError: When there are fewer than 2 steps.
    """
    if steps < 2:
        raise UserError(
            f"An interpolation has 2 steps or more, its two ends among them, not {steps}."
        )
    share = torch.linspace(0, 1, steps, device=first.device, dtype=torch.float64).unsqueeze(1)
    start, stop = first.double(), second.double()
    turned = _great_circle(start, stop, share) if method == "spherical" else None
    codes = ((1 - share) * start + share * stop if turned is None else turned).to(first.dtype)
    codes[0], codes[-1] = first, second  # not merely within rounding
    return codes


def _great_circle(first: Tensor, second: Tensor, share: Tensor) -> Tensor | None:
    """Return the codes at shares of the way around the origin; None: there is only the line."""
    norms = torch.linalg.vector_norm(first), torch.linalg.vector_norm(second)
    if not (float(norms[0]) > 0 and float(norms[1]) > 0):
        return None
    start, stop = first / norms[0], second / norms[1]
    # Kahan's formula: the arc cosine of nearly equal directions has lost half its digits.
    apart = torch.linalg.vector_norm(start - stop), torch.linalg.vector_norm(start + stop)
    angle = float(2 * torch.atan2(*apart))
    if angle < NEARLY:
        return None
    if math.pi - angle < NEARLY:
        if len(start) == 1:
            return None
        beside = torch.zeros_like(start)
        beside[start.abs().argmin()] = 1
        angle = math.pi
    else:
        beside = stop
    beside = beside - (beside @ start) * start
    beside = beside / torch.linalg.vector_norm(beside)
    norm = (1 - share) * norms[0] + share * norms[1]
    return norm * (torch.cos(share * angle) * start + torch.sin(share * angle) * beside)


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


@runtime_checkable
class Generative(Protocol):
    """What a model with a generator of latent codes has."""

    distribution: Distribution
    conditions: dict[str, Distribution]
    relaxation: Relaxation
    latent: int
    latent_kind: Kind

    @property
    def device(self) -> torch.device: ...


def generative(model: Any) -> Generative:
    """Return a model as one that has latent codes.

    Raises:
        Mismatch: When it has none.
    """
    if not isinstance(model, Generative):
        raise Mismatch(
            f"{type(model).__name__} has no latent codes: take a model with a generator, such as "
            "model=gan or model=imle."
        )
    return model


def seeded_codes(model: Generative, seed: int, count: int = 1) -> Tensor:
    """Return the codes `(count, latent)` that a seed stands for, the same on every device."""
    return draw_latent(count, model.latent, model.latent_kind, stream(seed, "latent"))


def check_codes(z: Any, latent: int, n: int | None = None) -> Tensor:
    """Return codes that a model with `latent` numbers to a code can use.

    Raises:
        UserError: When they are no tensor of finite floats `(n, latent)`.
    """
    if not isinstance(z, Tensor) or not z.is_floating_point():
        what = z.dtype if isinstance(z, Tensor) else type(z).__name__
        raise UserError(f"z must be a tensor of floats, (n, {latent}), not {what}.")
    if z.dim() != 2 or z.shape[1] != latent or not len(z):
        raise UserError(
            f"z must have the shape (n, {latent}) for this model, not {tuple(z.shape)}."
        )
    if n is not None and n != len(z):
        raise UserError(f"z holds {len(z)} codes where n asks for {n} samples: leave n out.")
    if not torch.isfinite(z).all():
        bad = int((~torch.isfinite(z)).any(dim=1).nonzero()[0])
        raise UserError(f"z must hold finite numbers, but code {bad} (from 0) has NaN or infinity.")
    return z


def _check_conditions(model: Generative, condition: Mapping[str, Tensor] | None) -> None:
    missing = [name for name in model.conditions if name not in (condition or {})]
    if missing:
        raise UserError(
            f"This model makes music under conditions and was not given {', '.join(missing)}: give "
            "condition={name: tensor} with the name of each."
        )
    for name, value in (condition or {}).items():
        if name not in model.conditions:
            known = ", ".join(model.conditions) or "none at all"
            raise UserError(f"This model has no condition '{name}'; its conditions are: {known}.")
        shape = model.conditions[name].shape
        if tuple(value.shape[1:]) != shape:
            asked = ", ".join(str(size) for size in ("n", *shape))
            raise UserError(
                f"Condition '{name}' must have the shape ({asked}) for this model, not "
                f"{tuple(value.shape)}."
            )


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
        UserError: When the codes are none of this model's, or a condition is missing.
    """
    _check_conditions(model, condition)
    if z is not None:
        n = len(check_codes(z, model.latent, n))
    count, _, conditions = expanded(n, None, condition, model.device)
    if z is None:
        z = draw_latent(count, model.latent, model.latent_kind, generator, model.device)
    features = {name: d.features(conditions[name]) for name, d in model.conditions.items()}
    # A file's codes, or the weights, may be in float64.
    dtype = next((p.dtype for p in network.parameters()), z.dtype)
    training = network.training
    network.eval()
    try:
        with noise_from(network, generator):
            parameters = network(
                z.to(model.device, dtype), {name: v.to(dtype) for name, v in features.items()}
            )
    finally:
        network.train(training)
    return model.relaxation.hard_sample(model.distribution, parameters, temperature, generator)
