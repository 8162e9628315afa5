"""Result files: what pyperf reads, with one key more, "binnet", for what pyperf has no place for.

pyperf's keys hold the seconds of every call, a run of theirs for each process, and few metadata of
each benchmark; the part "binnet" has the rest. docs/benchmark_schema.md explains every field.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from binnet._files import write_json
from binnet._provenance import get_version
from binnet._records import check_digest, compute_digest, warn_unchecked
from binnet.benchmarks._result import BenchmarkResult, Limits, Measurement, Stability
from binnet.benchmarks._schema import SCHEMA_VERSION, Part, upgrade

_PYPERF_VERSION = "1.0"  # of its format of files
_HOW = "binnet bench run --output FILE writes one"


def name_benchmark(measurement: Measurement) -> str:
    """Return the name of a measurement in pyperf's part: workload, threads and any peer."""
    threads = f"{measurement.threads} thread{'s' if measurement.threads > 1 else ''}"
    name = f"{measurement.workload}, {threads}"
    ours = measurement.implementation == "binnet"
    return name if ours else f"{name}, {measurement.implementation}"


def save_result(
    result: BenchmarkResult, path: str | os.PathLike[str], overwrite: bool = False
) -> None:
    """Write a result to a file that pyperf reads as well.

    Parameters
    ----------
    result : BenchmarkResult
        What a run found; complete or not.
    path : path-like
        File to write, JSON.
    overwrite : bool, default False
        Whether a file may be replaced that binnet did not write.

    Raises
    ------
    ValueError
        If nothing was measured, or a number of a measurement is not finite.
    FileExistsError
        If there is a file that binnet did not write.
    OSError
        If the file cannot be written.
    """
    content = to_content(result)
    _read_content("the result", content)  # what could not be read again is refused here
    content["binnet"]["sha256"] = compute_digest(content)
    write_json(path, content, overwrite=overwrite)


def load_result(path: str | os.PathLike[str]) -> BenchmarkResult:
    """Return the result that a file holds, also one of an older version.

    Parameters
    ----------
    path : path-like
        File that `save_result` or ``binnet bench run`` wrote.

    Returns
    -------
    BenchmarkResult
        What was saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no result of binnet's, of a newer version, or damaged; the message says which.

    Warns
    -----
    UncheckedFileWarning
        If the file is of version 1, which has no digest of its content.
    """
    content = _read_json(Path(path))
    _check_kind(path, content)
    version = content["binnet"].get("schema")
    result = _read_content(str(path), upgrade(str(path), content))
    if version == 1:
        warn_unchecked(Path(path))
    else:
        binnet = {k: v for k, v in content["binnet"].items() if k != "sha256"}
        digest = compute_digest({**content, "binnet": binnet})
        check_digest(Path(path), content["binnet"].get("sha256"), digest)
    return result


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}; {_HOW}") from None
    except IsADirectoryError:
        raise IsADirectoryError(f"{path} is a folder; name a result file in it") from None
    except (ValueError, RecursionError) as error:
        reason = str(error) or "it is empty"
        raise ValueError(
            f"{path} is not JSON ({reason}): no result of binnet bench, or a damaged one; {_HOW}"
        ) from None


def _check_kind(path: str | os.PathLike[str], content: Any) -> None:
    """Refuse JSON of another program, saying of which if that is known."""
    keys = set(content) if isinstance(content, dict) else set()
    ours = isinstance(content, dict) and isinstance(content.get("binnet"), dict)
    if ours and "benchmarks" in keys:
        return
    if "binnet" in keys:
        what = "a file of another command of binnet's"
    elif {"machine_info", "benchmarks"} <= keys:
        what = "a file of pytest-benchmark"
    elif {"version", "benchmarks"} <= keys:
        what = 'a pyperf file without the key "binnet", which pyperf leaves out of what it writes'
    else:
        what = "JSON of another program"
    raise ValueError(f"{path} is {what}, not a result of binnet bench; {_HOW}")


def to_content(result: BenchmarkResult) -> dict[str, Any]:
    """Return what a file holds of a result, as plain values, without the digest."""
    if not result.measurements:
        raise ValueError("there is nothing to save: no workload was measured")
    names = [name_benchmark(measurement) for measurement in result.measurements]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} is measured twice; a result holds each measurement once")
    whole = asdict(result)
    for measurement, name in zip(whole["measurements"], names, strict=True):
        del measurement["values"], measurement["loops"]
        measurement["benchmark"] = name
    content = {
        "version": _PYPERF_VERSION,
        "metadata": _describe(result),
        "benchmarks": [_to_benchmark(measurement) for measurement in result.measurements],
        "binnet": {"schema": SCHEMA_VERSION, "version": get_version(), **whole},
    }
    return dict(_to_plain(content))


def _describe(result: BenchmarkResult) -> dict[str, Any]:
    """Return the metadata of all benchmarks for pyperf, under its own names where it has them."""
    code = result.machine.get("binnet")
    found = {
        "commit": code.get("commit") if isinstance(code, Mapping) else None,
        "binnet_version": result.provenance.get("binnet"),
        "cpu_model_name": result.provenance.get("cpu"),
        "platform": result.provenance.get("platform"),
        "python_version": result.provenance.get("python"),
        "started": result.provenance.get("started"),
        "division": result.division,
        "stability": "stable" if result.stability.is_stable else "not stable",
    }
    return _to_metadata(found)


def _to_benchmark(measurement: Measurement) -> dict[str, Any]:
    metadata = {
        "name": name_benchmark(measurement),
        "unit": "second",  # of the values
        "loops": measurement.loops,
        "work": measurement.amount,
        "work_unit": measurement.unit,
        "suite": measurement.suite,
        "level": measurement.level,
        "threads": measurement.threads,
        "checksum": measurement.checksum,
        "verdict": measurement.verdict,
    }
    runs = [{"values": list(values)} for values in measurement.values]
    return {"metadata": _to_metadata(metadata), "runs": runs}


def _to_metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what pyperf takes: numbers, and texts of one line that are not empty."""
    plain = {
        key: " ".join(value.split()) if isinstance(value, str) else value
        for key, value in values.items()
        if isinstance(value, str | int | float)
    }
    return {key: value for key, value in plain.items() if value != ""}


def _to_plain(value: Any) -> Any:
    """Return a value as JSON has it: what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return _to_plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, os.PathLike) else value


def _read_content(path: str, content: dict[str, Any]) -> BenchmarkResult:
    """Return the result of a file's content, of the present version."""
    top = Part(path, content)
    top.text("version", _PYPERF_VERSION)
    top.table("metadata")
    part = top.part("binnet")
    part.text("version")
    timed = {name: found for name, *found in map(_read_benchmark, top.parts("benchmarks"))}
    stability = part.part("stability")
    measurements = part.parts("measurements")
    if not measurements:
        raise part.wrong(part.name("measurements"), "a list with one table at least", [])
    return BenchmarkResult(
        measurements=tuple(_read_measurement(item, timed) for item in measurements),
        limits_before=_read_limits(part, "limits_before"),
        limits_after=_read_limits(part, "limits_after"),
        stability=Stability(
            stability.flag("is_stable"), stability.texts("reasons"), stability.table("observed")
        ),
        division=part.text("division", "closed", "open"),
        open_reasons=part.texts("open_reasons"),
        machine=part.table("machine"),
        energy=part.table("energy"),
        provenance=part.table("provenance"),
        settings=part.table("settings"),
        is_complete=part.flag("is_complete"),
    )


def _read_benchmark(benchmark: Part) -> tuple[str, int, tuple[tuple[float, ...], ...]]:
    metadata = benchmark.part("metadata")
    metadata.text("unit", "second")
    runs = benchmark.parts("runs")
    if not runs:
        raise benchmark.wrong(benchmark.name("runs"), "a list with one table at least", [])
    values = tuple(run.seconds("values") for run in runs)
    return metadata.text("name"), metadata.count("loops"), values


def _read_measurement(item: Part, timed: Mapping[str, list[Any]]) -> Measurement:
    name = item.text("benchmark")
    if name not in timed:
        raise item.wrong(item.name("benchmark"), "the name of one of the benchmarks", name)
    loops, values = timed[name]
    return Measurement(
        workload=item.text("workload"),
        suite=item.text("suite"),
        unit=item.text("unit"),
        level=item.text("level"),
        operation=item.text("operation"),
        sizes=item.counts("sizes"),
        threads=item.count("threads"),
        amount=item.positive("amount"),
        n_bytes=item.real("n_bytes"),
        operations=item.real("operations"),
        loops=loops,
        values=values,
        cold_seconds=item.real("cold_seconds"),
        checksum=item.text("checksum"),
        probes=item.numbers("probes"),
        verdict=item.text("verdict", "exact", "within tolerance", "wrong", "unknown"),
        joules=item.real_or_none("joules"),
        implementation=item.text("implementation"),
    )


def _read_limits(part: Part, key: str) -> tuple[Limits, ...]:
    return tuple(
        Limits(
            threads=item.count("threads"),
            bandwidth=item.positives("bandwidth"),
            peaks=item.positives("peaks"),
            footprints=item.counts("footprints"),
            caches=item.counts("caches"),
            instructions=item.names("instructions"),
        )
        for item in part.parts(key)
    )
