"""Every constant that decides anything about collapse, in half-widths of reference intervals.

A value at 1 is at the end of the interval that a perfect model leaves once in a hundred times (see
`calibration.Interval.excess`). Nothing else in the package decides what is a failure.
"""

from __future__ import annotations

OUTSIDE = 1.0
"""From here on a value counts for the attribution of a failure."""
WARNING = 1.5
"""From here on a value is a warning: several measures are looked at again and again."""
CRITICAL = 4.0
CLEAR = 1.0
"""An alarm ends when all values are below this again (hysteresis)."""
IN_A_ROW = 2
"""Evaluations in a row that raise or clear an alarm."""
LENIENT = {"energy": 2.0}
"""Values that are divided before anything is decided: a generator in training uses modes a little
unevenly, beyond what chance does to a perfect one, without having lost any."""
MISSING = 3.0
"""Up to here of `left_out`, modes are unevenly used rather than missing."""
FEW = 0.5
"""Share of the reach of a perfect model below which modes are few rather than missing."""
MAJORITY = 0.5
"""Share of repeated samples in one place from which on they are a point rather than narrow modes."""
NARROW = 0.25
"""Share of the excess of `left_out` that narrow modes have at least: modes that are missing leave
reals much farther away."""
HISTORY = 10
"""Evaluations whose histograms the next one is compared with for rotation, at most."""
MOVED = 2
"""The least number of them: a collapse under way moves samples once."""
