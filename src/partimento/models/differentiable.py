"""Steps of torch's optimizers as pure functions, which gradients can pass through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor

from partimento.errors import UserError

State = dict[str, Any]
Step = Callable[[Tensor, Tensor, State, Mapping[str, Any]], tuple[Tensor, State]]
"""`(weight, gradient, state, options) -> (weight, state)`, with nothing changed in place."""

UNSUPPORTED = ("amsgrad", "maximize", "centered")


def root(square: Tensor) -> Tensor:
    """Return the square root, with gradient 0 at 0, where the derivative is infinite.

    A weight that has never had a gradient, as one behind a symbol that never occurs, would
    otherwise make all gradients NaN.
    """
    return square.clamp_min(torch.finfo(square.dtype).tiny).sqrt()


def sgd(
    weight: Tensor, gradient: Tensor, state: State, options: Mapping[str, Any]
) -> tuple[Tensor, State]:
    """One step of `torch.optim.SGD`, momentum and Nesterov's momentum included."""
    gradient = gradient + options["weight_decay"] * weight
    momentum, velocity = options["momentum"], state.get("momentum_buffer")
    if momentum:
        fresh = gradient if velocity is None else (1 - options["dampening"]) * gradient
        velocity = fresh if velocity is None else momentum * velocity + fresh
        gradient = gradient + momentum * velocity if options["nesterov"] else velocity
    return weight - options["lr"] * gradient, {"momentum_buffer": velocity}


def adam(
    weight: Tensor, gradient: Tensor, state: State, options: Mapping[str, Any]
) -> tuple[Tensor, State]:
    """One step of `torch.optim.Adam` (Kingma & Ba 2015, algorithm 1) or of `AdamW`."""
    first, second = options["betas"]
    if options.get("decoupled_weight_decay"):
        weight = weight * (1 - options["lr"] * options["weight_decay"])
    else:
        gradient = gradient + options["weight_decay"] * weight
    count = float(state.get("step", 0)) + 1
    mean = first * state.get("exp_avg", 0.0) + (1 - first) * gradient
    square = second * state.get("exp_avg_sq", 0.0) + (1 - second) * gradient.square()
    spread = root(square) / (1 - second**count) ** 0.5 + options["eps"]
    moved = weight - options["lr"] / (1 - first**count) * mean / spread
    return moved, {"step": count, "exp_avg": mean, "exp_avg_sq": square}


def rmsprop(
    weight: Tensor, gradient: Tensor, state: State, options: Mapping[str, Any]
) -> tuple[Tensor, State]:
    """One step of `torch.optim.RMSprop` without momentum."""
    gradient = gradient + options["weight_decay"] * weight
    share = options["alpha"]
    square = share * state.get("square_avg", 0.0) + (1 - share) * gradient.square()
    return weight - options["lr"] * gradient / (root(square) + options["eps"]), {
        "square_avg": square
    }


STEPS: dict[type[torch.optim.Optimizer], Step] = {
    torch.optim.SGD: sgd,
    torch.optim.Adam: adam,
    torch.optim.AdamW: adam,
    torch.optim.RMSprop: rmsprop,
}


def check_differentiable(where: str, optimizer: torch.optim.Optimizer) -> None:
    """Refuse an optimizer whose steps this file does not have.

    Raises:
        UserError: Naming the optimizer, or the option of it.
    """
    kind = type(optimizer)
    if kind not in STEPS:
        raise UserError(
            f"{where} follows the discriminator's optimizer, which must be SGD, Adam, AdamW or "
            f"RMSprop, not {kind.__name__}."
        )
    for options in optimizer.param_groups:
        more = [name for name in UNSUPPORTED if options.get(name)]
        if kind is torch.optim.RMSprop and options["momentum"]:
            more.append("momentum")
        if more:
            raise UserError(
                f"{where} follows the discriminator's optimizer, {kind.__name__}, only without "
                f"{more[0]}."
            )


class DifferentiableSteps:
    """Steps that an optimizer would make next, from its present state, which is left as it is.

    Args:
        optimizer: The optimizer; `check_differentiable` says which can be followed.
        clip: Norm to which all gradients together are scaled down, as the trainer does; None: none.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, clip: float | None = None) -> None:
        self._step = STEPS[type(optimizer)]
        self._clip = clip
        self._places: list[tuple[State, dict[str, Any]]] = []
        self._order: dict[int, int] = {}
        for options in optimizer.param_groups:
            for parameter in options["params"]:
                self._order[id(parameter)] = len(self._places)
                self._places.append((dict(optimizer.state.get(parameter, {})), options))

    def places(self, parameters: Mapping[str, Tensor]) -> dict[str, int]:
        """Return for each name the place that its parameter has in the optimizer."""
        return {name: self._order[id(parameter)] for name, parameter in parameters.items()}

    def __call__(
        self, weights: Mapping[str, Tensor], loss: Tensor, places: Mapping[str, int]
    ) -> dict[str, Tensor]:
        """Return the weights after one more step down a loss, as functions of what it is made of.

        Weights that the loss does not depend on stay, as under the optimizer itself.
        """
        found = torch.autograd.grad(
            loss, list(weights.values()), create_graph=True, allow_unused=True
        )
        gradients = dict(zip(weights, cast("tuple[Tensor | None, ...]", found), strict=True))
        scale = self._scale([g for g in gradients.values() if g is not None])
        moved = dict(weights)
        for name, gradient in gradients.items():
            if gradient is not None:
                state, options = self._places[places[name]]
                moved[name], state = self._step(weights[name], gradient * scale, state, options)
                self._places[places[name]] = state, options
        return moved

    def _scale(self, gradients: list[Tensor]) -> Tensor | float:
        """Return the factor of `torch.nn.utils.clip_grad_norm_`."""
        if self._clip is None:
            return 1.0
        norm = root(torch.stack([g.square().sum() for g in gradients]).sum())
        return (self._clip / (norm + 1e-6)).clamp_max(1.0)
