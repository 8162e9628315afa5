"""Capacity: how many random associations a network of L modules learns by heart.

The capacity is the largest load P / H at which at least 95 % of P associations are recalled without
feedback (learning.md, section 6); H counts the neurons of one module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet import sweeps
from binnet._validation import check_choice, check_integer, check_real
from binnet.datasets import draw_associations
from binnet.dynamics import predict
from binnet.learning import Configuration, preset, train
from binnet.sweeps import Observable

if TYPE_CHECKING:
    import xarray as xr

#: At least this fraction of the associations is to be recalled.
LEVEL = 0.95
#: Where inputs and readout attach: to every module, or to the first and to the last one.
ATTACHMENTS = ("all", "ends")
#: P / H: evenly spaced on a logarithmic scale, twice as many associations at every other one.
LOADS = (1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.2, 16.0)


def configure_depth(n_modules: int, attachment: str = "all", **changes: Any) -> Configuration:
    """Return the configuration of a deep network, the preset "deep" with L modules.

    Parameters
    ----------
    n_modules : int
        L, at least 1; one module is the preset "default".
    attachment : {"all", "ends"}, default "all"
        Whether input, readout and feedback attach to every module, or the input to the first, and
        readout and feedback to the last.
    **changes
        Further parameters, as of `Configuration.replace`.

    Returns
    -------
    Configuration
        The configuration.
    """
    n_modules = check_integer("n_modules", n_modules, 1)
    check_choice("attachment", attachment, ATTACHMENTS)
    if n_modules == 1:
        return preset("default").replace(**changes)
    configuration = preset("deep").replace(n_modules=n_modules, **changes)
    network, none = preset("default").network, (0.0,) * (n_modules - 1)
    if attachment == "all":
        everywhere = ("input_strength", "readout_strength", "feedback_strength")
        return configuration.replace(**{name: getattr(network, name) for name in everywhere})
    return configuration.replace(
        input_strength=(network.input_strength, *none),
        readout_strength=(*none, network.readout_strength),
        feedback_strength=(*none, network.feedback_strength),
    )


def recall_associations(
    n_modules: int,
    load: float,
    n_hidden: int,
    seed: int,
    epochs: int,
    attachment: str = "all",
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
    attachment : {"all", "ends"}, default "all"
        See `configure_depth`.
    n_inputs, n_classes : int
        N_in and C.

    Returns
    -------
    dict
        "recalled", the fraction recalled without feedback after the last epoch, and "half_way",
        that after half of the epochs, which shows whether longer training would help.
    """
    n_associations = max(1, round(load * n_hidden))
    associations = draw_associations(n_associations, n_inputs, n_classes, seed)
    configuration = configure_depth(
        n_modules,
        attachment,
        n_hidden=n_hidden,
        n_inputs=n_inputs,
        n_outputs=n_classes,
        epochs=epochs,
        seed=seed,
    )
    result = train(associations.X, associations.y, configuration)
    recalled = predict(result.network, associations.X) == associations.y
    return {
        "recalled": float(recalled.mean()),
        "half_way": result.history[(epochs - 1) // 2].accuracy["train"],
    }


def _check(**parameters: Any) -> None:
    check_real("load", parameters["load"], 0.0, above=True)
    for name, low in (("n_modules", 1), ("n_hidden", 1), ("seed", 0), ("epochs", 1)):
        check_integer(name, parameters[name], low)


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
    attachment: str = "all",
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
    attachment, n_inputs, n_classes : optional
        As of `recall_associations`.
    workers : int, default 1
        Processes.
    progress : bool, default True
        Whether to show progress.

    Returns
    -------
    xarray.Dataset
        What `recall_associations` measured, over seed, n_hidden, n_modules and load.
    """
    check_choice("attachment", attachment, ATTACHMENTS)
    return sweeps.run(
        {
            "seed": range(check_integer("seeds", seeds, 1)),
            "n_hidden": n_hidden,
            "n_modules": n_modules,
            "load": sorted(loads),
        },
        RECALL,
        fixed={
            "epochs": epochs,
            "attachment": attachment,
            "n_inputs": n_inputs,
            "n_classes": n_classes,
        },
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
    """Return capacities as plain values, one record for each size and depth.

    Parameters
    ----------
    result : xarray.Dataset
        From `run_capacity`.
    level : float, default 0.95
        As of `find_capacity`.

    Returns
    -------
    list of dict
        n_hidden, n_modules; "capacity", P / H of each seed (None where the loads do not hold it)
        with its "mean" and "std" (None where a seed's is missing); and "where" of each seed.
    """
    found = find_capacity(result, level)
    records = []
    for n_hidden in found["n_hidden"].values:
        for n_modules in found["n_modules"].values:
            here = found.sel(n_hidden=n_hidden, n_modules=n_modules)
            values = [None if np.isnan(v) else float(v) for v in here["capacity"].values]
            known = None not in values
            records.append(
                {
                    "n_hidden": int(n_hidden),
                    "n_modules": int(n_modules),
                    "capacity": values,
                    "where": [int(v) for v in here["where"].values],
                    "mean": float(here["capacity"].mean()) if known else None,
                    "std": float(here["capacity"].std(ddof=1)) if known and len(values) > 1 else None,
                }
            )
    return records
