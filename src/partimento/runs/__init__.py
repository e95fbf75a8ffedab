"""Runs: the identity of a run, its folder and lease, and how it survives being killed."""

from partimento.runs.folder import RunFolder
from partimento.runs.identity import identity

__all__ = ["RunFolder", "identity"]
