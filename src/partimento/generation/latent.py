"""Music from latent codes: files of codes, and the music on the way between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from partimento.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from partimento.generation.strategies import Strategy
    from partimento.models.base import Model


def read_codes(path: str | Path) -> np.ndarray:
    """Read codes `(codes, latent)` from a .npy file, which is never unpickled.

    Raises:
        UserError: When there is no such file, or it holds no array of numbers of two dimensions.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file of codes at {path}.")
    try:
        with path.open("rb") as file:
            codes = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError) as error:
        raise UserError(
            f"{path} cannot be read as codes: write them by numpy.save, as one array of numbers."
        ) from error
    if codes.ndim != 2 or codes.dtype.kind not in "fiu":
        raise UserError(
            f"{path} must hold numbers, (codes, latent), not {codes.dtype} {codes.shape}."
        )
    return codes.astype(np.float32)


def write_codes(codes: Tensor, path: str | Path) -> Path:
    """Write codes `(codes, latent)` so that `read_codes` gives them back."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, codes.detach().cpu().numpy(), allow_pickle=False)
    return path


def along(
    model: Model,
    codes: Tensor,
    strategy: Strategy,
    *,
    condition: Mapping[str, Tensor] | None = None,
    weights: str | None = None,
    seed: int = 0,
) -> Tensor:
    """Return one hard sample per code, `(codes, *shape)`, all with the same noise.

    Where a model draws its samples (see `Relaxation`), noise of its own for each code would hide
    what the code changes; here equal codes give equal samples, whatever else is in `codes`.

    Args:
        model: A model with latent codes.
        codes: `(codes, latent)`, for instance of `interpolate`.
        strategy: How the model is asked.
        condition: Conditions by name, `(1, ...)`, the same for every code.
        weights: "ema" or "raw"; None takes the averaged weights where the model keeps them.
        seed: Of the noise.

    Raises:
        UserError: When the codes or conditions are none of this model's.
    """
    import torch

    from partimento.models.latent import check_codes, generative

    check_codes(codes, generative(model).latent)
    samples = [
        strategy.generate(
            model,
            z=code.unsqueeze(0),
            condition=condition,
            weights=weights,
            generator=torch.Generator(model.device).manual_seed(seed),
        )
        for code in codes
    ]
    return torch.cat(samples)
