"""What `generate` has made before it is written: samples, and what to call them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Made(NamedTuple):
    """What a model made, and what to call it.

    Attributes:
        x: Hard samples, `(samples, *shape)`.
        codes: Their codes, `(samples, latent)`; None where they have none, or two.
        name: What one of them is: "sample", "step" or "mixture".
        stem: Name of the folder.
        heading: Title of the picture.
    """

    x: Tensor
    codes: Tensor | None
    name: str
    stem: str
    heading: str
