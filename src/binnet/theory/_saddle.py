"""Saddle points of the replica calculation: entropies at given y and q-hat, and the saddle q-hat.

Shared by groups of y replicas (clusters.py) and the densest clusters (densest.py), which also
search for y.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import optimize

from binnet.theory._driven import Field, make_field
from binnet.theory._quadrature import Averages, Neuron
from binnet.theory.complexity import EPS

# Gauss-Legendre points per panel, tried in turn until the error is small.
ORDERS = (10, 14, 20, 28, 40)
Y_MAX = 1e7  # with more replicas S_loc changes by less than S_E/y < log 2 / 1e7; part of the error
LOG_THETA_MIN = -35.0  # y q-hat below it is 0: the end of the domain of groups of replicas
Q_MIN = 1e-5  # smallest overlap with external fields: panels are as narrow as its root
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


def evaluate(field: Field, distance: float, conjugate: float, y: float) -> Saddle:
    """Entropies of y replicas at q-hat, whether or not it is the saddle."""
    site = field.averages(conjugate, y)
    free = _free_entropy(site, distance, conjugate, y)
    internal = site.log_site - 0.5 * conjugate * ((2.0 * y - 1.0) * (1.0 - 2.0 * distance) + 1.0)
    return Saddle(free, internal, free - y * internal, conjugate, site)


def find_root(
    function: Callable[[float], float],
    guess: float,
    step: float,
    xtol: float,
    low: float,
    high: float,
) -> float:
    """Root of an increasing `function`, bracketed from `guess`.

    -inf and +inf if it lies below `low` and above `high`.
    """
    # Equal arguments, equal signs: the functions start where they last stopped.
    function = cache(function)
    left = right = guess
    if function(guess) > 0.0:
        while function(left := max(left - step, low)) > 0.0:
            if left == low:
                return -np.inf
            right, step = left, 1.6 * step
    else:
        while function(right := right + step) < 0.0:
            left, step = right, 1.6 * step
            if right > high:
                return np.inf
    return float(optimize.brentq(function, left, right, xtol=xtol, rtol=1e-14))


def excess_at_zero(field: Field, distance: float, y: float) -> float:
    """Return <1 - m^2> - 2d at q-hat = 0, negative where y replicas are closer if left alone."""
    site = field.averages(float(np.exp(LOG_THETA_MIN)) / y, y)
    return site.unpolarised - 2.0 * distance


def solve_log_theta(field: Field, distance: float, y: float, guess: float, xtol: float) -> float:
    """Saddle log(y q-hat): dphi/dq-hat = y(y-1)/2 (<m^2> - q) increases, as phi is convex.

    -inf where it would lie at q-hat < 0, beyond the distance of unrelated fixed points.
    """

    def slope(log_theta: float) -> float:
        return 2.0 * distance - field.averages(float(np.exp(log_theta)) / y, y).unpolarised

    return find_root(slope, guess, 0.3, xtol, LOG_THETA_MIN, np.inf)


class Converged(NamedTuple):
    """A saddle, the slope d(phi_y)/dd there, and the errors of all of it."""

    saddle: Saddle
    slope: float
    error: float
    internal_error: float
    external_error: float
    conjugate_error: float
    slope_error: float


_NAN = float("nan")
_BEYOND = Converged(
    Saddle(_NAN, _NAN, _NAN, _NAN, Averages(_NAN, _NAN, _NAN, _NAN)),
    *(_NAN, _NAN, _NAN, _NAN, _NAN, _NAN),
)


def converged_saddle(neuron: Neuron, distance: float, y: float, rtol: float) -> Converged:
    """Solve on one grid, evaluate on the next: what changes is the error.

    phi is stationary in q-hat.  For everything else the finer grid's residual, divided by its
    derivative, tells how far q-hat is off, and finite differences what that costs.

    Parameters
    ----------
    neuron : Neuron
        Reach J_D - kappa and external fields.
    distance : float
        Distance d, in (0, 1/2).
    y : float
        Number of replicas.
    rtol : float
        Accuracy asked of phi_y, relative to 1 + |phi_y|.

    Returns
    -------
    Converged
        The saddle and the errors; all nan beyond the distance of unrelated fixed points.
    """

    def slope_at(saddle: Saddle) -> float:
        return y * (y - 1.0) * (saddle.conjugate - saddle.averages.response)

    if neuron.field_std > 0.0 and 1.0 - 2.0 * distance < Q_MIN:
        return _BEYOND
    guess = float(np.log1p(-2.0 * distance))
    error = np.inf
    for coarse, fine in pairwise(make_field(neuron, distance, order) for order in ORDERS):
        guess = solve_log_theta(coarse, distance, y, guess, 1e-9)
        if guess == -np.inf:
            return _BEYOND
        conjugate = float(np.exp(guess)) / y
        here = evaluate(coarse, distance, conjugate, y)
        better = evaluate(fine, distance, conjugate, y)
        error = abs(better.free - here.free) + 8 * EPS * y
        if error <= rtol * (1.0 + abs(better.free)):
            aside = evaluate(coarse, distance, conjugate * float(np.exp(STEP)), y)
            response = (here.averages.unpolarised - aside.averages.unpolarised) / STEP
            off = abs((better.averages.unpolarised - 2.0 * distance) / response)
            internal = abs(better.internal - here.internal) + 8 * EPS
            internal += off * abs(aside.internal - here.internal) / STEP
            slope = abs(slope_at(better) - slope_at(here))
            slope += off * abs(slope_at(aside) - slope_at(here)) / STEP
            return Converged(
                better, slope_at(better), error, internal, error + y * internal,
                conjugate * off, slope,
            )  # fmt: skip
    raise ValueError(
        f"rtol={rtol:g} not reached at {neuron}, distance={distance:g}, "
        f"y={y:g}: the finest grid gives {error:.1g}; ask for less accuracy"
    )
