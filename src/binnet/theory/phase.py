"""The phase diagram over the self-coupling: one row of numbers per J_D."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from binnet._validation import FloatArray
from binnet.theory import _checks
from binnet.theory.complexity import complexity
from binnet.theory.pairs import isolation_radius
from binnet.theory.transition import OverlapGap, overlap_gap


def phase_diagram(
    self_coupling: ArrayLike,
    *,
    rtol: float = 1e-5,
    progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
) -> dict[str, FloatArray]:
    """Complexity, isolation radius and overlap gap at every self-coupling.

    Parameters
    ----------
    self_coupling : array_like, shape (n,)
        Self-couplings J_D >= 0.
    rtol : float, default 1e-5
        Accuracy asked of the local entropies.
    progress : callable, optional
        Wraps the iteration over rows, e.g. `tqdm.tqdm`.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        `self_coupling`, `complexity`, `isolation_radius`, `gap_lower`, `gap_upper` (nan without a
        gap), `lowest_distance`, `lowest_entropy` (nan where S_loc is monotone), and numerical
        errors: `complexity_error`, `isolation_error`, `gap_error` (of both ends),
        `lowest_distance_error`, `lowest_entropy_error`.

    Examples
    --------
    >>> table = phase_diagram([0.0, 1.0])
    >>> bool(np.isnan(table["gap_lower"][1]))
    True
    """
    couplings = np.atleast_1d(_checks.self_coupling(self_coupling))
    if couplings.ndim != 1 or couplings.size == 0:
        raise ValueError(
            f"self_coupling must have shape (n,) with n >= 1, got shape {couplings.shape}; "
            "a table has one row per self-coupling"
        )
    sigma, sigma_error = complexity(couplings, return_error=True)
    radius, radius_error = isolation_radius(couplings, return_error=True)
    rows: Iterable[Any] = couplings if progress is None else progress(couplings)
    gaps = OverlapGap(*np.transpose([overlap_gap(float(j), rtol=rtol) for j in rows]))
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
