"""How far a neuron's field overshoots a threshold between updates: mean of a far random walk."""

from __future__ import annotations

import numpy as np
from scipy import integrate, linalg, special

_FAR, _N_CELLS = 8.0, 160  # steps from the threshold, where the overshoot forgets the start
_MOST_GROUPS = 16  # 3e-4 from the limit


def overshoot_of_subsets(p: float) -> float:
    """Mean overshoot in units of the step between updates, which each step has with probability p.

    Parameters
    ----------
    p : float
        Update fraction.

    Returns
    -------
    float
        Mean overshoot, docs/model/theory.md, eq. (5.6).
    """

    def kernel(t: float) -> float:
        # a step is the sum of a geometric number of Gaussians: 1 - its characteristic function
        rest = -np.expm1(-0.5 * p * t * t)
        return float(np.log(2 * rest / (t * t * (p + (1 - p) * rest))) / (t * t))

    value = integrate.quad(kernel, 1e-3, 1.0)[0] + integrate.quad(kernel, 1.0, np.inf)[0]
    return float(-(value + 1e-3 * kernel(1e-3)) / np.pi)


def overshoot_of_groups(n_groups: int) -> float:
    """Mean overshoot where each neuron is updated once in a sweep, by a partition into groups.

    The mean obeys a linear equation in the distance to the threshold and the turn of the last
    update; it is solved on a grid, to 5e-5, and beyond 16 groups taken from these.

    Parameters
    ----------
    n_groups : int
        Groups per sweep.

    Returns
    -------
    float
        Mean overshoot in units of the step that a sweep makes.
    """
    n = min(n_groups, _MOST_GROUPS)
    edges = np.linspace(0.0, _FAR, _N_CELLS + 1)
    distance = 0.5 * (edges[1:] + edges[:-1])
    start = np.zeros((n, _N_CELLS))
    system = np.eye(n * _N_CELLS).reshape(n, _N_CELLS, n, _N_CELLS)
    for turn in range(n):
        for following in range(n):
            std = np.sqrt(1.0 + (following - turn) / n)
            z = distance / std
            density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
            start[turn] += (std * density - distance * special.ndtr(-z)) / n
            above = special.ndtr((distance[:, None] - edges) / std)
            above[:, -1] = 0.0  # all that is further counts as the last cell
            system[turn, :, following] += np.diff(above, axis=1) / n
    size = n * _N_CELLS
    means = linalg.solve(system.reshape(size, size), start.ravel()).reshape(n, _N_CELLS)
    return float(means[:, _N_CELLS // 2].mean())
