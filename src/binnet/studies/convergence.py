"""Does the dynamics reach a fixed point? The convergence of random networks over the self-coupling.

`relaxation` is the observable of a sweep; `convergence_thresholds` reads off its result at which
self-coupling half of the runs converge, for each size and update order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._deprecation import renamed_parameter
from binnet._validation import check_integer, check_real
from binnet.dynamics import FreeRelaxation, relax
from binnet.networks import ImplicitNetwork, RandomNetwork
from binnet.networks.random import check_size
from binnet.sweeps import Observable, scaling
from binnet.update_orders import find_order

if TYPE_CHECKING:
    import xarray as xr

# What couplings that are drawn again cannot be, by the value that says that they are not.
_ONLY_STORED = {
    "symmetry": 0.0,
    "density": 1.0,
    "n_modules": 1,
    "excitation": 0.0,
    "field_std": 0.0,
}


@renamed_parameter("dynamics", "update_order")
@renamed_parameter("module_coupling", "excitation")
def relaxation(
    n_neurons: int,
    self_coupling: float,
    seed: int,
    update_order: str = "sync",
    replicas: int = 20,
    max_sweeps: int = 1000,
    update_probability: float = 0.5,
    distribution: str = "gaussian",
    symmetry: float = 0.0,
    density: float = 1.0,
    n_modules: int = 1,
    excitation: float = 0.0,
    field_std: float = 0.0,
    dtype: str = "int16",
) -> Mapping[str, Any]:
    """Relax replicas of one random network from random starts; an observable for `sweeps.run`.

    Parameters
    ----------
    n_neurons : int
        N.
    self_coupling : float
        J_D >= 0.
    seed : int
        Seed of the network, of the starts and of the update order.
    update_order, replicas, max_sweeps, update_probability : optional
        As for `binnet.relax`.
    distribution, symmetry, density, n_modules, excitation, field_std : optional
        As for `binnet.RandomNetwork.draw`.
    dtype : {"int16", "float32", "float64", "implicit"}, default "int16"
        As for `binnet.RandomNetwork.draw`, or "implicit": the couplings are drawn again when a
        neuron flips (`binnet.ImplicitNetwork`), for networks that are too large to be stored.

    Returns
    -------
    mapping
        ``n_converged`` and ``n_cycles``, replicas that ended in a fixed point and in a cycle;
        ``relaxation_time`` (replica), sweeps to the fixed point, NaN without one; ``flip_fraction``
        (sweep), flips per neuron in each sweep, mean over replicas; ``overlap_with_start``, of the
        final state, mean over replicas.
    """
    network = _draw(
        n_neurons,
        self_coupling,
        distribution=distribution,
        symmetry=symmetry,
        density=density,
        n_modules=n_modules,
        excitation=excitation,
        field_std=field_std,
        dtype=dtype,
        seed=seed,
    )
    result = relax(
        network,
        update_order=update_order,
        replicas=replicas,
        max_sweeps=max_sweeps,
        update_probability=update_probability,
        seed=seed,
    )
    last = result.sweeps[:, None] - 1
    return {
        "n_converged": int(result.converged.sum()),
        "n_cycles": int((result.cycle_length > 1).sum()),
        "relaxation_time": ("replica", np.where(result.converged, result.sweeps, np.nan)),
        "flip_fraction": ("sweep", _flip_fraction(result, max_sweeps)),
        "overlap_with_start": float(np.take_along_axis(result.overlap, last, axis=1).mean()),
    }


def _draw(
    n_neurons: int, self_coupling: float, dtype: str = "int16", **others: Any
) -> RandomNetwork | ImplicitNetwork:
    if dtype != "implicit":
        return RandomNetwork.draw(n_neurons, self_coupling, dtype=dtype, **others)
    for name, plain in _ONLY_STORED.items():
        value = others.pop(name, plain)
        if value != plain:
            raise ValueError(
                "couplings of dtype 'implicit' are independent, dense and in one module without a "
                f"field: {name} must be {plain:g}, got {value}; or store them, as dtype 'int16'"
            )
    return ImplicitNetwork(n_neurons, self_coupling, **others)


def _flip_fraction(result: FreeRelaxation, max_sweeps: int) -> NDArray[np.float64]:
    """Return the flips per neuron in each sweep, averaged over the replicas that were run so far.

    A replica at its fixed point flips no more; one that was stopped in a cycle counts no longer.
    """
    flips = np.zeros((len(result.sweeps), max_sweeps))
    flips[:, : result.flips.shape[1]] = result.flips
    counts = (np.arange(max_sweeps) < result.sweeps[:, None]) | result.converged[:, None]
    n_counted = counts.sum(axis=0)
    total = np.where(counts, flips, 0.0).sum(axis=0) / result.n_neurons
    fraction = np.full(max_sweeps, np.nan)
    np.divide(total, n_counted, out=fraction, where=n_counted > 0)
    return fraction


def _check(
    n_neurons: int,
    self_coupling: float,
    seed: int,
    update_order: str = "sync",
    replicas: int = 20,
    max_sweeps: int = 1000,
    **others: Any,
) -> None:
    """Refuse a cell of a sweep of `relaxation`; a network of the smallest size tries the others."""
    check_integer("n_neurons", n_neurons, 1)
    check_real("self_coupling", self_coupling, 0.0)
    check_integer("seed", seed, 0, None)
    find_order(update_order, "free")
    check_integer("replicas", replicas, 1)
    check_integer("max_sweeps", max_sweeps, 1)
    check_real("update_probability", others.pop("update_probability", 0.5), 0.0, 1.0, above=True)
    modules = check_integer("n_modules", others.get("n_modules", 1), 1)
    if n_neurons % modules:
        raise ValueError(f"n_neurons must be a multiple of n_modules = {modules}, got {n_neurons}")
    if others.get("dtype") == "implicit":
        _draw(n_neurons, self_coupling, **others)  # draws no coupling yet
        return
    network = RandomNetwork.draw(modules, self_coupling, **others)
    check_size(n_neurons, network.dtype.name)


def _cost(n_neurons: int, replicas: int = 20, **_: Any) -> float:
    """Drawing a network and the first, dense sweeps go as N^2."""
    return float(n_neurons) ** 2 * (10 + replicas)


RELAXATION = Observable(relaxation, cost=_cost, check=_check)
"""`relaxation` with its checks and cost, for `sweeps.run`."""


def convergence_thresholds(
    result: xr.Dataset, *, max_sweeps: int | Sequence[int] | None = None, seed: int = 0
) -> xr.Dataset:
    """Find the self-coupling at which half of the runs reach a fixed point.

    `binnet.sweeps.scaling.thresholds` of the fraction of runs that converge: a logistic curve in
    J_D, for each value of every other axis but ``seed``, and 200 bootstrap samples of the networks.

    Parameters
    ----------
    result : xarray.Dataset
        Of a sweep of `relaxation` with axes ``self_coupling`` (two values or more) and ``seed``.
    max_sweeps : int or sequence of int, optional
        Count runs that took at most so many sweeps; a sequence gives the axis ``max_sweeps``.
        Default: all that converged.
    seed : int, default 0
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        As of `binnet.sweeps.scaling.thresholds`, among others ``threshold`` and ``width`` of the
        logistic curve, and ``threshold_error``; NaN where the fraction does not cross one half.

    Raises
    ------
    ValueError
        If an axis or a variable is missing.
    """
    import xarray as xr

    missing = [name for name in ("self_coupling", "seed") if name not in result.dims]
    if missing or "n_converged" not in result:
        raise ValueError(
            f"the result lacks {', '.join(missing) or 'n_converged'}; thresholds need a sweep of "
            "binnet.studies.relaxation over self_coupling and seed"
        )
    if result.sizes["self_coupling"] < 2:
        raise ValueError("thresholds need at least two self-couplings, got one")
    measured = result["n_converged"].notnull()
    n_converged = result["n_converged"]
    if max_sweeps is not None:
        budgets = [check_integer("max_sweeps", n, 1) for n in np.atleast_1d(max_sweeps)]
        axis = xr.DataArray(budgets, {"max_sweeps": budgets}, "max_sweeps")
        if np.ndim(max_sweeps) == 0:
            axis = axis[0]
        n_converged = (result["relaxation_time"] <= axis).sum("replica").where(measured)
    fraction = xr.Dataset({"fraction_converged": n_converged / result.sizes["replica"]})
    return scaling.thresholds(fraction, "fraction_converged", seed=seed)
