"""What accuracy follows over maps of learning: rank correlations with what else was measured.

A map is a grid of trained networks. Over its cells (means over seeds) the accuracy is correlated
with convergence, margins and the like by Spearman's rho. Its interval is a bootstrap over cells;
but neighbouring cells of a grid are no independent sample, so there is another one over whole rows
of the map, and over its columns, which is the one to trust. What is left when the axes' own effects
are taken off both ranks is the partial correlation: what merely depends on the same axis has none.

What was measured at several distances is a predictor at each of them. A map's local entropy counts
an input without fixed points as 0, not as missing (`binnet.studies.map`); a cell where it is known
for no input is left out for all predictors, and told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._validation import check_integer, check_real

if TYPE_CHECKING:
    import xarray as xr

#: What accuracy may follow, of the variables of `binnet study map`.
PREDICTORS = (
    "training_convergence",
    "inference_convergence",
    "unstable",
    "flips",
    "margin_q05",
    "margin_median",
    "sample_overlap",
    "local_entropy",
)
ALL_MAPS = "all maps"  # their ranks within each, together
_FEWEST_CELLS = 6
_NOTHING_LEFT = 1e-9  # of a variance: what rounding leaves of ranks that the axes explain

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Cells:
    """The cells of a map where everything was measured."""

    values: Floats  # (1 + predictors, cells), the accuracy first
    places: NDArray[np.int64]  # (axes, cells), the index of each cell along each axis
    n_left_out: int


def correlate_maps(
    maps: Mapping[str, xr.Dataset],
    predictors: Sequence[str] | None = None,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Correlate the accuracy of maps with what else was measured, cell by cell.

    Parameters
    ----------
    maps : mapping of str to xarray.Dataset
        Maps by their names: variables over "seed" and two or three axes, maybe over "epoch", of
        which the last counts. "accuracy" must be among them.
    predictors : sequence of str, optional
        Variables to correlate it with, as `average_cells` names them; without its distance, a
        variable at all distances. Default: those of `PREDICTORS` that all maps have.
    resamples : int, default 2000
        Of each bootstrap.
    confidence : float, default 0.95
        Of the intervals, between 0 and 1.
    seed : int, default 0
        Of the bootstraps.

    Returns
    -------
    xarray.Dataset
        Over (map, predictor), the last map being "all maps", the ranks within each map together
        where there are several: "rho", and "partial", where the effects of the axes are taken off
        both ranks (any function of the one axis plus any of the other; NaN where nothing is left).
        Over (map, predictor, other): "difference", by how much more, in modulus, the accuracy is
        correlated with the one than with the other. Each has "..._low" and "..._high", percentile
        intervals of a bootstrap over cells, and "..._blocks_low" and "..._blocks_high", those over
        whole rows of a map: the widest reach over all of its axes; rough where an axis has but a
        few values. A draw in which one of the two does not vary counts as 0. "n_cells" (map), and
        "n_left_out" (map), cells that lack a value of any predictor.

    Raises
    ------
    ValueError
        If a variable is missing or has other axes, or a map has fewer than 6 whole cells.

    Examples
    --------
    >>> maps = {"margin": xr.open_dataset("map.nc")}  # doctest: +SKIP
    >>> correlate_maps(maps).rho  # doctest: +SKIP
    """
    import xarray as xr

    check_integer("resamples", resamples, 100, 10**6)
    check_real("confidence", confidence, 0.0, 1.0, above=True, below=True)
    check_integer("seed", seed, 0, None)
    means = {name: average_cells(one) for name, one in maps.items()}
    names = _choose_predictors(means, predictors)
    cells = {name: _read_cells(name, means[name], names) for name in means}
    groups = {name: [one] for name, one in cells.items()}
    if len(cells) > 1:
        groups[ALL_MAPS] = list(cells.values())
    parts = [
        _correlate(group, names, resamples, confidence, np.random.default_rng(seed))
        for group in groups.values()
    ]
    result = xr.concat(parts, xr.Variable("map", list(groups)))
    return result.assign_attrs(resamples=resamples, confidence=confidence, seed=seed)


def average_cells(result: xr.Dataset) -> xr.Dataset:
    """Return what is correlated of a map: means over the measured seeds, after the last epoch.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet study map`.

    Returns
    -------
    xarray.Dataset
        Over the axes of the map; a variable that was measured at several distances is one for
        each, "local_entropy_at_0.02".
    """
    last = result.isel({name: -1 for name in ("epoch",) if name in result.dims})
    last = last if "seed" in last.dims else last.expand_dims("seed")
    means = last.mean("seed")
    if "accuracy" in last:  # what was not measured yet is not there, what a cell lacks is nan
        there = last["accuracy"].notnull()
        for name, part in last.data_vars.items():
            if set(there.dims) <= set(part.dims):
                means[name] = means[name].where((part.notnull() | ~there).all("seed"))
    if "distance" not in means.dims:
        return means
    distances = _read_distances(result)
    for name in [name for name, part in means.data_vars.items() if "distance" in part.dims]:
        for k, distance in enumerate(distances):
            means[f"{name}_at_{distance:g}"] = means[name].isel(distance=k, drop=True)
        means = means.drop_vars(str(name))
    return means.drop_vars("distance", errors="ignore")


def _read_distances(result: xr.Dataset) -> Sequence[float]:
    """Return the distances of a map: a file has them among what all cells have in common."""
    if "distance" in result.coords:
        return [float(value) for value in result["distance"].values]
    fixed = json.loads(result.attrs.get("sweep", "{}")).get("fixed", {})
    return fixed.get("distances") or range(result.sizes["distance"])


def summarise_correlations(result: xr.Dataset) -> list[dict[str, Any]]:
    """Return correlations as plain values, and which predictor is the best of each map, if any.

    Parameters
    ----------
    result : xarray.Dataset
        From `correlate_maps`.

    Returns
    -------
    list of dict
        One record for each map: "map", "n_cells", "n_left_out"; "predictors", for each its "rho"
        and "partial" with their intervals (None for NaN); "best", the predictor with the largest
        modulus of rho, None where nothing varies; "undecided", those from which it is not told
        apart: the interval of the difference, over blocks, holds 0.
    """
    records = []
    for k in range(result.sizes["map"]):
        one = result.isel(map=k)
        rho = np.abs(one["rho"].values)
        best = int(np.nan_to_num(rho, nan=-1.0).argmax())  # what does not vary has none
        names = [str(name) for name in one["predictor"].values]
        behind = one.isel(predictor=best)["difference_blocks_low"].values > 0
        undecided = np.isfinite(rho) & ~behind & (np.arange(len(names)) != best)
        records.append(
            {
                "map": str(one["map"].values),
                "n_cells": int(one["n_cells"]),
                "n_left_out": int(one["n_left_out"]),
                "predictors": {
                    name: {
                        str(key): None if np.isnan(v := float(values[p])) else v
                        for key, values in one.data_vars.items()
                        if values.dims == ("predictor",)
                    }
                    for p, name in enumerate(names)
                },
                "best": names[best] if np.isfinite(rho[best]) else None,
                "undecided": [names[p] for p in np.flatnonzero(undecided)],
            }
        )
    return records


def _choose_predictors(
    maps: Mapping[str, xr.Dataset], predictors: Sequence[str] | None
) -> tuple[str, ...]:
    if not maps:
        raise ValueError("maps must hold at least one map, got none")
    common = set.intersection(*({str(v) for v in one.data_vars} for one in maps.values()))
    first = [str(name) for name in next(iter(maps.values())).data_vars]

    def expand(name: str) -> Iterator[str]:
        found = [v for v in first if v in common and v.startswith(f"{name}_at_")]
        yield from [name] if name in common else found

    if predictors is None:
        predictors = [found for name in PREDICTORS for found in expand(name)]
        if not predictors:
            raise ValueError(
                f"the maps have none of {', '.join(PREDICTORS)} in common; name what accuracy may "
                f"follow, of their variables {', '.join(sorted(common)) or '(none)'}"
            )
    predictors = [found for name in predictors for found in list(expand(name)) or [name]]
    for name in ("accuracy", *predictors):
        if name not in common:
            missing = [label for label, one in maps.items() if name not in one]
            raise ValueError(
                f"{name} must be a variable of every map, but it is not in {', '.join(missing)}; "
                f"all have {', '.join(sorted(common)) or 'none'}"
            )
    if "accuracy" in predictors:
        raise ValueError("predictors must be other variables than accuracy, which they explain")
    return tuple(dict.fromkeys(predictors))


def _read_cells(label: str, means: xr.Dataset, names: Sequence[str]) -> _Cells:
    """Return the cells that have all of these measurements."""
    means = means[["accuracy", *names]]
    axes = [name for name in means["accuracy"].dims if means.sizes[name] > 1]
    means = means.squeeze()
    for name in names:
        if set(means[name].dims) != set(axes):
            raise ValueError(
                f"{name} of {label} must have the axes of its accuracy, "
                f"{', '.join(map(str, axes))}, got {', '.join(map(str, means[name].dims))}"
            )
    if len(axes) < 2:
        raise ValueError(f"{label} must vary along two axes at least, got {axes}")
    stack = [means[name].transpose(*axes).values.ravel() for name in ("accuracy", *names)]
    values = np.array(stack, np.float64)
    places = np.indices([means.sizes[name] for name in axes]).reshape(len(axes), -1)
    whole = np.isfinite(values).all(axis=0)
    if whole.sum() < _FEWEST_CELLS:
        raise ValueError(
            f"{label} must have at least {_FEWEST_CELLS} cells with all of accuracy, "
            f"{', '.join(names)}, got {whole.sum()}; measure more, or name fewer predictors"
        )
    return _Cells(values[:, whole], places[:, whole], int((~whole).sum()))


def _correlate(
    maps: Sequence[_Cells],
    names: Sequence[str],
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Return the correlations of some maps together, as a part of what `correlate_maps` returns."""
    import xarray as xr

    n = len(names)

    def bounds(units: list[list[NDArray[np.int64]]]) -> Floats:
        return _bootstrap(maps, units, resamples, confidence, rng)

    by_cell = bounds([[np.array([k]) for k in range(one.places.shape[1])] for one in maps])
    # One axis of each map at a time; a map with fewer axes goes on with its last.
    by_block = [
        bounds([_list_blocks(one.places[min(axis, len(one.places) - 1)]) for one in maps])
        for axis in range(max(len(one.places) for one in maps))
    ]
    ends = {
        "low": by_cell[0],
        "high": by_cell[1],
        "blocks_low": np.min([block[0] for block in by_block], axis=0),
        "blocks_high": np.max([block[1] for block in by_block], axis=0),
    }
    everything = [np.arange(one.places.shape[1]) for one in maps]
    measured = _measure(maps, everything)
    for values in ends.values():
        values[np.isnan(measured)] = np.nan
    found = {"": measured, **{f"_{end}": values for end, values in ends.items()}}
    variables: dict[str, Any] = {
        "n_cells": ((), sum(len(one) for one in everything)),
        "n_left_out": ((), sum(one.n_left_out for one in maps)),
    }
    for suffix, values in found.items():
        variables[f"rho{suffix}"] = ("predictor", values[:n])
        variables[f"partial{suffix}"] = ("predictor", values[n : 2 * n])
        variables[f"difference{suffix}"] = (("predictor", "other"), values[2 * n :].reshape(n, n))
    return xr.Dataset(variables, {"predictor": list(names), "other": list(names)})


def _list_blocks(places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the cells of each value of an axis."""
    return [np.flatnonzero(places == value) for value in np.unique(places)]


def _bootstrap(
    maps: Sequence[_Cells],
    units: list[list[NDArray[np.int64]]],
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Floats:
    """Return both ends of the intervals, where these units of each map are drawn again."""
    from scipy.stats import bootstrap

    def measure(*drawn: NDArray[np.int64]) -> Floats:
        chosen = [
            np.concatenate([cells[k] for k in which])
            for cells, which in zip(units, drawn, strict=True)
        ]
        return np.nan_to_num(_measure(maps, chosen))  # equal cells have no correlation: 0

    # Numbers of units are drawn, so that all variables of a cell stay together: paired.
    result = bootstrap(
        [np.arange(len(cells)) for cells in units],
        measure,
        n_resamples=resamples,
        vectorized=False,
        confidence_level=confidence,
        method="percentile",
        random_state=rng,  # SciPy 1.14 knows it by this name
    )
    return np.stack(result.confidence_interval)


def _measure(maps: Sequence[_Cells], chosen: Sequence[NDArray[np.int64]]) -> Floats:
    """Return rho, partial rho, and the differences of |rho|, of these cells, in one row."""
    from scipy.stats import rankdata

    ranks, rests = [], []
    for one, which in zip(maps, chosen, strict=True):
        rank = rankdata(one.values[:, which], axis=1)
        rank = (rank - rank.mean(axis=1, keepdims=True)) / rank.shape[1]
        ranks.append(rank)
        rests.append(_take_off_axes(rank, one.places[:, which]))
    rho, partial = (_correlate_rows(np.concatenate(part, axis=1)) for part in (ranks, rests))
    modulus = np.abs(rho)
    return np.concatenate([rho, partial, (modulus[:, None] - modulus).ravel()])


def _take_off_axes(ranks: Floats, places: NDArray[np.int64]) -> Floats:
    """Return what is left of ranks (variables, cells) less an effect of each value of each axis."""
    effects = np.concatenate([place == np.unique(place)[:, None] for place in places]).T
    fitted = np.linalg.lstsq(effects.astype(np.float64), ranks.T)[0]
    rest = ranks - (effects @ fitted).T
    rest[(rest**2).sum(axis=1) < _NOTHING_LEFT * (ranks**2).sum(axis=1)] = 0.0
    return np.asarray(rest)


def _correlate_rows(values: Floats) -> Floats:
    """Return the correlation of the first row, of mean 0 as all are, with each other one."""
    norms = np.sqrt((values**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = values[1:] @ values[0] / (norms[0] * norms[1:])
    return np.asarray(rho.clip(-1.0, 1.0))
