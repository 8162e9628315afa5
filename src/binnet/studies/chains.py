"""Chains: excitation in place of self-coupling (docs/model/network.md, section 5.1).

The test accuracy on entangled MNIST against the excitation lambda with J_D = 0, beside single
modules with a self-coupling.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from binnet._validation import check_integer
from binnet.learning import Configuration, preset
from binnet.studies._parts import Part, run_parts
from binnet.studies._training import observe, train_whole

if TYPE_CHECKING:
    import xarray as xr

#: lambda of the default study.
EXCITATIONS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 3.0, 5.0)
#: J_D of the single modules beside the chains.
SELF_COUPLINGS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.5, 3.0, 5.0)


def train_chain(
    n_modules: int, excitation: float, n_hidden: int, epochs: int, seed: int, samples: int
) -> dict[str, Any]:
    """Train a chain without self-coupling, the preset "chain", on entangled MNIST.

    Parameters
    ----------
    n_modules : int
        L.
    excitation : float
        lambda, from the same-index neurons of the neighbouring modules.
    n_hidden : int
        H, of each module.
    epochs, seed : int
        Of the training.
    samples : int
        Training samples; the first of 60000.

    Returns
    -------
    dict
        "accuracy" (epoch,) on the test set; "fixed_points" (epoch,), the fraction of training
        relaxations that end in one.
    """
    return _train(_configure_chain(n_modules, excitation, n_hidden, epochs, seed), samples)


def train_single(
    self_coupling: float, update_order: str, n_hidden: int, epochs: int, seed: int, samples: int
) -> dict[str, Any]:
    """Train a single module with a self-coupling, the preset "single", on entangled MNIST.

    Parameters
    ----------
    self_coupling : float
        J_D.
    update_order : {"sync", "async"}
        How neurons are updated.
    n_hidden, epochs, seed, samples : int
        As of `train_chain`.

    Returns
    -------
    dict
        As of `train_chain`.
    """
    return _train(_configure_single(self_coupling, update_order, n_hidden, epochs, seed), samples)


def _configure_chain(
    n_modules: int, excitation: float, n_hidden: int, epochs: int, seed: int
) -> Configuration:
    return preset("chain", n_modules).replace(
        excitation=excitation, n_hidden=n_hidden, epochs=epochs, seed=seed
    )


def _configure_single(
    self_coupling: float, update_order: str, n_hidden: int, epochs: int, seed: int
) -> Configuration:
    return preset("single").replace(
        self_coupling=self_coupling,
        update_order=update_order,
        n_hidden=n_hidden,
        epochs=epochs,
        seed=seed,
    )


def _train(configuration: Configuration, samples: int) -> dict[str, Any]:
    result = train_whole(configuration, samples)
    return {
        "accuracy": ("epoch", [metrics.accuracy["test"] for metrics in result.history]),
        "fixed_points": ("epoch", [metrics.fixed_points for metrics in result.history]),
    }


def run_chains(
    output: Path,
    *,
    n_modules: Sequence[int] = (2, 3),
    excitations: Sequence[float] = EXCITATIONS,
    self_couplings: Sequence[float] = SELF_COUPLINGS,
    n_hidden: int = 100,
    epochs: int = 5,
    samples: int = 60000,
    seeds: int = 3,
    workers: int = 1,
    progress: bool = True,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Train chains of each length and excitation, and single modules; a stopped study goes on.

    Parameters
    ----------
    output : path
        Results go beside it: its name with .chains.nc and .singles.nc.
    n_modules : sequence of int, default (2, 3)
        Lengths L of the chains.
    excitations : sequence of float
        lambda of the chains.
    self_couplings : sequence of float
        J_D of the single modules.
    n_hidden, epochs, samples : int
        As of `train_chain`. Default: 100 neurons, 5 epochs, all samples.
    seeds : int, default 3
        Trainings of each kind.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    chains, singles : xarray.Dataset
        What `train_chain` (seed, n_modules, excitation) and `train_single` (seed, update_order,
        self_coupling) measured.
    """
    every = range(check_integer("seeds", seeds, 1))
    fixed = {"n_hidden": n_hidden, "epochs": epochs, "samples": samples}
    singles = Part(
        output.with_suffix(".singles.nc"),
        {"seed": every, "update_order": ("sync", "async"), "self_coupling": self_couplings},
        observe(train_single, "single", configure=_configure_single),
        fixed,
    )
    chains = Part(
        output.with_suffix(".chains.nc"),
        {"seed": every, "n_modules": n_modules, "excitation": excitations},
        observe(train_chain, "chain", configure=_configure_chain),
        fixed,
    )
    of_singles, of_chains = run_parts((singles, chains), workers=workers, progress=progress)
    return of_chains, of_singles


def summarise_chains(chains: xr.Dataset, singles: xr.Dataset) -> list[dict[str, Any]]:
    """Return test accuracies after the last epoch as plain values.

    Parameters
    ----------
    chains, singles : xarray.Dataset
        From `run_chains`.

    Returns
    -------
    list of dict
        One record for each kind of network: its parameters; "accuracy" and "fixed_points", lists
        over seeds.
    """
    records = []
    for result, axes in ((singles, ("update_order", "self_coupling")),
                         (chains, ("n_modules", "excitation"))):  # fmt: skip
        last = result.isel(epoch=-1).stack(network=axes)
        for values in last["network"].values:
            here = last.sel(network=values)
            records.append(
                dict(zip(axes, values, strict=True))
                | {
                    name: [float(value) for value in here[name].values]
                    for name in ("accuracy", "fixed_points")
                }
            )
    return records
