"""A request to sample, made whole: one number of examples for given cells and conditions alike."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from partimento.data.batch import Given
from partimento.errors import UserError


def expanded(
    n: int | None,
    given: Given | None,
    condition: Mapping[str, Tensor] | None,
    device: torch.device | str,
) -> tuple[int, Given | None, dict[str, Tensor]]:
    """Return the number of samples, and given cells and conditions for as many, on the device.

    Args:
        n: Number of samples; None: as many as `given` or a condition holds, else one.
        given: Cells to keep, `(n or 1, *shape)`.
        condition: Conditions by name, `(n or 1, ...)`.
        device: Where the model is.

    Raises:
        UserError: When something holds neither one example nor `n`.
    """
    tensors = {f"condition '{name}'": value for name, value in (condition or {}).items()}
    if given is not None:
        tensors |= {"given.x": given.x, "given.mask": given.mask}
    if n is None:
        n = max((len(tensor) for tensor in tensors.values()), default=1)
    for name, tensor in tensors.items():
        if len(tensor) not in (1, n):
            needed = "1 is" if n == 1 else f"1 or {n} are"
            raise UserError(
                f"{name} holds {len(tensor)} examples where {needed} needed for {n} sample(s)."
            )

    def whole(tensor: Tensor) -> Tensor:
        return tensor.to(device).expand(n, *tensor.shape[1:])

    conditions = {name: whole(value) for name, value in (condition or {}).items()}
    return n, None if given is None else Given(whole(given.x), whole(given.mask)), conditions
