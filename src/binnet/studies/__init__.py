"""Studies: what to measure in a sweep, and what is read off its result."""

from binnet.studies.convergence import RELAXATION, convergence_thresholds, relaxation

__all__ = ["RELAXATION", "convergence_thresholds", "relaxation"]
