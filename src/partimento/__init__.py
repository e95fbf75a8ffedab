"""Partimento: an experiment framework for symbolic-music generation with deep learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from partimento.apps.train import train
    from partimento.loading import load

__all__ = ["load", "train"]


def __getattr__(name: str) -> Any:
    # Imported at first use, so that `partimento --help` does not wait for torch.
    if name == "load":
        from partimento.loading import load

        return load
    if name == "train":
        from partimento.apps.train import train

        return train
    raise AttributeError(f"module 'partimento' has no attribute {name!r}")
