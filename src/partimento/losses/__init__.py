"""Losses: pure functions, and small objects around them for config."""

from partimento.losses.base import Objective
from partimento.losses.reconstruction import SigmoidObjective, SoftmaxObjective

__all__ = ["Objective", "SigmoidObjective", "SoftmaxObjective"]
