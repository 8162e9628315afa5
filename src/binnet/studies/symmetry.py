"""Symmetry of the couplings while they learn: J_ij and J_ji start and learn independently."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet import sweeps
from binnet._validation import check_integer
from binnet.learning import Configuration, TrainingResult, preset
from binnet.networks import BinaryNetwork
from binnet.studies._training import observe, train_whole

if TYPE_CHECKING:
    import xarray as xr


def measure_symmetry(couplings: NDArray[Any]) -> float:
    """Return the symmetry of couplings, eta = sum J_ij J_ji / sum J_ij^2 over i != j.

    Parameters
    ----------
    couplings : ndarray, shape (H, H)
        J; its diagonal does not count.

    Returns
    -------
    float
        1 for symmetric couplings, -1 for antisymmetric ones, 0 (within 1/H) for independent ones;
        NaN where all are 0.

    Examples
    --------
    >>> measure_symmetry(np.array([[0.0, 2.0], [2.0, 0.0]]))
    1.0
    """
    J = np.asarray(couplings, np.float64)
    J = J - np.diag(np.diagonal(J))
    total = float(np.vdot(J, J))
    return float(np.vdot(J, J.T)) / total if total else float("nan")


def train_and_measure(
    preset_name: str, n_hidden: int, epochs: int, seed: int, samples: int
) -> dict[str, Any]:
    """Train on entangled MNIST and measure the symmetry after every epoch.

    Parameters
    ----------
    preset_name : str
        Preset of the configuration.
    n_hidden : int
        H, of each module.
    epochs, seed : int
        Of the training.
    samples : int
        Training samples; the first of 60000.

    Returns
    -------
    dict
        "symmetry" (epoch,), eta of J from epoch 0, the draw, on; "learned_symmetry" (epoch,), eta
        of what was learned, J less its draw, NaN at epoch 0; "change" (epoch,), the norm of what
        was learned over that of the draw; "accuracy" (epoch,) on the test set, NaN at epoch 0.
    """
    configuration = _configure(preset_name, n_hidden, epochs, seed)
    drawn = BinaryNetwork.random(
        configuration.network, seed, configuration.training.dtype
    ).couplings.astype(np.float64)
    rows = [(measure_symmetry(drawn), np.nan, 0.0, np.nan)]

    def measure(result: TrainingResult) -> None:
        learned = result.network.couplings - drawn
        rows.append(
            (
                measure_symmetry(result.network.couplings),
                measure_symmetry(learned),
                float(np.linalg.norm(learned) / np.linalg.norm(drawn)),
                result.history[-1].accuracy["test"],
            )
        )

    train_whole(configuration, samples, measure)
    names = ("symmetry", "learned_symmetry", "change", "accuracy")
    return {
        name: ("epoch", np.array(values))
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }


def _configure(preset_name: str, n_hidden: int, epochs: int, seed: int) -> Configuration:
    return preset(preset_name).replace(n_hidden=n_hidden, epochs=epochs, seed=seed)


def run_symmetry(
    output: Path,
    *,
    presets: Sequence[str] = ("default", "source"),
    n_hidden: int = 400,
    epochs: int = 10,
    samples: int = 60000,
    seeds: int = 3,
    workers: int = 1,
    progress: bool = True,
) -> xr.Dataset:
    """Train with each preset and seed; a stopped study goes on.

    Parameters
    ----------
    output : path
        Result, .nc.
    presets : sequence of str, default ("default", "source")
        Presets of the configuration.
    n_hidden, epochs, samples : int
        As of `train_and_measure`. Default: 400 neurons, 10 epochs, all samples.
    seeds : int, default 3
        Trainings of each preset.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    xarray.Dataset
        What `train_and_measure` measured, over seed and preset_name.
    """
    for name in presets:
        preset(name)  # refuses an unknown one before any is trained
    return sweeps.run(
        {"seed": range(check_integer("seeds", seeds, 1)), "preset_name": presets},
        observe(train_and_measure, *presets, configure=_configure),
        fixed={"n_hidden": n_hidden, "epochs": epochs, "samples": samples},
        path=output,
        workers=workers,
        progress=progress,
    )


def summarise_symmetry(result: xr.Dataset) -> list[dict[str, Any]]:
    """Return the measurements after the last epoch as plain values.

    Parameters
    ----------
    result : xarray.Dataset
        From `run_symmetry`.

    Returns
    -------
    list of dict
        One record for each preset, with a list over seeds for each measurement, and for
        "drawn_symmetry", that of the draw.
    """
    last = result.isel(epoch=-1).assign(drawn_symmetry=result["symmetry"].isel(epoch=0))
    return [
        {"preset": str(name)}
        | {
            str(variable): [float(value) for value in values.sel(preset_name=name).values]
            for variable, values in last.data_vars.items()
        }
        for name in result["preset_name"].values
    ]
