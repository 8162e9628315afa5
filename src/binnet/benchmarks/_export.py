"""A result in formats of others: tables (CSV, Parquet), and pytest-benchmark's JSON.

For pyperf nothing is exported: it reads the result file itself.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from binnet._files import atomic_path, write_json
from binnet._provenance import get_version
from binnet.benchmarks._files import name_benchmark
from binnet.benchmarks._limits import find_limits, fraction_of_limit
from binnet.benchmarks._result import BenchmarkResult, Measurement
from binnet.benchmarks._statistics import rate_interval, summarize

if TYPE_CHECKING:
    import pandas as pd

_PYTEST_BENCHMARK_FORMAT = "5.1.0"  # version whose files these are


def to_frame(result: BenchmarkResult) -> pd.DataFrame:
    """Return a result as a table with a row for each workload and number of threads.

    Parameters
    ----------
    result : BenchmarkResult
        What a run found.

    Returns
    -------
    pandas.DataFrame
        Rates in units a second, times in seconds a call. `fraction` is that of the limit which is
        named beside it, nan where none was measured.
    """
    import pandas as pd

    return pd.DataFrame([_to_row(result, measurement) for measurement in result.measurements])


def _to_row(result: BenchmarkResult, m: Measurement) -> dict[str, Any]:
    low, high = rate_interval(m)
    seconds = summarize(m)
    fraction, limit = _find_fraction(result, m)
    return {
        "suite": m.suite, "workload": m.workload, "implementation": m.implementation,
        "threads": m.threads, "level": m.level, "unit": f"{m.unit}/s",
        "rate": m.rate, "rate_low": low, "rate_high": high,
        "seconds": seconds.median, "seconds_mad": seconds.deviation,
        "seconds_min": seconds.minimum, "cold_seconds": m.cold_seconds,
        "processes": seconds.n_processes, "values": seconds.n_values, "loops": m.loops,
        "fraction": fraction, "limit": limit,
        "joules": math.nan if m.joules is None else m.joules,
        "checksum": m.checksum, "verdict": m.verdict,
    }  # fmt: skip


def _find_fraction(result: BenchmarkResult, measurement: Measurement) -> tuple[float, str]:
    """Return the fraction of the limit that binds a measurement, and the name of the limit."""
    limits = find_limits(result, measurement.threads)
    found = None if limits is None else fraction_of_limit(measurement, limits)
    return (math.nan, "") if found is None else (found.value, found.name)


def _write_csv(
    result: BenchmarkResult, path: str | os.PathLike[str], overwrite: bool = False
) -> None:
    with atomic_path(path, overwrite=overwrite) as temporary:
        to_frame(result).to_csv(temporary, index=False)


def _write_parquet(
    result: BenchmarkResult, path: str | os.PathLike[str], overwrite: bool = False
) -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ImportError('Parquet needs pyarrow: pip install "binnet[tables]"') from None
    with atomic_path(path, overwrite=overwrite) as temporary:
        to_frame(result).to_parquet(temporary, index=False)


def _write_pytest_benchmark(
    result: BenchmarkResult, path: str | os.PathLike[str], overwrite: bool = False
) -> None:
    write_json(path, to_pytest_benchmark(result), overwrite=overwrite)


_WRITERS: dict[str, Callable[..., None]] = {
    "pytest-benchmark": _write_pytest_benchmark,
    "csv": _write_csv,
    "parquet": _write_parquet,
}
#: Formats of `export_result`, and how their files usually end.
FORMATS = {"pytest-benchmark": ".json", "csv": ".csv", "parquet": ".parquet"}


def export_result(
    result: BenchmarkResult, path: str | os.PathLike[str], form: str, *, overwrite: bool = False
) -> None:
    """Write a result in a format of others.

    Parameters
    ----------
    result : BenchmarkResult
        What a run found.
    path : path-like
        File to write.
    form : {"pytest-benchmark", "csv", "parquet"}
        Format.
    overwrite : bool, default False
        Whether a file may be replaced that binnet did not write.

    Raises
    ------
    ValueError
        For a format that is not known.
    ImportError
        If the package that the format needs is not installed; the message says how to install it.
    FileExistsError
        If there is a file that binnet did not write.
    """
    if form not in _WRITERS:
        raise ValueError(f"there is no format {form!r}; choose from {', '.join(_WRITERS)}")
    _WRITERS[form](result, path, overwrite)


def to_pytest_benchmark(result: BenchmarkResult) -> dict[str, Any]:
    """Return a result as pytest-benchmark stores its own, as plain values.

    Parameters
    ----------
    result : BenchmarkResult
        What a run found.

    Returns
    -------
    dict
        A round is a value, and a benchmark's extra_info has work, unit, checksum and verdict.

    Raises
    ------
    ImportError
        If pytest-benchmark is not installed, whose statistics these are.
    """
    code = result.machine.get("binnet")
    code = code if isinstance(code, Mapping) else {}
    machine = {
        "system": result.provenance.get("platform", ""),
        "python_version": result.provenance.get("python", ""),
        "cpu": {"brand_raw": result.provenance.get("cpu", "")},
    }
    return {
        "machine_info": machine,
        "commit_info": {"id": code.get("commit"), "dirty": code.get("is_dirty")},
        "benchmarks": [_to_benchmark(measurement) for measurement in result.measurements],
        "datetime": result.provenance.get("started", ""),
        "version": _PYTEST_BENCHMARK_FORMAT,
        "binnet": get_version(),
    }


def _to_benchmark(m: Measurement) -> dict[str, Any]:
    try:
        from pytest_benchmark.stats import Stats
    except ImportError:
        raise ImportError(
            'the format pytest-benchmark needs that package: pip install "binnet[bench]"'
        ) from None
    stats = Stats()
    for values in m.values:
        for seconds in values:
            stats.update(seconds)
    name = name_benchmark(m)
    return {
        "group": m.suite,
        "name": name,
        "fullname": f"binnet bench::{name}",
        "params": {"workload": m.workload, "threads": m.threads},
        "param": f"{m.workload}-{m.threads}",
        "extra_info": {
            "work": m.amount, "unit": m.unit, "rate": m.rate, "checksum": m.checksum,
            "verdict": m.verdict, "implementation": m.implementation,
        },
        "options": {},
        "stats": {**stats.as_dict(), "data": stats.data, "iterations": m.loops},
    }  # fmt: skip
