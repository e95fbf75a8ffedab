"""Updates of stacked discriminators that a generator's gradient can go through (Metz et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

LEAST = 1e-30
"""Second moments below it have no gradient: that of the root at 0 is infinite."""

Loss = Callable[[Sequence[Tensor]], Tensor]
"""A discriminator's loss as a function of its parameters."""


def looked_ahead(
    loss: Loss, parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer, steps: int
) -> list[Tensor]:
    """Return the parameters after updates by Adam that are differentiable in whatever is in the loss.

    They begin with the optimizer's moments, and leave these and the parameters as they were.

    Args:
        loss: What is minimised, on one minibatch and one set of codes throughout, as in the paper's
            own experiments.
        parameters: The discriminators' parameters now.
        optimizer: An Adam without weight decay and AMSGrad.
        steps: Number of updates, K of the paper.
    """
    group = optimizer.param_groups[0]
    states = [_state(optimizer, parameter) for parameter in parameters]
    values = [parameter.detach().requires_grad_() for parameter in parameters]
    for _ in range(steps):
        gradients = torch.autograd.grad(loss(values), values, create_graph=True)
        moved = [
            _adam(value, gradient, state, group)
            for value, gradient, state in zip(values, gradients, states, strict=True)
        ]
        values = [value for value, _ in moved]
        states = [state for _, state in moved]
    return values


def _state(optimizer: torch.optim.Optimizer, parameter: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return first and second moments and the number of updates made."""
    state = optimizer.state.get(parameter)
    if not state:
        return torch.zeros_like(parameter), torch.zeros_like(parameter), 0
    return state["exp_avg"].clone(), state["exp_avg_sq"].clone(), int(state["step"])


def _adam(
    value: Tensor,
    gradient: Tensor,
    state: tuple[Tensor, Tensor, int],
    group: dict[str, Any],
) -> tuple[Tensor, tuple[Tensor, Tensor, int]]:
    """Return a parameter and its state after one update (Kingma & Ba 2015, algorithm 1)."""
    first, second, made = state
    beta, gamma = group["betas"]
    first = beta * first + (1 - beta) * gradient
    second = gamma * second + (1 - gamma) * gradient.square()
    made += 1
    root = (second / (1 - gamma**made)).clamp_min(LEAST).sqrt()
    moved = value - group["lr"] / (1 - beta**made) * first / (root + group["eps"])
    return moved, (first, second, made)
