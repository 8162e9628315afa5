"""Peers: they find what binnet finds; who does not has no ratio; turns, refusals, files."""

from __future__ import annotations

import ast
import importlib.util
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numba
import pytest
from click.testing import CliRunner
from threadpoolctl import threadpool_limits

import binnet.benchmarks.peers as peers
from binnet.benchmarks import _peers_plan as planning
from binnet.benchmarks import _peers_running as running
from binnet.benchmarks import load_result, save_result
from binnet.benchmarks._processes import RequestFailed
from binnet.benchmarks._workload import Answer, Workload
from binnet.benchmarks.workloads import (
    all_workloads,
    enumeration,
    fields,
    implicit,
    inference,
    learning,
    plasticity,
    rate,
    relaxation,
    sweeps,
)
from binnet.cli import main

SMALL: dict[str, Callable[[], Workload]] = {
    "relax-sync": lambda: relaxation._make("L1", "sync", 96, 20),
    "relax-async": lambda: relaxation._make("L1", "async", 96, 5),
    "sweep-1bit": lambda: sweeps._make(1, "L1", 128, 2, 10, 5),
    "sweep-int8": lambda: sweeps._make(8, "L1", 128, 2, 10, 5),
    "sweep-int16": lambda: sweeps._make(16, "L1", 96, 1, 1, 4),
    "plasticity-int8": lambda: plasticity._make("whole", "L2", 96, 3, 3),
    "plasticity-float32": lambda: plasticity._make("float32", "L2", 96, 3, 3),
    "fields": lambda: fields._make("L1", 64, 3, 2),
    "implicit-sign": lambda: implicit._make("sign", 3000, 200),
    "implicit-gaussian": lambda: implicit._make("gaussian", 3000, 20),
    "learn-float": lambda: learning._make("float", "L2", 100, 160, 3),
    "infer": lambda: inference._make("L2", 100, 300, 320, False),
    "enumerate-gray": lambda: enumeration._make_search("gray", "Gray code", 14, 1.0, False),
    "census": lambda: enumeration._make_census("L3", 14),
    "rtrl": lambda: rate._make("L2", 16, 3, 7, False),
}
CASES = [
    pytest.param(
        kind, name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(peers.library_of(name)) is None, reason="not installed"
        ),
    )
    for kind, make in SMALL.items()
    for name in peers._places_of(make())
    if name != "torch-int8"  # left out where the CPU has no dot products of bytes
]  # fmt: skip


@pytest.fixture
def own_threads() -> Iterator[int]:
    """Give this process back the threads that a peer has set; yield how many JAX must have."""
    before = numba.get_num_threads()
    with threadpool_limits(None):
        yield len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    numba.set_num_threads(before)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_peers_find_what_binnet_finds(kind: str, name: str, own_threads: int) -> None:
    """Integers exactly, as sums in float32 stay below 2^24; floats within the workload's tolerance.

    Every peer is called twice: each call must begin at the same start.
    """
    workload = SMALL[kind]()
    ours = workload.prepare(1)
    threads = own_threads if name.startswith("jax") else 1
    task = peers.make_peers(workload)[name](threads)
    ours.call()
    expected = ours.answer()
    task.call()
    first = task.answer()
    task.call()
    for found in (first, task.answer()):
        verdict = running.compare_answers(expected, found, workload.is_exact)
        assert verdict == ("exact" if workload.is_exact else verdict)
        assert verdict != "wrong", (expected.probes, found.probes)
    if kind == "learn-float":  # no spin may differ here, so few are close to 0
        assert {"flips", "unstable", "unstable readouts"} < set(first.probes)
        assert first.probes["flips"] == pytest.approx(expected.probes["flips"], rel=0.01)


def test_what_is_listed_is_there() -> None:
    """Without loading a library: the functions of the table are defined where it says."""
    folder = Path(peers.__file__).parent
    for names in peers._PLACES.values():
        for name, place in names.items():
            module, _, function = place.partition(":")
            tree = ast.parse((folder / f"{module}.py").read_text(encoding="utf-8"))
            defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert function in defined, (name, place)
            assert module.startswith(f"_{peers.library_of(name)}_"), (name, place)


def test_every_workload_has_peers_or_a_reason() -> None:
    for workload in all_workloads().values():
        assert peers._places_of(workload) or peers.explain_no_peers(workload.name), workload.name
        assert ("no peer" in peers.explain_no_peers(workload.name)) == (
            not peers._places_of(workload)
        )


def test_only_installed_peers_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: name == "numpy" or None)
    assert list(peers.find_peers("relax-sync-l2")) == ["numpy", "numpy-columns"]
    assert peers.find_peers("learn-int8-400") == {}


# ---- answers


@pytest.mark.parametrize(
    ("theirs", "is_exact", "verdict"),
    [
        (Answer("a"), True, "exact"),
        (Answer("b", {"sum": 1.0}, 0.1), True, "wrong"),
        (Answer("b", {"sum": 1.005}), False, "within tolerance"),
        (Answer("b", {"sum": 1.02}), False, "wrong"),
        (Answer("b", {"sum": 1.02}, 0.05), False, "within tolerance"),
        (Answer("b", {"sum": 1.0, "other": 5.0}), False, "within tolerance"),
        (Answer("b", {"other": 1.0}), False, "wrong"),  # nothing to compare
        (Answer("b", {"sum": math.nan}), False, "wrong"),
    ],
)
def test_answers_are_compared(theirs: Answer, is_exact: bool, verdict: str) -> None:
    assert running.compare_answers(Answer("a", {"sum": 1.0}, 0.01), theirs, is_exact) == verdict


# ---- turns


class Pool:
    """Processes that reply from a table: seconds of a call and checksum of each side."""

    sides: ClassVar[dict[str, tuple[float, str]]] = {}
    asked: ClassVar[list[tuple[str, int, str]]] = []

    def __init__(self, registry: str, check: Callable[[], None]) -> None:
        pass

    def ask(self, side: str, turn: int, **request: Any) -> dict[str, Any]:
        self.asked.append((side, turn, request["do"]))
        seconds, checksum = self.sides[side]
        if checksum == "broken":
            raise RequestFailed("no memory for /home/ada/lib/torch.so")
        answer = {"checksum": checksum, "probes": {}, "tolerance": 0.0}
        if request["do"] == "prepare":
            work = {"amount": 100.0, "n_bytes": 8.0, "operations": 2.0}
            return {"cold_seconds": 2 * seconds, "compile_seconds": 0.0, "answer": answer,
                    "work": work}  # fmt: skip
        if request["do"] == "time":
            return {"values": [seconds * (1 + 0.1 * turn)] * request["values"]}
        library = {"name": "openblas", "version": "0.3", "architecture": "Zen", "threads": 1}
        return {"libraries": [library]}

    def close(self, threads: int | None = None) -> None:
        pass


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that compares sides of a table, on one workload."""
    monkeypatch.setattr(running, "_Pool", Pool)

    def check(workload: Workload, answer: Answer, cpu_class: str) -> str:
        return "wrong" if answer.checksum == "bad" else "exact"

    monkeypatch.setattr(running, "check_answer", check)
    monkeypatch.setattr(
        planning, "find_peers", lambda workload: [s for s in Pool.sides if s != "binnet"]
    )

    def compare(**sides: tuple[float, str]) -> Any:
        Pool.sides = {name.replace("_", "-"): side for name, side in sides.items()}
        Pool.asked = []
        workload = (all_workloads()["relax-sync-l2"],)
        plan = planning.PeersPlan(workload, (1,), ("numpy", "torch"), "relaxation", math.inf)
        return running.compare_peers(plan)

    return compare


def test_the_fastest_way_of_each_library_has_a_ratio(compare: Callable[..., Any]) -> None:
    result = compare(
        binnet=(0.25, "a"), numpy=(1.5, "a"), numpy_columns=(1.0, "a"), torch=(0.5, "a")
    )
    found = {m.implementation: m for m in result.measurements}
    assert list(found) == ["binnet", "numpy-columns", "torch"]
    ratio = running.find_ratio(result, found["numpy-columns"])
    assert ratio is not None
    assert ratio.of_medians == pytest.approx(4.0)
    assert ratio.of_minima == pytest.approx(4.0)
    assert ratio.interval[0] <= 4.0 <= ratio.interval[1]
    assert 0.8 < ratio.coverage < 0.95  # of three processes
    assert [len(values) for values in found["torch"].values] == [3, 3, 3]
    turns = [(side, turn) for side, turn, do in Pool.asked if do == "time"][4:]
    assert list(dict.fromkeys(turns)) == [
        (side, turn) for turn in range(3) for side in ("binnet", "numpy-columns", "torch")
    ]  # fmt: skip
    assert {"numpy"} == {note["peer"] for note in result.settings["notes"]}


def test_a_peer_with_another_answer_has_no_ratio(
    compare: Callable[..., Any], tmp_path: Path
) -> None:
    result = compare(binnet=(0.2, "a"), numpy=(0.1, "b"), torch=(0.4, "a"), torch_int8=(0.1, "c"))
    found = {m.implementation: m for m in result.measurements}
    assert {name: m.verdict for name, m in found.items()} == {
        "binnet": "exact", "numpy": "wrong", "torch": "exact"
    }  # fmt: skip
    assert running.find_ratio(result, found["numpy"]) is None
    notes = {note["peer"]: note["note"] for note in result.settings["notes"]}
    assert "differs" in notes["numpy"]
    assert "differs" in notes["torch-int8"]
    from binnet.cli.bench.peers import describe_peers

    lines = list(describe_peers(result))
    (line,) = (line for line in lines if line.split()[2:3] == ["numpy"])
    assert line.split()[3:] == ["wrong", "110"]  # its time, and no ratio
    assert any("hold the true ratio in about 90 % of runs" in line for line in lines)
    save_result(result, tmp_path / "peers.json")
    again = load_result(tmp_path / "peers.json")
    assert [m.implementation for m in again.measurements] == list(found)
    assert running.find_ratio(again, again.measurements[2]) == running.find_ratio(
        result, found["torch"]
    )


def test_slow_and_broken_peers_are_said_to_be(compare: Callable[..., Any]) -> None:
    result = compare(binnet=(0.2, "a"), numpy=(4.0, "a"), torch=(0.4, "broken"))
    found = {m.implementation: m for m in result.measurements}
    assert found["numpy"].values == ((4.0,),)
    assert "torch" not in found
    notes = {note["peer"]: note["note"] for note in result.settings["notes"]}
    assert "timed once" in notes["numpy"]
    assert notes["torch"] == "failed: no memory for torch.so"  # the file is published
    ratio = running.find_ratio(result, found["numpy"])
    assert ratio is not None
    assert math.isnan(ratio.interval[0])


def test_where_binnet_is_wrong_nobody_has_a_ratio(
    compare: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = compare(binnet=(0.2, "bad"), numpy=(0.4, "bad"))
    assert [m.verdict for m in result.measurements] == ["wrong", "exact"]
    assert running.find_ratio(result, result.measurements[1]) is None
    (note,) = result.settings["notes"]
    assert (note["peer"], "not the one that is known" in note["note"]) == ("binnet", True)
    monkeypatch.setattr(running, "compare_peers", lambda plan, tell: result)
    path = tmp_path / "peers.json"
    done = CliRunner().invoke(main, ["bench", "peers", "--threads", "1", "--output", str(path)])
    assert done.exit_code == 3, done.output
    assert path.exists()


def test_a_peer_without_binnet_beside_it_has_no_ratio(compare: Callable[..., Any]) -> None:
    """As where binnet's process is lost in every turn."""
    from binnet.cli.bench.peers import describe_peers

    result = compare(binnet=(0.2, "a"), numpy=(0.4, "a"))
    alone = replace(result, measurements=result.measurements[1:])
    assert running.find_ratio(alone, alone.measurements[0]) is None
    assert any(line.split()[2:3] == ["numpy"] for line in describe_peers(alone))


def test_where_binnet_fails_nothing_is_compared(compare: Callable[..., Any]) -> None:
    result = compare(binnet=(0.2, "broken"), numpy=(0.1, "a"))
    assert result.measurements == ()
    assert result.settings["notes"][0]["peer"] == "binnet"


def test_peers_run_without_the_variables_that_tune_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Process:
        def __init__(self, registry: str, environment: dict[str, str], check: object) -> None:
            made.append(environment)

        def ask(self, seconds: float, **request: Any) -> dict[str, Any]:
            return {}

        def close(self) -> None:
            pass

    monkeypatch.setattr(running, "WorkerProcess", Process)
    for name in running.UNSET:
        monkeypatch.setenv(name, "4711")
    pool = running._Pool("registry", lambda: None)
    for side, turn in (("binnet", 0), ("numpy", 0), ("numpy-columns", 0), ("numpy", 1)):
        pool.ask(side, turn, threads=1)
    pool.close()
    assert len(made) == 3  # ways to write it in one library take turns in its process
    assert all(name in made[0] for name in running.UNSET)
    assert not any(name in environment for environment in made[1:] for name in running.UNSET)


def test_real_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One turn of binnet and NumPy, from the command to the file."""
    monkeypatch.setattr(running, "TURNS", 1)
    monkeypatch.setattr(running, "VALUE_SECONDS", 0.001)
    path = tmp_path / "peers.json"
    command = ["bench", "peers", "--suite", "fields", "--quick", "--threads", "1", "--peer",
               "numpy", "--output", str(path)]  # fmt: skip
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    result = load_result(path)
    assert [m.implementation for m in result.measurements] == ["binnet", "numpy"]
    assert {m.verdict for m in result.measurements} == {"exact"}
    libraries = result.settings["libraries"]["numpy, 1"]
    assert libraries
    assert {library["threads"] for library in libraries} == {1}
    assert "numpy" in done.output


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--suite", "nothing"], "there is no suite 'nothing'; choose from all, relaxation"),
        (["--peer", "cupy"], "--peer must be one of"),
        (["--threads", "100000"], "--threads must be at most"),
        (["--threads", "some"], '--threads must be numbers of threads or "all"'),
        (["--time-limit", "0.5"], "--time-limit must"),
    ],
)
def test_options_are_refused(options: list[str], message: str, tmp_path: Path) -> None:
    output = ["--output", str(tmp_path / "peers.json")]
    done = CliRunner().invoke(main, ["bench", "peers", *options, *output])
    assert done.exit_code == 2
    assert message in done.output


def test_a_peer_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"'torch' is not installed; pip install torch"):
        planning.plan_peers(peers=["torch"])


def test_a_file_of_another_program_stays(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    path.write_text('{"mine": 1}')
    done = CliRunner().invoke(main, ["bench", "peers", "--quick", "--output", str(path)])
    assert done.exit_code != 0
    assert path.read_text() == '{"mine": 1}'


def test_the_time_limit_leaves_out_what_was_not_begun(
    compare: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Pool.sides, Pool.asked = {"binnet": (0.2, "a")}, []
    workloads = (all_workloads()["relax-sync-l2"],)
    plan = planning.PeersPlan(workloads, (1,), ("numpy",), "relaxation", -1.0)
    result = running.compare_peers(plan)
    assert not result.is_complete
    assert Pool.asked == []
    assert "time limit" in result.settings["notes"][0]["note"]


def test_a_workload_without_peers_is_not_measured(compare: Callable[..., Any]) -> None:
    result = compare(binnet=(0.2, "a"))
    assert result.measurements == ()
    assert Pool.asked == []
    assert "none of these peers" in result.settings["notes"][0]["note"]
