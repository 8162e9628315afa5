"""Runs of the benchmark, in real processes, of workloads that do next to nothing or go wrong."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import binnet.benchmarks
import odd_workloads
from binnet._provenance import describe_run
from binnet._threads import count_cores
from binnet.benchmarks import _expected, _plan, _running
from binnet.benchmarks._collecting import Findings, Found, hide_folders, make_result
from binnet.benchmarks._plan import Pair, make_command, plan_run
from binnet.benchmarks._result import BenchmarkResult, Limits
from binnet.benchmarks._running import measure

ODD = "odd_workloads"
LIMITS = Limits(1, {"L1": 1e11}, {"fma32": 1e11})


@pytest.fixture(scope="module", autouse=True)
def short_values() -> Any:
    """Two short values a process, and no measuring of limits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_running, "VALUE_SECONDS", 0.01)
        patch.setattr(_running, "_MOST_VALUES", 2)
        patch.setattr(_running._Session, "_measure_limits", lambda self: (LIMITS,))
        yield


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def result(told: list[str]) -> BenchmarkResult:
    names = ["steady", "refusing", "killed", "drifting", "counted"]
    plan = plan_run(mode="quick", threads=[1], workloads=names, registry=ODD)
    return measure(plan, told.append)


def test_what_works_is_measured_in_processes_of_its_own(result: BenchmarkResult) -> None:
    assert [m.workload for m in result.measurements] == ["steady", "drifting", "counted"]
    steady = result.measurements[0]
    assert [len(values) for values in steady.values] == [2, 2, 2]
    assert steady.loops >= 2  # of 2 ms each are the 10 ms of a value
    assert steady.seconds >= odd_workloads.CALL_SECONDS
    assert (steady.amount, steady.n_bytes, steady.operations) == (1000.0, 64.0, 2.0)
    assert steady.cold_seconds > 0.0
    assert steady.joules is None or steady.joules >= 0.0
    assert result.is_complete
    assert result.limits_before == result.limits_after == (LIMITS,)
    assert result.settings["processes"] == 3
    assert result.settings["threads"] == [1]
    assert result.stability.observed["seconds"] > 0.0
    assert result.division == "open"
    assert result.machine["python"]


def test_what_fails_is_said_and_the_others_go_on(result: BenchmarkResult, told: list[str]) -> None:
    failures = {one["workload"]: one["reason"] for one in result.settings["failures"]}
    assert list(failures) == ["refusing", "killed"]
    assert failures["refusing"] == "RuntimeError: no such instruction"
    assert failures["killed"].startswith("its process was ended by SIGKILL")
    assert "refusing, 1 thread failed: RuntimeError: no such instruction" in told


def test_an_answer_that_differs_between_processes_is_wrong(result: BenchmarkResult) -> None:
    verdicts = {m.workload: m.verdict for m in result.measurements}
    assert verdicts == {"steady": "unknown", "drifting": "wrong", "counted": "unknown"}


def test_no_process_to_be_had_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(_running, "WorkerProcess", refuse)
    plan = plan_run(mode="quick", threads=[1], workloads=["steady"], registry=ODD)
    found = measure(plan)
    (failure,) = found.settings["failures"]
    assert failure["reason"].startswith("its process could not be started: [Errno 11]")
    assert found.measurements == ()
    assert found.is_complete


def store_answer(monkeypatch: pytest.MonkeyPatch, checksum: str) -> None:
    stored = {"sizes": {"n_naps": 1}, "checksums": {"any": checksum}, "probes": {}}
    monkeypatch.setattr(_expected, "load_answers", lambda: {"steady": stored})


def judge(*checksums: str) -> str:
    """Return the verdict on `steady`, whose processes have found these answers."""
    work = {"amount": 1.0, "n_bytes": 0.0, "operations": 0.0}
    first = {"answer": {"checksum": checksums[0]}, "work": work, "cold_seconds": 1.0}
    found = Found(first, loops=1, seconds=0.1, overhead=0.0)
    for checksum in checksums[1:]:
        found.add({"values": [0.1], "joules": [None], "answer": {"checksum": checksum}})
    plan = plan_run(mode="quick", threads=[1], workloads=["steady"], registry=ODD)
    findings = Findings(begun=0.0, pairs={Pair("steady", 1): found})
    return make_result(plan, findings, is_complete=True).measurements[0].verdict


def test_answers_are_compared_with_those_that_are_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_answer(monkeypatch, "1" * 16)
    assert judge("1" * 16, "1" * 16) == "exact"
    assert judge("2" * 16, "2" * 16) == "wrong"
    assert judge("1" * 16, "1" * 16, "2" * 16) == "wrong"  # another process disagrees


def test_each_process_begins_with_another_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    session, asked = make_session(monkeypatch, seconds=100.0)
    for k in range(3):
        session._measure_once(k, 3)
    assert [one.workload for one in asked] == [*"abc", *"bca", *"cab"]


def test_a_workload_that_fails_is_left_out_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    session, asked = make_session(monkeypatch, seconds=100.0)
    session._measure_once(0, 3)
    session.findings.failures[Pair("b", 1)] = "its process was ended"
    session._measure_once(1, 3)
    assert [one.workload for one in asked] == [*"abc", *"ac"]
    assert list(session.findings.measurable) == [Pair("a", 1), Pair("c", 1)]


def make_session(monkeypatch: pytest.MonkeyPatch, seconds: float) -> tuple[Any, list[Pair]]:
    """Return a session whose workloads a, b, c take 1 s to prepare and 0.1 s a value."""
    asked = []

    class Desk:
        def ask(self, seconds: float, **request: Any) -> dict[str, Any]:
            asked.append(Pair(request["workload"], request["threads"]))
            return {"values": [0.1], "joules": [None], "answer": {"checksum": "1"}}

    class Bar:
        total = n = 0.0

        def set_description(self, text: str) -> None:
            pass

        def clear(self) -> None:
            pass

    now = 1000.0
    monkeypatch.setattr(_running, "monotonic", lambda: now)
    monkeypatch.setattr(_running, "START_SECONDS", 1.0)
    plan = plan_run(mode="default", threads=[1], workloads=["steady"], registry=ODD)
    plan = _plan.Plan(**{**vars(plan), "seconds": seconds})
    session = _running._Session(plan, Desk(), lambda text: None, Bar())  # type: ignore[arg-type]
    for name in "abc":
        session.findings.pairs[Pair(name, 1)] = Found({}, 1, 0.1, 1.0)
    return session, asked


@pytest.mark.parametrize(
    ("call_seconds", "loops"),
    # 1.2 times the 10 ms of a value: what is measured may be faster than the trials.
    [(0.5, 1), (0.01, 1), (0.009, 2), (1e-3, 12), (1e-4, 120), (1e-12, 10**6)],
)
def test_a_value_has_as_many_calls_as_it_needs(
    monkeypatch: pytest.MonkeyPatch, call_seconds: float, loops: int
) -> None:
    session, _ = make_session(monkeypatch, seconds=100.0)
    slow = iter([5.0])  # the first call of all, as if another process had the core

    def ask(seconds: float, **request: Any) -> dict[str, Any]:
        times = [call_seconds * (next(slow, 1.0) if call_seconds < 0.01 else 1.0)]
        return {"values": times + [call_seconds] * (request["values"] - 1)}

    session._desk.ask = ask
    found, seconds = session._calibrate(Pair("a", 1))
    assert found == loops
    assert seconds == pytest.approx(loops * call_seconds)


@pytest.mark.parametrize(
    ("seconds", "n_processes", "n_values"),
    # A process takes 4 s and 0.3 s for each value of all three.
    [(100.0, 5, 53), (25.0, 5, 3), (23.5, 5, 2), (21.0, 4, 4), (15.0, 3, 3)],
)
def test_the_time_decides_how_many_processes_and_values(
    monkeypatch: pytest.MonkeyPatch, seconds: float, n_processes: int, n_values: int
) -> None:
    session, _ = make_session(monkeypatch, seconds)
    assert session._choose_processes() == n_processes
    assert session._count_values(n_processes) == n_values


def test_where_a_result_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/ada/secret.py", "--output", "/home/ada/x.json"])
    monkeypatch.setattr(_running, "describe_run", partial(describe_at, "its beginning"))
    session, _ = make_session(monkeypatch, seconds=10.0)
    monkeypatch.setattr(_running, "describe_run", partial(describe_at, "its end"))
    session.findings.pairs.clear()
    provenance = make_result(session._plan, session.findings, is_complete=True).provenance
    assert provenance["started"] == "its beginning"
    assert provenance["command"] == ["binnet", "bench", "run", "--threads", "1"]
    assert "ada" not in json.dumps(provenance)


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("OSError: [Errno 2] No such file: '/home/ada/.cache/x.nbi'", "file: 'x.nbi'"),
        (f"cannot read {Path.home()}/a.npz: I/O error", "cannot read a.npz: I/O error"),
        (r"cannot read C:\Users\ada\a.npz, 1/2 of it", "cannot read a.npz, 1/2 of it"),
        ("RuntimeError: no such instruction", "RuntimeError: no such instruction"),
    ],
)
def test_reasons_name_no_folders(reason: str, shown: str) -> None:
    assert hide_folders(reason).endswith(shown)
    assert "ada" not in hide_folders(reason)


def describe_at(time: str, threads: int) -> dict[str, Any]:
    return {**describe_run(threads=threads), "started": time}


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        ({"suite": "all", "mode": "default", "threads": [1, "all"]}, "binnet bench run"),
        ({"mode": "reportable", "threads": (1,)}, "binnet bench run --reportable --threads 1"),
        ({"suite": "rate", "mode": "quick", "threads": [1, 2], "time_limit": 90.0},
         "binnet bench run --suite rate --quick --threads 1,2 --time-limit 90"),
        ({"mode": "peers", "is_quick": True, "threads": [1, 2]},
         "binnet bench peers --quick --threads 1,2"),
        ({"threads": "nonsense"}, "binnet bench run"),
    ],
)  # fmt: skip
def test_commands(settings: dict[str, Any], command: str) -> None:
    assert make_command(settings) == command.split()


def test_a_machine_that_is_slower_than_planned_takes_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session, _ = make_session(monkeypatch, seconds=10.0)
    told: list[str] = []
    session._tell = told.append
    assert session._choose_processes() == 3
    assert told == ["this machine needs 4 s more than planned"]  # 3 * (4 + 2 * 0.3) = 13.8
    assert session._deadline == pytest.approx(1000.0 + 13.8)


def test_plans() -> None:
    plan = plan_run("relaxation", "quick", threads=[1])
    assert [workload.is_quick for workload in plan.workloads] == [True] * len(plan.workloads)
    assert plan.seconds == 60.0
    assert "about 60 s" in plan.describe()
    assert "first run on a machine compiles" in plan.describe()
    assert plan_run("relaxation", threads=[1], time_limit=1000).seconds == 1000.0
    every = plan_run("relaxation", threads=["all", 1, "all"])
    assert every.threads == tuple(sorted({1, count_cores()}))
    assert every.asked == ("all", 1, "all")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"suite": "nonsense"}, "there is no suite 'nonsense'; choose from all, relaxation"),
        ({"mode": "slow"}, "mode must be one of quick, default, reportable, got 'slow'"),
        ({"threads": [4096]}, rf"at most the {count_cores()} cores .*, got 4096"),
        ({"threads": [0]}, "threads must be an integer >= 1, got 0"),
        ({"threads": ["many"]}, "must be numbers of threads or \"all\", got 'many'"),
        ({"threads": []}, "at least one number of threads"),
        ({"time_limit": 5.0}, r"time_limit must be a finite number >= \d+ and .*, got 5; "),
        ({"time_limit": float("nan")}, "time_limit must be a finite number"),
        ({"workloads": ["nonsense"]}, "workload must be one of "),
    ],
    ids=str,
)
def test_plans_that_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_run(**{"threads": [1], **arguments})


def test_threads_that_the_environment_forbids(monkeypatch: pytest.MonkeyPatch) -> None:
    if count_cores() < 2:
        pytest.skip("needs two cores")
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    with pytest.raises(ValueError, match="NUMBA_NUM_THREADS holds kernels to 1 threads"):
        plan_run(threads=[2])


def test_the_least_time_that_is_named_is_enough() -> None:
    with pytest.raises(ValueError, match="time_limit") as refused:
        plan_run("relaxation", "quick", threads=[1], time_limit=1.0)
    least = int(str(refused.value).split(">= ")[1].split()[0])
    assert plan_run("relaxation", "quick", threads=[1], time_limit=least).seconds == least


def test_public_names() -> None:
    for name in binnet.benchmarks.__all__:
        assert getattr(binnet.benchmarks, name) is not None
    assert binnet.benchmarks.run is _running.run
