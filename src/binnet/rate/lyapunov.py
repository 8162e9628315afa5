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
from binnet.rate._tangents import apply_jacobian, check_spectrum, first_basis, orthonormalise
from binnet.rate._trajectories import Workspace, compute_slopes
from binnet.rate.model import RateRNN, check_inputs, follow

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
    errors : ndarray, shape (k,)
        Their standard errors over trials; nan for a single trial.
    per_trial : ndarray, shape (B, k)
        The exponents of each trial.
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

    Examples
    --------
    >>> from binnet.rate import RateRNN, lyapunov_spectrum, tasks
    >>> network = RateRNN.initialise(1, 2, gain=0.2)
    >>> round(float(lyapunov_spectrum(network, tasks.romo().inputs).exponents[0]), 1)
    -0.6
    """
    x = check_inputs(network, inputs)
    n_exponents, warmup = check_spectrum(network, x, n_exponents, warmup)
    work = Workspace()
    slopes = compute_slopes(network.activation, follow(network, x, work).rates, work)
    basis = first_basis(network, n_exponents, seed, len(x))
    n_steps = x.shape[1]
    total = np.zeros((len(x), n_exponents))
    for t in range(n_steps):
        basis, r = orthonormalise(apply_jacobian(network, slopes[:, t], basis))
        if t >= warmup:
            total += np.log(np.diagonal(r, axis1=1, axis2=2))
    per_trial = total / (n_steps - warmup)
    spread = per_trial.std(axis=0, ddof=1) if len(x) > 1 else np.full(n_exponents, math.nan)
    return LyapunovSpectrum(
        per_trial.mean(axis=0), spread / math.sqrt(len(x)), per_trial, n_steps - warmup
    )
