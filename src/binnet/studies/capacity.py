"""Capacity: how many random associations a network of L modules learns by heart.

The capacity is the largest load P / H at which at least 95 % of P associations are recalled without
feedback (docs/model/network.md, section 10.1); H counts the neurons of one module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet import sweeps
from binnet._validation import check_choice, check_integer, check_real
from binnet.datasets import draw_associations
from binnet.learning import Configuration, preset, train
from binnet.learning.run import check_size
from binnet.learning.trainer import TRAIN_SAMPLES_MEASURED
from binnet.sweeps import Observable

if TYPE_CHECKING:
    import xarray as xr

#: At least this fraction of the associations is to be recalled.
LEVEL = 0.95
#: What attaches where, beside the input to the first module: see `configure_depth`.
ATTACHMENTS = ("last", "all", "ends", "first")
#: P / H: evenly spaced on a logarithmic scale, twice as many associations at every other one.
LOADS = (1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)
# Inputs of the preset's strength, 5, hold the state so firmly that little can be stored. Readout
# and scaling of the rates are not the preset's, either: docs/results/capacity.md was measured so.
_STORING = {
    "input_strength": 1.0,
    "batch_size": 4,
    "rate_readout": 0.1,
    "readout_margin": 4.0,
    "rate_scaling": "weights",
}


def configure_depth(n_modules: int, attachment: str = "last", **changes: Any) -> Configuration:
    """Return the configuration of a deep network that learns associations.

    It is the preset "deep" with L modules; but with inputs of strength 1 (5 for "first"), batches
    of 4, and a readout and a scaling of the rates of its own.

    Parameters
    ----------
    n_modules : int
        L, at least 1.
    attachment : {"last", "all", "ends", "first"}, default "last"
        "last": input and feedback attach to every module, the readout to the last one, as in the
        preset. "all": the readout attaches to every module, too. "ends": input to the first module
        only, readout and feedback to the last one only. "first": input to the first module only,
        feedback to every one, readout to the last; with strengths, schedule and rates of its own,
        with which deeper modules learn what they are sent (docs/results/capacity.md).
    **changes
        Further parameters, as of `Configuration.replace`.

    Returns
    -------
    Configuration
        The configuration.
    """
    check_choice("attachment", attachment, ATTACHMENTS)
    configuration = preset("deep", n_modules).replace(**_STORING)
    none = (0.0,) * (n_modules - 1)
    if attachment == "all":
        configuration = configuration.replace(readout_strength=1.0)
    if attachment == "ends":
        feedback = preset("deep").network.feedback_strength
        configuration = configuration.replace(
            input_strength=(1.0, *none), feedback_strength=(*none, feedback)
        )
    if attachment == "first":
        configuration = configuration.replace(
            input_strength=(5.0, *none),
            density=(1.0, *none),
            self_coupling=(0.7, *none),
            neighbour_strength=(0.0, *(1.0,) * (n_modules - 1)),
            feedback_strength=tuple(np.linspace(3.0, 1.0, n_modules)),
            # The input goes to the last module and back; then one sweep of feedback.
            warmup=2 * n_modules,
            feedback=2 * n_modules + 1,
            free=0,
            margin=0.4,
            rate_couplings=0.2,
            rate_input=0.36,
        )
    return configuration.replace(**changes)


def recall_associations(
    n_modules: int,
    load: float,
    n_hidden: int,
    seed: int,
    epochs: int,
    attachment: str = "last",
    n_inputs: int = 100,
    n_classes: int = 10,
) -> dict[str, Any]:
    """Train on P random associations and return which fraction is recalled.

    Parameters
    ----------
    n_modules : int
        L.
    load : float
        P / H; P is rounded, and at least 1.
    n_hidden : int
        H, neurons of each module.
    seed : int
        Of the associations and of the training.
    epochs : int
        Passes over the associations.
    attachment : {"last", "all", "ends", "first"}, default "last"
        See `configure_depth`.
    n_inputs, n_classes : int
        N_in and C.

    Returns
    -------
    dict
        "recalled", the fraction recalled without feedback after the best epoch, and "last", that
        after the last one: beyond its capacity a network that goes on learning forgets.
    """
    associations = draw_associations(_count(load, n_hidden), n_inputs, n_classes, seed)
    configuration = _configure(n_modules, n_hidden, seed, epochs, attachment, n_inputs, n_classes)
    result = train(associations.X, associations.y, configuration)
    if not result.completed:
        raise KeyboardInterrupt  # no half-trained network among the results
    recalled = [metrics.accuracy["train"] for metrics in result.history]
    return {"recalled": max(recalled), "last": recalled[-1]}


def _configure(
    n_modules: int,
    n_hidden: int,
    seed: int,
    epochs: int,
    attachment: str = "last",
    n_inputs: int = 100,
    n_classes: int = 10,
) -> Configuration:
    return configure_depth(
        n_modules,
        attachment,
        n_hidden=n_hidden,
        n_inputs=n_inputs,
        n_outputs=n_classes,
        epochs=epochs,
        seed=seed,
    )


def _count(load: float, n_hidden: int) -> int:
    """Return P."""
    return max(1, round(load * n_hidden))


def _check(load: float, **parameters: Any) -> None:
    """Refuse a cell before any is measured."""
    check_real("load", load, 0.0, float(TRAIN_SAMPLES_MEASURED), above=True)
    for name, low in (("n_modules", 1), ("n_hidden", 1), ("seed", 0), ("epochs", 1)):
        check_integer(name, parameters[name], low)
    for name, low in (("n_inputs", 1), ("n_classes", 2)):
        check_integer(name, parameters.get(name, low), low)
    check_integer(
        "P = load * n_hidden", _count(load, parameters["n_hidden"]), 1, TRAIN_SAMPLES_MEASURED
    )
    configuration = _configure(**parameters)
    configuration.rule.synapses(configuration)
    check_size(configuration, _count(load, parameters["n_hidden"]))


def _cost(n_modules: int, load: float, n_hidden: int, **_: Any) -> float:
    return load * n_hidden * (n_modules * n_hidden) ** 2


RECALL = Observable(recall_associations, cost=_cost, check=_check)
"""`recall_associations` with its checks and cost, for `sweeps.run`."""


def run_capacity(
    output: Path,
    *,
    n_modules: Sequence[int] = (1, 2, 3),
    n_hidden: Sequence[int] = (100,),
    loads: Sequence[float] = LOADS,
    seeds: int = 3,
    epochs: int = 60,
    attachments: Sequence[str] = ("last", "all"),
    n_inputs: int = 100,
    n_classes: int = 10,
    workers: int = 1,
    progress: bool = True,
) -> xr.Dataset:
    """Train networks of each depth and size at each load; a stopped study goes on.

    Parameters
    ----------
    output : path
        Result, .nc.
    n_modules, n_hidden : sequence of int
        Depths L and sizes H.
    loads : sequence of float
        P / H, rising.
    seeds : int, default 3
        Independent associations and networks.
    epochs : int, default 60
        Of each training.
    attachments : sequence of str, default ("last", "all")
        See `configure_depth`.
    n_inputs, n_classes : optional
        As of `recall_associations`.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    xarray.Dataset
        What `recall_associations` measured, over seed, attachment, n_hidden, n_modules and
        load.
    """
    return sweeps.run(
        {
            "seed": range(check_integer("seeds", seeds, 1)),
            "attachment": attachments,
            "n_hidden": n_hidden,
            "n_modules": n_modules,
            "load": sorted(loads),
        },
        RECALL,
        fixed={"epochs": epochs, "n_inputs": n_inputs, "n_classes": n_classes},
        path=output,
        workers=workers,
        progress=progress,
    )


def find_capacity(result: xr.Dataset, level: float = LEVEL) -> xr.Dataset:
    """Find the load at which the recalled fraction falls below a level.

    Parameters
    ----------
    result : xarray.Dataset
        From `run_capacity`.
    level : float, default 0.95
        The fraction asked for, in (0, 1).

    Returns
    -------
    xarray.Dataset
        Over the axes of the result but the load: "capacity", P / H, between the last load above
        the level and the first one below it, linear in the logarithm of the load; NaN where these
        loads do not hold it; and "where", -1 where it is below the smallest load, +1 where it is
        above the largest, else 0.
    """
    import xarray as xr

    level = check_real("level", level, 0.0, 1.0, above=True, below=True)
    loads = np.log(result["load"].values)

    def cross(recalled: np.ndarray[Any, Any]) -> tuple[float, int]:
        below = np.flatnonzero(recalled < level)
        if np.isnan(recalled).any():
            return np.nan, 0
        if not len(below):
            return np.nan, 1
        k = int(below[0])
        if k == 0:
            return np.nan, -1
        part = (recalled[k - 1] - level) / (recalled[k - 1] - recalled[k])
        return float(np.exp(loads[k - 1] + part * (loads[k] - loads[k - 1]))), 0

    capacity, where = xr.apply_ufunc(
        cross,
        result["recalled"],
        input_core_dims=[["load"]],
        output_core_dims=[[], []],
        vectorize=True,
    )
    return xr.Dataset({"capacity": capacity, "where": where})


def summarise_capacity(result: xr.Dataset, level: float = LEVEL) -> list[dict[str, Any]]:
    """Return capacities as plain values, one record for each kind of network.

    Parameters
    ----------
    result : xarray.Dataset
        From `run_capacity`.
    level : float, default 0.95
        As of `find_capacity`.

    Returns
    -------
    list of dict
        attachment, n_hidden, n_modules; "capacity", P / H of each seed (None where the loads
        do not hold it) with its "mean" and "std" (None where a seed's is missing); and
        "where" of each seed.
    """
    found = find_capacity(result, level).stack(network=("attachment", "n_hidden", "n_modules"))
    records = []
    for attachment, n_hidden, n_modules in found["network"].values:
        here = found.sel(network=(attachment, n_hidden, n_modules))
        capacity = here["capacity"]
        known = bool(capacity.notnull().all())
        records.append(
            {
                "attachment": str(attachment),
                "n_hidden": int(n_hidden),
                "n_modules": int(n_modules),
                "capacity": [None if np.isnan(v) else float(v) for v in capacity.values],
                "where": [int(v) for v in here["where"].values],
                "mean": float(capacity.mean()) if known else None,
                "std": float(capacity.std(ddof=1)) if known and len(capacity) > 1 else None,
            }
        )
    return records
