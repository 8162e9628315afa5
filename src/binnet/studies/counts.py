"""How many fixed points are there? Exact counts of random networks as an observable of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from binnet import fixed_points
from binnet._validation import check_integer, check_real
from binnet.networks import RandomNetwork
from binnet.sweeps import Observable

_MOST_NEURONS = 30  # a second each; beyond, every neuron doubles the time


def count_fixed_points(
    n_neurons: int, self_coupling: float, seed: int, margin: float = 0.0, **draw: Any
) -> Mapping[str, Any]:
    """Enumerate the fixed points of one random network; an observable for `sweeps.run`.

    Parameters
    ----------
    n_neurons : int
        N, 1 to 30.
    self_coupling : float
        J_D >= 0.
    seed : int
        Seed of the network.
    margin : float, default 0
        kappa: stability s_i h_i that every neuron must have.
    **draw
        As for `binnet.RandomNetwork.draw`.

    Returns
    -------
    mapping
        ``n_fixed_points``, their number.
    """
    network = RandomNetwork.draw(n_neurons, self_coupling, seed=seed, **draw)
    found = fixed_points.enumerate(network, margin=margin)
    return {"n_fixed_points": found.count}


def _check(
    n_neurons: int, self_coupling: float, seed: int, margin: float = 0.0, **draw: Any
) -> None:
    modules = check_integer("n_modules", draw.get("n_modules", 1), 1)
    check_integer("n_neurons", n_neurons, 1, _MOST_NEURONS)
    check_integer("seed", seed, 0, None)
    check_real("margin", margin)
    RandomNetwork.draw(modules, self_coupling, **draw)


def _cost(n_neurons: int, **_: Any) -> float:
    return 2.0**n_neurons + 2.0**20  # below some 20 neurons drawing and set-up take the time


FIXED_POINTS = Observable(count_fixed_points, cost=_cost, check=_check)
"""`count_fixed_points` with its checks and cost, for `sweeps.run`."""
