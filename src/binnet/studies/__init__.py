"""Studies: what to measure in a sweep, and what is read off its result.

Each module is one study: `run_...` measures, `summarise_...` returns plain values. `record_study`
writes those down with what measured them.
"""

from binnet.studies._record import record_study
from binnet.studies.convergence import RELAXATION, convergence_thresholds, relaxation
from binnet.studies.counts import FIXED_POINTS, count_fixed_points

__all__ = [
    "FIXED_POINTS",
    "RELAXATION",
    "convergence_thresholds",
    "count_fixed_points",
    "record_study",
    "relaxation",
]
