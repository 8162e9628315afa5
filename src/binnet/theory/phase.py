"""The phase diagram over the self-coupling: one row of numbers per J_D."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from binnet.theory import _checks
from binnet.theory._checks import FloatArray
from binnet.theory.complexity import complexity
from binnet.theory.pairs import isolation_radius
from binnet.theory.transition import overlap_gap


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
        `self_coupling`, `complexity`, `complexity_error`, `isolation_radius`, `gap_lower`,
        `gap_upper` (nan without a gap), `gap_error`, `lowest_distance`, `lowest_entropy` (nan
        where S_loc is monotone).

    Examples
    --------
    >>> table = phase_diagram([0.0, 1.0])
    >>> bool(np.isnan(table["gap_lower"][1]))
    True
    """
    couplings = np.atleast_1d(_checks.self_coupling(self_coupling))
    sigma, sigma_error = complexity(couplings, return_error=True)
    rows: Iterable[Any] = couplings if progress is None else progress(couplings)
    gaps = np.array([tuple(overlap_gap(float(j), rtol=rtol)) for j in rows], dtype=np.float64)
    return {
        "self_coupling": couplings,
        "complexity": np.asarray(sigma),
        "complexity_error": np.asarray(sigma_error),
        "isolation_radius": np.asarray(isolation_radius(couplings)),
        "gap_lower": gaps[:, 0],
        "gap_upper": gaps[:, 1],
        "gap_error": gaps[:, 4],
        "lowest_distance": gaps[:, 2],
        "lowest_entropy": gaps[:, 3],
    }
