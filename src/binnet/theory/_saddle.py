"""Saddle points of the replica calculation: entropies at given y and q-hat, and the saddle q-hat.

Shared by groups of y replicas (clusters.py) and the densest clusters (densest.py), which also
search for y.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import optimize

from binnet.theory._quadrature import Averages, SharedField

# Gauss-Legendre points per panel, tried in turn until the error is small.
ORDERS = (10, 14, 20, 28, 40)
Y_MAX = 1e7  # with more replicas S_loc changes by less than S_E/y < log 2 / 1e7; part of the error
STEP = 1e-4  # of the finite differences, in logarithms, that turn residuals into errors


class Saddle(NamedTuple):
    """Entropies at given y and q-hat, and the averages that they come from."""

    free: float
    internal: float
    external: float
    conjugate: float
    averages: Averages


def _free_entropy(site: Averages, distance: float, conjugate: float, y: float) -> float:
    """The bracket of phi_y at given q-hat (docs/model/theory.md, eq. (4.1))."""
    overlap = 1.0 - 2.0 * distance
    return site.log_norm - 0.5 * y * conjugate * ((y - 1.0) * overlap + 1.0)


def evaluate(field: SharedField, distance: float, conjugate: float, y: float) -> Saddle:
    """Entropies of y replicas at q-hat, whether or not it is the saddle."""
    site = field.averages(conjugate, y)
    free = _free_entropy(site, distance, conjugate, y)
    internal = site.log_site - 0.5 * conjugate * ((2.0 * y - 1.0) * (1.0 - 2.0 * distance) + 1.0)
    return Saddle(free, internal, free - y * internal, conjugate, site)


def find_root(
    function: Callable[[float], float], guess: float, step: float, xtol: float, high: float
) -> float:
    """Root of an increasing `function`, bracketed from `guess`; +inf if it lies above `high`."""
    # Equal arguments, equal signs: the functions start where they last stopped.
    function = cache(function)
    left = right = guess
    if function(guess) > 0.0:
        while function(left := left - step) > 0.0:
            right, step = left, 1.6 * step
    else:
        while function(right := right + step) < 0.0:
            left, step = right, 1.6 * step
            if right > high:
                return np.inf
    return float(optimize.brentq(function, left, right, xtol=xtol, rtol=1e-14))


def solve_log_theta(
    field: SharedField, distance: float, y: float, guess: float, xtol: float
) -> float:
    """Saddle log(y q-hat): dphi/dq-hat = y(y-1)/2 (<m^2> - q) increases, as phi is convex."""

    def slope(log_theta: float) -> float:
        return 2.0 * distance - field.averages(float(np.exp(log_theta)) / y, y).unpolarised

    return find_root(slope, guess, 0.3, xtol, np.inf)
