"""How the CPU computes while a run lasts: with how many threads, and without denormal numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def cpu_arithmetic(threads: int) -> Iterator[None]:
    """Compute with that many threads, and take numbers below 1.2e-38 for zero.

    Adam's averages of a gradient that has become zero (a symbol that a while did not occur, a dead
    unit) fall by a tenth at every update and are denormal after some 750; a CPU computes slowly with
    such numbers (benchmarks/overhead.py has the same loop with and without them). They are far too
    small to move a weight.

    Threads of torch's pool that began before the block keep their mode, which costs speed only.
    """
    for dtype in (np.float16, np.float32, np.float64):
        str(np.finfo(dtype))  # numpy warns where it first looks for denormals and finds none
    torch.set_num_threads(threads)
    flushes = torch.set_flush_denormal(True)
    try:
        yield
    finally:
        if flushes:
            torch.set_flush_denormal(False)
