"""Does the dynamics reach a fixed point? The convergence of random networks over the self-coupling.

`relaxation` is the observable of a sweep; `convergence_thresholds` reads off its result at which
self-coupling half of the runs converge, for each size and update order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._deprecation import renamed_parameter
from binnet._validation import check_integer, check_real
from binnet.dynamics import FreeRelaxation, relax
from binnet.networks import ImplicitNetwork, RandomNetwork
from binnet.networks.random import check_size
from binnet.sweeps import Observable
from binnet.update_orders import find_order

if TYPE_CHECKING:
    import xarray as xr

_RESAMPLES = 200  # of the networks, for the error of a threshold
# What couplings that are drawn again cannot be, by the value that says that they are not.
_ONLY_STORED = {"symmetry": 0.0, "density": 1.0, "n_modules": 1, "excitation": 0.0, "field_std": 0.0}


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


def convergence_thresholds(result: xr.Dataset, *, seed: int = 0) -> xr.Dataset:
    """Find the self-coupling at which half of the runs reach a fixed point.

    A logistic curve in J_D is fitted to the numbers of converged runs by maximum likelihood, for
    each value of every other axis but ``seed``. Runs in the same network are not independent, so
    the error is the standard deviation over 200 bootstrap samples of the networks.

    Parameters
    ----------
    result : xarray.Dataset
        Of a sweep of `relaxation` with axes ``self_coupling`` (two values or more) and ``seed``.
    seed : int, default 0
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        ``threshold`` and ``width`` of the logistic curve, and ``threshold_error``; NaN where the
        runs all converge, or none does.

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
    n_converged = result["n_converged"].transpose(..., "self_coupling", "seed")
    n_runs = result.sizes["replica"]
    couplings = result["self_coupling"].values
    rng = np.random.default_rng(check_integer("seed", seed, 0, None))
    table = n_converged.values.reshape(-1, *n_converged.shape[-2:])
    columns = np.array([_fit_with_error(couplings, counts, n_runs, rng) for counts in table])
    others = n_converged.dims[:-2]
    shape = n_converged.shape[:-2]
    names = ("threshold", "width", "threshold_error")
    return xr.Dataset(
        {name: (others, columns[:, k].reshape(shape)) for k, name in enumerate(names)},
        {name: result[name] for name in others},
    )


def _fit_with_error(
    couplings: NDArray[np.float64], counts: NDArray[Any], n_runs: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return threshold, width and the threshold's error for counts (self-coupling, network)."""
    measured = np.isfinite(counts).any(axis=1)  # a joined result may lack some self-couplings
    couplings, counts = couplings[measured], counts[measured]
    counts = counts[:, np.isfinite(counts).all(axis=0)]
    n_networks = counts.shape[1] if len(couplings) > 1 else 0
    total = counts.sum(axis=1)
    if n_networks == 0 or total.max() == 0 or total.min() == n_networks * n_runs:
        return np.nan, np.nan, np.nan
    threshold, width = _fit_logistic(couplings, total, n_networks * n_runs)
    samples = []
    for _ in range(_RESAMPLES if n_networks > 1 else 0):
        drawn = counts[:, rng.integers(0, n_networks, n_networks)].sum(axis=1)
        if drawn.max() > 0 and drawn.min() < n_networks * n_runs:
            samples.append(_fit_logistic(couplings, drawn, n_networks * n_runs)[0])
    return threshold, width, float(np.std(samples, ddof=1)) if len(samples) > 1 else np.nan


def _fit_logistic(
    couplings: NDArray[np.float64], converged: NDArray[Any], n_runs: int
) -> tuple[float, float]:
    """Return centre and width of the logistic curve that makes the counts most likely."""
    from scipy.optimize import minimize

    # Where the step lies between two self-couplings, its width has no maximum: bounded below by a
    # fraction of the spacing.
    narrowest = 0.1 * np.diff(np.sort(couplings)).min()

    def cost(parameters: NDArray[np.float64]) -> float:
        centre, log_width = parameters
        width = narrowest + np.exp(log_width)
        logit = (couplings - centre) / width
        # log p = -log(1 + e^-logit), log(1 - p) = -log(1 + e^logit)
        return float(
            (
                converged * np.logaddexp(0, -logit) + (n_runs - converged) * np.logaddexp(0, logit)
            ).sum()
        )

    spread = np.ptp(couplings)
    half = couplings[np.argmin(np.abs(converged / n_runs - 0.5))]
    fit = minimize(
        cost, (half, np.log(0.1 * spread)), method="Nelder-Mead",
        options={"xatol": 1e-6 * spread, "fatol": 1e-9, "maxiter": 2000},
    )  # fmt: skip
    return float(fit.x[0]), float(narrowest + np.exp(fit.x[1]))
