"""`enumerate`: find every fixed point of a network."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from binnet._threads import resolve_threads
from binnet._validation import check_choice, check_integer, check_real
from binnet.fixed_points._conditions import (
    FixedPointConditions,
    are_fixed_points,
    make_conditions,
)
from binnet.fixed_points._search import METHODS, Search, choose_method
from binnet.fixed_points.results import FixedPoints
from binnet.networks import RandomNetwork
from binnet.states import unpack_states

_MOST_NEURONS = 62  # the search keeps a state and a mark in one 64-bit word


def enumerate(
    network: RandomNetwork,
    *,
    method: str = "auto",
    margin: float = 0.0,
    max_neurons: int = 30,
    max_states: int = 2**27,
    threads: int | None = None,
    progress: bool = False,
) -> FixedPoints:
    r"""Find every fixed point of a network, exactly.

    A state is a fixed point if every neuron keeps its spin,

    .. math:: \mathrm{sign}(h_i - \kappa s_i) = s_i, \quad
              h_i = \sum_{j \ne i} J_{ij} s_j + J_D s_i + b_i, \quad \mathrm{sign}(0) = +1,

    with the values of J_D and b_i that the dynamics adds (`RandomNetwork.in_field_units`) and
    without rounding of the sum. The search runs on integers; what these leave open is decided in
    rational arithmetic.

    Parameters
    ----------
    network : RandomNetwork
        N <= 62 neurons.
    method : {"auto", "gray", "bounded"}, default "auto"
        Visit every state, in Gray code, or leave out the branches that cannot hold a fixed point
        (branch and bound). Both find the same; "auto" takes the faster one, by the self-coupling.
    margin : float, default 0
        kappa: stability s_i h_i that every neuron must have.
    max_neurons : int, default 30
        Larger networks are refused, with the time that they would take.
    max_states : int, default 2**27
        Fixed points beyond which the search gives up (8 bytes each: 1 GiB), as soon as it can tell.
    threads : int, optional
        Threads of the search; the result does not depend on it. Default: all cores.
    progress : bool, default False
        Whether to show a progress bar with the time left, on a terminal.

    Returns
    -------
    FixedPoints
        The fixed points, in ascending order of their packed words.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of its range, or the network has more than `max_neurons` neurons.
    MemoryError
        If there are, or will clearly be, more than `max_states` fixed points.

    Notes
    -----
    Of s and -s only one is searched where there are no external fields. For N = 30 and J_D = 1 the
    search takes about a second on two cores, at J_D = 0 a hundredth of it; each further neuron
    doubles the time of "gray".

    Examples
    --------
    In a ferromagnet all are up or all are down.

    >>> import numpy as np
    >>> from binnet import RandomNetwork, fixed_points
    >>> couplings = np.ones((20, 20), np.int16) - np.eye(20, dtype=np.int16)
    >>> found = fixed_points.enumerate(RandomNetwork(couplings))
    >>> found.states
    array([[      0],
           [1048575]], dtype=uint64)
    >>> found.overlap_histogram()[[0, 20]]
    array([2, 2])
    """
    if not isinstance(network, RandomNetwork):
        raise TypeError(f"network must be a RandomNetwork, got {type(network).__name__}")
    check_choice("method", method, METHODS)
    kappa = check_real("margin", margin)
    limit = check_integer("max_neurons", max_neurons, 1, _MOST_NEURONS)
    most = check_integer("max_states", max_states, 0)
    n_threads = resolve_threads(threads)
    if network.n_neurons > _MOST_NEURONS:
        raise ValueError(
            f"networks of at most {_MOST_NEURONS} neurons can be enumerated, got "
            f"{network.n_neurons}; theory.log_expected_count knows the mean count of any size"
        )
    conditions = make_conditions(network, kappa)
    if method == "auto":
        method = choose_method(network.n_neurons, conditions.strength)
    search = Search(conditions, method, n_threads)
    if network.n_neurons > limit:
        raise ValueError(
            f"n_neurons = {network.n_neurons} is more than max_neurons = {limit}: all fixed points "
            f"would take about {_describe_seconds(search.estimate_seconds())} "
            f"({method}, {n_threads} cores); to go on, set max_neurons to {network.n_neurons}"
        )
    found = search.run(most, progress)
    states = _settle(network, kappa, conditions, found)
    return FixedPoints(network=network, states=states, method=method, margin=kappa)


def _settle(
    network: RandomNetwork,
    margin: float,
    conditions: FixedPointConditions,
    found: NDArray[np.uint64],
) -> NDArray[np.uint64]:
    """Add the mirror images, decide what is in doubt, and sort."""
    from binnet_kernels.enumeration.common import DOUBTFUL

    everyone, last = np.uint64(2**network.n_neurons - 1), np.uint64(network.n_neurons - 1)
    doubtful = np.flatnonzero(found >= DOUBTFUL)
    states, in_doubt = np.delete(found, doubtful), found[doubtful] & ~DOUBTFUL
    if conditions.symmetric:
        # Of s and -s keep the one with the last neuron down: the lower half of all states in
        # order, of which the upper half is the mirror image.
        np.bitwise_xor(states, everyone, out=states, where=(states >> last).astype(bool))
        states.sort()
        states = np.concatenate([states, states[::-1] ^ everyone])
        in_doubt = np.concatenate([in_doubt, in_doubt ^ everyone])
    else:
        states.sort()
    if len(in_doubt):
        spins = unpack_states(in_doubt[:, None], network.n_neurons)
        more = np.sort(in_doubt[are_fixed_points(network, margin, spins)])
        # As numpy.insert, which takes a mask of all: these are few.
        parts = np.split(states, np.searchsorted(states, more))
        pairs = zip(parts, more[:, None], strict=False)  # and the part behind the last
        states = np.concatenate([*itertools.chain.from_iterable(pairs), parts[-1]])
    return states[:, None]


def _describe_seconds(seconds: float) -> str:
    """Return a time as a person would say it."""
    for unit, size in (("years", 3.156e7), ("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} seconds"
