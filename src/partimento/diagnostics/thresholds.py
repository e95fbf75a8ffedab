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
LENIENT = {
    "mode_spread": 1.8,
    "mode_jsd": 1.75,
    "distance_ratio": 6.0,
    "repeated": 18.0,
    "one_place": 15.0,
    "precision": 2.5,
}
"""Values that are divided before anything is decided: a generator in training uses modes a little
unevenly and varies a little less within them, beyond what chance does to a perfect one, without
having lost any."""
FEW = 0.5
"""Share of the modes left out from which on those that are left are few."""
MAJORITY = 0.5
"""Share of repeated samples in one place from which on they are a point rather than narrow modes."""
POINT = 0.15
"""Share of a perfect model's variety within modes below which a single mode is a point."""
MOVING = 3.0
"""From here on of `drift`, modes that are left out or out of balance are others each time."""
HISTORY = 10
"""Evaluations whose histograms the next one is compared with for rotation, at most."""
MOVED = 2
"""The least number of them: a collapse under way moves samples once."""
FORGOTTEN = 3
"""Evaluations in a row with all modes in balance after which others are forgotten, and the other way
round."""
