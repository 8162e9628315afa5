"""Message passing on one network: how many fixed points it has, and solvers that find some.

Belief propagation (the cavity method on an instance, in its dense form) estimates the
magnetisations and the entropy of the set of fixed points.  Reinforcement and focusing turn it into
solvers, which find true fixed points at self-couplings far below those at which the plain dynamics
converges.  Coupled replicas of the network (`replicated`) tell the entropies of its clusters, and
`around` how many fixed points lie at which distance of a given state.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import FloatArray, check_choice, check_integer, check_real, check_spins
from binnet.theory import _checks
from binnet.theory._around import Around, around
from binnet.theory._messages import Instance
from binnet.theory._replicated import Replicated, replicated, replicated_limit

__all__ = [
    "Around",
    "BeliefPropagation",
    "Replicated",
    "Solution",
    "around",
    "belief_propagation",
    "count_unstable",
    "replicated",
    "replicated_limit",
    "solve",
]

Method = Literal["reinforced", "focusing"]


class BeliefPropagation(NamedTuple):
    """Result of plain belief propagation.

    Parameters
    ----------
    entropy : float
        Bethe entropy, nats per neuron: (1/N) log of the estimated number of fixed points.
    magnetisations : ndarray, shape (N,)
        Mean of every neuron over the fixed points, shape (N,).
    converged : bool
        Whether the messages settled.
    n_iterations : int
        Iterations used.
    error : float
        Change of the entropy in the last iteration, an estimate of its numerical error.
    """

    entropy: float
    magnetisations: FloatArray
    converged: bool
    n_iterations: int
    error: float


class Solution(NamedTuple):
    """Result of a solver; `state` is the best configuration met, exactly checked.

    Parameters
    ----------
    state : ndarray of int8, shape (N,)
        Int8 array of +-1, shape (N,).
    found : bool
        Whether `state` is a fixed point.
    n_unstable : int
        Neurons of `state` that are not stable (0 if found).
    n_iterations : int
        Iterations of the attempt that ended the search.
    n_attempts : int
        Attempts made, each with slower annealing than the one before.
    """

    state: NDArray[np.int8]
    found: bool
    n_unstable: int
    n_iterations: int
    n_attempts: int


def count_unstable(
    couplings: ArrayLike, self_coupling: float, state: ArrayLike, *, field: ArrayLike = 0.0
) -> int:
    """Number of neurons of `state` that are not stable; 0 means a fixed point.

    The signs are exact: a field that is too close to the threshold for floating-point summation is
    summed again with `math.fsum`, which rounds once.

    Parameters
    ----------
    couplings : array_like, shape (N, N)
        J_ij with zero diagonal.
    self_coupling : float
        J_D >= 0.
    state : array_like, shape (N,)
        A configuration of +-1.
    field : array_like, shape (N,) or scalar, default 0
        External fields b_i.

    Returns
    -------
    int
        Neurons with s_i (sum_j J_ij s_j + J_D s_i + b_i) <= 0.
    """
    matrix = _checks.couplings(couplings)
    n = matrix.shape[0]
    spins = check_spins("state", np.atleast_2d(state), n)[0]
    j = _checks.one_self_coupling(self_coupling)
    bias = _checks.fields(field, n)
    in_matrix_type = spins.astype(matrix.dtype)
    stability = spins * (matrix @ in_matrix_type + bias) + j
    doubt = 4.0 * n * float(np.finfo(matrix.dtype).eps) * (j + np.abs(bias) + 1.0)
    for i in np.flatnonzero(np.abs(stability) < doubt):
        terms = (matrix[i] * in_matrix_type).tolist()
        stability[i] = float(spins[i]) * math.fsum([*terms, float(bias[i]), j * float(spins[i])])
    return int(np.count_nonzero(stability <= 0.0))


def belief_propagation(
    couplings: ArrayLike,
    self_coupling: ArrayLike,
    *,
    margin: float = 0.0,
    field: ArrayLike = 0.0,
    rtol: float = 1e-8,
    damping: float = 0.5,
    max_iterations: int = 2000,
    rng: np.random.Generator | int | None = None,
) -> BeliefPropagation:
    r"""Plain belief propagation: Bethe entropy and magnetisations of one network.

    Without external fields the symmetric point m = 0 is a solution and its entropy is that of the
    mean count, :math:`\log 2\Phi(J_D\sqrt{N/(N-1)})`; fields make it depend on the network.

    Parameters
    ----------
    couplings : array_like, shape (N, N)
        J_ij with zero diagonal.
    self_coupling : array_like, shape (N,) or scalar
        J_D >= 0, of all neurons or of each.
    margin : float, default 0
        Stability kappa that every neuron must exceed.
    field : array_like, shape (N,) or scalar, default 0
        External fields b_i.
    rtol : float, default 1e-8
        Largest change of a magnetisation at which the iteration stops.
    damping : float, default 0.5
        Share of the old messages kept in each step, 0 <= damping < 1.
    max_iterations : int, default 2000
        Iterations after which it gives up (`converged` is False).
    rng : numpy.random.Generator or int, optional
        Start from small random messages (1e-3) instead of the symmetric point.

    Returns
    -------
    BeliefPropagation
        Entropy, magnetisations and how it converged.

    References
    ----------
    Mezard, Parisi, Virasoro, "Spin Glass Theory and Beyond" (1987); Mezard, J. Phys. A 22, 2181
    (1989).
    """
    rtol = _checks.tolerance(rtol)
    damping = check_real("damping", damping, 0.0, 1.0, below=True)
    max_iterations = check_integer("max_iterations", max_iterations, 1)
    instance = Instance(couplings, self_coupling, field, exact=True, margin=margin)
    spread = 0.0 if rng is None else 1e-3
    start = instance.start(np.random.default_rng(rng), spread)
    end = instance.settle(start, damping, rtol, max_iterations)
    magnetisations = np.tanh(end.messages.total)
    return BeliefPropagation(
        end.entropy, magnetisations, end.converged, end.n_iterations, end.drift + 1e-15
    )


def solve(
    couplings: ArrayLike,
    self_coupling: float,
    *,
    method: Method = "reinforced",
    field: ArrayLike = 0.0,
    rate: float = 2e-3,
    n_attempts: int = 3,
    replicas: float = 7.0,
    damping: float = 0.5,
    seed: int = 0,
) -> Solution:
    r"""Find a fixed point of one network by reinforced or focusing belief propagation.

    *Reinforced*: every neuron also feels :math:`\rho_t` times its previous total field, with
    :math:`\rho_t` = rate x t growing to 1.  *Focusing*: every neuron is tied with strength
    :math:`\gamma_t` to a centre shared by y replicas, whose message is
    :math:`\mathrm{atanh}\{\tanh\gamma\,\tanh[(y-1)\,\mathrm{atanh}(\tanh\gamma\tanh h)]\}`, with
    :math:`\gamma_t = \mathrm{atanh}\sqrt{\mathrm{rate}\,t}`: it heads for dense clusters.
    An attempt that fails is repeated from new random messages with a third of the rate.

    Parameters
    ----------
    couplings : array_like, shape (N, N)
        J_ij with zero diagonal; float32 halves the time.
    self_coupling : float
        J_D >= 0.
    method : {"reinforced", "focusing"}
        Solver.
    field : array_like, shape (N,) or scalar, default 0
        External fields b_i.
    rate : float, default 2e-3
        Speed of the annealing, per iteration; slower finds fixed points at lower J_D.
    n_attempts : int, default 3
        Attempts before giving up.
    replicas : float, default 7
        y of the focusing method, y > 1.
    damping : float, default 0.5
        Share of the old messages kept in each step.
    seed : int, default 0
        Seed of the initial messages.

    Returns
    -------
    Solution
        `found` is True only if `state` passed the exact check of `count_unstable`.

    References
    ----------
    Braunstein, Zecchina, Phys. Rev. Lett. 96, 030201 (2006): reinforcement.
    Baldassi et al., PNAS 113, E7655 (2016): focusing.
    """
    check_choice("method", method, get_args(Method))
    rate = check_real("rate", rate, 0.0, 0.5, above=True, remedy="try 1e-3")
    y = check_real("replicas", replicas, 1.0, 1e6, above=True)
    damping = check_real("damping", damping, 0.0, 1.0, below=True)
    attempts = check_integer("n_attempts", n_attempts, 1)
    seed = check_integer("seed", seed, 0, None)
    j = _checks.one_self_coupling(self_coupling)
    instance = Instance(couplings, j, field, exact=False)
    best = np.ones(instance.n, dtype=np.int8)
    fewest, n_iterations = instance.n + 1, 0
    for attempt in range(attempts):
        rng = np.random.default_rng([seed, attempt])
        messages = instance.start(rng, 0.1)
        speed = rate / 3.0**attempt
        for n_iterations in range(1, int(1.0 / speed) + 100):
            strength = min(1.0, speed * n_iterations)
            previous = messages.total
            messages = instance.step(messages, damping)
            if method == "reinforced":
                messages.drive = strength * previous
            else:
                messages.drive = _focusing_field(messages.total, strength, y)
            messages.total = messages.total + messages.drive
            if not np.all(np.abs(messages.total) < 1e8):
                break  # polarised without a solution: start again
            state = np.where(messages.total >= 0.0, 1, -1).astype(np.int8)
            stability = state * (instance.times(state.astype(np.float64)) + instance.field)
            n_unstable = int(np.count_nonzero(stability <= -instance.reach))
            if n_unstable < fewest:
                best, fewest = state, n_unstable
            if n_unstable == 0:
                fewest = count_unstable(couplings, self_coupling, state, field=field)
                if fewest == 0:
                    return Solution(state, True, 0, n_iterations, attempt + 1)
    return Solution(best, False, max(fewest, 1), n_iterations, attempts)


def _focusing_field(total: FloatArray, strength: float, y: float) -> FloatArray:
    """Message of the centre of y equal replicas, tied to it by tanh(gamma)^2 = strength."""
    tie = math.sqrt(strength)
    toward_centre = np.arctanh(np.clip(tie * np.tanh(total), -1.0 + 1e-15, 1.0 - 1e-15))
    return np.asarray(
        np.arctanh(np.clip(tie * np.tanh((y - 1.0) * toward_centre), -1.0 + 1e-15, 1.0 - 1e-15))
    )
