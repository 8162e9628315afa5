"""Message passing for y coupled replicas of one network: the entropies of its clusters.

The replica calculation of clusters.py averages over networks; this is the same ansatz, replicas
that are all alike, on one network, where magnetisations may differ from 0 and from neuron to
neuron.  Whether the two agree is a check of the average, and whether the iteration settles one of
the ansatz.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from binnet._validation import FloatArray, check_integer, check_real
from binnet.theory import _checks
from binnet.theory._messages import Instance
from binnet.theory._replicas import CLOSEST, Group, Limit, Network, start_cavity
from binnet.theory.densest import local_entropy

_DAMPING = 0.5  # of an infinite network, where it does not change what is stable
_SEED = 0.05  # overlap of groups at the start of an infinite network, in q
_Y_MAX = 1e4  # nodes grow with y
_MANY = "the densest clusters at this overlap take more; choose the number yourself"


class Replicated(NamedTuple):
    """Result of message passing for y coupled replicas; entropies in nats per neuron.

    Parameters
    ----------
    free_entropy : float
        phi_y(q), (1/N) log of the estimated number of groups of y fixed points.
    internal : float
        Local entropy S_I, (1/N) log of the number of fixed points in a cluster.
    external : float
        S_E = phi_y - y S_I, (1/N) log of the number of clusters.
    replicas : float
        y.
    overlap : float
        Mean overlap of two replicas, the one asked for if the messages settled.
    tie : float
        Strength tau of the coupling between replicas that leads to it; may be negative.
    magnetisations : ndarray, shape (N,)
        Mean of every neuron over all groups, shape (N,); empty for an infinite network.
    group_overlap : float
        Mean overlap of fixed points of different groups, (1/N) sum_i m_i^2.
    bias_growth : float
        Growth of the variance of small changes of the messages in one undamped iteration, eq.
        (6.13): above 1 they are unstable; those with m = 0 give way to correlated groups.
    replicon : float
        The same for small differences between replicas, eq. (6.14): above 1 they are not all alike.
    converged : bool
        Whether the messages settled.
    n_iterations : int
        Iterations used.
    error : float
        Estimated numerical error of `free_entropy`: its last change, and that with a finer grid.
    """

    free_entropy: float
    internal: float
    external: float
    replicas: float
    overlap: float
    tie: float
    magnetisations: FloatArray
    group_overlap: float
    bias_growth: float
    replicon: float
    converged: bool
    n_iterations: int
    error: float


def replicated(
    couplings: ArrayLike,
    self_coupling: float,
    overlap: float,
    *,
    replicas: float | None = None,
    margin: float = 0.0,
    field: ArrayLike = 0.0,
    rtol: float = 1e-6,
    damping: float = 0.0,
    max_iterations: int = 1000,
    rng: np.random.Generator | int | None = None,
) -> Replicated:
    r"""Entropies of clusters of fixed points of one network, from y replicas at overlap q.

    The replicas are tied by :math:`\exp(\tau \sum_{a<b} s_i^a s_i^b)` on every neuron, with the
    :math:`\tau` at which their mean overlap is q.  Messages are the same for all replicas, but
    differ from neuron to neuron.  At m = 0 this is `cluster_entropy`; y = 1 is
    `belief_propagation`.

    Parameters
    ----------
    couplings : array_like, shape (N, N)
        J_ij with zero diagonal, J_ij and J_ji independent; sums of J_ij^2 over a row are about 1.
    self_coupling : float
        J_D >= 0.
    overlap : float
        Mean overlap q = 1 - 2d of two replicas, 0 < q < 1.
    replicas : float, optional
        Number y >= 1 of replicas, whole or not; without it that at which S_E = 0, so that
        `internal` is the local entropy of the densest clusters.
    margin : float, default 0
        Stability kappa that every neuron must exceed.
    field : array_like, shape (N,) or scalar, default 0
        External fields b_i.
    rtol : float, default 1e-6
        Largest change of a magnetisation, and of the entropies, at which the iteration stops.
    damping : float, default 0
        Share of the old messages kept in each step, 0 <= damping < 1.  With it, the messages may
        settle at m = 0 although `bias_growth` is above 1, where that is no physical solution.
    max_iterations : int, default 1000
        Iterations after which it gives up (`converged` is False).
    rng : numpy.random.Generator or int, optional
        Start from small random messages (1e-3) instead of the symmetric point.

    Returns
    -------
    Replicated
        Entropies, overlap, magnetisations, and how it converged.

    Raises
    ------
    ValueError
        For an overlap outside (0, 1), y < 1, J_D < 0, couplings that are no square matrix, or a row
        whose sum of J_ij^2 is below 0.1.

    References
    ----------
    docs/model/theory.md, eq. (6.11); Baldassi et al., PNAS 113, E7655 (2016): replicated
    message passing.
    """
    damping = check_real("damping", damping, 0.0, 1.0, below=True)
    case = _check_case(self_coupling, overlap, replicas, margin, rtol, max_iterations)
    instance = Instance(couplings, self_coupling, field, exact=True)
    weakest = int(np.argmin(instance.row_norms))
    if (norm := float(instance.row_norms[weakest])) < CLOSEST:
        raise ValueError(
            f"couplings: the sum of J_ij^2 over every row must be >= {CLOSEST:g}, about 1 as in "
            f"`random_couplings`, got {norm:g} in row {weakest}; scale them, J_D and fields, or "
            "leave out neurons that nothing acts on"
        )
    bias = np.zeros(instance.n)
    if rng is not None:
        bias += 1e-3 * np.random.default_rng(rng).standard_normal(instance.n)
    omega: FloatArray = np.array(instance.field)
    start = start_cavity(omega, bias, instance.row_norms, case.overlap, case.conjugate)
    return _settle(Group(Network(instance), start, case.reach, case.overlap, damping), case)


def replicated_limit(
    self_coupling: float,
    overlap: float,
    *,
    replicas: float | None = None,
    margin: float = 0.0,
    field_std: float = 0.0,
    rtol: float = 1e-6,
    max_iterations: int = 2000,
    n_nodes: int = 32,
) -> Replicated:
    r"""What `replicated` tends to for N to infinity, where groups may be correlated.

    Parameters
    ----------
    self_coupling : float
        J_D >= 0.
    overlap : float
        Overlap q = 1 - 2d of two replicas, 0 < q < 1.
    replicas : float, optional
        Number y >= 1 of replicas, whole or not; without it that at which S_E = 0.
    margin : float, default 0
        Stability kappa that every neuron must exceed.
    field_std : float, default 0
        Standard deviation sigma_b >= 0 of external fields.
    rtol : float, default 1e-6
        Largest change at which the iteration stops.
    max_iterations : int, default 2000
        Iterations after which it gives up (`converged` is False).
    n_nodes : int, default 32
        Gauss-Hermite nodes for each of the two Gaussian fields of a neuron, an even number; `error`
        does not cover them: repeat with more.

    Returns
    -------
    Replicated
        Of the infinite network; it starts from correlated groups, which may become uncorrelated.

    Raises
    ------
    ValueError
        For an overlap outside (0, 1), y < 1 or J_D < 0.

    References
    ----------
    docs/model/theory.md, section 6; Bolthausen, Commun. Math. Phys. 325, 333 (2014): the limit of
    such an iteration.
    """
    case = _check_case(self_coupling, overlap, replicas, margin, rtol, max_iterations)
    sigma = float(_checks.field_std(check_real("field_std", field_std)))
    limit = Limit(sigma, 2 * (check_integer("n_nodes", n_nodes, 2, 200) // 2))
    omega = np.sqrt(_SEED * case.overlap + sigma * sigma) * limit.omega
    zero, one = np.zeros_like(omega), np.ones_like(omega)
    start = start_cavity(omega, zero, one, case.overlap, case.conjugate)
    group = Group(limit, start, case.reach, case.overlap, _DAMPING)
    return _settle(group, case)._replace(magnetisations=np.empty(0))


class _Case(NamedTuple):
    """Checked arguments, and where the search begins: the values of uncorrelated groups."""

    reach: float
    overlap: float
    replicas: float
    conjugate: float
    densest: bool
    rtol: float
    max_iterations: int


def _check_case(
    self_coupling: float,
    overlap: float,
    replicas: float | None,
    margin: float,
    rtol: float,
    max_iterations: int,
) -> _Case:
    remedy = "an overlap is 1 - 2 distance"
    q = check_real("overlap", overlap, 0.0, 1.0, above=True, below=True, remedy=remedy)
    j = _checks.one_self_coupling(self_coupling)
    reach = j - check_real("margin", margin)
    if replicas is not None:
        y = check_real("replicas", replicas, 1.0, _Y_MAX)
        conjugate = 1.0 / y
    elif reach >= 0.0:
        found = local_entropy(j, 0.5 * (1.0 - q), margin=margin, rtol=1e-3)
        y = check_real("replicas", float(found.replicas), 1.0, _Y_MAX, remedy=_MANY)
        conjugate = float(found.conjugate)
    else:
        raise ValueError(
            f"margin must be at most the self-coupling, {j:g}, got {margin!r}: no clusters exist "
            "beyond; choose the number of `replicas` yourself"
        )
    return _Case(
        reach, q, y, conjugate, replicas is None, _checks.tolerance(rtol),
        check_integer("max_iterations", max_iterations, 1),
    )  # fmt: skip


def _settle(group: Group, case: _Case) -> Replicated:
    settle = group.settle_densest if case.densest else group.settle
    converged = settle(case.replicas, case.rtol, case.max_iterations)
    return Replicated(
        *group.entropies(), group.y, group.overlap, group.tie, group.magnetisations,
        group.group_overlap, group.bias_growth, group.replicon, converged, group.n_iterations,
        group.error,
    )  # fmt: skip
