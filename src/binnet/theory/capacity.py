"""Capacity of one row of couplings: how many random patterns it holds with a margin."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from binnet.theory import _checks


class Capacity(NamedTuple):
    """Largest load of a row, and what the number is.

    Parameters
    ----------
    load : float or ndarray
        alpha_c, patterns per coupling.
    exact : bool or ndarray
        Whether it is the capacity (margin >= self-coupling). Else the solutions of a row lie in
        many pieces, and the replica-symmetric `load` is an upper bound only.
    """

    load: Any
    exact: Any


def capacity(self_coupling: ArrayLike, margin: ArrayLike = 0.0) -> Capacity:
    r"""Patterns per coupling that one row can hold with a margin, helped by the self-coupling.

    .. math:: \frac{1}{\alpha_c} = \int_{J_D-\kappa}^{\infty} Dt\, (t - J_D + \kappa)^2

    for random patterns :math:`s^\mu`, each to be held as :math:`s_i^\mu (\sum_j J_{ij} s_j^\mu +
    J_D s_i^\mu) > \kappa` by N couplings with :math:`\sum_j J_{ij}^2 = 1`.

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0.
    margin : array_like, default 0
        Stability kappa that every pattern must exceed; any real number.

    Returns
    -------
    Capacity
        The load, and whether it is exact; named floats or arrays in the broadcast shape. inf where
        it is beyond 1e308.

    Raises
    ------
    ValueError
        For a negative self-coupling, or a value that is not finite.

    References
    ----------
    Gardner, J. Phys. A 21, 257 (1988). Negative kappa - J_D: Franz, Parisi, J. Phys. A 49, 145001
    (2016). docs/model/theory.md, eq. (8.1).

    Examples
    --------
    >>> capacity(0.0).load, capacity(0.5, 0.2).exact
    (np.float64(2.0), np.False_)
    """
    # Repeated integral of the normal density at x = J_D - kappa: 2 exp(-x^2/4) D_{-3}(x) over
    # sqrt(2 pi). Its elementary form, (1 + x^2) Phi(-x) - x phi(x), cancels for x >> 1.
    x = _checks.reach(self_coupling, margin)
    far = np.maximum(x, 0.0)
    with np.errstate(divide="ignore"):
        log_tail = np.log(2.0 * special.pbdv(-3.0, far)[0]) - 0.25 * far * far
    density = np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)
    near = np.minimum(x, 0.0)
    square = (1.0 + near**2) * special.ndtr(-near) - near * density
    with np.errstate(over="ignore"):
        load = np.where(x > 0.0, np.exp(0.5 * np.log(2.0 * np.pi) - log_tail), 1.0 / square)
    return Capacity(load[()], (x <= 0.0)[()])
