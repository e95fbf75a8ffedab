"""The rule of the study of detection: what is a failure, what may be tuned, what is held out.

Committed before the alarm was judged; see `detection.py` for what is done with it.
"""

from __future__ import annotations

import math

import numpy as np
from detection_runs import World

from partimento.studies.detection import Labels, Named

WARM_UP = 500
"""Generator updates that nobody judges: every generator begins collapsed."""
VISITED = 0.2
"""Share of its due that a mode must have to be visited: 1 / (5 K) of the samples."""
UNEVEN, EVEN = 0.08, 0.03
"""Reverse divergence of the modes from even ones, less that of even draws, in nats: above the first
they are out of balance, below the second they are in it. A mode of eight at a tenth of its due gives
0.09."""
SHRUNK, VARIED = 0.5, 0.7
"""Variety within modes over the law's: below the first it has shrunk, above the second it has not."""
NEAR = {"ring": 5, "modes": 15}
"""Modes visited from which on a collapse is a near miss: five of eight and as large a share of 24."""
POINT, NO_POINT = 0.1, 0.2
"""Variety within the only mode there is: below the first it is a point, above the second it is none."""
FEW = 0.5
"""Share of the modes, at most, that are few."""
MOVING, STILL = 0.1, 0.03
"""Divergence of the mode histogram from those of the ten evaluations before, in nats: above the first
modes that are left out are others each time, below the second they are the same."""
OFF = 0.5
ON = {"ring": 0.85, "modes": math.inf}
"""Share of samples of high quality: below the first a generator is off the data, which is no
collapse, above the second it is on them. Of a chorale the oracle is content when its notes fit for
80 % of the time, which no draw of the law may have, so that it never says that it is on them."""
ONSET = 2
"""Evaluations in a row that a collapse lasts to count as one."""

# -- the closed loop ------------------------------------------------------------------------------

LOOP_SEEDS = tuple(range(12))
LOOP_UPDATES = 2000
"""Generator updates of an arm."""
LOOP_ONSET = 4
"""Evaluations in a row that a run must be collapsed to count as one that has something to recover."""
LOOP_RANDOM = (500, 1500)
"""Between which generator updates the action is taken that is not the alarm's."""
ACTION = {"gamma": 0.1, "steps": 3}
"""Weight of R1 and R2 that are switched on, and k that is set; tuned on seeds from 1000 on."""


def lost(labels: Labels) -> np.ndarray:
    """Return at which evaluations modes are left out or out of balance, which the action is against.

    Variety within modes shrinks late in most runs of these small networks, whatever is done.
    """
    return (labels.visited < labels.modes) | (labels.uneven > UNEVEN)


TUNING = (
    "non_saturating",
    "lsgan",
    "wgan_gp",
    "wgan_gp_k3",
    "imle2",
    "slow_discriminator_ns",
    "frozen_ns",
    "tiny_discriminator_ns",
    "one_code_ns",
)
"""Recipes whose runs may be looked at to settle the rule of the alarm, with the seeds below."""
TUNING_SEEDS = (0, 1)
PARTS = ("tuning", "seeds", "objectives")


def part_of(name: str, seed: int) -> str:
    """Return which part a run belongs to.

    "tuning" may be looked at before the rule is settled. "seeds" are the same recipes with seeds
    that were not, and "objectives" recipes that were not, which the study is about: both are judged
    once.
    """
    if name not in TUNING:
        return "objectives"
    return "tuning" if seed in TUNING_SEEDS else "seeds"


def collapsed(labels: Labels) -> np.ndarray:
    """Return at which evaluations there is a collapse: modes left out, out of balance, or shrunk."""
    varied = labels.spread >= SHRUNK  # not where it is no number
    return (labels.visited < labels.modes) | (labels.uneven > UNEVEN) | ~varied


def healthy(labels: Labels) -> np.ndarray:
    """Return at which evaluations there is none by a margin; what is between counts for neither."""
    whole = labels.visited == labels.modes
    return whole & (labels.uneven < EVEN) & (labels.spread >= VARIED)


def kinds(world: World, labels: Labels) -> dict[str, np.ndarray]:
    """Return where there are the kinds of collapse that are judged apart."""
    whole = labels.visited == labels.modes
    near = ~whole & (labels.visited >= NEAR[world])
    uneven = whole & (labels.uneven > UNEVEN)
    shrunk = whole & (labels.uneven < EVEN) & ~(labels.spread >= SHRUNK)
    return {
        "gross": labels.visited < NEAR[world],
        "near_miss": near | (whole & collapsed(labels)),
        "near_miss_modes": near,
        "near_miss_imbalance": uneven,
        "near_miss_shrinkage": shrunk,
    }


def names(world: World, labels: Labels) -> dict[str, Named]:
    """Return where each failure is there, and where it is not."""
    whole = labels.visited == labels.modes
    few = labels.visited <= FEW * labels.modes
    moving, still = ~whole & (labels.drift > MOVING), whole | (labels.drift < STILL)
    single = labels.visited == 1
    point = single & (labels.spread < POINT) & ~moving
    no_point = ~single | (labels.spread > NO_POINT) | moving
    left_out = ~whole & still
    return {
        "rotation": Named(moving, still),
        "point_collapse": Named(point, no_point),
        "few_modes": Named(left_out & few & no_point, whole | ~few | moving | point),
        "dropped_modes": Named(left_out & ~few, whole | few | moving),
        "imbalance": Named(whole & (labels.uneven > UNEVEN), ~whole | (labels.uneven < EVEN)),
        "intra_mode": Named(no_point & (labels.spread < SHRUNK), point | (labels.spread >= VARIED)),
        "off_manifold": Named(labels.quality < OFF, labels.quality > ON[world]),
    }
