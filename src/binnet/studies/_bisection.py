"""The largest load at which something succeeds: doubled to a bracket, then halved within it."""

from __future__ import annotations

import functools
import math
from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from binnet._validation import FloatArray

#: So many loads in a row must fail behind the last one that succeeded.
MISSES = 2


def geometric_grid(low: float, high: float, accuracy: float) -> tuple[FloatArray, int]:
    """Return loads of equal ratio, at most 1 + accuracy, that double after a whole number of steps.

    Parameters
    ----------
    low, high : float
        Ends; high / low is a power of 2.
    accuracy : float
        Largest relative distance of neighbours, > 0.

    Returns
    -------
    loads : ndarray
        From low to high.
    steps : int
        From a load to its double.
    """
    steps = math.ceil(math.log(2.0) / math.log1p(accuracy))
    return low * 2.0 ** (np.arange(round(math.log2(high / low)) * steps + 1) / steps), steps


def find_last_success(succeeds: Callable[[int], bool], n_loads: int, first: int, steps: int) -> int:
    """Return the last load that succeeds, of a grid on which failures follow on successes.

    From the first load on, loads are tried `steps` further up until two in a row fail; if none has
    succeeded, `steps` further down until one does. What lies between the last success and the
    failure above it is bisected. Where learning is not monotone, a load behind a failure may
    succeed: the two loads behind the last success are tried, too, and where one of them succeeds
    the search goes on from there, so that at the end two in a row have failed.

    Parameters
    ----------
    succeeds : callable
        Of the number of a load, 0..n_loads - 1; it is asked once for each.
    n_loads : int
        Loads of the grid.
    first : int
        The load to begin with.
    steps : int
        Between the loads that are tried first.

    Returns
    -------
    int
        The load, -1 where none succeeds.
    """
    succeeds = functools.cache(succeeds)
    good, bad = -1, n_loads
    for k in range(first, n_loads, steps):
        if succeeds(k):
            good, bad = k, n_loads
        elif bad < n_loads:
            break
        else:
            bad = k
    for k in range(first - steps, -1, -steps) if good < 0 else ():
        if succeeds(k):
            good = k
            break
        bad = k
    k = good = bisect_left(
        range(n_loads), True, good + 1, bad, key=lambda load: not succeeds(load)
    ) - 1  # fmt: skip
    misses = 0
    while misses < MISSES and k + 1 < n_loads:
        k += 1
        if succeeds(k):
            good, misses = k, 0
        else:
            misses += 1
    return good
