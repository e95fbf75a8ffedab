"""What the study of the monitor's calibration is, fixed before its final run.

Tuned on, by hand, before the final run: cells of the seed `TUNING_SEED` alone. The final run has
`SEED`; tests have neither.
"""

from __future__ import annotations

from partimento.studies.planted import FAILURES

WORLDS = ("ring", "grid", "chorale_modes", "stacked_chorale")
SEVERITIES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
SEED = 20_261_122
TUNING_SEED = 31_337

COUNT = 256
"""Samples of an evaluation: what `conf/diagnostics/mode_collapse.yaml` asks for."""
POOL = 8 * COUNT
"""Real examples that intervals are made from, of the training and of the held-out ones each."""
RESAMPLES = 199
CALIBRATIONS = 4
"""Independent sets of intervals in each world; a repeat has the next one."""
REPEATS = 40
"""Of each world, failure and severity; each has real examples of its own."""
HEALTHY = 400
"""Perfect generators in each world; each has real examples of its own."""
TURNS = 3
"""Evaluations of a failing generator: drift needs two earlier ones."""
ROTATION_TURNS = 5
"""The same of one that rotates: two evaluations or more have to agree on it."""
HEALTHY_TURNS = 12
"""Evaluations of a perfect generator in a row."""

ALARM = "alarm"
LEVEL = 0.05
"""Highest false-positive rate that is allowed, for the lower end of its interval."""
DETECTED = 0.95
"""Share of failing generators that are told at a severity that counts as detected."""

QUIET: dict[str, tuple[str, ...]] = {
    "nearest_ratio": ("z_independence",),
    "coverage": ("z_independence",),
    "precision": tuple(name for name in FAILURES if name != "off_manifold"),
    "bin_jsd": ("memorisation", "z_independence"),
    "spread_ratio": ("dropped_modes", "imbalance", "memorisation", "z_independence"),
    "left_out": ("memorisation", "z_independence"),
    "energy": ("intra_mode", "memorisation", "z_independence"),
    "repeated": ("dropped_modes", "imbalance", "z_independence", "off_manifold"),
    "one_place": tuple(name for name in FAILURES if name not in ("point_collapse", "intra_mode")),
    "copied_gap": (
        "few_modes", "dropped_modes", "imbalance", "z_independence", "rotation", "off_manifold",
    ),
    "authenticity_gap": (
        "few_modes", "dropped_modes", "imbalance", "z_independence", "rotation", "off_manifold",
    ),
    "drift": tuple(name for name in FAILURES if name != "rotation"),
}  # fmt: skip
"""Failures on which a diagnostic must stay quiet, since they leave alone what it is about."""
