"""The closed division takes what is comparable; each reason against it says what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

import pytest

from benchmark_cases import make_measurement, make_result
from binnet.benchmarks import _division
from binnet.benchmarks._division import changes_speed, find_division, load_pins
from binnet.benchmarks._result import BenchmarkResult
from binnet.benchmarks.workloads import all_workloads

SETTINGS = {"suite": "all", "mode": "default", "threads": [1, "all"], "time_limit": None}
MACHINE: dict[str, Any] = {
    "python": {"version": "3.11.9", "implementation": "CPython"},
    "packages": {**load_pins()["packages"], "scipy": "1.0"},
    "kernels": {"is_host": True, "compiled_for": "znver4"},
    "cores": {"online": 8, "affinity": [4, 5], "granted": [4, 5], "quota": 2.0},
    "binnet": {"from": "checkout", "commit": "0" * 40, "is_dirty": False},
    "environment": {"NUMBA_CACHE_DIR": "(not shown)", "PYTHONPATH": "(not shown)"},
}


def make_closed(threads: Sequence[int] = (1, 2), **changes: Any) -> BenchmarkResult:
    every = [make_measurement(name, n) for name in all_workloads() for n in threads]
    result = make_result(*every, settings=SETTINGS, machine=MACHINE, division="open")
    return replace(result, **changes)


def change_machine(topic: str, **changes: Any) -> BenchmarkResult:
    return make_closed(machine={**MACHINE, topic: {**MACHINE[topic], **changes}})


def change_settings(**changes: Any) -> BenchmarkResult:
    return make_closed(settings={**SETTINGS, **changes})


@pytest.mark.parametrize(
    "result",
    [
        make_closed(),
        change_settings(mode="reportable"),
        change_settings(mode="reportable", time_limit=600.0),
        make_closed((1,)),  # of a machine with one core
        change_machine("binnet", **{"from": "package", "commit": None, "is_dirty": None}),
        change_machine("cores", affinity=None),  # macOS does not tell
        change_machine("cores", granted=None, affinity=list(range(8))),
        make_closed(
            measurements=(
                *make_closed().measurements, make_measurement(verdict="unknown", workload="peer-x",
                implementation="numpy"),
            )
        ),
    ],
)  # fmt: skip
def test_closed(result: BenchmarkResult) -> None:
    assert find_division(result) == ("closed", ())


NAME = next(iter(all_workloads()))


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (change_settings(suite="rtrl"), "only the suite rtrl was run: leave out --suite"),
        (
            change_settings(mode="quick"),
            "the mode was quick: leave out --quick, or take --reportable",
        ),
        (
            change_settings(time_limit=90.0),
            "it was held to 90 s: leave out --time-limit, or take 300 s or more",
        ),
        (make_closed(is_complete=False), "it was stopped: let it come to its end"),
        (
            make_closed(
                measurements=tuple(make_measurement(v, n, verdict="wrong") if v == NAME else
                                   make_measurement(v, n) for v in all_workloads() for n in (1, 2))
            ),
            f"answers are wrong: {NAME}; report it, with the machine",
        ),
        (
            make_closed(
                measurements=tuple(make_measurement(v, n, verdict="unknown") if v == NAME else
                                   make_measurement(v, n) for v in all_workloads() for n in (1, 2))
            ),
            f"answers could not be checked: {NAME}; take a release of binnet that knows them",
        ),
        (
            make_closed(machine={}),
            "the machine was not described: run it with this version of binnet",
        ),
        (
            change_machine("python", version="3.13.0"),
            "Python is CPython 3.13.0: use CPython 3.11",
        ),
        (
            change_machine("python", implementation="PyPy"),
            "Python is PyPy 3.11.9: use CPython 3.11",
        ),
        (
            change_machine("packages", numpy="2.0.0"),
            f"numpy is 2.0.0: pip install numpy=={load_pins()['packages']['numpy']}",
        ),
        (
            change_machine("packages", numba=None),
            "numba is of an unknown version: pip install "
            f"numba=={load_pins()['packages']['numba']}",
        ),
        (
            change_machine("environment", OMP_NUM_THREADS="2"),
            "the variable OMP_NUM_THREADS is set: unset it",
        ),
        (
            change_machine("kernels", is_host=False, compiled_for="generic"),
            "kernels are compiled for generic, not this CPU: remove Numba's configuration",
        ),
        (
            change_machine("cores", affinity=[4]),
            "it was bound to 1 of the 2 cores that it may have: run it without taskset or numactl",
        ),
        (
            change_machine("cores", granted=None),
            "it was bound to 2 of the 8 cores that it may have: run it without taskset or numactl",
        ),
        (
            change_machine("binnet", is_dirty=True),
            "binnet's sources are not those of the commit: commit or undo the changes",
        ),
        (
            change_machine("binnet", is_dirty=None, commit=None),
            "nobody knows whether binnet's sources are those of a commit: install git",
        ),
    ],
)  # fmt: skip
def test_one_reason_against_it(result: BenchmarkResult, reason: str) -> None:
    assert find_division(result) == ("open", (reason,))


@pytest.mark.parametrize("threads", [(2,), (1, 2, 4), (1,)])
def test_threads_that_are_missing(threads: tuple[int, ...]) -> None:
    result = make_closed(threads, settings={**SETTINGS, "threads": list(threads)})
    _, reasons = find_division(result)
    assert len(reasons) == 1
    assert reasons[0].startswith(f"not measured on one thread and on all: {NAME}")
    assert reasons[0].endswith("; measure all that there is, with --threads 1,all")


def test_workloads_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

    monkeypatch.setattr(_division, "choose_workloads", lambda: [Named(c) for c in "abcdef"])
    _, (reason,) = find_division(
        make_closed(measurements=(make_measurement("a"), make_measurement("a", 2)))
    )
    assert "b, c, d, e and 1 more;" in reason
    _, reasons = find_division(make_closed(measurements=()))
    assert "a, b, c, d and 2 more;" in reasons[0]


@pytest.mark.parametrize("changes", [{"suite": "rate"}, {"mode": "quick"}])
def test_what_a_choice_leaves_out_has_one_reason(changes: dict[str, str]) -> None:
    settings = {**SETTINGS, **changes}
    some = (make_measurement("a"), make_measurement("a", 2))
    assert len(find_division(make_closed(measurements=some, settings=settings))[1]) == 1
    _, reasons = find_division(make_closed(measurements=some[:1], settings={
        **settings, "threads": [1],
    }))  # fmt: skip
    assert len(reasons) == 2
    assert reasons[1].startswith("not measured on one thread and on all: a;")


def test_a_chosen_cpu_is_said_once() -> None:
    machine = {
        **MACHINE, "kernels": {"is_host": False}, "environment": {"NUMBA_CPU_NAME": "generic"},
    }  # fmt: skip
    _, reasons = find_division(make_closed(machine=machine))
    assert reasons == ("the variable NUMBA_CPU_NAME is set: unset it",)


def test_variables() -> None:
    for name in ("NUMBA_NUM_THREADS", "OPENBLAS_CORETYPE", "MALLOC_ARENA_MAX", "LD_PRELOAD",
                 "MKL_NUM_THREADS", "PYTHONMALLOC", "PYTHON_GIL"):  # fmt: skip
        assert changes_speed(name)
    for name in ("NUMBA_CACHE_DIR", "PYTHONPATH", "PYTHONUNBUFFERED", "KMP_DUPLICATE_LIB_OK"):
        assert not changes_speed(name)


def test_all_reasons_come_together() -> None:
    result = change_settings(mode="quick", suite="x")
    machine = {**MACHINE, "binnet": {"from": "checkout", "is_dirty": True}}
    assert len(find_division(replace(result, machine=machine))[1]) == 3


def test_the_pins_are_releases_that_binnet_may_have() -> None:
    pins = load_pins()
    assert set(pins["packages"]) == {"numba", "llvmlite", "numpy"}
    for name, version in {**pins["packages"], "python": pins["python"]}.items():
        assert all(part.isdecimal() for part in version.split(".")), name
        if name != "python":
            assert metadata.version(name)
