"""`binnet bench`, `run` and `list`: what they print, write and refuse, and their exit statuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmark_cases import make_measurement, make_result
from binnet.benchmarks import _files, _running, _scores, load_result
from binnet.benchmarks._result import BenchmarkResult, Stability
from binnet.cli import main
from binnet.cli.bench._tables import format_table

UNSTABLE = Stability(False, ("other processes used 1.50 cores of the 2",), {})
FAILURES = [{"workload": "sweep", "threads": 2, "reason": "its process was ended by SIGKILL"}]


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


@pytest.fixture
def finding(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that says what the next runs will have found."""

    def find(result: BenchmarkResult, **settings: Any) -> None:
        whole = {**result.settings, "failures": [], **settings}
        found = replace(result, settings=whole)
        monkeypatch.setattr(_running, "measure", lambda plan, tell: found)
        monkeypatch.setattr(_scores, "load_reference", make_result)

    return find


def test_a_result_is_shown_and_written(finding: Callable[..., None], tmp_path: Path) -> None:
    finding(make_result())
    path = tmp_path / "host.json"
    done = bench("run", "--quick", "--output", path)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "and the limits of the machine before and after: about" in lines[0]
    row = next(line.split() for line in lines if line.startswith("relax-sync-l2"))
    assert row[:4] == ["relax-sync-l2", "1", "1.00", "Mflips/s"]
    assert row[-1] == "exact"
    assert any(line.startswith("limits, 2 threads: read from L1 200 GB/s") for line in lines)
    assert "stable: nothing says that the machine was not quiet" in lines
    assert any(line.startswith("score, one core") and "1000" in line for line in lines)
    assert "division: closed" in lines
    assert lines[-1] == f"written: {path}"
    assert load_result(path).measurements == make_result().measurements


@pytest.mark.parametrize(
    ("changes", "settings", "options", "status", "words"),
    [
        ({"measurements": (make_measurement(verdict="wrong"),)}, {}, [], 3, "no score: void"),
        ({"stability": UNSTABLE}, {}, [], 4, "no score: the machine was not stable"),
        ({"stability": UNSTABLE}, {}, ["--unstable-ok"], 0, "score, one core"),
        ({}, {"failures": FAILURES}, [], 1, "failed: sweep, threads 2: its process was ended"),
        ({"is_complete": False}, {}, [], 130, "stopped before the end"),
        # A wrong answer is said before all else.
        ({"measurements": (make_measurement(verdict="wrong"),), "is_complete": False,
          "stability": UNSTABLE}, {"failures": FAILURES}, ["--unstable-ok"], 3, "no score: void"),
    ],
    ids=["wrong", "unstable", "unstable-ok", "failed", "stopped", "all"],
)  # fmt: skip
def test_exit_statuses(
    finding: Callable[..., None], tmp_path: Path, changes: dict[str, Any],
    settings: dict[str, Any], options: list[str], status: int, words: str,
) -> None:  # fmt: skip
    finding(make_result(**changes), **settings)
    done = bench("run", "--output", tmp_path / "host.json", *options)
    assert done.exit_code == status, done.output
    assert words in done.output
    assert ("score, one core" in done.output) == (status not in (3, 4))
    assert load_result(tmp_path / "host.json").settings["failures"] == settings.get("failures", [])


def test_reasons_are_shown_also_where_it_is_ok(
    finding: Callable[..., None], tmp_path: Path
) -> None:
    finding(make_result(stability=UNSTABLE, division="open", open_reasons=("a", "b")))
    done = bench("run", "--unstable-ok", "--output", tmp_path / "host.json")
    assert UNSTABLE.reasons[0] in done.output
    assert "division: open (a; b)" in done.output


def test_limits_are_those_that_workloads_are_compared_with(
    finding: Callable[..., None], tmp_path: Path
) -> None:
    """The larger ones of before and after, also where one of them could not be measured."""
    after = make_result().limits_before[-1]
    faster = replace(after, bandwidth={**after.bandwidth, "L1": 3e11})
    for before in ((after,), ()):
        finding(make_result(limits_before=before, limits_after=(faster,)))
        done = bench("run", "--output", tmp_path / "host.json")
        assert "limits, 2 threads: read from L1 300 GB/s" in done.output


def test_without_a_reference_there_is_no_score(
    finding: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding(make_result())

    def refuse() -> None:
        raise FileNotFoundError("this binnet has no result of a reference machine")

    monkeypatch.setattr(_scores, "load_reference", refuse)
    done = bench("run", "--output", tmp_path / "host.json")
    assert done.exit_code == 0, done.output
    assert "none (this binnet has no result of a reference machine)" in done.output


def test_nothing_measured_is_nothing_written(finding: Callable[..., None], tmp_path: Path) -> None:
    nothing = replace(make_result(), measurements=())
    for is_complete, status in ((True, 1), (False, 130)):
        finding(replace(nothing, is_complete=is_complete), failures=FAILURES)
        done = bench("run", "--output", tmp_path / "host.json")
        assert done.exit_code == status
        assert "failed: sweep" in done.output
        assert "nothing was measured" in done.output
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), ValueError("amount must be a number of at least 0")],
    ids=["full", "refused"],
)
def test_what_cannot_be_written_loses_no_numbers(
    finding: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    finding(make_result())

    def refuse(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(_files, "save_result", refuse)
    done = bench("run", "--output", tmp_path / "host.json")
    assert done.exit_code == 1
    assert "relax-sync-l2" in done.output
    assert "score, one core" in done.output
    assert f"Error: the result could not be written: {error}" in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--suite", "nonsense"], "there is no suite 'nonsense'; choose from all, relaxation"),
        (["--threads", "1,many"], "--threads must be numbers of threads or \"all\", got 'many'"),
        (["--threads", "0"], "--threads must be an integer >= 1, got 0"),
        (["--threads", "4096"], "--threads must be at most the"),
        (["--time-limit", "5"], "--time-limit must be a finite number >= "),
        (["--time-limit", "long"], "'long' is not a valid float"),
        (["--quick", "--reportable"], "--quick and --reportable exclude each other"),
        (["--output", "no/such/folder.json"], "the folder no/such does not exist"),
    ],
    ids=str,
)
def test_what_is_refused_before_anything_is_measured(
    finding: Callable[..., None], options: list[str], message: str
) -> None:
    finding(make_result())
    done = bench("run", *options)
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert "measured" not in done.output


def test_a_foreign_file_is_kept_unless_forced(finding: Callable[..., None], tmp_path: Path) -> None:
    finding(make_result())
    path = tmp_path / "host.json"
    path.write_text('{"precious": 1}')
    done = bench("run", "--output", path)
    assert done.exit_code == 2
    assert "--force" in done.output
    assert path.read_text() == '{"precious": 1}'
    assert bench("run", "--output", path, "--force").exit_code == 0
    assert bench("run", "--output", path).exit_code == 0  # now it is ours
    assert load_result(path).is_complete


def test_options_without_a_command_are_those_of_run(
    finding: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding(make_result())
    monkeypatch.chdir(tmp_path)
    assert bench("--quick", "--threads", "1").exit_code == 0
    assert load_result(tmp_path / "bench.json").measurements
    assert "compare" in bench("--help").output
    assert "--unstable-ok" in bench("run", "--help").output
    assert bench("nonsense").exit_code == 2


def test_list() -> None:
    done = bench("list")
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[0].split() == [
        "workload", "suite", "unit", "level", "operation", "quick", "sizes",
    ]  # fmt: skip
    (row,) = [line for line in lines if line.startswith("relax-sync-l2 ")]
    assert row.split()[1:6] == ["relaxation", "flips/s", "L2", "none", "yes"]
    assert "n_neurons = 600" in row
    assert any(line.startswith("relax-sync-l2: synchronous relaxation") for line in lines)
    part = bench("list", "--suite", "relaxation").output
    assert "relax-sync-l2" in part
    assert "sweep" not in part
    done = bench("list", "--suite", "nonsense")
    assert done.exit_code == 2
    assert "there is no suite 'nonsense'" in done.output


def test_help_and_list_load_nothing_heavy() -> None:
    code = f"""
import sys; sys.path[:] = {sys.path!r}
from binnet.cli import main
for words in (["bench", "--help"], ["bench", "run", "--help"], ["bench", "list"]):
    main(words, standalone_mode=False)
print("loaded:", *[name for name in ("numba", "matplotlib", "scipy") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_tables() -> None:
    assert list(format_table(("a", "bb"), [("long", "1"), ("x", "23")], right=(1,))) == [
        "a     bb", "long   1", "x     23",
    ]  # fmt: skip


# What the command does to real processes, with workloads that take no time.
SETUP = f"""
import sys; sys.path[:] = {sys.path!r}
from functools import partial
from benchmark_cases import make_result
from binnet.benchmarks import _plan, _running, _scores
_scores.load_reference = make_result
_plan.plan_run = partial(_plan.plan_run, workloads=NAMES, registry="odd_workloads")
_plan._BUDGETS["quick"] = _plan._BUDGETS["quick"]._replace(processes=PROCESSES)
_running.LEAST_PROCESSES = PROCESSES
_running._MOST_VALUES = 2
_running.VALUE_SECONDS = 0.01
_running._Session._measure_limits = lambda self: ()
from binnet.cli import main
main()
"""


def start(names: list[str], n_processes: int, *options: object) -> subprocess.Popen[str]:
    code = SETUP.replace("NAMES", repr(names)).replace("PROCESSES", str(n_processes))
    return subprocess.Popen(
        [sys.executable, "-c", code, "bench", "run", "--quick",
         "--threads", "1", *map(str, options)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_wrong_answer_and_a_dead_process(tmp_path: Path) -> None:
    path = tmp_path / "host.json"
    process = start(["drifting", "killed"], 1, "--output", path)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 3, (out, errors)
    assert "no score: void, as answers were wrong: drifting" in out
    assert "failed: killed, threads 1: its process was ended by SIGKILL" in out
    assert "Traceback" not in errors
    assert json.loads(path.read_text())["binnet"]["measurements"][0]["verdict"] == "wrong"


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to one process")
def test_ctrl_c_keeps_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, starts = tmp_path / "host.json", tmp_path / "starts"
    monkeypatch.setenv("ODD_STARTS", str(starts))
    process = start(["blocking", "steady"], 2, "--output", path)
    deadline = time.monotonic() + 300
    while not (starts.exists() and len(starts.read_text().splitlines()) == 3):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)  # one process has measured all, the second one hangs
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 130, (out, errors)
    assert "Traceback" not in errors
    assert "stopped before the end" in out
    assert out.splitlines()[-1] == f"written: {path}"
    result = load_result(path)
    assert not result.is_complete
    assert {m.workload: len(m.values) for m in result.measurements} == {
        "steady": 2, "blocking": 1,
    }  # fmt: skip
    assert result.settings["failures"] == []
