"""Studies: what to measure in a sweep, and what is read off its result."""

from binnet.studies.convergence import RELAXATION, convergence_thresholds, relaxation
from binnet.studies.counts import FIXED_POINTS, count_fixed_points

__all__ = [
    "FIXED_POINTS",
    "RELAXATION",
    "convergence_thresholds",
    "count_fixed_points",
    "relaxation",
]
