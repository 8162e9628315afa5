"""Which results can be set beside each other: the closed division, and the open one for all else.

As with MLPerf. In the closed division everybody does the same work with the same software, as it
comes: what differs is the machine. Whether that was quiet is another question (`Stability`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from binnet.benchmarks._plan import DEFAULT_SECONDS
from binnet.benchmarks._result import BenchmarkResult, Measurement
from binnet.benchmarks._scores import count_all_cores
from binnet.benchmarks.workloads import choose_workloads

# Variables that are noted and change no speed: places of files, what is printed. KMP_... are set by
# threadpoolctl itself, to load two OpenMP libraries.
_HARMLESS = {"NUMBA_CACHE_DIR", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "OMP_DISPLAY_ENV"}
# Of Python's own these do: nearly all others are of that harmless kind.
_OF_PYTHON = {
    "PYTHONOPTIMIZE", "PYTHONDEBUG", "PYTHONDEVMODE", "PYTHONMALLOC", "PYTHONMALLOCSTATS",
    "PYTHONTRACEMALLOC", "PYTHONPROFILEIMPORTTIME", "PYTHONFAULTHANDLER", "PYTHONASYNCIODEBUG",
    "PYTHONPERFSUPPORT", "PYTHON_PERF_JIT_SUPPORT", "PYTHON_GIL", "PYTHON_JIT", "PYTHON_CPU_COUNT",
}  # fmt: skip
_SHOWN = 4  # names in a reason


@cache
def load_pins() -> dict[str, Any]:
    """Return the versions of the closed division, by "python", "implementation" and "packages"."""
    text = (files("binnet.benchmarks") / "data" / "pins.json").read_text(encoding="utf-8")
    pins: dict[str, Any] = json.loads(text)
    return pins


def find_division(result: BenchmarkResult) -> tuple[Literal["closed", "open"], tuple[str, ...]]:
    """Return the division that a result belongs to.

    Parameters
    ----------
    result : BenchmarkResult
        What a run found; its own `division` is not looked at.

    Returns
    -------
    division : {"closed", "open"}
        Closed if there is no reason against it.
    reasons : tuple of str
        Each says what to change for the closed division.
    """
    ours = [m for m in result.measurements if m.implementation == "binnet"]
    reasons = (
        *_judge_run(result),
        *_judge_answers(ours),
        *_judge_machine(result.machine),
    )
    return "open" if reasons else "closed", reasons


def _judge_run(result: BenchmarkResult) -> Iterator[str]:
    settings = result.settings
    if settings.get("suite") != "all":
        yield f"only the suite {settings.get('suite')} was run: leave out --suite"
    if settings.get("mode") not in ("default", "reportable"):
        yield f"the mode was {settings.get('mode')}: leave out --quick, or take --reportable"
    if (settings.get("time_limit") or DEFAULT_SECONDS) < DEFAULT_SECONDS:
        yield (
            f"it was held to {settings['time_limit']:g} s: leave out --time-limit, or take "
            f"{DEFAULT_SECONDS:g} s or more"
        )
    if not result.is_complete:
        yield "it was stopped: let it come to its end"
    missing = list(dict.fromkeys(_find_missing(result)))
    if missing:
        yield (
            f"not measured on one thread and on all: {_shorten(missing)}; measure all that there "
            "is, with --threads 1,all"
        )


def _find_missing(result: BenchmarkResult) -> Iterator[str]:
    """Yield what was not measured on one thread, or not on all of them.

    Workloads that a suite or the quick mode leaves out have a reason already.
    """
    every = count_all_cores(result) if result.measurements else None
    ours = [m for m in result.measurements if m.implementation == "binnet"]
    done = {(m.workload, m.threads) for m in ours}
    is_whole = result.settings.get("suite") == "all" and result.settings.get("mode") != "quick"
    expected = [w.name for w in choose_workloads()] if is_whole else [m.workload for m in ours]
    for name in expected:
        if not {(name, 1), (name, every)} <= done:
            yield name


def _judge_answers(measurements: Sequence[Measurement]) -> Iterator[str]:
    for verdict, reason in (
        ("wrong", "answers are wrong: {}; report it, with the machine"),
        ("unknown", "answers could not be checked: {}; take a release of binnet that knows them"),
    ):
        names = list(dict.fromkeys(m.workload for m in measurements if m.verdict == verdict))
        if names:
            yield reason.format(_shorten(names))


def _judge_machine(machine: Mapping[str, Any]) -> Iterator[str]:
    if not machine:
        yield "the machine was not described: run it with this version of binnet"
        return
    yield from _judge_versions(machine)
    changing = [name for name in machine.get("environment", {}) if changes_speed(name)]
    yield from (f"the variable {name} is set: unset it" for name in changing)
    kernels = machine.get("kernels", {})
    if not kernels.get("is_host") and not {"NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"} & set(changing):
        target = kernels.get("compiled_for") or "an unknown CPU"
        yield f"kernels are compiled for {target}, not this CPU: remove Numba's configuration"
    cores = machine.get("cores", {})
    bound, granted = cores.get("affinity"), _list_cores(machine)
    if bound is not None and granted is not None and len(bound) < len(granted):
        yield (
            f"it was bound to {len(bound)} of the {len(granted)} cores that it may have: run it "
            "without taskset or numactl"
        )
    code = machine.get("binnet", {})
    if code.get("from") == "checkout" and code.get("is_dirty") is not False:
        yield (
            "binnet's sources are not those of the commit: commit or undo the changes"
            if code.get("is_dirty")
            else "nobody knows whether binnet's sources are those of a commit: install git"
        )


def _list_cores(machine: Mapping[str, Any]) -> Sequence[int] | None:
    """Return the CPUs that the system grants, None where it is not told."""
    cores = machine.get("cores", {})
    granted = cores.get("granted")
    if granted is not None:
        return list(granted)
    return range(cores["online"]) if cores.get("online") else None


def _judge_versions(machine: Mapping[str, Any]) -> Iterator[str]:
    pins = load_pins()
    python = machine.get("python", {})
    implementation, version = python.get("implementation"), str(python.get("version"))
    if (implementation, version.split(".")[:2]) != (
        pins["implementation"], pins["python"].split(".")
    ):  # fmt: skip
        yield (
            f"Python is {implementation} {version}: use {pins['implementation']} {pins['python']}"
        )
    for name, pinned in pins["packages"].items():
        found = machine.get("packages", {}).get(name)
        if found != pinned:
            yield f"{name} is {found or 'of an unknown version'}: pip install {name}=={pinned}"


def changes_speed(variable: str) -> bool:
    """Return whether a variable that `describe_host` notes may change the speed."""
    if variable.startswith("PYTHON"):
        return variable in _OF_PYTHON
    return variable not in _HARMLESS


def _shorten(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
