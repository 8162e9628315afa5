"""Phase diagrams: over the self-coupling, and in planes of it with a margin or with fields."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from binnet._validation import FloatArray, check_integer, check_real, check_reals
from binnet.theory import _checks
from binnet.theory.complexity import complexity
from binnet.theory.critical import critical_self_coupling
from binnet.theory.freezing import freezing_self_coupling
from binnet.theory.pairs import isolation_radius
from binnet.theory.transition import OverlapGap, overlap_gap

Progress = Callable[[Iterable[Any]], Iterable[Any]]


def phase_diagram(
    self_coupling: ArrayLike,
    *,
    margin: float = 0.0,
    field_std: float = 0.0,
    rtol: float = 1e-5,
    progress: Progress | None = None,
) -> dict[str, FloatArray]:
    """Complexity, isolation radius and overlap gap at every self-coupling.

    Parameters
    ----------
    self_coupling : array_like, shape (n,)
        Self-couplings J_D >= 0.
    margin : float, default 0
        Stability kappa that every neuron must exceed: only J_D - kappa counts.
    field_std : float, default 0
        Standard deviation sigma_b of quenched Gaussian external fields, 0 to 100.
    rtol : float, default 1e-5
        Accuracy asked of the local entropies.
    progress : callable, optional
        Wraps the iteration over rows, e.g. `tqdm.tqdm`.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        `self_coupling`, `complexity`, `isolation_radius` (nan with fields, for which it is not
        calculated, and for J_D < kappa), `gap_lower`, `gap_upper` (nan without a gap),
        `lowest_distance`, `lowest_entropy` (nan where S_loc is monotone), and numerical errors:
        `complexity_error`, `isolation_error`, `gap_error` (of both ends),
        `lowest_distance_error`, `lowest_entropy_error`.

    Raises
    ------
    ValueError
        For J_D < 0 or, without fields, more than 20 beyond the margin, fields outside 0 to 100, or
        an accuracy that cannot be reached.

    Examples
    --------
    >>> table = phase_diagram([0.0, 1.0])
    >>> bool(np.isnan(table["gap_lower"][1]))
    True
    """
    couplings = _line("self_coupling", _checks.self_coupling(self_coupling))
    kappa, std = check_real("margin", margin), _checks.one_searched_field_std(field_std)
    rtol = _checks.tolerance(rtol)
    sigma, sigma_error = complexity(couplings, kappa, std, return_error=True)
    radius, radius_error = np.full((2, couplings.size), np.nan)
    if not std:
        radius, radius_error = isolation_radius(couplings, margin=kappa, return_error=True)
    rows: Iterable[Any] = couplings if progress is None else progress(couplings)
    gaps = OverlapGap(
        *np.transpose([overlap_gap(float(j), margin=kappa, field_std=std, rtol=rtol) for j in rows])
    )
    return {
        "self_coupling": couplings,
        "complexity": sigma,
        "complexity_error": sigma_error,
        "isolation_radius": radius,
        "isolation_error": radius_error,
        "gap_lower": gaps.lower,
        "gap_upper": gaps.upper,
        "gap_error": gaps.error,
        "lowest_distance": gaps.distance,
        "lowest_distance_error": gaps.distance_error,
        "lowest_entropy": gaps.depth,
        "lowest_entropy_error": gaps.depth_error,
    }


def phase_map(
    self_coupling: ArrayLike,
    *,
    margin: ArrayLike = 0.0,
    field_std: ArrayLike = 0.0,
    dynamics: bool = True,
    rtol: float = 1e-8,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, FloatArray]:
    """Complexity, end of the overlap gap and freezing, over self-couplings and margins or fields.

    Each column of the plane has a margin and a field strength; both may change from one to the
    next.  J_D^c(kappa, sigma_b) = kappa + J_D^c(0, sigma_b), and a margin is no part of the
    dynamics: lines are calculated once for each field strength.  With fields J_D^c is a lower
    bound (see `critical_self_coupling`).

    Parameters
    ----------
    self_coupling : array_like, shape (n,)
        Self-couplings J_D >= 0, the rows of the plane.
    margin, field_std : array_like, shape (m,)
        Stability kappa >= 0 that every neuron must exceed, and standard deviation sigma_b >= 0 of
        quenched Gaussian external fields, of each column; one number counts for all.
    dynamics : bool, default True
        Whether to estimate where the synchronous dynamics freezes: most of the time goes there.
    rtol : float, default 1e-8
        Accuracy asked of the local entropies.
    seed : int, default 0
        Seed of the dynamics.
    progress : callable, optional
        Wraps the iteration over field strengths, e.g. `tqdm.tqdm`.

    Returns
    -------
    dict of str to ndarray
        `self_coupling`, shape (n,); `complexity` and `complexity_error`, shape (m, n), in nats per
        neuron; and, of shape (m,), `margin`, `field_std`, `critical` and `critical_error`, the
        J_D^c at which the gap closes, `closing_distance` and `closing_distance_error`, where it
        does, `freezing` and `freezing_error` (one standard error).  A line is nan where it is not
        found, of which a RuntimeWarning says why, or was not asked for.

    Raises
    ------
    ValueError
        For J_D, margins or fields below 0, or arrays whose shapes do not make a plane.

    Examples
    --------
    >>> plane = phase_map([0.2, 0.5], margin=[0.0, 0.3], dynamics=False)
    >>> plane["complexity"].round(3)
    array([[ 0.147,  0.324],
           [-0.083,  0.147]])
    >>> plane["critical"].round(3)
    array([0.06, 0.36])
    """
    couplings = _line("self_coupling", _checks.self_coupling(self_coupling))
    remedy = "below 0 thresholds lie at J_D < 0"
    kappa = _line("margin", check_reals("margin", margin, 0.0, remedy=remedy))
    std = _line("field_std", _checks.field_std(field_std))
    if len({1, kappa.size, std.size}) > 2:
        raise ValueError(
            f"margin and field_std must be of one length, or one of them a single number, got "
            f"{kappa.size} and {std.size} values; a column of the plane has one of each"
        )
    kappa, std = np.broadcast_arrays(kappa, std)
    rtol, seed = _checks.tolerance(rtol), check_integer("seed", seed, 0, None)
    sigma, sigma_error = complexity(couplings, kappa[:, None], std[:, None], return_error=True)
    strengths, column = np.unique(std, return_inverse=True)
    lines: list[list[float]] = []
    for strength in strengths if progress is None else progress(strengths):
        field = float(strength)
        lines.append(_find(critical_self_coupling, 4, field_std=field, rtol=rtol))
        if dynamics:
            lines[-1] += _find(freezing_self_coupling, 2, field_std=field, seed=seed)
        else:
            lines[-1] += [np.nan, np.nan]
    critical, distance, error, distance_error, freezing, freezing_error = np.transpose(lines)[
        :, column
    ]
    return {
        "self_coupling": couplings,
        "margin": kappa,
        "field_std": std,
        "complexity": sigma,
        "complexity_error": sigma_error,
        "critical": kappa + critical,
        "critical_error": error,
        "closing_distance": distance,
        "closing_distance_error": distance_error,
        "freezing": freezing,
        "freezing_error": freezing_error,
    }


def _line(name: str, values: FloatArray) -> FloatArray:
    """Return one number or some as an array of shape (n,)."""
    line = np.atleast_1d(values)
    if line.ndim != 1 or line.size == 0:
        raise ValueError(f"{name} must have shape (n,) with n >= 1, got shape {line.shape}")
    return line


def _find(threshold: Callable[..., Any], n_numbers: int, **parameters: Any) -> list[float]:
    """Return the first numbers of a threshold; where there is none, nan and a warning."""
    try:
        return list(threshold(**parameters)[:n_numbers])
    except ValueError as error:
        where = f"field_std = {parameters['field_std']:g}"
        warnings.warn(f"{where}: {error}", RuntimeWarning, stacklevel=3)
        return [np.nan] * n_numbers
