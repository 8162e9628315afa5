"""The limit of large networks: x*(N) = x_inf + c N^-a, fitted to thresholds with their errors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from binnet._validation import FloatArray, check_real
from binnet.sweeps.scaling._networks import central_error, check_axis, describe

if TYPE_CHECKING:
    import xarray as xr

# Beyond these an exponent says no more than that the law does not fit: towards 0 the power is a
# logarithm, which has no limit; towards the other end only the smallest size differs from it.
EXPONENTS = (0.02, 5.0)
_NAMES = ("limit", "amplitude", "exponent")


def extrapolate(
    thresholds: xr.Dataset, *, size: str = "n_neurons", exponent: float | None = None
) -> xr.Dataset:
    r"""Fit the thresholds' approach to their limit for large networks, a power of the size.

    :math:`x^*(N) = x_\infty + c N^{-a}` is fitted by weighted least squares, for each value of
    every other axis, once to the thresholds and once to each of their bootstrap samples.

    Parameters
    ----------
    thresholds : xarray.Dataset
        From `thresholds`, with the axis `size`.
    size : str, default "n_neurons"
        Axis of the sizes N; three or more must have a threshold, with a given exponent two.
    exponent : float, optional
        a, where it is known. Default: it is fitted.

    Returns
    -------
    xarray.Dataset
        ``limit`` x_inf, ``amplitude`` c and ``exponent`` a; each with ``..._error``, half of the
        central 68 % of the bootstrap samples over networks, and ``..._samples`` (resample).
        ``chi2``, its degrees of freedom ``dof``, and ``p_value``, the probability of a larger
        chi2 if the law and the errors are right (NaN without a degree of freedom). ``at_bound``:
        the exponent left 0.02..5, so that no power law with a limit was found, and limit,
        amplitude and exponent are NaN; ``fraction_at_bound``, of the samples with a threshold at
        every size. With more than 0.16 of all samples without a limit the errors are NaN.

    Raises
    ------
    TypeError, ValueError
        If the thresholds have no such axis or other networks than its, or too few sizes have a
        threshold with an error.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> n, rng = np.array([100, 400, 1600, 6400]), np.random.default_rng(1)
    >>> x = 0.8 - 5 / np.sqrt(n)
    >>> samples = x[:, None] + 0.001 * rng.standard_normal((4, 200))
    >>> measured = xr.Dataset(
    ...     {
    ...         "threshold": ("n_neurons", x),
    ...         "threshold_error": ("n_neurons", np.full(4, 0.001)),
    ...         "threshold_samples": (("n_neurons", "resample"), samples),
    ...     },
    ...     {"n_neurons": n},
    ... )
    >>> fit = extrapolate(measured)
    >>> round(fit.limit.item(), 6), round(fit.exponent.item(), 6), fit.dof.item()
    (0.8, 0.5, 1)
    """
    import xarray as xr

    if exponent is not None:
        exponent = check_real("exponent", exponent, *EXPONENTS)
    _check(thresholds, size)
    n = thresholds[size].values.astype(float)
    others = [str(name) for name in thresholds["threshold"].dims if name != size]
    x, sigma, samples = (
        thresholds[name].transpose(*others, size, ...).values
        for name in ("threshold", "threshold_error", "threshold_samples")
    )
    shape = x.shape[:-1]
    usable = np.isfinite(x) & (sigma > 0)
    _check_number(thresholds, size, usable, exponent)
    curves = [
        _extrapolate(
            n[usable[k]], x[k][usable[k]], sigma[k][usable[k]], samples[k][usable[k]], exponent
        )
        for k in np.ndindex(shape)
    ]
    fit = xr.Dataset(
        coords={name: thresholds[name] for name in others if name in thresholds.coords}
    )
    for name in curves[0][0]:
        fit[name] = (others, np.array([numbers[name] for numbers, _ in curves]).reshape(shape))
    for k, name in enumerate(_NAMES):
        drawn = np.array([samples[k] for _, samples in curves])
        fit[f"{name}_samples"] = ((*others, "resample"), drawn.reshape(*shape, -1))
    made = {f"thresholds_{key}": value for key, value in thresholds.attrs.items()}
    fit.attrs = describe(
        law="x_inf + c N^-a", size=size, smallest=float(n.min()), exponent_given=exponent, **made,
        errors="half of the central 68 % of the bootstrap samples over networks",
    )  # fmt: skip
    return fit


def _check(thresholds: xr.Dataset, size: str) -> None:
    """Refuse what `thresholds` did not make, or made of networks that sizes share."""
    import xarray as xr

    if not isinstance(thresholds, xr.Dataset):
        raise TypeError(f"thresholds must be an xarray.Dataset, got {type(thresholds).__name__}")
    names = ("threshold", "threshold_error", "threshold_samples")
    missing = [name for name in names if name not in thresholds]
    if missing:
        raise ValueError(
            f"thresholds lack {', '.join(missing)}; make them by sweeps.scaling.thresholds"
        )
    if size not in thresholds["threshold"].dims:
        raise ValueError(
            f"thresholds lack the axis {size}; sweep over it, or name the axis of sizes by size="
        )
    drawn = thresholds.attrs.get("size", size)
    if drawn != size:
        raise ValueError(
            f"the networks were drawn anew for each value of {drawn}, not of {size}, and samples "
            f"of different sizes would depend on each other; make them with size={size!r}"
        )
    check_axis(thresholds["threshold"], size)
    if (thresholds[size] <= 0).any():
        raise ValueError(f"sizes must be > 0, got {thresholds[size].values}")


def _check_number(
    thresholds: xr.Dataset, size: str, usable: NDArray[np.bool_], exponent: float | None
) -> None:
    """Refuse fewer sizes than the law has parameters."""
    needed = 3 if exponent is None else 2
    fewest = int(usable.sum(axis=-1).min())
    if fewest >= needed:
        return
    missing = thresholds[size].values[~usable.reshape(-1, usable.shape[-1]).all(axis=0)]
    law = "x_inf, c and a" if exponent is None else "x_inf and c"
    where = f" (none at {size} = {', '.join(f'{n:g}' for n in missing)})" if missing.size else ""
    parameter = thresholds.attrs.get("parameter", "the parameter")
    raise ValueError(
        f"{law} need {needed} sizes with a threshold and its error, got {fewest}{where}; measure "
        f"more sizes, more than one network of each, and values of {parameter} on both sides of "
        "the threshold" + (", or give the exponent" if fewest == 2 else "")
    )


def _extrapolate(
    n: FloatArray, x: FloatArray, sigma: FloatArray, samples: FloatArray, exponent: float | None
) -> tuple[dict[str, float], FloatArray]:
    """Fit the thresholds of one curve and their samples (size, resample).

    Return the numbers, and the samples (3, resample) of limit, amplitude and exponent.
    """
    from scipy.stats import chi2

    best, misfit = _fit(n, x, sigma, exponent)
    drawn = np.full((3, samples.shape[-1]), np.nan)
    whole = np.flatnonzero(np.isfinite(samples).all(axis=0))
    for k in whole:
        drawn[:, k] = _fit(n, samples[:, k], sigma, exponent, best[2])[0]
    lost = float(np.isnan(drawn[0, whole]).mean()) if whole.size else np.nan
    errors = central_error(drawn.T)
    dof = len(n) - (3 if exponent is None else 2)
    numbers = dict(zip(_NAMES, map(float, best), strict=True))
    numbers |= {f"{name}_error": error for name, error in zip(_NAMES, errors, strict=True)}
    numbers |= {"chi2": misfit, "dof": dof}
    numbers["p_value"] = float(chi2.sf(misfit, dof)) if dof > 0 else np.nan
    numbers |= {"at_bound": bool(np.isnan(best[0])), "fraction_at_bound": lost}
    return numbers, drawn


def _fit(
    n: FloatArray,
    x: FloatArray,
    sigma: FloatArray,
    exponent: float | None,
    guess: float = np.nan,
) -> tuple[FloatArray, float]:
    """Return limit, amplitude and exponent, nan where that left its bounds, and chi^2."""
    from scipy.optimize import curve_fit

    smallest = n.min()
    ratio = n / smallest

    def law(ratio: FloatArray, limit: float, rest: float, a: float) -> FloatArray:
        return limit + rest * ratio**-a

    def fit_line(a: float) -> FloatArray:
        """Fit the two parameters in which the law is linear."""
        columns = np.stack([np.ones_like(ratio), ratio**-a], axis=1)
        return np.asarray(np.linalg.lstsq(columns / sigma[:, None], x / sigma)[0])

    def misfit(parameters: FloatArray) -> float:
        return float((((x - law(ratio, *parameters)) / sigma) ** 2).sum())

    if exponent is not None:
        best = np.array([*fit_line(exponent), exponent])
        chi2 = misfit(best)
    else:
        guesses = np.geomspace(*EXPONENTS, 25) if np.isnan(guess) else [guess]
        best = min((np.array([*fit_line(a), a]) for a in guesses), key=misfit)
        chi2 = misfit(best)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # Of a covariance that is not asked for, and of exponents on their way to a bound.
            warnings.simplefilter("ignore")
            try:
                best = curve_fit(law, ratio, x, best, sigma, absolute_sigma=True, maxfev=2000)[0]
            except RuntimeError:  # there is no minimum
                best = np.full(3, np.nan)
        if EXPONENTS[0] < best[2] < EXPONENTS[1]:
            chi2 = misfit(best)
        else:
            best = np.full(3, np.nan)
    best[1] *= smallest ** best[2]
    return best, chi2
