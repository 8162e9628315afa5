"""What the theory calls valid: the arguments that many of its functions share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import FloatArray, check_integer, check_real, check_reals

_NOT_NEGATIVE = "the theory covers J_D >= 0; use `margin` to lower the stability"
_SEARCHED: dict[str, Any] = {"high": 100.0, "remedy": "the search was tried up to there"}


def self_coupling(value: ArrayLike) -> FloatArray:
    """Return self-couplings J_D >= 0."""
    return check_reals("self_coupling", value, 0.0, remedy=_NOT_NEGATIVE)


def one_self_coupling(value: float) -> float:
    """Return a single self-coupling J_D >= 0."""
    return check_real("self_coupling", value, 0.0, remedy=_NOT_NEGATIVE)


def reach(self_coupling_: ArrayLike, margin: ArrayLike) -> FloatArray:
    """Return J_D - kappa, of self-couplings J_D >= 0 and any margins kappa."""
    return np.asarray(self_coupling(self_coupling_) - check_reals("margin", margin))


def field_std(value: ArrayLike) -> FloatArray:
    """Return standard deviations of external fields, sigma_b >= 0."""
    return check_reals("field_std", value, 0.0, remedy="a standard deviation is not negative")


def overlap(value: ArrayLike) -> FloatArray:
    """Return overlaps, -1 <= q <= 1."""
    remedy = "an overlap is (1/N) sum_i s_i s'_i = 1 - 2 distance"
    return check_reals("overlap", value, -1.0, 1.0, remedy=remedy)


def tolerance(value: float) -> float:
    """Return a relative tolerance."""
    remedy = "double precision cannot do better than 1e-13"
    return check_real("rtol", value, 1e-13, 0.1, remedy=remedy)


def update_fraction(value: float) -> float:
    """Return the share of neurons updated in a step, 0 < p <= 1."""
    remedy = "1 is the synchronous dynamics"
    return check_real("update_fraction", value, 0.0, 1.0, above=True, remedy=remedy)


def self_couplings(value: ArrayLike, n_neurons: int) -> FloatArray:
    """Return the self-coupling J_D >= 0 of every neuron, from one number or one per neuron."""
    return _each("self_coupling", self_coupling(value), n_neurons)


def couplings(value: ArrayLike) -> NDArray[Any]:
    """Return a square matrix of finite couplings with a zero diagonal, as float32 or float64."""
    matrix = np.asarray(value)
    if matrix.dtype != np.float32:  # kept, as it halves the memory
        matrix = check_reals("couplings", matrix)
    elif not np.isfinite(matrix).all():
        check_reals("couplings", matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 2:
        raise ValueError(
            f"couplings must be a square matrix (N, N) with N >= 2, got shape {matrix.shape}"
        )
    wrong = np.flatnonzero(np.diagonal(matrix))
    if wrong.size:
        at = int(wrong[0])
        raise ValueError(
            f"couplings must have a zero diagonal, got {matrix[at, at]:g} at {[at, at]}; "
            "pass J_D as `self_coupling` instead"
        )
    return matrix


def fields(value: ArrayLike, n_neurons: int) -> FloatArray:
    """Return the external field of every neuron, from one number or one per neuron."""
    return _each("field", check_reals("field", value), n_neurons)


def _each(name: str, array: FloatArray, n_neurons: int) -> FloatArray:
    if array.shape not in ((), (n_neurons,)):
        raise ValueError(
            f"{name} must be a number or have shape ({n_neurons},), one per neuron, "
            f"got shape {array.shape}"
        )
    return np.broadcast_to(array, (n_neurons,))


def symmetry(value: ArrayLike) -> FloatArray:
    """Return correlations of J_ij and J_ji, -1 <= eta <= 1."""
    remedy = "1 is symmetric, 0 independent, -1 antisymmetric"
    return check_reals("symmetry", value, -1.0, 1.0, remedy=remedy)


def one_field_std(value: float) -> float:
    """Return a single standard deviation of external fields, sigma_b >= 0."""
    return check_real("field_std", value, 0.0, remedy="a standard deviation is not negative")


def searched_field_std(value: ArrayLike) -> FloatArray:
    """Return standard deviations of external fields with which distances can be searched."""
    return check_reals("field_std", value, 0.0, **_SEARCHED)


def one_searched_field_std(value: float) -> float:
    """Return a single standard deviation of fields with which distances can be searched."""
    return check_real("field_std", value, 0.0, **_SEARCHED)


def update_order(fraction: float, n_groups: int) -> tuple[float, int]:
    """Return the share of neurons updated in a step and the number of groups, one of them 1."""
    p = update_fraction(fraction)
    groups = check_integer("n_groups", n_groups, 1, remedy="1 is the synchronous dynamics")
    if p < 1.0 and groups > 1:
        raise ValueError(
            f"update_fraction must be 1 where there are groups, got {p:g} with n_groups = "
            f"{groups}; take random subsets or groups"
        )
    return p, groups


def one_symmetry(value: float) -> float:
    """Return a single correlation of J_ij and J_ji, -1 <= eta <= 1."""
    remedy = "1 is symmetric, 0 independent, -1 antisymmetric"
    return check_real("symmetry", value, -1.0, 1.0, remedy=remedy)
