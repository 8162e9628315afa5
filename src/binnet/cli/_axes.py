"""Values of a parameter, as they are written for the axes of a grid."""

from __future__ import annotations

from typing import Any

_MOST_VALUES = 10**6


def parse_axis(axis: str) -> tuple[str, list[Any]]:
    """Return name and values of PARAMETER=VALUES."""
    name, equals, text = axis.partition("=")
    if not equals or not name or not text:
        raise ValueError(f"write PARAMETER=VALUES, such as self_coupling=0.2:1.0:9, got {axis!r}")
    try:
        if ".." in text:
            first, last = (int(part) for part in text.split(".."))
            if last < first:
                raise ValueError("the range is empty")
            _check_number(last - first + 1)
            return name, list(range(first, last + 1))
        if ":" in text:
            import numpy as np

            begin, end, count = text.split(":")
            if int(count) < 2:
                raise ValueError("COUNT must be at least 2")
            _check_number(int(count))
            # 12 digits: 0.3, not 0.30000000000000004
            spaced = np.linspace(float(begin), float(end), int(count))
            return name, [float(f"{value:.12g}") for value in spaced]
    except ValueError as error:
        raise ValueError(
            f"cannot read the values {text!r} of {name} ({error}); write a list (a,b,c), a range "
            "of whole numbers (0..9) or FIRST:LAST:COUNT (0.2:1.0:9)"
        ) from None
    parts = text.split(",")
    for kind in (int, float):
        try:
            return name, [kind(part) for part in parts]
        except ValueError:
            continue
    return name, parts


def _check_number(n_values: int) -> None:
    if n_values > _MOST_VALUES:
        raise ValueError(f"it has more than {_MOST_VALUES} values")
