"""What is read off the grids of rate networks: best learning rates, tables, updates to a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from binnet.studies.rate_measuring import BLOCK

if TYPE_CHECKING:
    import xarray as xr


def select_best(result: xr.Dataset, criterion: str = "final_loss") -> xr.Dataset:
    """Keep, of each condition, the learning rate with the lowest mean loss over seeds.

    Parameters
    ----------
    result : xarray.Dataset
        Measurements with the dimensions learning_rate and seed.
    criterion : {"final_loss", "lowest_loss"}, default "final_loss"
        Which loss decides. A learning rate at which a seed diverged is not chosen, unless all
        have one; seeds that are not measured yet do not count.

    Returns
    -------
    xarray.Dataset
        The same without the dimension learning_rate, which becomes a coordinate.
    """
    # A run that diverged has exponents before it, but no loss; one not measured has neither.
    measured = result["exponents_before"].notnull().any("exponent")
    loss = result[criterion].fillna(np.inf).where(measured)
    score = loss.mean("seed").fillna(np.inf)
    return result.isel(learning_rate=score.argmin("learning_rate"))


def summarise(result: xr.Dataset) -> list[dict[str, float | str]]:
    """Return what a table of the study shows, one record for each condition.

    Parameters
    ----------
    result : xarray.Dataset
        Measurements with the dimensions learning_rate and seed.

    Returns
    -------
    list of dict
        The condition; of the learning rate with the lowest final loss, the mean and standard
        deviation over seeds of the losses and of the largest exponent before and after training;
        the lowest mean of the lowest loss at any learning rate; and how many runs there are.
        Conditions that are not measured yet are left out.
    """
    final, lowest = select_best(result), select_best(result, "lowest_loss")
    dims = [name for name in result["final_loss"].dims if name not in ("learning_rate", "seed")]
    records = []
    for index in np.ndindex(*(result.sizes[name] for name in dims)):
        here = dict(zip(dims, index, strict=True))
        row, low = final.isel(here), lowest.isel(here)
        if row["exponents_before"].isnull().all():
            continue  # nothing is measured yet
        record: dict[str, Any] = {str(name): row[name].item() for name in dims}
        record["learning_rate"] = float(row["learning_rate"])
        record["runs"] = int(row["final_loss"].notnull().sum())
        for name, values in (
            ("final_loss", row["final_loss"]),
            ("lowest_loss", low["lowest_loss"]),
            ("exponent_before", row["exponents_before"].isel(exponent=0)),
            ("exponent_after", row["exponents_after"].isel(exponent=0)),
        ):
            record[name], record[f"{name}_std"] = float(values.mean()), float(values.std())
        records.append(record)
    return records


def count_until(result: xr.Dataset, loss: float) -> xr.DataArray:
    """Return after how many updates the learning curves first fall below a loss.

    Parameters
    ----------
    result : xarray.Dataset
        Measurements with a learning curve.
    loss : float
        The level.

    Returns
    -------
    xarray.DataArray
        Updates, in steps of the curve's blocks; NaN where a curve never does.
    """
    below = result["loss"] < loss
    updates = (below.argmax("block") + 1) * BLOCK
    return updates.where(below.any("block"))
