"""Workers: what they reply, what they refuse, when they end."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import odd_workloads
from binnet.benchmarks._processes import RequestFailed, WorkerLost, WorkerProcess
from binnet.benchmarks.worker import Worker

ODD = "odd_workloads"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def ask(worker: Worker, **request: Any) -> dict[str, Any]:
    return worker.reply(json.dumps(request))


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(ODD)
    yield worker
    worker.reply("{}")  # lets go of what it holds
    assert not odd_workloads.alive


def test_a_workload_is_prepared_called_once_and_timed(worker: Worker) -> None:
    odd_workloads.calls.clear()
    first = ask(worker, do="prepare", workload="counted", threads=1)
    assert len(odd_workloads.calls) == 1
    assert set(first) == {
        "cold_seconds", "prepare_seconds", "compile_seconds", "answer", "work"
    }  # fmt: skip
    assert first["work"] == {"amount": 1000.0, "n_bytes": 64.0, "operations": 2.0}
    assert first["answer"]["probes"] == {"sum": 2.0}
    timed = ask(worker, do="time", workload="counted", threads=1, loops=5, values=3)
    assert len(odd_workloads.calls) == 1 + 5 * 3
    assert odd_workloads.calls[1:] == [False] * 15  # no garbage collection meanwhile
    assert len(timed["values"]) == len(timed["joules"]) == 3
    assert timed["answer"] == first["answer"]


def test_a_value_is_the_mean_of_its_calls(worker: Worker) -> None:
    reply = ask(worker, do="time", workload="steady", threads=1, loops=4, values=1)
    assert reply["values"][0] >= odd_workloads.CALL_SECONDS
    reply = ask(worker, do="time", workload="counted", threads=1, loops=3 * 10**5, values=1)
    assert reply["values"][0] < odd_workloads.CALL_SECONDS  # not the sum, which is longer
    odd_workloads.calls.clear()


def test_timing_prepares_what_is_not_held(worker: Worker) -> None:
    odd_workloads.calls.clear()
    request = {"do": "time", "workload": "counted", "loops": 2, "values": 1}
    ask(worker, **request, threads=1)
    assert len(odd_workloads.calls) == 3
    ask(worker, **request, threads=1)
    assert len(odd_workloads.calls) == 5
    ask(worker, **request, threads=2)  # another number of threads is another task
    assert len(odd_workloads.calls) == 8
    assert odd_workloads.alive == {"counted"}
    ask(worker, do="prepare", workload="steady", threads=1)
    assert odd_workloads.alive == {"steady"}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"do": "dance"}, "a request does prepare, time, limits"),
        ({"do": "prepare", "workload": "none", "threads": 1}, "there is no workload 'none'"),
        ({"do": "prepare", "workload": "steady", "threads": 0}, "threads must be an integer >= 1"),
        ({"do": "prepare", "workload": "steady"}, "threads must be an integer >= 1"),
        ({"do": "limits", "threads": "all"}, "threads must be an integer >= 1"),
        ({"do": "time", "workload": "steady", "threads": 1, "loops": 0, "values": 1}, "loops must"),
        ({"do": "time", "workload": "steady", "threads": 1, "loops": 1}, "values must"),
        ({"do": "prepare", "workload": "refusing", "threads": 1},
         "RuntimeError: no such instruction"),
        ({"do": "prepare", "workload": "diverging", "threads": 1}, "norm is inf: no finite number"),
    ],
    ids=str,
)  # fmt: skip
def test_what_it_cannot_do_is_a_reply(
    request_: dict[str, Any], message: str, worker: Worker
) -> None:
    assert message in ask(worker, **request_)["error"]


def test_a_clock_that_stands_still_times_nothing(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = {"do": "time", "workload": "counted", "threads": 1, "loops": 3, "values": 1}
    monkeypatch.setattr("binnet.benchmarks.worker.perf_counter", lambda: 1.0)
    assert "the clock stood still during 3 calls" in ask(worker, **request)["error"]


def test_what_is_no_request_is_a_reply(worker: Worker) -> None:
    assert "a request is a JSON object, not '[1]'" in worker.reply("[1]\n")["error"]
    assert "error" in worker.reply("{")


@POSIX
def test_a_process_replies_and_goes_on() -> None:
    ended = []
    with WorkerProcess(ODD) as process:
        reply = process.ask(60, do="prepare", workload="talking", threads=1)
        assert reply["answer"]["probes"] == {"sum": 3.0}
        os.kill(process.pid, signal.SIGINT)  # somebody else's to decide
        with pytest.raises(RequestFailed, match=r"^RuntimeError: no such instruction$"):
            process.ask(60, do="prepare", workload="refusing", threads=1)
        process.ask(60, do="time", workload="talking", threads=1, loops=2, values=1)
        with pytest.raises(WorkerLost, match=r"was ended by SIGKILL .*memory is short"):
            process.ask(60, do="prepare", workload="killed", threads=1)
        with pytest.raises(WorkerLost, match="has been ended"):
            process.ask(60, do="prepare", workload="talking", threads=1)
        ended.append(process.pid)
    with pytest.raises(ProcessLookupError):
        os.kill(ended[0], 0)


def test_one_that_hangs_is_ended() -> None:
    with WorkerProcess(ODD) as process:
        with pytest.raises(WorkerLost, match="did not reply within 1 s and was ended"):
            process.ask(1.0, do="prepare", workload="hanging", threads=1)
        assert process._process.poll() is not None


def test_it_ends_with_who_asks_also_in_a_call() -> None:
    with WorkerProcess(ODD) as process:
        process.ask(60, do="prepare", workload="steady", threads=1)
        stdin = process._process.stdin
        assert stdin is not None
        stdin.write(b'{"do": "prepare", "workload": "hanging", "threads": 1}\n')
        stdin.close()
        assert process._process.wait(60) == 0


def test_what_it_printed_last_says_why_it_died() -> None:
    with (
        WorkerProcess("no_such_registry") as process,
        pytest.raises(RequestFailed, match="no_such_registry"),
    ):
        process.ask(60, do="prepare", workload="steady", threads=1)
    with (
        WorkerProcess(environment=os.environ | {"PYTHONMALLOC": "none"}) as process,
        pytest.raises(WorkerLost, match=r"ended with status 1: \S"),
    ):
        process.ask(60, do="prepare", workload="steady", threads=1)
