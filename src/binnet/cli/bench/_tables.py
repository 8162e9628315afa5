"""Numbers and tables of `binnet bench` as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def find_prefix(value: float) -> tuple[float, str]:
    """Return the factor and the SI prefix that a number is written with."""
    return next(((f, prefix) for f, prefix in _PREFIXES if abs(value) >= f), (1.0, ""))


def format_number(value: float, digits: int = 3) -> str:
    """Return a number with so many digits, without an exponent."""
    if not math.isfinite(value):
        return "unknown"
    size = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{max(0, digits - 1 - size)}f}"


def format_si(value: float, unit: str) -> str:
    """Return a number with its unit: 12.3 GB/s."""
    factor, prefix = find_prefix(value)
    gap = " " if prefix and " " in unit else ""  # M flips make Mflips, but synaptic updates
    return f"{format_number(value / factor)} {prefix}{gap}{unit}"


def format_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> Iterator[str]:
    """Yield the lines of a table; columns are as wide as they must be, those of `right` flush."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        cells = [
            cell.rjust(width) if k in right else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
