"""Numbers and their units as text: three digits, and a prefix of the SI."""

from __future__ import annotations

import math

_PREFIXES = ("f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P", "E")
_ONE = _PREFIXES.index("")


def find_prefix(value: float) -> tuple[float, str]:
    """Return the factor and the SI prefix that a number is written with."""
    power = math.floor(_find_power(value) / 3)
    power = min(max(power, -_ONE), len(_PREFIXES) - 1 - _ONE)
    return 1000.0**power, _PREFIXES[_ONE + power]


def format_number(value: float, digits: int = 3) -> str:
    """Return a number with so many digits, without an exponent."""
    if not math.isfinite(value):
        return "unknown"
    return f"{value:.{max(0, digits - 1 - _find_power(value, digits))}f}"


def format_si(value: float, unit: str) -> str:
    """Return a number with its unit: 12.3 GB/s."""
    factor, prefix = find_prefix(value)
    gap = " " if prefix and " " in unit else ""  # M flips make Mflips, but synaptic updates
    return f"{format_number(value / factor)} {prefix}{gap}{unit}".rstrip()


def _find_power(value: float, digits: int = 3) -> int:
    """Return the power of 10 of a number's first digit, once it is rounded: 2 of 99.97."""
    if not math.isfinite(value):
        return 0
    return int(f"{value:.{digits - 1}e}".partition("e")[2])
