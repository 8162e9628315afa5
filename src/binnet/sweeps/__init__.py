"""Parameter sweeps: a grid, a function to measure at each of its cells, one labelled result.

`run` measures on local processes or on a Dask cluster. Every finished cell is kept at once in a
journal beside the result, so that a sweep that was stopped, in whatever way, goes on where it was
and ends in the same file. What a cell measures depends on its parameters alone, so neither the
number of workers nor the order in which they finish changes a bit. `scaling` reads thresholds off a
result, and what they tend to for large networks.
"""

from binnet.sweeps import scaling
from binnet.sweeps._results import load
from binnet.sweeps._sameness import adopting
from binnet.sweeps._sessions import SweepRecord, watch
from binnet.sweeps._workers import SweepError
from binnet.sweeps.engine import Plan, check, plan, run
from binnet.sweeps.grid import Grid, Observable

__all__ = [
    "Grid",
    "Observable",
    "Plan",
    "SweepError",
    "SweepRecord",
    "adopting",
    "check",
    "load",
    "plan",
    "run",
    "scaling",
    "watch",
]
