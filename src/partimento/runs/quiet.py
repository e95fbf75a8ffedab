"""Keeps Lightning's advice out of the console; what a user must know is said by the program."""

from __future__ import annotations

import logging
import warnings


def quiet_libraries() -> None:
    """Lower the voice of Lightning: hints about itself are not the user's concern."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",
        ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
        ".*torch.jit.*",
        ".*number of training batches.*",
    ):
        warnings.filterwarnings("ignore", message=text)
