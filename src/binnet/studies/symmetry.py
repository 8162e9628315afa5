"""Symmetry of the couplings while they learn: J_ij and J_ji learn independently.

Two measures of it (docs/model/network.md, section 10.3), before training and after every epoch.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet import sweeps
from binnet._validation import check_integer
from binnet.learning import Configuration, TrainingResult, preset
from binnet.learning.run import Run
from binnet.networks import BinaryNetwork
from binnet.networks.sparse import densify
from binnet.studies._training import observe, train_whole

if TYPE_CHECKING:
    import xarray as xr


def measure_symmetry(couplings: NDArray[Any]) -> float:
    """Return the symmetry of couplings, eta = sum J_ij J_ji / sum J_ij^2 over i != j.

    That is docs/model/network.md, eq. (10.2).

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


def measure_symmetry_index(couplings: NDArray[Any], self_coupling: ArrayLike = 0.0) -> float:
    """Return the source's index, (|S| - |A|) / (|S| + |A|), of couplings with their diagonal.

    S = (J + J^T) / 2 and A = (J - J^T) / 2 have Frobenius norms (docs/model/network.md, eq.
    (10.3)). The diagonal is symmetric: independent couplings with J_D > 0 have an index above 0.

    Parameters
    ----------
    couplings : ndarray, shape (H, H)
        J off the diagonal.
    self_coupling : float or array_like, shape (H,), default 0
        The diagonal, J_D.

    Returns
    -------
    float
        1 for symmetric couplings, -1 for antisymmetric ones; NaN where all are 0.

    Examples
    --------
    >>> measure_symmetry_index(np.array([[0.0, 1.0], [0.0, 0.0]]))
    0.0
    """
    J = np.array(couplings, np.float64)
    np.fill_diagonal(J, self_coupling)
    symmetric, antisymmetric = np.linalg.norm(J + J.T), np.linalg.norm(J - J.T)
    total = symmetric + antisymmetric
    return float((symmetric - antisymmetric) / total) if total else float("nan")


def _configure(
    preset_name: str,
    self_coupling: float,
    input_strength: float,
    symmetry: float,
    annealing: str,
    n_hidden: int,
    epochs: int,
    seed: int,
) -> Configuration:
    return preset(preset_name).replace(
        self_coupling=self_coupling,
        input_strength=input_strength,
        symmetry=symmetry,
        annealing=annealing,
        n_hidden=n_hidden,
        epochs=epochs,
        seed=seed,
    )


def train_and_measure(samples: int, **parameters: Any) -> dict[str, Any]:
    """Train on entangled MNIST and measure the symmetry before it and after every epoch.

    Parameters
    ----------
    samples : int
        Training samples; the first of 60000.
    **parameters
        `preset_name`, and what of the preset is changed: `self_coupling`, `input_strength`,
        `symmetry` (eta of the draw), `annealing`, `n_hidden` (of each module), `epochs` and `seed`.

    Returns
    -------
    dict
        Of each epoch, from 0, the draw, on: "eta", that of J; "index", the source's index of J
        with its diagonal; "learned_eta", eta of what was learned, J less its draw, NaN at
        epoch 0; "change", the norm of what was learned over that of the draw; "accuracy" on the
        test set, NaN at epoch 0.
    """
    configuration = _configure(**parameters)
    drawn = Run.start(configuration, samples).network()
    rows = [(*_measure_couplings(drawn), np.nan, 0.0, np.nan)]

    def measure(result: TrainingResult) -> None:
        at_start = densify("couplings", drawn.couplings)
        learned = densify("couplings", result.network.couplings).astype(np.float64) - at_start
        change = float(np.linalg.norm(learned) / np.linalg.norm(at_start))
        accuracy = result.history[-1].accuracy["test"]
        at_end = _measure_couplings(result.network)
        rows.append((*at_end, measure_symmetry(learned), change, accuracy))

    train_whole(configuration, samples, measure)
    names = ("eta", "index", "learned_eta", "change", "accuracy")
    return {
        name: ("epoch", np.array(values))
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }


def _measure_couplings(network: BinaryNetwork) -> tuple[float, float]:
    J = densify("couplings", network.couplings)
    return measure_symmetry(J), measure_symmetry_index(J, network.self_couplings)


def run_symmetry(
    output: Path,
    *,
    presets: Sequence[str] = ("source",),
    self_couplings: Sequence[float] = (0.0, 0.5),
    input_strengths: Sequence[float] = (2.0, 5.0),
    symmetries: Sequence[float] = (0.0, 1.0),
    annealings: Sequence[str] = ("step", "none"),
    n_hidden: int = 400,
    epochs: int = 10,
    samples: int = 60000,
    seeds: int = 3,
    workers: int = 1,
    progress: bool = True,
) -> xr.Dataset:
    """Train with all combinations of settings and seeds; a stopped study goes on.

    Parameters
    ----------
    output : path
        Result, .nc.
    presets : sequence of str, default ("source",)
        Presets of the configuration.
    self_couplings, input_strengths : sequence of float
        J_D and lambda_in. Default: 0 and 0.5; 2 and 5.
    symmetries : sequence of float, default (0, 1)
        Symmetry eta of the couplings as they are drawn: independent, or J_ij = J_ji.
    annealings : sequence of str, default ("step", "none")
        How the feedback goes before the plasticity; "none": it stays. See `FeedbackSchedule`.
    n_hidden, epochs, samples : int
        As of `train_and_measure`. Default: 400 neurons, 10 epochs, all samples.
    seeds : int, default 3
        Trainings of each combination.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    xarray.Dataset
        What `train_and_measure` measured, over seed and the settings.
    """
    for name in presets:
        preset(name)  # refuses an unknown one before any is trained
    return sweeps.run(
        {
            "seed": range(check_integer("seeds", seeds, 1)),
            "preset_name": presets,
            "self_coupling": self_couplings,
            "input_strength": input_strengths,
            "symmetry": symmetries,
            "annealing": annealings,
        },
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
        One record for each combination of settings, with a list over seeds for each measurement
        (None for NaN), and for "drawn_eta" and "drawn_index", those of the draw.
    """
    first, last = result.isel(epoch=0), result.isel(epoch=-1)
    last = last.assign(drawn_eta=first["eta"], drawn_index=first["index"])
    return [
        {
            **settings,
            **{
                str(variable): [None if np.isnan(v) else float(v) for v in values.sel(settings)]
                for variable, values in last.data_vars.items()
            },
        }
        for settings in list_settings(result)
    ]


def list_settings(result: xr.Dataset | xr.DataArray) -> list[dict[str, Any]]:
    """Return the combinations of settings of a study, as what `sel` of its result takes.

    Parameters
    ----------
    result : xarray.Dataset or xarray.DataArray
        From `run_symmetry`, or a variable of it.

    Returns
    -------
    list of dict
        The value of each setting by its name.
    """
    names = [str(name) for name in result.dims if name not in ("seed", "epoch")]
    values = (result[name].values.tolist() for name in names)
    return [dict(zip(names, each, strict=True)) for each in itertools.product(*values)]
