"""Networks whose landscape is measured: one under an input, and one with couplings shuffled."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from binnet._memory import check_memory
from binnet._validation import check_inputs, check_integer, to_reals
from binnet.networks import BinaryNetwork, RandomNetwork
from binnet.networks.sparse import densify


def drive(network: BinaryNetwork, inputs: ArrayLike) -> RandomNetwork:
    """Return the network under one input, which is an external field b = W_in x.

    Its fixed points are those of the network with that input and without feedback
    (docs/model/network.md, eqs. (1.1), (5.1) and (9.1)). Biases are a part of b; excitation
    between modules becomes couplings.

    Parameters
    ----------
    network : BinaryNetwork
        The network.
    inputs : array_like, shape (N_in,)
        One input, as `binnet.relax` takes them.

    Returns
    -------
    RandomNetwork
        Couplings of the network's dtype, its self-coupling, and b.

    Raises
    ------
    TypeError, ValueError
        If the input does not fit, or modules differ in J_D.

    Examples
    --------
    >>> import numpy as np
    >>> from binnet import BinaryNetwork, NetworkParameters, fixed_points
    >>> network = BinaryNetwork.random(NetworkParameters(n_hidden=12, n_inputs=5))
    >>> fixed_points.enumerate(drive(network, np.ones(5))).count
    1
    """
    x = to_reals(check_inputs("inputs", np.atleast_2d(inputs), network.n_inputs))
    if len(x) != 1:
        raise ValueError(f"inputs must be one input, of shape ({network.n_inputs},), got {x.shape}")
    couplings = densify("couplings", network.couplings)
    if network.partners is not None:
        couplings = couplings.copy()
        neuron = np.arange(network.n_neurons)
        for partners, excitations in zip(*network.partners, strict=True):
            there = excitations > 0.0  # where there is no partner, 0 stands for one
            couplings[neuron[there], partners[there]] += excitations[there]
    field = network.input_fields(x)[0]
    return RandomNetwork(couplings, _one_self_coupling(network), field)


def check_size(n_neurons: int, n_starts: int, max_sweeps: int, workers: int = 1) -> None:
    """Refuse networks whose landscape takes more memory than there is.

    Parameters
    ----------
    n_neurons : int
        H.
    n_starts : int
        States that relax at the same time.
    max_sweeps : int
        Sweeps of each at most.
    workers : int, default 1
        Processes that each measure one.

    Raises
    ------
    MemoryError
        If it does.
    """
    check_memory(
        f"n_hidden = {n_neurons} on {workers} workers: the couplings and their squares",
        32.0 * float(n_neurons) ** 2 * workers,
        "take a smaller network, or fewer workers",
    )
    check_memory(
        f"{n_starts} starts of max_sweeps = {max_sweeps}: their states and records",
        float(n_starts) * (4.0 * n_neurons + 8.0 * max_sweeps) * workers,
        "take fewer trials or sweeps, or fewer workers",
    )


def _one_self_coupling(network: BinaryNetwork) -> float:
    values = np.unique(network.self_couplings)
    if len(values) > 1:
        shown = ", ".join(f"{value:g}" for value in values)
        raise ValueError(
            f"self_coupling must be the same in all modules, got {shown}: enumeration and message "
            "passing take one J_D; train the modules with one"
        )
    return float(values[0])


def shuffle_couplings(network: BinaryNetwork, seed: int) -> BinaryNetwork:
    """Return the network with the couplings onto each neuron permuted among themselves.

    Couplings off the diagonal keep their neuron, and so the strength of each row, but come from
    another one of the same module; which ones there are (`connectivity`), the input, the readout
    and all fixed excitation stay, and so does the diagonal, 0. Symmetric couplings do not stay
    symmetric. What shuffled couplings have, too, is due to strength.

    Parameters
    ----------
    network : BinaryNetwork
        The network.
    seed : int
        Of the permutations.

    Returns
    -------
    BinaryNetwork
        The same weights, J permuted; dense, if they were sparse.
    """
    network = network.to_dense()
    rng = np.random.default_rng([check_integer("seed", seed, 0, None), 1])
    couplings = network.couplings.copy()
    there = ~np.eye(len(couplings), dtype=bool)
    if network.connectivity is not None:
        there &= network.connectivity
    for row, present in zip(couplings, there, strict=True):
        for module in network.modules:
            places = np.flatnonzero(present[module]) + module.start
            row[places] = row[rng.permutation(places)]
    return dataclasses.replace(network, couplings=couplings)
