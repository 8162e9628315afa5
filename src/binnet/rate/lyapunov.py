"""Lyapunov exponents: how fast small differences of state grow or shrink along driven trajectories.

Tangent vectors follow the Jacobian ``D_t = a I + (1 - a) W_h diag f'(h_t)`` and are made
orthonormal again at each step, ``D_t Q_t = Q_{t+1} R_t``; the exponents are the means of
``log R_ii`` (Vogt et al. 2022; docs/model/rate.md, section 4.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import check_real
from binnet.rate._tangents import measure_tangents, take_logs
from binnet.rate._trajectories import Workspace
from binnet.rate.model import RateRNN

#: Steps that are dropped by default. In the Romo task the first pulse ends at step 8; before it
#: h = 0, where no ReLU is active, and its Jacobian says nothing about the network.
WARMUP = 8


@dataclass(frozen=True, eq=False)
class LyapunovSpectrum:
    """Lyapunov exponents of a driven network.

    Attributes
    ----------
    exponents : ndarray, shape (k,)
        The k leading exponents in falling order, natural logarithm per step: means over trials.
        -inf where a step that counts is singular: with leak = 0, where fewer ReLUs than k are
        active.
    errors : ndarray, shape (k,)
        Their standard errors over trials; nan for a single trial, and where an exponent is -inf.
    per_trial : ndarray, shape (B, k)
        The exponents of each trial, in the order of `exponents`.
    n_steps : int
        Steps that were averaged over, after the warm-up.
    """

    exponents: NDArray[np.float64]
    errors: NDArray[np.float64]
    per_trial: NDArray[np.float64]
    n_steps: int

    def per_unit_time(self, dt: float) -> NDArray[np.float64]:
        """Return the exponents per unit of time.

        Parameters
        ----------
        dt : float
            Length of a step, above 0: ``(1 - leak)`` for time in units of tau.

        Returns
        -------
        ndarray, shape (k,)
            ``exponents / dt``.
        """
        return self.exponents / check_real("dt", dt, 0.0, above=True)


def lyapunov_spectrum(
    network: RateRNN,
    inputs: ArrayLike,
    n_exponents: int = 1,
    *,
    warmup: int = WARMUP,
    seed: int = 0,
) -> LyapunovSpectrum:
    """Measure the leading Lyapunov exponents along trajectories that inputs drive.

    Trajectories are followed in float64, whatever the network's precision is. With leak = 0 and
    ReLUs the Jacobian can be singular, and is 0 while h = 0: tangent vectors that are lost are
    drawn anew. That changes nothing if it happens in the warm-up, and makes an exponent -inf, that
    one alone, if it happens later.

    Parameters
    ----------
    network : RateRNN
        The network.
    inputs : array_like, shape (B, T, N_in)
        Inputs of B trials.
    n_exponents : int, default 1
        k, between 1 and N.
    warmup : int, default 8
        First steps that are not averaged over, fewer than T. While h = 0 no ReLU is active, and
        the Jacobian is a I whatever the weights are.
    seed : int, default 0
        Of the first basis Q_0, which matters less the longer the warm-up is.

    Returns
    -------
    LyapunovSpectrum
        Exponents per step, with their standard errors over trials.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.
    DivergenceError
        If the activity overflows float64: an ArithmeticError that names trial and step. There is
        no average over what is not finite.

    Examples
    --------
    >>> from binnet.rate import RateRNN, lyapunov_spectrum, tasks
    >>> network = RateRNN.initialise(1, 2, gain=0.2)
    >>> round(float(lyapunov_spectrum(network, tasks.romo().inputs).exponents[0]), 1)
    -0.6
    """
    found = measure_tangents(network, inputs, n_exponents, warmup, seed, Workspace(), keep=False)
    logs = take_logs(found.diagonals[:, warmup:])
    per_trial = logs.mean(axis=1)
    # In falling order of the means: where two are close, the basis may have them the other way.
    order = np.argsort(-per_trial.mean(axis=0), kind="stable")
    per_trial = np.ascontiguousarray(per_trial[:, order])
    n_trials = len(per_trial)
    errors = np.full(per_trial.shape[1], math.nan)
    if n_trials > 1:
        with np.errstate(invalid="ignore"):  # -inf has no spread
            errors = per_trial.std(axis=0, ddof=1) / math.sqrt(n_trials)
    return LyapunovSpectrum(per_trial.mean(axis=0), errors, per_trial, logs.shape[1])
