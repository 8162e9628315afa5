"""Critical self-couplings: where the overlap gap closes, and where no trace of it is left.

Above the first, dense clusters of every size exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from binnet._validation import check_real
from binnet.theory import _checks
from binnet.theory._quadrature import Neuron
from binnet.theory.densest import densest


class Threshold(NamedTuple):
    """A self-coupling at which the structure changes, the distance where it does, and errors.

    Parameters
    ----------
    self_coupling, distance : float
        J_D and d of the change.
    error, distance_error : float
        Estimated numerical errors of both: quadrature (over the external fields, too) and solver.
        What the theory assumes is not part of them: that replicas are symmetric and, with fields,
        that annealed averages are typical.
    """

    self_coupling: float
    distance: float
    error: float
    distance_error: float


def critical_self_coupling(
    *, margin: float = 0.0, field_std: float = 0.0, rtol: float = 1e-8
) -> Threshold:
    """Critical self-coupling J_D^c: the smallest at which S_loc(d) >= 0 for every d.

    Solves S_loc = 0 and dS_loc/dd = 0 together.  The distance is where the gap closes.

    With external fields it is a lower bound: S_loc then bounds the entropy of the densest clusters
    from above (docs/model/theory.md, section 4), so that where it is negative the gap is certain.

    Parameters
    ----------
    margin : float, default 0
        Stability kappa >= 0 that every neuron must exceed.  Only J_D - kappa counts, so that it is
        added to the J_D^c of no margin.
    field_std : float, default 0
        Standard deviation sigma_b of quenched Gaussian external fields, 0 to 100.
    rtol : float, default 1e-8
        Accuracy asked of the local entropies.

    Returns
    -------
    Threshold
        J_D^c, the distance at which the gap closes, and the errors of quadrature and solver.

    Raises
    ------
    ValueError
        For a negative margin, fields outside 0 to 100, or an accuracy with which no threshold is
        found.

    References
    ----------
    docs/model/theory.md, eq. (4.5).

    Examples
    --------
    >>> point = critical_self_coupling()
    >>> round(point.self_coupling, 3)
    0.06
    """
    kappa, std, rtol = _checked(margin, field_std, rtol)

    def conditions(neuron: Neuron, log_d: float) -> _Conditions:
        d = float(np.exp(log_d))
        point = densest(neuron, d, rtol)
        variance = 1.0 + neuron.field_std**2
        return (
            [point.value * variance, point.slope * d * variance],
            [point.error * variance, point.slope_error * d * variance],
        )

    return _threshold(conditions, (0.06, 8e-3), kappa, std, rtol)


def monotone_self_coupling(
    *, margin: float = 0.0, field_std: float = 0.0, rtol: float = 1e-8
) -> Threshold:
    """Self-coupling above which S_loc grows with distance everywhere (no local minimum).

    Solves dS_loc/dd = 0 and d^2S_loc/dd^2 = 0 together; the second derivative is a central
    difference of the exact slope.

    Parameters
    ----------
    margin, field_std : float, default 0
        As in `critical_self_coupling`.
    rtol : float, default 1e-8
        Accuracy asked of the local entropies.

    Returns
    -------
    Threshold
        Self-coupling, the distance where the slope last vanishes, and the errors of quadrature,
        solver and finite difference.
    """
    kappa, std, rtol = _checked(margin, field_std, rtol)

    def conditions(neuron: Neuron, log_d: float, step: float = 1e-2) -> _Conditions:
        left, middle, right = (
            densest(neuron, float(np.exp(log_d + h)), rtol) for h in (-step, 0.0, step)
        )
        return (
            [middle.slope, (right.slope - left.slope) / (2 * step)],
            [middle.slope_error, (right.slope_error + left.slope_error) / (2 * step)],
        )

    def wider(neuron: Neuron, log_d: float) -> _Conditions:
        return conditions(neuron, log_d, 2e-2)

    fine, coarse = (
        _threshold(function, (0.073, 6e-3), kappa, std, rtol) for function in (conditions, wider)
    )
    return fine._replace(
        error=fine.error + abs(fine.self_coupling - coarse.self_coupling),
        distance_error=fine.distance_error + abs(fine.distance - coarse.distance),
    )


def _checked(margin: float, field_std: float, rtol: float) -> tuple[float, float, float]:
    return (
        check_real("margin", margin, 0.0, remedy="below 0 the threshold lies at J_D < 0"),
        _checks.one_searched_field_std(field_std),
        _checks.tolerance(rtol),
    )


_Conditions = tuple[list[float], list[float]]  # two values that must vanish, and their errors


def _threshold(
    conditions: Callable[[Neuron, float], _Conditions],
    start: tuple[float, float],
    margin: float,
    std: float,
    rtol: float,
) -> Threshold:
    """Solve two conditions in (J_D, log d), and propagate what is left and the numerical errors.

    J_D is searched in units of the standard deviation of a neuron's field, and d in units of its
    variance, in which thresholds hardly depend on the external fields.
    """
    unit = float(np.hypot(1.0, std))

    def residual(x: Any) -> _Conditions:
        return conditions(Neuron(float(x[0]) / unit, std), float(x[1]) - 2.0 * np.log(unit))

    def values(x: Any) -> list[float]:
        return residual(x)[0]

    at = [start[0], float(np.log(start[1]))]
    found = optimize.root(values, at, method="hybr", options={"xtol": 1e-10, "eps": 1e-6})
    j, log_d = (float(v) for v in found.x)
    left_over, errors = np.abs(residual(found.x))
    if not np.all(left_over < 1e-6):
        raise ValueError(
            f"no threshold found with rtol={rtol:g}; ask for a value between 1e-10 and 1e-6"
        )
    h = 1e-4
    columns = [
        (np.array(values([j + a, log_d + b])) - values([j - a, log_d - b])) / (2 * h)
        for a, b in ((h, 0.0), (0.0, h))
    ]
    uncertain = np.abs(np.linalg.inv(np.transpose(columns))) @ (left_over + errors)
    d = float(np.exp(log_d)) / unit**2
    return Threshold(margin + j / unit, d, float(uncertain[0]) / unit, float(uncertain[1] * d))
