"""Checks of what users pass in: every message names the value, the valid range and the remedy.

Input is checked once, where it enters the library, and before any work starts; the kernels check
nothing.
"""

from __future__ import annotations

import math
import numbers
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
#: Inputs to a driven network, as `check_inputs` returns them: int8 spins, uint8 pixels or float32.
Inputs = NDArray[np.int8] | NDArray[np.uint8] | NDArray[np.float32]

#: Integers beyond are none to NumPy; only seeds may be, by `high=None`.
MOST = 2**63 - 1
#: Finite numbers beyond are mistakes: single precision ends at 3e38, and fields are sums.
_LARGEST = 1e30


def check_integer(
    name: str, value: object, low: int, high: int | None = MOST, *, remedy: str = ""
) -> int:
    """Return `value` as an int in low..high, or say what is wrong with it."""
    valid = f"an integer >= {low}" if high in (None, MOST) else f"an integer in {low}..{high}"
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be {valid}, got {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be {valid}, got {value!r}") from None
    if number > MOST == high:
        shown = number if number.bit_length() <= 128 else f"one of {number.bit_length()} bits"
        raise ValueError(f"{name} must be {valid} and below 2**63, got {shown}")
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name} must be {valid}, got {number}{remedy and '; ' + remedy}")
    return number


def check_reals(
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
    remedy: str = "",
) -> FloatArray:
    """Return a number or an array of numbers as finite float64, every one between low and high.

    `above` leaves out `low` itself, `below` leaves out `high`.
    """
    valid = _describe_reals(low, high, above, below)
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise TypeError(f"{name} must be {valid} or an array of such, got {value!r}") from error
    if array.dtype.kind not in "iuf":
        got = f"an array of {array.dtype}" if array.ndim else repr(value)
        raise TypeError(f"{name} must be {valid}, got {got}")
    array = np.asarray(array, dtype=np.float64)
    wrong = ~np.isfinite(array)
    wrong |= (array <= low) if above else (array < low)
    wrong |= (array >= high) if below else (array > high)
    if wrong.any():
        where = tuple(int(k) for k in np.argwhere(wrong)[0])
        at = f" at {list(where)}" if where else ""
        raise ValueError(
            f"{name} must be {valid}, got {array[where]:g}{at}{remedy and '; ' + remedy}"
        )
    if array.size and np.abs(array).max() > _LARGEST:
        raise ValueError(
            f"{name} must be {valid} of a size up to {_LARGEST:g}, got {np.abs(array).max():g}"
        )
    return array


def _describe_reals(low: float, high: float, above: bool, below: bool) -> str:
    """Return the valid range in words, for a message."""
    valid = "a finite number"
    if low > -math.inf:
        valid += f" {'>' if above else '>='} {low:g}"
    if high < math.inf:
        valid += f"{' and' if low > -math.inf else ''} {'<' if below else '<='} {high:g}"
    return valid


def check_real(
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
    remedy: str = "",
) -> float:
    """Return one number as a finite float between low and high (see check_reals)."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be {_describe_reals(low, high, above, below)}, got {value!r}")
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 308 digits
        number = math.inf
    checked = check_reals(name, number, low, high, above=above, below=below, remedy=remedy)
    return float(checked)


def keep_integer(owner: object, name: str, low: int, high: int | None = MOST) -> None:
    """Check an integer field of a frozen dataclass and keep it as a plain int, as JSON takes it."""
    object.__setattr__(owner, name, check_integer(name, getattr(owner, name), low, high))


def keep_real(
    owner: object,
    name: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
) -> None:
    """Check a real field of a frozen dataclass and keep it as a plain float."""
    number = check_real(name, getattr(owner, name), low, high, above=above)
    object.__setattr__(owner, name, number)


def keep_bool(owner: object, name: str) -> None:
    """Check a yes-or-no field of a frozen dataclass and keep it as a plain bool."""
    value = getattr(owner, name)
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    object.__setattr__(owner, name, bool(value))


def check_choice(name: str, value: object, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return str(value)


def check_matrix(name: str, value: object, shape: tuple[int, ...], axes: str) -> NDArray[Any]:
    """Return `value` as a finite floating-point array of the given shape."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, got {type(value).__name__}")
    array = value
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {axes} = {shape}, got {array.shape}")
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32 or float64, got {array.dtype}")
    if not np.isfinite(array).all():
        where = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, got {array[where]} at {list(where)}")
    return array


def _check_columns(name: str, array: NDArray[Any], n_columns: int) -> None:
    if array.ndim != 2 or array.shape[1] != n_columns:
        remedy = "; for one sample, pass sample[None, :]" if array.shape == (n_columns,) else ""
        raise ValueError(
            f"{name} must have shape (n_samples, {n_columns}), got {array.shape}{remedy}"
        )


def check_spins(
    name: str, value: object, n_columns: int, *, silent: bool = False
) -> NDArray[np.int8]:
    """Return `value` as an int8 array (n, n_columns) of -1 and +1 (and 0, with `silent`)."""
    array = np.asarray(value)
    _check_columns(name, array, n_columns)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be numbers -1 and +1, got an array of {array.dtype}")
    valid = (array == 1) | (array == -1)
    if silent:
        valid |= array == 0
    if not valid.all():
        row, column = (int(k) for k in np.argwhere(~valid)[0])
        states = "-1, 0 or +1" if silent else "-1 or +1"
        raise ValueError(
            f"{name} must be {states}, got {array[row, column]} at [{row}, {column}]; "
            "for 0/1 bits pass 2 * bits - 1, for real features "
            "binnet.datasets.project_and_binarise shows a way"
        )
    return np.ascontiguousarray(array, dtype=np.int8)


def check_inputs(name: str, value: object, n_columns: int) -> Inputs:
    """Return `value` as inputs (n, n_columns): spins if it can be, else graded ones.

    int8 where all entries are -1 and +1, unless they are uint8; uint8 as it is, pixels of which 255
    means 1; any other finite numbers as float32.
    """
    if hasattr(value, "toarray"):
        raise TypeError(f"{name} must be dense, got {type(value).__name__}; pass {name}.toarray()")
    array = np.asarray(value)
    _check_columns(name, array, n_columns)
    if array.dtype.kind not in "iuf":
        remedy = "; for bits pass 2 * bits - 1" if array.dtype.kind == "b" else ""
        raise TypeError(f"{name} must be real numbers, got an array of {array.dtype}{remedy}")
    if array.dtype == np.uint8:
        if array.size and array.max() == 1:
            warnings.warn(
                f"{name} are uint8, which are taken as pixels of 0 to 255, but none is above 1: "
                "for bits pass 2 * bits - 1, for numbers from 0 to 1 pass them as floats",
                stacklevel=3,
            )
        return np.ascontiguousarray(array)
    if ((array == 1) | (array == -1)).all():
        return np.ascontiguousarray(array, dtype=np.int8)
    wrong = ~(np.abs(array) <= _LARGEST)  # NaN is not, either
    if wrong.any():
        row, column = (int(k) for k in np.argwhere(wrong)[0])
        raise ValueError(
            f"{name} must be finite numbers of a size up to {_LARGEST:g}, got "
            f"{array[row, column]} at [{row}, {column}]; fill in what is missing first"
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def refuse_graded(name: str, inputs: Inputs, purpose: str) -> NDArray[np.int8]:
    """Return inputs that are spins, or say that `purpose` takes no others."""
    if inputs.dtype != np.int8:
        raise ValueError(
            f"{purpose} takes inputs of -1 and +1 only, got graded {name} of {inputs.dtype}; "
            "binnet.datasets.project_and_binarise shows a way to make spins of them"
        )
    return inputs.astype(np.int8, copy=False)


def to_reals(inputs: Inputs) -> Inputs:
    """Return inputs from `check_inputs` as the numbers that they stand for, spins or float32."""
    if inputs.dtype == np.uint8:
        return inputs.astype(np.float32) / np.float32(255)
    return inputs


def check_labels(name: str, value: object, n_samples: int, n_classes: int) -> NDArray[np.int64]:
    """Return `value` as int64 labels (n_samples,) in 0..n_classes-1."""
    array = np.asarray(value)
    if array.shape != (n_samples,):
        raise ValueError(
            f"{name} must have shape ({n_samples},), one label a sample, got {array.shape}"
        )
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be integers 0..{n_classes - 1}, got an array of {array.dtype}"
        )
    wrong = np.flatnonzero((array < 0) | (array >= n_classes))
    if wrong.size:
        raise ValueError(
            f"{name} must be in 0..{n_classes - 1} (n_outputs = {n_classes}), "
            f"got {array[wrong[0]]} at [{wrong[0]}]"
        )
    return np.ascontiguousarray(array, dtype=np.int64)
