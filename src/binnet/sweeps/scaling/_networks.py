"""What a sweep measured, a number for each network, and the bootstrap that draws networks anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet._provenance import get_version
from binnet._validation import FloatArray

if TYPE_CHECKING:
    import xarray as xr

TAIL = 0.16  # of the samples, on either side of the central 68 %


class Table(NamedTuple):
    """A variable of a sweep as a plain array, in increasing order of the parameter.

    Parameters
    ----------
    values : ndarray, shape (n_sizes, n_curves, n_parameters, n_networks)
        NaN where nothing was measured; curves are the values of all other axes.
    x : ndarray, shape (n_parameters,)
        Values of the parameter.
    shape : tuple of int
        Of the sizes, if they are an axis, and of the other axes.
    frame : Dataset
        Without variables, with the coordinates of these axes.
    dims : tuple of str
        Names of these axes.
    """

    values: FloatArray
    x: FloatArray
    shape: tuple[int, ...]
    frame: xr.Dataset
    dims: tuple[str, ...]

    def label(self, values: NDArray[Any], *more: str) -> xr.DataArray:
        """Return values (n_sizes, n_curves, ...) with the names of their axes, then `more`."""
        import xarray as xr

        shaped = values.reshape(self.shape + values.shape[2:])
        return xr.DataArray(shaped, self.frame.coords, (*self.dims, *more))


def read_table(
    result: xr.Dataset, variable: str, parameter: str, networks: str, size: str
) -> Table:
    """Check and lay out one variable of a sweep.

    Parameters
    ----------
    result : xarray.Dataset
        Of a sweep.
    variable, parameter, networks, size : str
        Its variable, and its axes; the size may be absent.

    Returns
    -------
    Table
        The variable.

    Raises
    ------
    TypeError, ValueError
        If a variable or an axis is missing, named twice, or holds no real numbers.
    """
    import xarray as xr

    if len({parameter, networks, size}) < 3:
        raise ValueError(
            "parameter, networks and size must name three different axes, got "
            f"{parameter}, {networks} and {size}; the size may be one that {variable} lacks"
        )
    if not isinstance(result, xr.Dataset):
        raise TypeError(f"result must be an xarray.Dataset, got {type(result).__name__}")
    if variable not in result:
        known = ", ".join(map(str, result)) or "none"
        raise ValueError(f"the result has no variable {variable!r}; it has {known}")
    array = result[variable]
    for name in (parameter, networks):
        if name not in array.dims or name not in array.coords:
            axes = ", ".join(map(str, array.dims)) or "none"
            raise ValueError(
                f"{variable} lacks the axis {name}; its axes are {axes}. Sweep over it, or name "
                "the axes by parameter= and networks="
            )
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{variable} must be real numbers, got an array of {array.dtype}")
    check_axis(array, parameter)
    array = array.sortby(parameter)
    sizes = [size] if size in array.dims else []
    inner = {parameter, networks, *sizes}
    dims = (*sizes, *(str(name) for name in array.dims if name not in inner))
    array = array.transpose(*dims, parameter, networks)
    values = array.values.astype(float)
    values[~np.isfinite(values)] = np.nan
    shape = values.shape[:-2]
    n_sizes = shape[0] if sizes else 1
    frame = xr.Dataset(coords={name: array[name] for name in dims if name in array.coords})
    return Table(
        values.reshape(n_sizes, -1, *values.shape[-2:]),
        array[parameter].values.astype(float), shape, frame, dims,
    )  # fmt: skip


def check_axis(array: xr.DataArray, name: str) -> None:
    """Refuse an axis that is no set of different real numbers, two at least.

    Parameters
    ----------
    array : xarray.DataArray
        What has the axis.
    name : str
        The axis.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    values = array[name].values
    if values.dtype.kind not in "iuf":
        raise TypeError(f"the axis {name} must hold real numbers, got {values.dtype}")
    if not np.isfinite(values).all() or len(np.unique(values)) != len(values):
        raise ValueError(f"the values of {name} must be finite and different, got {values}")
    if len(values) < 2:
        raise ValueError(f"the axis {name} needs at least two values, got {len(values)}")


def draw_networks(values: FloatArray, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Draw the networks of one size anew, for all parameters and curves together.

    Of n networks n - 1 are drawn with replacement, which makes the variance of a mean over them
    unbiased (P. J. McCarthy, C. B. Snowden, The bootstrap and finite population sampling, 1985);
    n of them would make it smaller by (n - 1)/n.

    Parameters
    ----------
    values : ndarray, shape (n_curves, n_parameters, n_networks)
        NaN where nothing was measured; a network that has nothing is none.
    resamples : int
        Number of samples.
    rng : Generator
        Draws them.

    Returns
    -------
    ndarray, shape (1 + resamples, n_networks)
        How often each network is in the sample; first all of them, once. With fewer than two
        networks the samples are empty.
    """
    exists = np.asarray(np.isfinite(values).any(axis=(0, 1)))
    n = int(exists.sum())
    weights = np.zeros((1 + resamples, exists.size))
    weights[0, exists] = 1.0
    if n > 1:
        weights[1:, exists] = rng.multinomial(n - 1, np.full(n, 1.0 / n), size=resamples)
    return weights


def average(values: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Average over networks, cells that are missing left out.

    Parameters
    ----------
    values : ndarray, shape (n_parameters, n_networks)
        NaN where nothing was measured.
    weights : ndarray, shape (n_samples, n_networks)
        From `draw_networks`.

    Returns
    -------
    mean, total : ndarray, shape (n_samples, n_parameters)
        The means, NaN where there is nothing, and the number of cells behind each.
    """
    known = np.isfinite(values)
    total = weights @ known.T.astype(float)
    mean = np.full(total.shape, np.nan)
    np.divide(weights @ np.where(known, values, 0.0).T, total, out=mean, where=total > 0)
    return mean, total


def central_error(samples: FloatArray) -> FloatArray:
    """Return half of the central 68 % of bootstrap samples.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_numbers)
        NaN where a sample has none.

    Returns
    -------
    ndarray, shape (n_numbers,)
        NaN where more samples are missing than lie beyond one end of the central 68 %: those
        that are left do not bound it.
    """
    if np.isnan(samples).any(axis=1).mean() > TAIL:
        return np.full(samples.shape[1], np.nan)
    low, high = np.nanquantile(samples, [TAIL, 1.0 - TAIL], axis=0)
    return np.asarray(0.5 * (high - low))


def describe(**what: Any) -> dict[str, Any]:
    """Return attributes that say how a result was made, as a file can hold them.

    Parameters
    ----------
    **what : Any
        Names and values of the arguments.

    Returns
    -------
    dict
        These and the version.
    """
    return {"binnet": get_version(), **{k: v for k, v in what.items() if v is not None}}
