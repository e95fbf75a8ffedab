"""Optimizer steps as functions: against torch's own, and where a derivative could be infinite."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from partimento.errors import UserError
from partimento.models.differentiable import DifferentiableSteps, check_differentiable

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.3),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.5, 0.9)),
    "adam_decay": lambda p: torch.optim.Adam(p, lr=0.02, weight_decay=0.3),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.3),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.02, alpha=0.9, weight_decay=0.1),
}


def loss_of(weights: dict[str, Tensor]) -> Tensor:
    first, second = weights["first"], weights["second"]
    return (first.sin() * 3).sum() + (first[:2] * second).square().sum()


def parameters() -> dict[str, torch.nn.Parameter]:
    draw = torch.Generator().manual_seed(0)
    made = {"first": 3, "second": 2, "unused": 2}
    return {
        name: torch.nn.Parameter(torch.randn(n, generator=draw, dtype=torch.float64))
        for name, n in made.items()
    }


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("warm", [0, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_that_torch_makes(name: str, warm: int, clip: float | None) -> None:
    weights = parameters()
    optimizer = OPTIMIZERS[name](weights.values())

    def real_step() -> None:
        optimizer.zero_grad()
        loss_of(weights).backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(weights.values(), clip)
        optimizer.step()

    for _ in range(warm):
        real_step()
    kept = [value.detach().clone() for value in weights.values()]
    rule = DifferentiableSteps(optimizer, clip)
    places = rule.places(weights)
    ahead = {name: p.detach().requires_grad_() for name, p in weights.items()}
    for _ in range(4):
        ahead = rule(ahead, loss_of(ahead), places)
    assert all(map(torch.equal, kept, weights.values()))  # nothing real has moved
    for _ in range(4):
        real_step()
    for key, value in weights.items():
        torch.testing.assert_close(ahead[key], value.detach(), rtol=1e-7, atol=1e-9)
    assert torch.equal(ahead["unused"], kept[2])
    assert not torch.equal(ahead["first"], kept[0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_through_two_steps(name: str) -> None:
    """Of everything that the loss is made of, against finite differences."""
    weights = parameters()
    optimizer = OPTIMIZERS[name](weights.values())
    loss_of(weights).backward()
    optimizer.step()

    def after(data: Tensor) -> Tensor:
        rule = DifferentiableSteps(optimizer, clip=1.0)
        places = rule.places(weights)
        ahead = {key: p.detach().requires_grad_() for key, p in weights.items()}
        for _ in range(2):
            ahead = rule(ahead, loss_of(ahead) + (ahead["first"] * data).sum(), places)
        return ahead["first"]

    data = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(after, (data,))


@pytest.mark.parametrize("name", ["adam", "rmsprop"])
def test_a_weight_that_never_had_a_gradient(name: str) -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    rule = DifferentiableSteps(OPTIMIZERS[name]([weight]), clip=1.0)
    data = torch.tensor([2.0, 0.0], requires_grad=True)
    start = {"w": weight.detach().requires_grad_()}
    ahead = rule(start, (start["w"] * data.square()).sum(), rule.places({"w": weight}))
    ahead["w"].sum().backward()
    assert data.grad is not None
    assert data.grad.isfinite().all()
    assert data.grad[1] == 0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: torch.optim.Adagrad(p), r"^X follows .* RMSprop, not Adagrad\.$"),
        (lambda p: torch.optim.Adam(p, amsgrad=True), r"^X .*, Adam, only without amsgrad\.$"),
        (
            lambda p: torch.optim.RMSprop(p, momentum=0.9),
            r"^X .*, RMSprop, only without momentum\.$",
        ),
    ],
)
def test_other_optimizers_are_refused(make, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        check_differentiable("X", make([torch.nn.Parameter(torch.ones(1))]))
