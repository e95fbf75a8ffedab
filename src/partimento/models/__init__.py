"""Models: LightningModules, one file per training paradigm."""

from partimento.models.base import Evaluation, Model
from partimento.models.feedforward import Feedforward

__all__ = ["Evaluation", "Feedforward", "Model"]
