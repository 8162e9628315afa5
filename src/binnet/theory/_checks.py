"""Argument checks of the theory calculator.

Each check returns the argument as a float64 array, or raises an error that names the value, the
valid range and what to do instead.  Nothing is computed before every argument has passed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def as_real(name: str, value: ArrayLike) -> FloatArray:
    """Return `value` as a float64 array; refuse what is not a finite real number."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be a number or an array of numbers, got {value!r}") from error
    if not np.all(np.isfinite(array)):
        raise ValueError(
            f"{name} must be finite, got {value!r}; remove the NaN or infinite entries"
        )
    return array


def in_range(
    name: str,
    value: ArrayLike,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
    remedy: str = "",
) -> FloatArray:
    """Return `value` as an array whose entries all lie between `low` and `high`."""
    array = as_real(name, value)
    bad = (array <= low) if open_low else (array < low)
    bad |= (array >= high) if open_high else (array > high)
    if np.any(bad):
        first = float(array[bad].flat[0]) if array.ndim else float(array)
        left = "(" if open_low or low == -np.inf else "["
        right = ")" if open_high or high == np.inf else "]"
        interval = f"{left}{low:g}, {high:g}{right}"
        raise ValueError(
            f"{name} must lie in {interval}, got {first:g}{'; ' + remedy if remedy else ''}"
        )
    return array


def self_coupling(value: ArrayLike) -> FloatArray:
    """Return a valid self-coupling J_D >= 0."""
    return in_range(
        "self_coupling",
        value,
        0.0,
        remedy="the theory covers J_D >= 0; use `margin` to lower the stability",
    )


def overlap(value: ArrayLike) -> FloatArray:
    """Return a valid overlap, -1 <= q <= 1."""
    return in_range(
        "overlap", value, -1.0, 1.0, remedy="an overlap is (1/N) sum_i s_i s'_i = 1 - 2 distance"
    )


def tolerance(value: float) -> float:
    """Return a valid relative tolerance."""
    remedy = "double precision cannot do better than 1e-13"
    return float(in_range("rtol", value, 1e-13, 0.1, remedy=remedy))


def whole(name: str, value: Any, low: int, high: int | None = None, *, remedy: str = "") -> int:
    """Return `value` as an int between `low` and `high`."""
    if isinstance(value, bool | np.bool_) or int(value) != value:
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < low or (high is not None and value > high):
        limit = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be {limit}, got {value}{'; ' + remedy if remedy else ''}")
    return int(value)
