"""One axis for learning, dynamics and theory: the self-coupling J_D.

Test accuracy on entangled MNIST, the probability that the dynamics of random networks of the same
size reaches a fixed point, and how many fixed points theory counts, in all and around the densest
cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from binnet import sweeps, theory
from binnet._validation import check_integer, check_reals
from binnet.datasets import load_entangled_mnist
from binnet.learning import preset, train
from binnet.studies.convergence import RELAXATION, convergence_thresholds

if TYPE_CHECKING:
    import xarray as xr

#: J_D of the default study.
SELF_COUPLINGS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2)
_FINER = 5  # self-couplings of the theory's curves between two of the study
_DYNAMICS = ("sync", "async")


class SelfCouplingStudy(NamedTuple):
    """What `run_self_coupling` returns.

    Parameters
    ----------
    training : xarray.Dataset
        What `train_at` measured, over seed, preset_name and self_coupling.
    convergence : xarray.Dataset
        What `binnet.studies.convergence.relaxation` measured, over seed, dynamics, self_coupling.
    entropies : xarray.Dataset
        What `count_fixed_points` computed.
    thresholds : dict of str to float
        Self-couplings where something changes: "overlap gap closes" and "entropy monotone" of the
        theory; "half converge, sync" and "half converge, async" of the networks, NaN where all
        self-couplings are on one side of it.
    """

    training: xr.Dataset
    convergence: xr.Dataset
    entropies: xr.Dataset
    thresholds: dict[str, float]


def train_at(
    self_coupling: float, preset_name: str, n_hidden: int, epochs: int, seed: int, samples: int
) -> dict[str, Any]:
    """Train a network of one module on entangled MNIST.

    Parameters
    ----------
    self_coupling : float
        J_D.
    preset_name : str
        Where all other parameters come from.
    n_hidden, epochs, seed : int
        Of the training.
    samples : int
        Training samples; the first of 60000.

    Returns
    -------
    dict
        "accuracy" (epoch,) on the test set; "fixed_points" (epoch,), the fraction of training
        relaxations that end in one.
    """
    data = load_entangled_mnist()
    configuration = preset(preset_name).replace(
        self_coupling=self_coupling, n_hidden=n_hidden, epochs=epochs, seed=seed
    )
    result = train(
        data.X_train[:samples],
        data.y_train[:samples],
        configuration,
        evaluate_on={"test": (data.X_test, data.y_test)},
    )
    if not result.completed:
        raise KeyboardInterrupt  # no half-trained network among the results
    return {
        "accuracy": ("epoch", [metrics.accuracy["test"] for metrics in result.history]),
        "fixed_points": ("epoch", [metrics.fixed_points for metrics in result.history]),
    }


def count_fixed_points(
    self_couplings: Sequence[float], distances: Sequence[float] = (0.01, 0.1)
) -> xr.Dataset:
    """Return the theory's entropies per neuron of a network without input.

    Parameters
    ----------
    self_couplings : sequence of float
        J_D >= 0.
    distances : sequence of float, default (0.01, 0.1)
        Distances from a reference at which the densest fixed points are counted, in (0, 1/2).

    Returns
    -------
    xarray.Dataset
        "complexity" (self_coupling,), that of all fixed points (`binnet.theory.complexity`);
        "local_entropy" (distance, self_coupling), S_loc (`binnet.theory.local_entropy`).
    """
    import xarray as xr

    couplings = np.asarray(self_couplings, np.float64)
    local = [theory.local_entropy(couplings, distance, rtol=1e-5).value for distance in distances]
    return xr.Dataset(
        {
            "complexity": ("self_coupling", theory.complexity(couplings)),
            "local_entropy": (("distance", "self_coupling"), np.array(local)),
        },
        {"self_coupling": couplings, "distance": list(distances)},
    )


def run_self_coupling(
    output: Path,
    *,
    self_couplings: Sequence[float] = SELF_COUPLINGS,
    presets: Sequence[str] = ("source", "default"),
    n_hidden: int = 400,
    epochs: int = 5,
    seeds: int = 3,
    samples: int = 60000,
    networks: int = 5,
    replicas: int = 10,
    max_sweeps: int = 1000,
    workers: int = 1,
    progress: bool = True,
) -> SelfCouplingStudy:
    """Train, relax and count at each self-coupling; a stopped study goes on.

    Parameters
    ----------
    output : path
        Results go beside it: its name with .training.nc, .convergence.nc and .entropies.nc.
    self_couplings : sequence of float
        J_D >= 0, two or more.
    presets : sequence of str, default ("source", "default")
        Presets of the networks that learn.
    n_hidden, epochs, samples : int
        As of `train_at`; `n_hidden` is also the size of the random networks. Default: 400, 5, all.
    seeds : int, default 3
        Trainings at each self-coupling.
    networks, replicas : int
        Random networks at each self-coupling, and random starts in each. Default: 5 and 10.
    max_sweeps : int, default 1000
        Sweeps within which a start has to reach its fixed point.
    workers : int, default 1
        Processes.
    progress : bool, default True
        Whether to show progress.

    Returns
    -------
    SelfCouplingStudy
        What was measured and computed, and where things change.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.
    """
    check_reals("self_couplings", self_couplings, 0.0)
    if len(self_couplings) < 2:
        raise ValueError(f"self_couplings must be two or more, got {tuple(self_couplings)}")
    for name in presets:
        preset(name)  # refuses an unknown one before any is trained
    options: dict[str, Any] = {"workers": workers, "progress": progress}
    training = sweeps.run(
        {
            "seed": range(check_integer("seeds", seeds, 1)),
            "preset_name": presets,
            "self_coupling": self_couplings,
        },
        train_at,
        fixed={"n_hidden": n_hidden, "epochs": epochs, "samples": samples},
        path=output.with_suffix(".training.nc"),
        **options,
    )
    convergence = sweeps.run(
        {
            "seed": range(check_integer("networks", networks, 1)),
            "dynamics": _DYNAMICS,
            "self_coupling": self_couplings,
        },
        RELAXATION,
        fixed={"n_neurons": n_hidden, "replicas": replicas, "max_sweeps": max_sweeps},
        path=output.with_suffix(".convergence.nc"),
        **options,
    )
    half = convergence_thresholds(convergence)["threshold"]
    thresholds = {
        "overlap gap closes": theory.critical_self_coupling().self_coupling,
        "entropy monotone": theory.monotone_self_coupling().self_coupling,
    } | {f"half converge, {name}": float(half.sel(dynamics=name)) for name in _DYNAMICS}
    entropies = count_fixed_points(_refine(self_couplings))
    entropies.to_netcdf(output.with_suffix(".entropies.nc"), engine="h5netcdf")
    return SelfCouplingStudy(training, convergence, entropies, thresholds)


def summarise_self_coupling(study: SelfCouplingStudy) -> list[dict[str, Any]]:
    """Return what was measured at each self-coupling as plain values.

    Parameters
    ----------
    study : SelfCouplingStudy
        From `run_self_coupling`.

    Returns
    -------
    list of dict
        One record for each self-coupling: "accuracy" after the last epoch, for each preset a list
        over seeds; "converged", the fraction of runs for each dynamics.
    """
    accuracy = study.training["accuracy"].isel(epoch=-1)
    converged = study.convergence["n_converged"].mean("seed") / study.convergence.sizes["replica"]
    return [
        {
            "self_coupling": float(J_D),
            "accuracy": {
                str(name): [float(a) for a in accuracy.sel(self_coupling=J_D, preset_name=name)]
                for name in accuracy["preset_name"].values
            },
            "converged": {
                name: float(converged.sel(self_coupling=J_D, dynamics=name)) for name in _DYNAMICS
            },
        }
        for J_D in accuracy["self_coupling"].values
    ]


def _refine(values: Sequence[float]) -> list[float]:
    """Return sorted values with more of them in between."""
    edges = np.sort(np.asarray(values, np.float64))
    at = np.arange((len(edges) - 1) * _FINER + 1) / _FINER
    return [float(value) for value in np.interp(at, np.arange(len(edges)), edges)]
