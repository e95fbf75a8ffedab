"""The base of small objects that a config may build beside models, networks and optimizers."""

from __future__ import annotations


class Component:
    """A part with no weights of its own that a config builds: an objective, a penalty, a technique."""
