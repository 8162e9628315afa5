"""Numbers and their units as text."""

from __future__ import annotations

import math

import pytest

from binnet.benchmarks._units import find_prefix, format_number, format_si


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"), (0.01234, "0.0123"), (0.0999999, "0.100"), (1.5, "1.50"), (99.94, "99.9"),
        (99.96, "100"), (123.4, "123"), (1234.0, "1234"), (-0.5, "-0.500"), (math.nan, "unknown"),
        (math.inf, "unknown"),
    ],
)  # fmt: skip
def test_three_digits(value: float, text: str) -> None:
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "B", "0.00 B"),
        (123.4, "B", "123 B"),
        (1234.0, "B/s", "1.23 kB/s"),
        (12.34e9, "B/s", "12.3 GB/s"),
        (999.6e6, "B/s", "1.00 GB/s"),  # not 1000 MB/s
        (-2e3, "B", "-2.00 kB"),
        (0.0125, "s", "12.5 ms"),
        (3.2e-12, "J", "3.20 pJ"),
        (1e-20, "J", "0.0000100 fJ"),
        (1e22, "op/s", "10000 Eop/s"),
        (1e6, "synaptic updates/s", "1.00 M synaptic updates/s"),
        (5.0, "synaptic updates/s", "5.00 synaptic updates/s"),
        (2e6, "", "2.00 M"),
        (math.nan, "s", "unknown s"),
    ],
)
def test_prefixes(value: float, unit: str, text: str) -> None:
    assert format_si(value, unit) == text


def test_the_factor_is_that_of_the_prefix() -> None:
    for value in (1e-14, 3e-5, 1.0, 999.4, 999.6, 7e10):
        factor, prefix = find_prefix(value)
        assert format_si(value, "B") == f"{format_number(value / factor)} {prefix}B"
