"""Keeps Lightning's advice about itself out of the console; the program says what a user must know."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_VOICES = ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric")
_IGNORED = (
    ".*isinstance\\(treespec, LeafSpec\\).*",  # Lightning 2.6 against torch 2.13
    ".*torch.jit.*",
    ".*number of training batches.*",  # values are logged by the model, at its own interval
    ".*`ModelCheckpoint` callback.*",
    ".*this fit will run with no optimizer.*",  # a model that counts has none
    ".*sync_dist=True.*",  # metrics are reduced by torchmetrics before they are logged
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Lower Lightning's voice while the block lasts."""
    levels = {name: logging.getLogger(name).level for name in _VOICES}
    for name in _VOICES:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for text in _IGNORED:
                warnings.filterwarnings("ignore", message=text)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
